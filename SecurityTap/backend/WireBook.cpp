// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/WireBook_p.h"

#include "SecurityTap/Limits.h"

namespace Sentinel {

quint64 WireBook::begin(quint64 request)
{
    m_owed.insert(++m_last, request);
    return m_last;
}

std::optional<quint64> WireBook::takeOwed(quint64 scan)
{
    const auto owed = m_owed.constFind(scan);
    if (owed == m_owed.constEnd())
        return std::nullopt;
    const quint64 request = *owed;
    m_owed.erase(owed);
    return request;
}

std::optional<ScanCancel> WireBook::nextCancel()
{
    while (!m_cancels.empty()) {
        const ScanCancel cancel = m_cancels.front();
        m_cancels.pop_front();
        if (m_owed.contains(cancel.id)) // else it has ended meanwhile, or was never begun there
            return cancel;
    }
    return std::nullopt;
}

void WireBook::expectOutcome(quint64 request, quint64 scan)
{
    m_unacknowledged.emplace(request, scan);
    if (int(m_unacknowledged.size()) > Limits::maxUnacknowledgedVerdicts)
        m_unacknowledged.erase(m_unacknowledged.begin());
}

bool WireBook::acknowledge(quint64 request, Disposition disposition)
{
    const auto at = m_unacknowledged.find(request);
    if (at == m_unacknowledged.end())
        return false;
    m_acks.push_back({at->second, disposition});
    m_unacknowledged.erase(at);
    return true;
}

std::optional<VerdictAck> WireBook::nextAck()
{
    if (m_acks.empty())
        return std::nullopt;
    const VerdictAck ack = m_acks.front();
    m_acks.pop_front();
    return ack;
}

} // namespace Sentinel
