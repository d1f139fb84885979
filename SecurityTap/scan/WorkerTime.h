// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/scan/Deadline.h"

#include <algorithm>

namespace Sentinel {

//! \brief The worker time that somebody has used, slices under way with what they took so far.
class WorkerTime {
public:
    //! Counted from the clock's beginning, so that all slices under way are one product.
    Clock::duration used(Clock::time_point now) const
    {
        return m_used + m_running * now.time_since_epoch();
    }
    //! The same, and one usual slice more for each that is under way.
    Clock::duration expected(Clock::time_point now) const
    {
        return used(now) + m_running * usualSlice;
    }
    bool isRunning() const { return m_running > 0; }

    void beginSlice(Clock::time_point now)
    {
        m_used -= now.time_since_epoch();
        ++m_running;
    }
    void endSlice(Clock::time_point now)
    {
        Q_ASSERT(m_running > 0);
        m_used += now.time_since_epoch();
        --m_running;
    }
    //! Has used at least \p least.
    void raise(Clock::duration least, Clock::time_point now)
    {
        m_used += std::max(least - used(now), Clock::duration::zero());
    }

private:
    friend class TimeLevel;
    static constexpr Clock::duration usualSlice = Limits::sliceDuration;

    Clock::duration m_used{0}; // less the beginning of each slice under way
    int m_running = 0;
};

//! \brief What one who comes now is taken to have used: as much as the one who was served last.
class TimeLevel {
public:
    //! \p time belongs to one who had nothing to run: idle time is not saved up.
    void lift(WorkerTime &time) const
    {
        time.m_used += std::max(m_level - time.expected(m_since), Clock::duration::zero());
    }
    void serve(Clock::duration used, Clock::time_point now)
    {
        m_level = std::max(m_level, used);
        m_since = now;
    }
    //! \p time belongs to one who leaves. If the level stayed, two who ask again as soon as they
    //! are answered would always begin below one that stays.
    void forget(const WorkerTime &time)
    {
        Q_ASSERT(!time.isRunning());
        m_level +=
            std::clamp(time.m_used - m_level, Clock::duration::zero(), WorkerTime::usualSlice);
    }

private:
    Clock::duration m_level{0};
    Clock::time_point m_since; // when it was last looked at
};

} // namespace Sentinel
