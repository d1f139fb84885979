// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/scan/Deadline.h"

#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>

namespace Sentinel {

//! \brief A number of places, taken in the order in which they were asked for.
//!
//! A place that gets free goes to the one who has waited longest, never to somebody who comes at
//! that moment. Waiters sleep, each on a condition of its own: one that is served wakes alone.
//!
//! Thread: any (locked).
class FairSlots {
public:
    enum class Refusal : quint8 { Timeout, Closed };

    explicit FairSlots(int count) : m_free(count) { }
    Q_DISABLE_COPY_MOVE(FairSlots)

    //! Takes a place, or says why not; waits no longer than until \p deadline. A place that is free
    //! and wanted by nobody else is given also after the deadline.
    [[nodiscard]] std::optional<Refusal> take(Deadline deadline);
    //! Takes a place that nobody waits for, also when closed.
    [[nodiscard]] bool tryTake();
    void release();

    //! Refuses everybody from now on, and those who wait.
    void close();
    //! Waits until every place is free again; false if \p deadline comes first. After close().
    bool waitUntilAllFree(Deadline deadline);

    int taken() const;
    int waiting() const;

private:
    struct Waiter {
        std::condition_variable decided;
        bool isDecided = false;
        std::optional<Refusal> refusal;

        void decide(std::optional<Refusal> decision);
    };

    mutable std::mutex m_mutex;
    std::condition_variable m_allFree;
    std::list<Waiter *> m_waiters; // the longest wait first
    int m_free;
    int m_taken = 0;
    bool m_isOpen = true;
};

} // namespace Sentinel
