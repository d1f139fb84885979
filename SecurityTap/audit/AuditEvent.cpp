// SPDX-License-Identifier: MIT
#include "SecurityTap/audit/AuditEvent.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/quarantine/Quarantine.h"

#include <algorithm>

namespace Sentinel {

namespace {

// As far apart as Elastic's own rules have them: low, medium, high, critical.
constexpr int lowSeverity = 21;
constexpr int mediumSeverity = 47;
constexpr int highSeverity = 73;
constexpr int criticalSeverity = 99;

} // namespace

AuditEvent AuditEvent::of(AuditAction action, const QString &text)
{
    AuditEvent event;
    event.action = action;
    event.text = text;
    return event;
}

AuditEvent AuditEvent::about(
    AuditAction action, const Download &download, const Outcome &outcome, FileType fileType)
{
    const ScanResult &result = outcome.result;
    AuditEvent event = of(action, describe(result));
    event.privacy = download.privacy;
    event.url = download.metadata.url;
    event.referrer = download.referrer;
    event.name = download.metadata.filename;
    event.sizeBytes = outcome.sizeBytes;
    event.announcedBytes = download.metadata.sizeBytes;
    event.mimeType = download.metadata.mimeType;
    event.fileType = fileType;
    event.sha256 = result.sha256();
    event.verdict = result.verdict();
    event.reason = result.reason();
    for (const Finding &finding : result.findings()) {
        Finding brief;
        brief.engine = finding.engine;
        brief.member = finding.member;
        brief.rule = finding.rule;
        brief.ruleNamespace = finding.ruleNamespace;
        brief.severity = finding.severity;
        event.findings.push_back(std::move(brief));
    }
    std::ranges::stable_sort(event.findings, std::ranges::greater(), &Finding::severity);
    event.findingsOmitted = result.coverage().findingsOmitted;
    if (const auto all = int(event.findings.size()); all > Limits::maxAuditFindings) {
        event.findings.resize(Limits::maxAuditFindings);
        event.findingsOmitted += all - Limits::maxAuditFindings;
    }
    event.rulesDigest = result.coverage().ruleSetDigest;
    event.disposition = outcome.disposition;
    event.duration = outcome.sinceLastByte;
    event.inspection = outcome.inspection;
    event.connection = outcome.connection;
    return event;
}

AuditEvent AuditEvent::about(AuditAction action, const QuarantineItem &item)
{
    AuditEvent event = of(action, {});
    event.privacy = item.record.privacy;
    event.url = item.record.url;
    event.referrer = item.record.referrer;
    event.name = item.record.name;
    event.mimeType = item.record.mimeType;
    event.sha256 = item.record.sha256;
    event.sizeBytes = item.record.sizeBytes;
    event.verdict = item.record.verdict;
    event.item = item.id;
    return event;
}

AuditEvent AuditEvent::decision(
    const Download &download, const Outcome &outcome, FileType fileType, const QString &clause)
{
    AuditEvent event = about(AuditAction::Decision, download, outcome, fileType);
    event.clause = clause;
    return event;
}

AuditEvent::Kind AuditEvent::kind() const
{
    switch (action) {
    case AuditAction::ThreatFound:
    case AuditAction::LateThreat:
    case AuditAction::PathTraversal:
    case AuditAction::MimeMismatch:
    case AuditAction::DeceptiveName:
    case AuditAction::SizeViolation:
    case AuditAction::RateLimit:
        return Kind::Alert;
    default:
        return Kind::Event;
    }
}

int AuditEvent::severity() const
{
    switch (action) {
    case AuditAction::LateThreat: // its user has it
        return verdict == Verdict::Suspicious ? highSeverity : criticalSeverity;
    case AuditAction::ThreatFound:
        return verdict == Verdict::Suspicious ? mediumSeverity : highSeverity;
    case AuditAction::PathTraversal:
        return highSeverity;
    case AuditAction::UnscannedRelease:
    case AuditAction::MimeMismatch:
    case AuditAction::DeceptiveName:
    case AuditAction::SizeViolation:
    case AuditAction::RateLimit:
        return mediumSeverity;
    default:
        return success == Success::Failed ? lowSeverity : 0;
    }
}

} // namespace Sentinel
