// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Limits.h"

#include <QtCore/qglobal.h>

#include <chrono>

//! \brief Every limit of this floor, by name. Where a user would want another value, a setting of
//! the same name exists and this is its default.
namespace Sentinel::Limits {

inline constexpr qint64 kib = 1024;
inline constexpr qint64 mib = 1024 * kib;
inline constexpr qint64 gib = 1024 * mib;

// Queue and workers
inline constexpr int maxQueuedRequests = 100;
inline constexpr qint64 maxQueuedBytes = 2 * gib;
//! A client gets at most one part in so many of the room that the others leave in the queue.
inline constexpr int clientQueueShare = 2;
inline constexpr int maxWorkers = 4;
inline constexpr int maxReplacementWorkers = 8; //!< for workers lost in a scan that does not end
inline constexpr std::chrono::milliseconds sliceDuration{10};
inline constexpr std::chrono::seconds workerIdleTime{5};
inline constexpr std::chrono::seconds stopPatience{10}; //!< then a hung worker is left behind

// One scan
inline constexpr qint64 maxScanBytes = 100 * mib;
inline constexpr std::chrono::seconds minScanTimeout{10};
inline constexpr std::chrono::seconds maxScanTimeout{60};
inline constexpr qint64 scanWindowBytes = mib;
inline constexpr qint64 scanOverlapBytes =
    9 * kib; //!< libyara's matches reach 4096 bytes to each side
inline constexpr qint64 maxScanOverlapBytes =
    256 * kib; //!< for strings with jumps; else as a whole
inline constexpr int maxFindings = 256;
inline constexpr int maxStringsPerFinding = 64;
inline constexpr int maxMetaPerFinding = 64;

// Archives
inline constexpr int maxArchiveDepth = 8;
inline constexpr int maxArchiveMembers = 10'000;
inline constexpr qint64 maxExpandedBytes = gib;
inline constexpr qint64 maxHeldMemberBytes = 256 * mib; //!< half of what a worker has
inline constexpr int maxExpansionRatio = 1'000;
inline constexpr qint64 ratioFreeBytes = 10 * mib;
inline constexpr qint64 archiveBlockBytes = 64 * kib; //!< read between two looks at the clock
inline constexpr qint64 embeddedArchiveBytes = mib; //!< a program's own archive begins before
inline constexpr int maxMemberNameBytes = 255; //!< of one archive in the names of findings
inline constexpr int maxArchivesInOneFile = 4; //!< side by side, as in a polyglot

// Content
inline constexpr qint64 maxSpoolMemoryBytes = 256 * mib; //!< of all spools together
inline constexpr qint64 maxMemorySpoolBytes = 16 * mib; //!< of one spool whose size was announced
inline constexpr qint64 maxUnannouncedMemoryBytes = 4 * mib; //!< of one spool of unknown size
inline constexpr qint64 maxSpoolBytes = 64 * gib;
inline constexpr int maxFileNameBytes = 255;

// Verdict cache
inline constexpr int maxCachedVerdicts = 10'000;
inline constexpr std::chrono::hours verdictTimeToLive{1};

// A sentinel, seen from its client
inline constexpr int maxUnansweredRequests = 1'024;
//! Begun there, also those that nobody waits for any more: what a sentinel may owe us.
inline constexpr int maxOwedVerdicts = 4 * maxUnansweredRequests;
inline constexpr int maxUnacknowledgedVerdicts = 1'024;
//! What is in memory is copied to a file: so much in passing, more on a thread for it.
inline constexpr qint64 maxPassingCopyBytes = 64 * kib;
inline constexpr int maxToldInPassing = 16; //!< messages that who asks sends, also about others
inline constexpr int loaderThreads = 2;
inline constexpr std::chrono::milliseconds answerGrace{250}; //!< after a timeout, for its answer
inline constexpr std::chrono::seconds spawnedWelcomePatience{130}; //!< it compiles its rules first
inline constexpr std::chrono::seconds systemWelcomePatience{10};
inline constexpr std::chrono::seconds pingInterval{2}; //!< while a verdict is owed
inline constexpr std::chrono::seconds pongPatience{5};
inline constexpr std::chrono::milliseconds leastReconnectPause{100}; //!< after one without
inline constexpr std::chrono::seconds mostReconnectPause{30};
inline constexpr std::chrono::seconds waitableReconnectPause{1}; //!< requests wait for so long
inline constexpr std::chrono::seconds provenConnection{10}; //!< then its end is a new story
inline constexpr std::chrono::milliseconds endingPatience{50}; //!< to hear how a process ended

// Rules
inline constexpr qint64 maxRuleFileBytes = 64 * mib;
inline constexpr int maxRuleFiles = 20'000;
inline constexpr int maxRuleErrors = 1'000;
inline constexpr std::chrono::seconds maxEmptyEvaluation{1}; //!< of all conditions, on no bytes

static_assert(maxArchiveDepth * (maxMemberNameBytes + 1) <= IpcLimits::maxMemberBytes);
static_assert(scanOverlapBytes * 4 < scanWindowBytes);
static_assert(maxUnannouncedMemoryBytes <= maxMemorySpoolBytes);
static_assert(maxMemorySpoolBytes <= maxSpoolMemoryBytes);
static_assert(minScanTimeout <= maxScanTimeout);
static_assert(leastReconnectPause <= mostReconnectPause);
static_assert(maxFindings <= IpcLimits::maxFindings); // what a scan keeps can be told
static_assert(maxStringsPerFinding <= IpcLimits::maxStringsPerFinding);
static_assert(maxMetaPerFinding <= IpcLimits::maxMetaPerFinding);

} // namespace Sentinel::Limits
