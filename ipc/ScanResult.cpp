// SPDX-License-Identifier: MIT
#include "ipc/ScanResult.h"

#include <algorithm>

namespace Sentinel {

namespace {

QStringList whatIsUnseen(const Coverage &coverage)
{
    QStringList unseen;
    for (const EngineGap &gap : coverage.gaps) {
        if (gap.kind == EngineGap::Kind::Required)
            unseen.append(QStringLiteral("%1: %2").arg(gap.engine, gap.why));
    }
    return unseen + coverage.limitsHit;
}

} // namespace

ScanResult ScanResult::judge(
    Coverage coverage, std::vector<Finding> findings, QByteArray sha256, Reason reasonIfIncomplete)
{
    Q_ASSERT(reasonIfIncomplete != Reason::None);
    Severity worst = Severity::Info;
    for (const Finding &finding : findings)
        worst = std::max(worst, finding.severity);

    ScanResult result;
    result.m_reason = Reason::None;
    if (worst == Severity::Malicious)
        result.m_verdict = Verdict::Malicious;
    else if (worst == Severity::Suspicious)
        result.m_verdict = Verdict::Suspicious;
    else if (coverage.isComplete())
        result.m_verdict = Verdict::Clean;
    else
        result.m_reason = reasonIfIncomplete;

    if (result.m_reason != Reason::None)
        result.m_detail = whatIsUnseen(coverage).join(QStringLiteral("; "));
    result.m_findings = std::move(findings);
    result.m_coverage = std::move(coverage);
    result.m_sha256 = std::move(sha256);
    return result;
}

ScanResult ScanResult::notScanned(Reason reason, QString detail, Coverage coverage)
{
    Q_ASSERT(reason != Reason::None);
    ScanResult result;
    result.m_reason = reason;
    result.m_detail = std::move(detail);
    result.m_coverage = std::move(coverage);
    return result;
}

ScanResult ScanResult::withSha256(QByteArray sha256) const
{
    ScanResult result = *this;
    result.m_sha256 = std::move(sha256);
    return result;
}

} // namespace Sentinel
