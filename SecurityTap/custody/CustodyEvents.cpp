// SPDX-License-Identifier: MIT
#include "SecurityTap/custody/CustodyEvents_p.h"

#include <QFileInfo>

namespace Sentinel {

namespace {

AuditAction actionOf(SecurityEvent::Kind kind)
{
    switch (kind) {
    case SecurityEvent::Kind::PathTraversal:
        return AuditAction::PathTraversal;
    case SecurityEvent::Kind::MimeMismatch:
        return AuditAction::MimeMismatch;
    case SecurityEvent::Kind::SizeViolation:
        return AuditAction::SizeViolation;
    case SecurityEvent::Kind::DeceptiveName:
        return AuditAction::DeceptiveName;
    }
    Q_UNREACHABLE();
}

QStringList rulesOf(const ScanResult &result)
{
    QStringList rules;
    for (const Finding &finding : result.findings())
        rules.append(finding.rule);
    return rules;
}

void noteFailure(AuditEvent &event, const QString &text)
{
    event.text = text;
    event.success = AuditEvent::Success::Failed;
}

//! As if \p threat were decided now.
Outcome lateOutcomeOf(const LateThreat &threat, const Decision &decision)
{
    return {.metadata = downloadOf(threat.record).metadata,
        .result = threat.result,
        .disposition = decision.disposition,
        .sizeBytes = threat.record.sizeBytes,
        .clause = decision.name};
}

} // namespace

Download downloadOf(const ReleaseRecord &release)
{
    Download download;
    download.metadata.url = release.url;
    download.metadata.filename = release.name;
    download.metadata.mimeType = release.mimeType;
    download.referrer = release.referrer;
    download.privacy = release.privacy;
    return download;
}

std::vector<AuditEvent> eventsOf(
    const Download &download, const Outcome &outcome, FileType fileType, Custody::Occasion occasion)
{
    std::vector<AuditEvent> events;
    const auto add = [&](AuditAction action) -> AuditEvent & {
        AuditEvent event = AuditEvent::about(action, download, outcome, fileType);
        event.clause = outcome.clause;
        event.item = outcome.item;
        events.push_back(std::move(event));
        return events.back();
    };
    const ScanResult &result = outcome.result;
    add(AuditAction::Decision);
    const bool isNews = occasion == Custody::Occasion::Decision;
    if (isNews && result.isThreat())
        add(AuditAction::ThreatFound);
    if (outcome.disposition == Disposition::Release && result.verdict() == Verdict::NotScanned)
        add(AuditAction::UnscannedRelease);
    if (!isNews)
        return events;
    for (const SecurityEvent &event : outcome.events)
        add(actionOf(event.kind)).text = event.text;
    return events;
}

QuarantineRecord quarantineRecordOf(const Download &download, const Outcome &outcome)
{
    QuarantineRecord record;
    record.directory = download.destinationDirectory;
    record.name = download.metadata.filename;
    record.url = download.metadata.url;
    record.referrer = download.referrer;
    record.mimeType = download.metadata.mimeType;
    record.sha256 = outcome.result.sha256();
    record.sizeBytes = outcome.sizeBytes;
    record.verdict = outcome.result.verdict();
    record.findings = rulesOf(outcome.result);
    record.clause = outcome.clause;
    record.privacy = download.privacy;
    return record;
}

QuarantineRecord quarantineRecordOf(const LateThreat &threat, const Decision &decision)
{
    QuarantineRecord record =
        quarantineRecordOf(downloadOf(threat.record), lateOutcomeOf(threat, decision));
    const QFileInfo file(threat.record.path);
    record.directory = file.path();
    record.name = file.fileName();
    return record;
}

AuditEvent lateEventOf(AuditAction action, const LateThreat &threat, const Decision &decision)
{
    AuditEvent event = AuditEvent::about(
        action, downloadOf(threat.record), lateOutcomeOf(threat, decision), threat.fileType);
    event.path = threat.record.path;
    event.clause = decision.name;
    return event;
}

AuditEvent addedEvent(AuditEvent event, const std::expected<QString, QString> &item)
{
    if (item)
        event.item = *item;
    else
        noteFailure(event, item.error());
    return event;
}

AuditEvent addedEvent(
    AuditEvent event, const std::expected<CustodyDesk::Taken, CustodyDesk::NotTaken> &taken)
{
    if (taken)
        event.item = taken->item;
    if (const QString trouble = taken ? taken->trouble : taken.error().text; !trouble.isEmpty())
        noteFailure(event, trouble);
    return event;
}

AuditEvent neverScannedEvent(const ReleaseRecord &release, const QString &why)
{
    AuditEvent event = AuditEvent::of(AuditAction::UnscannedRelease, why);
    event.path = release.path;
    event.sha256 = release.sha256;
    event.privacy = release.privacy;
    event.reason = release.reason;
    event.success = AuditEvent::Success::Failed;
    return event;
}

} // namespace Sentinel
