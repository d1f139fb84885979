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
inline constexpr int maxKeptFreeBytes = 64 * mib; //!< of a worker's heap, between scans
inline constexpr int maxKeptPieceBytes = 4 * mib; //!< larger ones are the system's again at once
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
inline constexpr int maxClamdWalkDepth = 15; //!< as clamd's MaxDirectoryRecursion
inline constexpr int maxClamdWalkFiles = 10'000'000; //!< below one path
inline constexpr std::chrono::seconds maxClamdIdleTime{120}; //!< as clamd's ReadTimeout
inline constexpr std::chrono::minutes maxClamdContentTime{10};

inline constexpr std::chrono::seconds maxRuleCompilation{120}; //!< with the start of its process
inline constexpr std::chrono::seconds maxWorkerStart{10};
inline constexpr std::chrono::seconds maxWarmUp{10}; //!< two scans of a kilobyte

// Settings
inline constexpr int maxJobs = 256; //!< scans at the same time, whatever somebody asks for
inline constexpr int maxWorkerProcesses = 2 * maxJobs;
inline constexpr qint64 maxSettingsFileBytes = mib;
inline constexpr int maxSettingsProblems = 100; //!< told of one file; the rest is counted
//! Of one line: each may make a table in a table, which a parser that recurs has no stack for.
inline constexpr int maxDotsPerSettingsLine = 100;
inline constexpr qint64 maxSizeSetting = 1024 * gib;
inline constexpr int maxQueueSetting = 1'000'000;
inline constexpr int maxCacheSetting = 10'000'000;
inline constexpr std::chrono::hours maxTimeSetting{24};
inline constexpr int maxArchiveDepthSetting = 16;
inline constexpr int maxArchiveMembersSetting = 1'000'000;
inline constexpr qint64 maxMemberBytesSetting = maxHeldMemberBytes;
inline constexpr int maxExpansionRatioSetting = 1'000'000;
inline constexpr int maxArchivePasswords = 32;
inline constexpr int maxFileTypes = 8;
inline constexpr int maxKeptItemsSetting = 1'000'000; //!< in quarantine, or releases on record
inline constexpr int maxKeptDaysSetting = 3'650;
inline constexpr int maxAccountNameBytes = 256;
inline constexpr int maxClamdUsers = 64;
inline constexpr qsizetype maxSocketPathBytes = 107; //!< with its end, what the kernel takes
//! Of an audit log that is replayed, many times what is written there.
inline constexpr qint64 maxReplayLineBytes = mib;
inline constexpr int maxBrokenLinesTold = 20;
inline constexpr int maxRulePaths = 1'000;

// Showing the audit log
inline constexpr int maxLogLinesKept = 1'000'000; //!< for the last of them to be shown
inline constexpr int maxBrokenLinesNamed = 100; //!< the rest is counted

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

// clamd
inline constexpr int clamdConnections = 5;
inline constexpr int maxClamdConnections = 64;
inline constexpr std::chrono::seconds clamdAcquireTimeout{10};
inline constexpr std::chrono::minutes maxClamdTimeout{60}; //!< the longest that can be set
inline constexpr qint64 maxClamdBytes = 2 * gib - mib; //!< clamd never looks at files of 2 GiB
//! What clamd is trusted to look at although it may not tell when a limit of its own cuts a scan
//! short: below the smallest MaxFileSize that systems come with, 25 MB.
inline constexpr qint64 maxUntoldClamdBytes = 20 * mib;
inline constexpr qint64 clamdLimitProbeBytes = 8 * gib; //!< beyond all limits that it can be given
inline constexpr std::chrono::seconds clamdPingInterval{2}; //!< well below its IdleTimeout, 30 s
inline constexpr std::chrono::seconds clamdPingPatience{5};
inline constexpr std::chrono::milliseconds clamdPatienceAtStart{500}; //!< then it is away
inline constexpr std::chrono::milliseconds clamdKeepAlivePatience{500}; //!< scans wait meanwhile
inline constexpr std::chrono::milliseconds leastClamdPause{50}; //!< without one, to look again
inline constexpr std::chrono::milliseconds mostClamdPause{1000};
inline constexpr std::chrono::milliseconds clamdWaitSlice{50}; //!< between two looks at the exit
//! How long a thread stands in line for a connection: others may have an answer to fetch.
inline constexpr std::chrono::milliseconds clamdPlaceWait{2};
inline constexpr qsizetype clamdChunkBytes = 128 * kib;
inline constexpr qsizetype maxClamdReplyBytes = 4 * kib;
inline constexpr qsizetype maxClamdWords = 200; //!< of what clamd says, shown to people

static_assert(culpritTime < canaryTime); // who exceeds the one alone exceeds the other
static_assert(ruleQuietTime < maxRuleUnrest);
static_assert(uncheckedIdleTime < pooledIdleTime);
static_assert(pooledIdleTime <= pooledAge);
static_assert(maxUntoldClamdBytes <= maxScanBytes && maxScanBytes <= maxClamdBytes);
static_assert(clamdPingInterval < pooledIdleTime);

} // namespace Sentinel::Limits
