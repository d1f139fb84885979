// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/scan/Deadline.h"

#include <algorithm>
#include <utility>

namespace Sentinel {

//! \brief What a SentinelLink looks after by its timers, and when it has to be called for more: not
//! for each scan, but for the first one after a pause, and for a nearer deadline.
//!
//! Owner:  RemoteScans.
//! Thread: one at a time.
class LinkWatch {
public:
    //! The same needs, and a link that looks after nothing yet.
    LinkWatch forNewLink() const
    {
        LinkWatch fresh;
        fresh.m_earliest = m_earliest;
        return fresh;
    }

    void addDeadline(Deadline due) { m_earliest = std::min(m_earliest, due); }
    //! What was due is done; the next is due at \p earliest, and looked after.
    void setDeadline(Deadline earliest) { m_earliest = m_watched = earliest; }
    //! The sentinel was told of one more scan.
    void noteBegin() { m_hasBegun = true; }

    //! The connection has ended, and with it whose life was watched.
    void noteEnd() { m_isLifeWatched = m_hasBegun = false; }

    //! True, once, if watch() is to be called, with \p owed verdicts not there yet.
    bool callsLink(int owed)
    {
        const bool isDue = m_earliest < m_watched || (!m_isLifeWatched && owed > 0)
            || owed > Limits::maxOwedVerdicts;
        return isDue && !std::exchange(m_isCalled, true);
    }
    //! Returns until when the timer for deadlines may sleep.
    Deadline watch(int owed)
    {
        m_isCalled = false;
        m_isLifeWatched = owed > 0;
        return m_watched = m_earliest;
    }
    //! Whether the sentinel has to live on: it owes something, or has been told of a scan since
    //! this was asked last.
    bool needsLife(int owed)
    {
        m_isLifeWatched = std::exchange(m_hasBegun, false) || owed > 0;
        return m_isLifeWatched;
    }
    bool isLifeWatched() const { return m_isLifeWatched; }

private:
    Deadline m_earliest = noDeadline; // no request is due before
    Deadline m_watched = noDeadline;
    bool m_isLifeWatched = false;
    bool m_hasBegun = false;
    bool m_isCalled = false;
};

} // namespace Sentinel
