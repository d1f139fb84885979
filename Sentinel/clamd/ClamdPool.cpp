// SPDX-License-Identifier: MIT
#include "Sentinel/clamd/ClamdPool.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace Sentinel {

namespace {

PoolSettings poolSettings(const ClamdSettings &settings)
{
    PoolSettings pool;
    pool.maxSize = settings.poolSize;
    pool.maxAge = settings.maxAge;
    pool.uncheckedIdleTime = Clock::duration::zero(); // to look is a single call
    return pool;
}

bool hasAnswered(ClamdConnection &connection, Deadline deadline)
{
    const auto answer = connection.advance(deadline);
    return answer && *answer == QByteArrayView("PONG");
}

} // namespace

ClamdPool::ClamdPool(const ClamdSettings &settings)
    : m_pool([address = settings.address](Deadline) { return ClamdConnection::make(address); },
        poolSettings(settings),
        [](ClamdConnection &connection, Deadline) { return connection.isQuiet(); })
{
}

void ClamdPool::keepAlive(Deadline deadline)
{
    m_pool.prune();
    // While scans come, one of them would find its session taken, and a flooded clamd gives it no
    // other; and sessions that are used need no help.
    const quint64 acquires = counts().acquires;
    if (std::exchange(m_lastAcquires, acquires) != acquires)
        return;
    std::vector<Lease> idle;
    for (int left = counts().idle; left > 0; --left) {
        auto lease = m_pool.acquire(Clock::now());
        if (!lease)
            break;
        ++m_ownAcquires;
        if (!(*lease)->isConnected())
            break; // others were faster, and this one is new
        ++m_ownReuses;
        (*lease)->ask("PING");
        idle.push_back(std::move(*lease));
    }
    for (Lease &lease : idle) {
        if (!hasAnswered(*lease, deadline))
            lease.discard();
    }
}

PoolCounts ClamdPool::counts() const
{
    PoolCounts counts = m_pool.counts();
    counts.acquires -= std::min<quint64>(counts.acquires, m_ownAcquires);
    counts.reuses -= std::min<quint64>(counts.reuses, m_ownReuses);
    return counts;
}

} // namespace Sentinel
