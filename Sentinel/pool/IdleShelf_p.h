// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/pool/PoolSettings.h"

#include <QtCore/qglobal.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace Sentinel {

//! \brief A resource of a pool and what is known of it.
template <typename T>
struct PooledItem {
    std::unique_ptr<T> resource;
    Clock::time_point madeAt;
    Clock::time_point idleSince;
    int uses = 0;
    quint64 generation = 0; // of the shelf when it began to be made
};

//! \brief The items of a pool that nobody uses, and what makes an item too old to be among them.
//!
//! Thread: any (locked); calls nobody with the lock held.
template <typename T>
class IdleShelf {
public:
    using Item = PooledItem<T>;

    explicit IdleShelf(const PoolSettings &settings) : m_settings(settings)
    {
        m_items.reserve(size_t(std::max(1, settings.maxSize))); // a lease's end must not throw
    }

    //! The item used last, whatever its age; null if there is none.
    std::unique_ptr<Item> take()
    {
        const std::lock_guard lock(m_mutex);
        if (m_items.empty())
            return nullptr;
        auto item = std::move(m_items.back());
        m_items.pop_back();
        return item;
    }

    //! An item whose time is over; null if there is none.
    std::unique_ptr<Item> takeSpent()
    {
        const Clock::time_point now = m_settings.now();
        const std::lock_guard lock(m_mutex);
        const auto spent = std::ranges::find_if(m_items,
            [&](const auto &item) { return isSpent(*item, now) || isIdleTooLong(*item, now); });
        if (spent == m_items.end())
            return nullptr;
        auto item = std::move(*spent);
        m_items.erase(spent);
        return item;
    }

    //! Takes \p item over unless its time, or the shelf's, is over.
    bool tryKeep(std::unique_ptr<Item> &item)
    {
        const Clock::time_point now = m_settings.now();
        const std::lock_guard lock(m_mutex);
        if (!m_isOpen || isSpent(*item, now))
            return false;
        item->idleSince = now;
        m_items.push_back(std::move(item));
        return true;
    }

    //! True if \p item, just taken, may be used at \p now.
    bool isFresh(const Item &item, Clock::time_point now) const
    {
        const std::lock_guard lock(m_mutex);
        return !isSpent(item, now) && !isIdleTooLong(item, now);
    }

    quint64 generation() const
    {
        const std::lock_guard lock(m_mutex);
        return m_generation;
    }
    //! From now on, the time of all items of earlier generations is over.
    void beginGeneration()
    {
        const std::lock_guard lock(m_mutex);
        ++m_generation;
    }

    bool isOpen() const
    {
        const std::lock_guard lock(m_mutex);
        return m_isOpen;
    }
    //! Keeps nothing from now on, and gives out what it kept.
    std::vector<std::unique_ptr<Item>> close()
    {
        const std::lock_guard lock(m_mutex);
        m_isOpen = false;
        return std::exchange(m_items, {});
    }

    int size() const
    {
        const std::lock_guard lock(m_mutex);
        return static_cast<int>(m_items.size());
    }

private:
    bool isSpent(const Item &item, Clock::time_point now) const
    {
        return item.generation != m_generation || item.uses >= m_settings.maxUses
            || now - item.madeAt >= m_settings.maxAge;
    }
    bool isIdleTooLong(const Item &item, Clock::time_point now) const
    {
        return now - item.idleSince >= m_settings.idleTime;
    }

    const PoolSettings m_settings;
    mutable std::mutex m_mutex;
    std::vector<std::unique_ptr<Item>> m_items; // the one used last at the end
    quint64 m_generation = 0;
    bool m_isOpen = true;
};

} // namespace Sentinel
