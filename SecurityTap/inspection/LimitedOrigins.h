// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/inspection/Origin.h"
#include "SecurityTap/scan/Deadline.h"

#include <QHash>

#include <optional>

namespace Sentinel {

//! \brief Which origins have overflowed their shares lately, so that each is told of once a minute.
//!
//! Owner:  a SecurityTap.
//! Thread: one at a time.
//! Limits: Limits::maxLimitedOrigins; one that comes when as many others overflow is not told of.
class SECURITYTAP_EXPORT LimitedOrigins {
public:
    //! A download of \p origin was refused. If it is to be told: how many were since that was told
    //! last, this one included.
    std::optional<int> note(const Origin &origin, Clock::time_point now = Clock::now());
    int size() const { return int(m_origins.size()); }

private:
    struct Refusals {
        Clock::time_point toldAt;
        int since = 0;
    };
    void forgetOld(Clock::time_point now);

    QHash<Origin, Refusals> m_origins;
    Clock::time_point m_nextLook; // for what can be forgotten
};

} // namespace Sentinel
