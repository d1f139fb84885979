// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/pool/ResourcePool.h"
#include "Sentinel/worker/ScanWorker.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>

namespace Sentinel {

//! \brief Workers in the middle of scans whose content has not arrived. They are their scans', but
//! who needs a worker more may have the one that has starved for longest; its scan begins anew.
//!
//! Thread: any (locked).
class StarvedWorkers {
public:
    using Lease = ResourcePool<ScanWorker>::Lease;

    StarvedWorkers() = default;
    Q_DISABLE_COPY_MOVE(StarvedWorkers)

    //! Returns what takeBack() wants: never 0.
    quint64 leave(Lease lease)
    {
        const std::lock_guard lock(m_mutex);
        m_leases.emplace(++m_lastTicket, std::move(lease));
        return m_lastTicket;
    }
    //! Nothing if somebody else has it.
    std::optional<Lease> takeBack(quint64 ticket)
    {
        const std::lock_guard lock(m_mutex);
        return taken(m_leases.find(ticket));
    }
    //! One that lives: nobody is to be blamed for the death of another's.
    std::optional<Lease> takeLongest()
    {
        const std::lock_guard lock(m_mutex);
        return taken(
            std::ranges::find_if(m_leases, [](const auto &one) { return one.second->isAlive(); }));
    }

private:
    using Leases = std::map<quint64, Lease>; // the longest wait first

    std::optional<Lease> taken(Leases::iterator it)
    {
        if (it == m_leases.end())
            return std::nullopt;
        std::optional<Lease> lease(std::move(it->second));
        m_leases.erase(it);
        return lease;
    }

    std::mutex m_mutex;
    Leases m_leases;
    quint64 m_lastTicket = 0;
};

} // namespace Sentinel
