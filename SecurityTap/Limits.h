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
//! A client, or one of its origins, gets at most one part in so many of the room that others leave.
inline constexpr int queueShare = 2;
inline constexpr int maxWorkers = 4;
inline constexpr int maxReplacementWorkers = 8; //!< for workers lost in a scan that does not end
inline constexpr std::chrono::milliseconds sliceDuration{10};
inline constexpr std::chrono::seconds workerIdleTime{5};
inline constexpr std::chrono::seconds stopPatience{10}; //!< then a hung worker is left behind

// Held until the queue has room
inline constexpr std::chrono::seconds hold{30};
inline constexpr int maxHeldInspections = 2'000; //!< each has a descriptor
inline constexpr int triesAtResult = 2; //!< of those that are held, when a scan has ended
inline constexpr std::chrono::minutes originLimitPause{1}; //!< between two tellings of one origin
inline constexpr int maxLimitedOrigins = 1'000; //!< that are remembered for that

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
inline constexpr qint64 embeddedArchiveBytes = mib; //!< of what is no program, searched for one
inline constexpr int maxMemberNameBytes = 255; //!< of one archive in the names of findings
inline constexpr int maxArchivesInOneFile = 32; //!< side by side, as in a polyglot

// Content
inline constexpr qint64 maxSpoolMemoryBytes = 256 * mib; //!< of all spools together
inline constexpr qint64 maxMemorySpoolBytes = 16 * mib; //!< of one spool whose size was announced
inline constexpr qint64 maxUnannouncedMemoryBytes = 4 * mib; //!< of one spool of unknown size
inline constexpr qint64 maxSpoolBytes = 64 * gib;
inline constexpr int maxFileNameBytes = 255;

// Release
inline constexpr int maxReleaseCopies = 3; //!< while another program opens each for writing
//! Two of them fit into what ext4 has for the attributes of a file, beside others.
inline constexpr int maxProvenanceUrlBytes = 1'024;

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

// Audit log
inline constexpr qint64 maxAuditFileBytes = 10 * mib;
inline constexpr qint64 leastAuditFileBytes = 128 * kib;
inline constexpr int maxAuditFiles = 10; //!< with the one in use
inline constexpr int maxAuditFilesKept = 1'000; //!< whatever is set
inline constexpr qsizetype maxAuditEventBytes = 64 * kib; //!< one line
inline constexpr int maxAuditFindings = 12; //!< of one event
inline constexpr qsizetype maxAuditTextBytes = 1'024; //!< names, sentences
inline constexpr qsizetype maxAuditWordBytes = 255; //!< rules, types, identifiers
inline constexpr qsizetype maxAuditPathBytes = 4'096;
inline constexpr qsizetype maxAuditUrlBytes = 2'048;
inline constexpr int maxQueuedAuditEvents = 1'024; //!< to be written
//! Alerts have more room: nobody drives them out by causing many other events.
inline constexpr int maxQueuedAuditAlerts = 2 * maxQueuedAuditEvents;
inline constexpr std::chrono::seconds auditSyncInterval{1}; //!< the most that a crash may lose
inline constexpr std::chrono::milliseconds auditRetryPause{250}; //!< after a write that failed
inline constexpr std::chrono::seconds auditDrainPatience{3}; //!< at the end of a log

// Rules
inline constexpr qint64 maxRuleFileBytes = 64 * mib;
inline constexpr int maxRuleFiles = 20'000;
inline constexpr int maxRuleErrors = 1'000;
inline constexpr std::chrono::seconds maxEmptyEvaluation{1}; //!< of all conditions, on no bytes

// Policy
inline constexpr int maxPolicyClauses = 256;
inline constexpr int maxClauseCharacters = 4'096;
inline constexpr std::chrono::minutes maxHold{10};
inline constexpr int maxPolicyExceptions = 10'000;
inline constexpr int maxRulesOfException = 16;
inline constexpr int maxExceptionTextBytes = 1'024; //!< of each text that people write
inline constexpr qint64 maxExceptionsFileBytes = 64 * mib;
inline constexpr std::chrono::days exceptionAge{30};
inline constexpr std::chrono::days maxExceptionAge{366}; //!< but for those that never end
// What follows a decision
inline constexpr std::chrono::hours quarantineAge{90 * 24};
inline constexpr std::chrono::milliseconds leastStopPatience{500}; //!< with each thread
inline constexpr std::chrono::seconds storeLockPatience{10}; //!< for other processes
inline constexpr std::chrono::seconds auditReadPatience{2}; //!< of a reader, for who writes
inline constexpr std::chrono::seconds promisePatience{2}; //!< of a release, for the disk
inline constexpr std::chrono::seconds promisedReleaseTime{60}; //!< then the file is there, or not

