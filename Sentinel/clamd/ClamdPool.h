// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/clamd/ClamdConnection.h"
#include "Sentinel/clamd/ClamdSettings.h"
#include "Sentinel/pool/ResourcePool.h"

#include <atomic>
#include <expected>

namespace Sentinel {

//! \brief The connections to clamd, each lent to one scan at a time.
//!
//! A session that is open is served also when clamd, flooded by others, accepts nobody any more:
//! that is what they are kept for.
//!
//! Owner:  its ClamdWatch.
//! Thread: any (locked).
class ClamdPool {
public:
    using Lease = ResourcePool<ClamdConnection>::Lease;

    explicit ClamdPool(const ClamdSettings &settings);

    //! A connection that works as far as can be seen without asking, or a new one, which connects
    //! with its first question. Waits until \p deadline for one.
    std::expected<Lease, PoolError> lease(Deadline deadline) { return m_pool.acquire(deadline); }
    //! If no scan came since the last time, asks all that are idle whether they work, so that clamd
    //! does not take them for dead. Who has not answered by \p deadline is given up. One thread.
    void keepAlive(Deadline deadline);
    //! Lends no more.
    void close() { m_pool.close(Clock::now()); }

    //! Of scans: without what keepAlive() takes.
    PoolCounts counts() const;

private:
    quint64 m_lastAcquires = 0; // at the end of keepAlive()
    std::atomic<quint64> m_ownAcquires{0};
    std::atomic<quint64> m_ownReuses{0};
    ResourcePool<ClamdConnection> m_pool;
};

} // namespace Sentinel
