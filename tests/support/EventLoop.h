// SPDX-License-Identifier: MIT
#pragma once

#include "tests/support/Patience.h"

#include <QCoreApplication>
#include <QTimer>

#include <algorithm>
#include <chrono>
#include <functional>

namespace Sentinel::Test {

//! \brief A beat of the event loop, as fast as it goes, and the longest time without one.
//!
//! Thread: owner.
class LoopPulse {
public:
    using Clock = std::chrono::steady_clock;

    LoopPulse()
    {
        m_timer.setTimerType(Qt::PreciseTimer);
        m_timer.callOnTimeout([this] { beat(); });
        m_timer.start(std::chrono::milliseconds(1));
    }

    std::chrono::milliseconds longestGap() const
    {
        return std::chrono::floor<std::chrono::milliseconds>(m_longest);
    }

private:
    void beat()
    {
        const auto now = Clock::now();
        m_longest = std::max(m_longest, now - m_last);
        m_last = now;
    }

    QTimer m_timer;
    Clock::time_point m_last = Clock::now();
    Clock::duration m_longest{};
};

//! Runs the event loop until \p isDone; false if that takes too long. QTest::qWaitFor() naps
//! between two looks, and what is measured, or runs in this thread, would nap with it.
inline bool runUntil(const std::function<bool()> &isDone)
{
    const LoopPulse pulse; // so that there is always a next event
    const auto end = LoopPulse::Clock::now() + patience;
    while (!isDone()) {
        if (LoopPulse::Clock::now() > end)
            return false;
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
        QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    }
    return true;
}

} // namespace Sentinel::Test
