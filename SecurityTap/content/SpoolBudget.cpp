// SPDX-License-Identifier: MIT
#include "SecurityTap/content/SpoolBudget.h"

namespace Sentinel {

bool SpoolBudget::tryReserve(qint64 bytes)
{
    if (bytes < 0)
        return false;
    qint64 used = m_used.load(std::memory_order_relaxed);
    do {
        if (bytes > m_limit - used)
            return false;
    } while (!m_used.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
}

void SpoolBudget::release(qint64 bytes)
{
    [[maybe_unused]] const qint64 before = m_used.fetch_sub(bytes, std::memory_order_relaxed);
    Q_ASSERT(bytes >= 0 && before >= bytes);
}

} // namespace Sentinel
