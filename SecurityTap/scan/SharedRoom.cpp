// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/SharedRoom.h"

#include "SecurityTap/Limits.h"

namespace Sentinel {

bool SharedRoom::tryTake(qint64 amount, quint64 who)
{
    if (amount < 0 || amount > m_limit - m_used)
        return false;
    if (who != 0 && amount > 0) {
        const auto at = m_shares.find(who);
        const qint64 had = at == m_shares.end() ? 0 : at->second;
        const qint64 left = m_limit - (m_used - had);
        if (had > 0 && amount > left / Limits::queueShare - had)
            return false;
        m_shares[who] = had + amount;
    }
    m_used += amount;
    return true;
}

void SharedRoom::giveBack(qint64 amount, quint64 who)
{
    Q_ASSERT(amount >= 0 && amount <= m_used);
    m_used -= amount;
    if (who == 0 || amount == 0)
        return;
    const auto at = m_shares.find(who);
    Q_ASSERT(at != m_shares.end() && at->second >= amount);
    at->second -= amount;
    if (at->second == 0)
        m_shares.erase(at);
}

} // namespace Sentinel
