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

// A scan worker process
inline constexpr qint64 maxWorkerMemoryBytes = 512 * mib; //!< heap and all else it can write to
//! Of the worker's whole address space: its memory, the content it maps, rules, libraries, stack.
inline constexpr qint64 maxWorkerAddressBytes = maxWorkerMemoryBytes + maxScanBytes + 512 * mib;
inline constexpr int maxWorkerDescriptors = 32;
inline constexpr int maxScanWorkers = 16; //!< more than threads: scans keep theirs between slices
inline constexpr int maxCrashesOfAScan = 2; //!< then its content is to blame
inline constexpr int maxCrashesInARow = 8; //!< of all scans: then something else is
inline constexpr std::chrono::milliseconds minCrashPause{250};
inline constexpr std::chrono::seconds maxCrashPause{30};

// A sentinel
inline constexpr int maxClients = 64;
inline constexpr int maxScansOfClient = 1024; //!< without a verdict; each holds a descriptor
inline constexpr std::chrono::seconds maxHelloWait{10};

inline constexpr std::chrono::seconds maxRuleCompilation{120}; //!< with the start of its process
inline constexpr std::chrono::seconds maxWorkerStart{10};

static_assert(uncheckedIdleTime < pooledIdleTime);
static_assert(pooledIdleTime <= pooledAge);

} // namespace Sentinel::Limits
