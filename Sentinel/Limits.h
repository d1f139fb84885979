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
inline constexpr int maxReloadsOfClient = 64; //!< asked for while rules are read
inline constexpr std::chrono::seconds maxHelloWait{10};
//! Of a scan, whatever a client asks for that is not the only one.
inline constexpr std::chrono::minutes maxTimeoutOfClient{10};

// Clients that speak clamd's protocol
inline constexpr int maxClamdClients = 64;
inline constexpr int maxClamdScansOfClient = 16; //!< without an answer; each holds a descriptor
inline constexpr qint64 maxClamdContentBytes = 512 * mib; //!< of all clients, in memory
inline constexpr qsizetype maxClamdCommandBytes = 5 * kib; //!< a path and its command
inline constexpr qsizetype clamdReadBytes = 64 * kib; //!< of one client at a time
inline constexpr int clamdReadsPerTurn = 8; //!< before others of the event loop have theirs
inline constexpr qsizetype maxClamdUnsentBytes = 64 * kib;
inline constexpr int clamdCopyThreads = 4;
inline constexpr std::chrono::seconds maxClamdIdleTime{120}; //!< as clamd's ReadTimeout
inline constexpr std::chrono::minutes maxClamdContentTime{10};

inline constexpr std::chrono::seconds maxRuleCompilation{120}; //!< with the start of its process
inline constexpr std::chrono::seconds maxWorkerStart{10};
inline constexpr std::chrono::seconds maxWarmUp{10}; //!< two scans of a kilobyte

// Proving new rules: what a healthy set needs 10 ms for, with 7,000 rules 20 ms
inline constexpr std::chrono::seconds canaryTime{2}; //!< the machine may have other things to do
inline constexpr std::chrono::microseconds canaryTimePerRule{200}; //!< a hundred times the usual
inline constexpr std::chrono::milliseconds culpritTime{
    500}; //!< of some files alone, for one content
inline constexpr std::chrono::seconds maxCulpritSearch{20};

// Watching rules
inline constexpr int maxRuleDirectories = 1'000;
inline constexpr int maxPathLinks = 40; //!< on the way to a path, as the kernel has it
inline constexpr std::chrono::milliseconds ruleQuietTime{500}; //!< no change for so long
inline constexpr std::chrono::seconds maxRuleUnrest{5}; //!< then they are looked at all the same

static_assert(culpritTime < canaryTime); // who exceeds the one alone exceeds the other
static_assert(ruleQuietTime < maxRuleUnrest);
static_assert(uncheckedIdleTime < pooledIdleTime);
static_assert(pooledIdleTime <= pooledAge);

} // namespace Sentinel::Limits
