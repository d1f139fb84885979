// SPDX-License-Identifier: MIT
#include "SecurityTap/content/SpoolBudget.h"

namespace Sentinel {

bool SpoolBudget::tryReserve(qint64 bytes, quint64 origin)
{
    const std::lock_guard lock(m_mutex);
    return m_room.tryTake(bytes, origin);
}

void SpoolBudget::release(qint64 bytes, quint64 origin)
{
    const std::lock_guard lock(m_mutex);
    m_room.giveBack(bytes, origin);
}

qint64 SpoolBudget::usedBytes() const
{
    const std::lock_guard lock(m_mutex);
    return m_room.used();
}

} // namespace Sentinel
