// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/LimitedOrigins.h"

namespace Sentinel {

std::optional<int> LimitedOrigins::note(const Origin &origin, Clock::time_point now)
{
    auto known = m_origins.find(origin);
    if (known == m_origins.end()) {
        if (m_origins.size() >= Limits::maxLimitedOrigins)
            forgetOld(now);
        if (m_origins.size() >= Limits::maxLimitedOrigins)
            return std::nullopt;
        m_origins.insert(origin, {now, 0});
        return 1;
    }
    ++known->since;
    if (now - known->toldAt < Limits::originLimitPause)
        return std::nullopt;
    known->toldAt = now;
    return std::exchange(known->since, 0);
}

//! At most once in a while: while many overflow, there is nothing to be found.
void LimitedOrigins::forgetOld(Clock::time_point now)
{
    if (now < m_nextLook)
        return;
    m_origins.removeIf(
        [now](const auto &origin) { return now - origin->toldAt >= Limits::originLimitPause; });
    m_nextLook = now + Limits::originLimitPause / 10;
}

} // namespace Sentinel
