// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"

//! \brief Every limit of this floor, by name, beside those of the floor below.
namespace Sentinel::Limits {

// A pool of resources: scan worker processes, connections
inline constexpr int maxPooledResources = 10;
inline constexpr std::chrono::seconds pooledIdleTime{90};
inline constexpr std::chrono::seconds pooledAge{300};
inline constexpr int maxPooledUses = 10'000;
inline constexpr std::chrono::seconds uncheckedIdleTime{10}; //!< longer idle: looked at before use

static_assert(uncheckedIdleTime < pooledIdleTime);
static_assert(pooledIdleTime <= pooledAge);

} // namespace Sentinel::Limits
