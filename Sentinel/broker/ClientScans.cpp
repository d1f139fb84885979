// SPDX-License-Identifier: MIT
#include "Sentinel/broker/ClientScans.h"

#include <utility>

namespace Sentinel {

namespace {

constexpr size_t maxUnacknowledged = 4096;

} // namespace

void ClientScans::add(quint64 id, Scan scan)
{
    const std::lock_guard lock(m_mutex);
    m_scans.insert_or_assign(id, std::move(scan));
}

void ClientScans::end(quint64 id)
{
    const std::lock_guard lock(m_mutex);
    const auto scan = m_scans.find(id);
    if (scan != m_scans.end())
        scan->second.stage = Stage::Ended;
}

std::optional<ClientScans::Scan> ClientScans::find(quint64 id) const
{
    const std::lock_guard lock(m_mutex);
    const auto scan = m_scans.find(id);
    return scan == m_scans.end() ? std::nullopt : std::optional(scan->second);
}

int ClientScans::size() const
{
    const std::lock_guard lock(m_mutex);
    return int(m_scans.size());
}

std::vector<quint64> ClientScans::close()
{
    const std::lock_guard lock(m_mutex);
    m_isClosed = true;
    std::vector<quint64> requests;
    for (const auto &[id, scan] : m_scans)
        requests.push_back(scan.request);
    return requests;
}

void ClientScans::answer(quint64 id, ScanResult result)
{
    Scan scan; // its content is let go of when the verdict is on its way
    {
        const std::lock_guard lock(m_mutex);
        const auto at = m_scans.find(id);
        if (m_isClosed || at == m_scans.end())
            return;
        scan = std::move(at->second);
        m_scans.erase(at);
        m_unacknowledged.emplace(id, result.verdict()); // before the client can know
        if (m_unacknowledged.size() > maxUnacknowledged)
            m_unacknowledged.erase(m_unacknowledged.begin());
    }
    if (!scan.wantsSha256)
        result = result.withSha256({});
    const auto duration =
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - scan.beganAt);
    m_outbox->send(ScanVerdict{id, std::move(result), duration});
}

std::optional<Verdict> ClientScans::acknowledge(quint64 id)
{
    const std::lock_guard lock(m_mutex);
    const auto at = m_unacknowledged.find(id);
    if (at == m_unacknowledged.end())
        return std::nullopt;
    const Verdict verdict = at->second;
    m_unacknowledged.erase(at);
    return verdict;
}

} // namespace Sentinel
