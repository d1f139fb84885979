// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/scan/Deadline.h"

#include <functional>
#include <mutex>

namespace Sentinel {

//! \brief Stops the making of workers that crash one after the other, for a while that doubles each
//! time, and lets one try after it.
//!
//! Thread: any (locked).
class CrashBreaker {
public:
    explicit CrashBreaker(std::function<Clock::time_point()> now = &Clock::now);
    Q_DISABLE_COPY_MOVE(CrashBreaker)

    //! True while no worker should be made or asked.
    bool isOpen() const;
    //! Limits::maxCrashesInARow of them open it.
    void countCrash();
    //! A scan came to its end: all is well.
    void countSuccess();

private:
    const std::function<Clock::time_point()> m_now;
    mutable std::mutex m_mutex;
    int m_crashesInARow = 0;
    Clock::duration m_pause{};
    Clock::time_point m_openUntil;
};

} // namespace Sentinel
