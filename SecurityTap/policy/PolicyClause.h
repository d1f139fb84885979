// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/policy/OriginPattern.h"
#include "SecurityTap/policy/PolicyFacts.h"
#include "ipc/Disposition.h"

#include <chrono>
#include <expected>
#include <limits>
#include <optional>
#include <vector>

namespace Sentinel {

//! \brief One clause of a policy: what is done with downloads of which all its conditions hold.
//!
//! A clause that names no verdict is not for Clean; and for Malicious only if it withholds for good
//! (Block, Quarantine). So nobody releases a threat, or withholds what is clean, without having
//! said so.
//!
//! As text, one line (parse(), toString()):
//!
//!     EFFECT [hold=TIME] if CONDITION...
//!
//! EFFECT is release, warn, block or quarantine. A CONDITION is one of these; where there are
//! several VALUES, with commas between, one has to fit:
//!
//!     verdict=VALUES   Clean, Suspicious, Malicious, NotScanned
//!     reason=VALUES    QueueFull, TimedOut, ...: only of NotScanned
//!     origin=VALUES    see OriginPattern
//!     mime=VALUES      as announced: text/html, application/*, */*
//!     type=VALUES      by content: archive, executable, ... (fileTypeFromName())
//!     size<SIZE        also <=, > and >=, such as 10MiB; one to each side
//!
//! hold: how long to wait for a free slot before this takes effect; with reason=QueueFull and
//! ScannerUnavailable only.
struct SECURITYTAP_EXPORT PolicyClause {
    //! Conditions, in the order in which they are looked at.
    enum class Part : quint8 { Verdict, Reason, Origin, MimeType, FileType, Size };

    Disposition effect = Disposition::Block;
    std::optional<std::chrono::milliseconds> hold; //!< nothing: the policy's
    // Empty lists, and bounds as they are here, are conditions that were not given.
    std::vector<Verdict> verdicts;
    std::vector<Reason> reasons;
    std::vector<OriginPattern> origins;
    QStringList mimeTypes;
    std::vector<FileType> fileTypes;
    qint64 leastBytes = 0;
    qint64 mostBytes = std::numeric_limits<qint64>::max();

    //! The first condition that does not hold of \p facts; nothing if all do.
    std::optional<Part> failing(const PolicyFacts &facts) const;

    //! The error says for people where and what. Limits: Limits::maxClauseCharacters, maxHold.
    static std::expected<PolicyClause, QString> parse(const QString &text);
    //! As parse() reads it.
    QString toString() const;

    friend bool operator==(const PolicyClause &, const PolicyClause &) = default;
};

//! \brief Why a clause is not for \p facts, if \p part of it fails: a few words for people.
SECURITYTAP_EXPORT QString explainMiss(PolicyClause::Part part, const PolicyFacts &facts);

//! \brief True for the reasons under which waiting for a free slot may help.
SECURITYTAP_EXPORT bool isHoldable(Reason reason);

//! \brief False for reasons that leave no complete content behind: cancelled, cut off, not stored.
SECURITYTAP_EXPORT bool isReleasable(Reason reason);

} // namespace Sentinel
