// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/pool/FairSlots.h"
#include "Sentinel/pool/IdleShelf_p.h"
#include "Sentinel/pool/PoolCounts.h"
#include "Sentinel/pool/PoolSettings.h"

#include <QString>

#include <algorithm>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace Sentinel {

//! \brief What a ResourcePool and its leases share.
//!
//! Every item that is not on the shelf belongs to somebody with a place, and one is made only where
//! the shelf is empty: so there are never more items than places.
//!
//! Thread: any (locked).
template <typename T>
class PoolCore {
public:
    using Item = PooledItem<T>;
    using Factory = std::function<std::expected<std::unique_ptr<T>, QString>(Deadline)>;
    using HealthCheck = std::function<bool(T &, Deadline)>;

    PoolCore(Factory make, PoolSettings settings, HealthCheck check)
        : m_make(std::move(make))
        , m_check(std::move(check))
        , m_settings(std::move(settings))
        , m_places(std::max(1, m_settings.maxSize))
        , m_shelf(m_settings)
    {
    }

    std::optional<FairSlots::Refusal> takePlace(Deadline deadline)
    {
        const auto refusal = m_places.take(deadline);
        if (refusal == FairSlots::Refusal::Timeout)
            count(&PoolCounts::timeouts);
        return refusal;
    }

    // From here to giveBack(): by who has a place.

    std::unique_ptr<Item> takeIdle() { return m_shelf.take(); }

    bool isUsable(Item &item, Deadline deadline)
    {
        const Clock::time_point now = m_settings.now();
        if (!m_shelf.isFresh(item, now))
            return false;
        if (!m_check || now - item.idleSince < m_settings.uncheckedIdleTime)
            return true;
        const bool isHealthy = m_check(*item.resource, deadline);
        if (!isHealthy)
            count(&PoolCounts::healthFailures);
        return isHealthy;
    }

    std::expected<std::unique_ptr<Item>, QString> make(Deadline deadline)
    {
        auto item = std::make_unique<Item>();
        item->generation =
            m_shelf.generation(); // of its beginning: a drain() meanwhile means it too
        auto made = m_make(deadline);
        if (!made || !*made) {
            count(&PoolCounts::creationFailures);
            return std::unexpected(made ? QString() : std::move(made).error());
        }
        count(&PoolCounts::created);
        item->resource = std::move(*made);
        item->madeAt = m_settings.now();
        return item;
    }

    //! False if the pool was closed meanwhile.
    bool lend(Item &item)
    {
        if (!m_shelf.isOpen())
            return false;
        count(&PoolCounts::acquires);
        if (item.uses++ > 0)
            count(&PoolCounts::reuses);
        return true;
    }

    void destroy(std::unique_ptr<Item> item)
    {
        item.reset();
        count(&PoolCounts::destroyed);
    }

    //! Ends the use of a place, and keeps \p item if there is one and it is worth it.
    void giveBack(std::unique_ptr<Item> item, bool isWorking)
    {
        if (item && !(isWorking && m_shelf.tryKeep(item)))
            destroy(std::move(item)); // before the next one may be made in its place
        m_places.release();
    }

    void prune()
    {
        // Where no place is free, whoever has one is on the way to look at what is idle.
        while (m_places.tryTake()) {
            auto item = m_shelf.takeSpent();
            const bool wasLast = !item;
            giveBack(std::move(item), false);
            if (wasLast)
                return;
        }
    }

    void drain()
    {
        m_shelf.beginGeneration();
        prune();
    }

    bool close(Deadline deadline)
    {
        auto idle = m_shelf.close();
        m_places.close();
        for (auto &item : idle)
            destroy(std::move(item));
        return m_places.waitUntilAllFree(deadline);
    }

    PoolCounts readCounts() const
    {
        std::unique_lock lock(m_mutex);
        PoolCounts counts = m_counts;
        lock.unlock();
        counts.idle = m_shelf.size();
        counts.inUse = m_places.taken();
        counts.waiting = m_places.waiting();
        return counts;
    }

private:
    void count(quint64 PoolCounts::*event)
    {
        const std::lock_guard lock(m_mutex);
        ++(m_counts.*event);
    }

    const Factory m_make;
    const HealthCheck m_check;
    const PoolSettings m_settings;
    FairSlots m_places;
    IdleShelf<T> m_shelf;
    mutable std::mutex m_mutex; // of the counts
    PoolCounts m_counts; // without what readCounts() adds
};

} // namespace Sentinel
