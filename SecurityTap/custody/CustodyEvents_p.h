// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/audit/AuditEvent.h"
#include "SecurityTap/custody/Custody.h"
#include "SecurityTap/custody/CustodyDesk_p.h"
#include "SecurityTap/history/LateThreat.h"
#include "SecurityTap/policy/Decision.h"
#include "SecurityTap/quarantine/QuarantineRecord.h"

#include <expected>
#include <vector>

namespace Sentinel {

//! \brief What of it is known of a download that was released.
Download downloadOf(const ReleaseRecord &release);

//! \brief What is worth being written down about a download that was decided, or resolved.
std::vector<AuditEvent> eventsOf(const Download &download, const Outcome &outcome,
    FileType fileType, Custody::Occasion occasion);
//! \brief The event of \p threat, and of what was done about it.
AuditEvent lateEventOf(AuditAction action, const LateThreat &threat, const Decision &decision);
//! \brief \p event, with what came of putting something into quarantine.
AuditEvent addedEvent(AuditEvent event, const std::expected<QString, QString> &item);
AuditEvent addedEvent(
    AuditEvent event, const std::expected<CustodyDesk::Taken, CustodyDesk::NotTaken> &taken);
//! \brief The event that \p release, which was not scanned, is not going to be: \p why, for people.
AuditEvent neverScannedEvent(const ReleaseRecord &release, const QString &why);

//! \brief What the quarantine is told of a content.
QuarantineRecord quarantineRecordOf(const Download &download, const Outcome &outcome);
QuarantineRecord quarantineRecordOf(const LateThreat &threat, const Decision &decision);

} // namespace Sentinel
