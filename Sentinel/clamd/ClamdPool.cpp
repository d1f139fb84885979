// SPDX-License-Identifier: MIT
#include "Sentinel/clamd/ClamdPool.h"

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
    std::vector<Lease> idle;
    for (int left = counts().idle; left > 0; --left) {
        auto lease = m_pool.acquire(Clock::now());
        if (!lease || !(*lease)->isConnected())
            break; // others were faster
        (*lease)->ask("PING");
        idle.push_back(std::move(*lease));
    }
    for (Lease &lease : idle) {
        if (!hasAnswered(*lease, deadline))
            lease.discard();
    }
}

} // namespace Sentinel
