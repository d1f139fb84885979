// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>

#include <array>
#include <optional>

namespace Sentinel {

//! \brief What an AuditEvent tells of.
enum class AuditAction : quint8 {
    Decision, //!< what is done with a download was decided
    ThreatFound, //!< a download is Malicious or Suspicious
    UnscannedRelease, //!< a download was released although it was not scanned
    LateThreat, //!< what was released before turns out to be a threat
    QuarantineAdd,
    QuarantineRestore,
    QuarantineDelete, //!< one item, by its user
    QuarantinePurge, //!< what was too old or too much
    ExceptionAdd,
    ExceptionRemove,
    RulesChanged,
    PathTraversal, //!< a proposed name led elsewhere
    MimeMismatch, //!< the content is not of the type that was announced
    DeceptiveName, //!< a proposed name hides what kind of file it is
    SizeViolation, //!< more bytes came than were announced or are allowed
    RateLimit, //!< an origin used up its share
    JobRun, //!< a periodic job ended
};

inline constexpr std::array allAuditActions{
    AuditAction::Decision,
    AuditAction::ThreatFound,
    AuditAction::UnscannedRelease,
    AuditAction::LateThreat,
    AuditAction::QuarantineAdd,
    AuditAction::QuarantineRestore,
    AuditAction::QuarantineDelete,
    AuditAction::QuarantinePurge,
    AuditAction::ExceptionAdd,
    AuditAction::ExceptionRemove,
    AuditAction::RulesChanged,
    AuditAction::PathTraversal,
    AuditAction::MimeMismatch,
    AuditAction::DeceptiveName,
    AuditAction::SizeViolation,
    AuditAction::RateLimit,
    AuditAction::JobRun,
};

//! \brief The name as it stands in event.action: "decision", "threat-found", ...
SECURITYTAP_EXPORT QString nameOf(AuditAction action);

//! \brief The action of that name.
SECURITYTAP_EXPORT std::optional<AuditAction> auditActionNamed(const QString &name);

} // namespace Sentinel
