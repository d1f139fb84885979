// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/history/ProcessMark_p.h"

#include <QUuid>

namespace Sentinel {

//! \brief That a process sees to something, for a while: it ends with its time, or its process.
//!
//! An end that is much further away than \p longestMs is of a clock that was set back since; a
//! little, as clocks are put right all the time, does not end it.
inline bool leaseHolds(const QString &claimant, qint64 untilMs, qint64 nowMs, qint64 longestMs)
{
    return nowMs < untilMs && untilMs <= nowMs + 2 * longestMs && mayBeAlive(claimant);
}

//! \brief What nobody else has: who has lost a lease does not take the next one's for it.
inline QString newLeaseToken()
{
    return QUuid::createUuid().toString(QUuid::WithoutBraces);
}

} // namespace Sentinel
