// SPDX-License-Identifier: MIT
#include "Sentinel/worker/CrashBreaker.h"

#include "Sentinel/Limits.h"

#include <algorithm>
#include <utility>

namespace Sentinel {

CrashBreaker::CrashBreaker(std::function<Clock::time_point()> now) : m_now(std::move(now)) { }

bool CrashBreaker::isOpen() const
{
    const std::lock_guard lock(m_mutex);
    return m_now() < m_openUntil;
}

void CrashBreaker::countCrash()
{
    const std::lock_guard lock(m_mutex);
    if (++m_crashesInARow < Limits::maxCrashesInARow)
        return;
    m_pause =
        std::clamp<Clock::duration>(2 * m_pause, Limits::minCrashPause, Limits::maxCrashPause);
    m_openUntil = m_now() + m_pause;
    m_crashesInARow = Limits::maxCrashesInARow - 1; // the next one opens it again
}

void CrashBreaker::countSuccess()
{
    const std::lock_guard lock(m_mutex);
    m_crashesInARow = 0;
    m_pause = {};
}

} // namespace Sentinel
