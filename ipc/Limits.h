// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

#include <chrono>

//! \brief Every limit of the wire contract, by name. Part of the protocol: docs/PROTOCOL.md.
namespace Sentinel::IpcLimits {

inline constexpr int oldestProtocolVersion = 2; //!< that this build still speaks
inline constexpr int protocolVersion = 2;

//! A SEQPACKET message cannot be larger than its sender's socket buffer, which is 160 KiB on the
//! smallest common systems.
inline constexpr qsizetype maxFrameBytes = 128 * 1024;
inline constexpr qsizetype frameHeaderBytes = 8;

// Texts, in bytes of UTF-8
inline constexpr qsizetype maxNameBytes = 255; //!< identifiers, tags, versions, media types
inline constexpr qsizetype maxTextBytes = 512; //!< values of rule metadata, sentences
inline constexpr qsizetype maxPathBytes = 4096; //!< file names and paths
inline constexpr qsizetype maxMemberBytes = 2048; //!< where a finding is in an archive
inline constexpr qsizetype maxUrlBytes = 8192;

// Numbers: far beyond what can be, and small enough to be added up without overflow
inline constexpr qint64 maxCount = qint64(1) << 60; //!< of bytes, scans, ...
inline constexpr std::chrono::hours maxDuration{24 * 365 * 100};

// One verdict
inline constexpr int maxEngines = 8;
inline constexpr int maxLimitsHit = 16;
inline constexpr int maxNotLookedInto = 8;
inline constexpr int maxFindings = 256;
inline constexpr int maxTagsPerFinding = 32;
inline constexpr int maxMetaPerFinding = 64;
inline constexpr int maxStringsPerFinding = 64;

// Status and reload
inline constexpr int maxWorkersListed = 64;
inline constexpr int maxSandboxFeatures = 32;
inline constexpr int maxTroubles = 16;
inline constexpr int maxRuleProblems = 24; //!< the rest is counted

// Channel and listener
inline constexpr qsizetype maxSendQueueBytes = 4 * 1024 * 1024;
inline constexpr int maxSendQueueMessages = 256; //!< each may hold a descriptor
inline constexpr int messagesPerTurn = 16; //!< read before others of the event loop have theirs
inline constexpr int maxPendingConnections = 64;
//! Without a descriptor left, a listener waits for so long before it looks again.
inline constexpr std::chrono::milliseconds acceptPause{100};

// Whatever is kept of a verdict, its worst finding fits, without its places. A text takes two bytes
// more than its length; 1,024 is more than all numbers and digests of a message.
inline constexpr qsizetype maxCoverageBytes =
    (3 * maxEngines + maxLimitsHit + maxNotLookedInto) * (maxNameBytes + 3) + maxTextBytes;
inline constexpr qsizetype maxFindingBytesWithoutStrings =
    (3 + maxTagsPerFinding) * (maxNameBytes + 2) + maxMemberBytes + 2
    + maxMetaPerFinding * (maxNameBytes + 2 + maxTextBytes + 3) + 1024;
static_assert(
    frameHeaderBytes + maxCoverageBytes + maxFindingBytesWithoutStrings + 1024 <= maxFrameBytes);
static_assert(maxUrlBytes + 2 * maxPathBytes + maxNameBytes + 1024 <= maxFrameBytes);
static_assert(maxRuleProblems * (maxPathBytes + maxTextBytes + 16) + 1024 <= maxFrameBytes);
static_assert(maxWorkersListed * 32 + maxSandboxFeatures * (maxNameBytes + maxTextBytes + 8)
        + (maxTroubles + 2) * (maxTextBytes + 2) + 2 * maxNameBytes + 1024
    <= maxFrameBytes);
static_assert(maxFrameBytes <= maxSendQueueBytes);
static_assert(maxUrlBytes <= 0xffff && maxPathBytes <= 0xffff); // lengths of texts are 16 bits

} // namespace Sentinel::IpcLimits
