// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/scan/Deadline.h"
#include "Sentinel/Limits.h"

#include <functional>

namespace Sentinel {

//! \brief How many resources there may be, and when one has served its time.
struct PoolSettings {
    int maxSize = Limits::maxPooledResources; //!< at least 1
    Clock::duration idleTime = Limits::pooledIdleTime;
    Clock::duration maxAge = Limits::pooledAge; //!< since it was made
    int maxUses = Limits::maxPooledUses;
    Clock::duration uncheckedIdleTime = Limits::uncheckedIdleTime; //!< then it is looked at first
    std::function<Clock::time_point()> now = &Clock::now; //!< of ages; waiting takes real time
};

} // namespace Sentinel
