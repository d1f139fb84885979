// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Messages.h"

#include <QHash>

#include <deque>
#include <map>
#include <optional>

namespace Sentinel {

//! \brief What was said over one connection about scans, by their ids there: who waits for which
//! verdict, and what is still to be said of scans that are no more.
//!
//! Owner:  RemoteScans, which begins a new one with each connection.
//! Thread: one at a time.
//! Limits: Limits::maxUnacknowledgedVerdicts; the oldest are forgotten.
class WireBook {
public:
    //! The scan that \p request is to have there: from now on it is owed a verdict.
    quint64 begin(quint64 request);
    //! The sentinel was not told of \p scan after all.
    void withdraw(quint64 scan) { m_owed.remove(scan); }
    //! The request whose verdict has come; none if it is not owed.
    std::optional<quint64> takeOwed(quint64 scan);
    int owedVerdicts() const { return int(m_owed.size()); }

    //! Who waits for it does so no more.
    void cancel(quint64 scan, Reason reason) { m_cancels.push_back({scan, reason}); }
    //! To be said next; of scans that are owed a verdict still.
    std::optional<ScanCancel> nextCancel();

    //! \p request was given the verdict on \p scan: what comes of it is to be said.
    void expectOutcome(quint64 request, quint64 scan);
    //! False if nobody wants to know.
    bool acknowledge(quint64 request, Disposition disposition);
    std::optional<VerdictAck> nextAck();
    bool hasAcks() const { return !m_acks.empty(); }

private:
    quint64 m_last = 0;
    QHash<quint64, quint64> m_owed; // scan to request
    std::deque<ScanCancel> m_cancels;
    std::map<quint64, quint64> m_unacknowledged; // request to scan, the oldest first
    std::deque<VerdictAck> m_acks;
};

} // namespace Sentinel