// Quarantine
inline constexpr int maxQuarantineItems = 10'000;
inline constexpr qint64 maxQuarantineBytes = 8 * gib; //!< of all items together, as stored
inline constexpr qint64 maxQuarantineItemBytes = 2 * gib; //!< of one content
inline constexpr qint64 quarantineChunkBytes = 64 * kib; //!< encrypted and proved as one
inline constexpr qint64 maxQuarantineRecordBytes = mib; //!< what is known of one item
inline constexpr qsizetype maxQuarantineText = 4'096; //!< characters of a name or an address
inline constexpr qsizetype maxQuarantineRuleName = 512; //!< characters
// What was released
inline constexpr int maxReleaseRecords = 10'000;
inline constexpr std::chrono::hours releaseRecordAge{30 * 24};
inline constexpr std::chrono::milliseconds historyBusyTimeout{5'000};
inline constexpr std::chrono::minutes rescanLease{30}; //!< of a process that lives
inline constexpr int rescansClaimed = 16; //!< by one process at a time
inline constexpr int maxRescanAttempts = 5; //!< that fail by themselves, not for want of room
inline constexpr std::chrono::milliseconds leastRescanPause{500}; //!< after there was no room
inline constexpr std::chrono::minutes mostRescanPause{5};
inline constexpr std::chrono::seconds rescanYield{30}; //!< everything else goes before so far
inline constexpr int maxJudgedAgain = 1'000; //!< after one change of rules
inline constexpr std::chrono::hours judgedAgainAge{7 * 24};
inline constexpr int maxReleasesOfOneHash = 100;

// Periodic jobs
inline constexpr std::chrono::minutes jobLook{1}; //!< how often it is looked whether one is due
inline constexpr std::chrono::seconds jobStartDelay{30}; //!< a program that begins has other work
inline constexpr std::chrono::hours jobLease{1}; //!< of a process that lives
inline constexpr std::chrono::minutes leastJobRetry{1};
inline constexpr int jobJitterShare = 10; //!< up to one part in so many of the interval, later
inline constexpr int maxJobResultChars = 500;
inline constexpr std::chrono::hours purgeInterval{24};
inline constexpr std::chrono::hours owedScanInterval{1};
inline constexpr std::chrono::hours ruleCheckInterval{1};
inline constexpr std::chrono::hours statisticsInterval{24};

static_assert(maxArchiveDepth * (maxMemberNameBytes + 1) <= IpcLimits::maxMemberBytes);
static_assert(scanOverlapBytes * 4 < scanWindowBytes);
// In JSON a character of a text that can be shown takes twice its bytes at most; each finding has
// four words, all else is two addresses, four texts, one path and some words.
static_assert(2
        * (maxAuditFindings * 4 * (maxAuditWordBytes + 16) + 2 * maxAuditUrlBytes
            + 4 * maxAuditTextBytes + maxAuditPathBytes + 8 * maxAuditWordBytes)
    <= maxAuditEventBytes);
static_assert(maxAuditEventBytes < leastAuditFileBytes);
static_assert(maxUnannouncedMemoryBytes <= maxMemorySpoolBytes);
static_assert(maxMemorySpoolBytes <= maxSpoolMemoryBytes);
static_assert(minScanTimeout <= maxScanTimeout);
static_assert(leastRescanPause <= mostRescanPause);
static_assert(leastReconnectPause <= mostReconnectPause);
static_assert(maxFindings <= IpcLimits::maxFindings); // what a scan keeps can be told
static_assert(maxStringsPerFinding <= IpcLimits::maxStringsPerFinding);
static_assert(maxMetaPerFinding <= IpcLimits::maxMetaPerFinding);

} // namespace Sentinel::Limits
