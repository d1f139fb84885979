// SPDX-License-Identifier: MIT
#include "SecurityTap/policy/PolicyFacts.h"

namespace Sentinel {

PolicyFacts PolicyFacts::of(const Download &download, const ScanResult &result, FileType fileType,
    qint64 sizeBytes, Extent extent)
{
    PolicyFacts facts;
    facts.verdict = result.verdict();
    facts.reason = result.reason();
    for (const Finding &finding : result.findings()) {
        if (finding.severity != Severity::Info && !facts.rules.contains(finding.rule))
            facts.rules.append(finding.rule);
    }
    facts.isAllSeen = result.coverage().isComplete() && result.coverage().findingsOmitted == 0;
    facts.url = download.metadata.url;
    facts.origin = Origin::of(download.metadata.url);
    facts.fileName = download.metadata.filename;
    facts.mimeType = mimeTypeOf(download.metadata.mimeType);
    facts.fileType = fileType;
    facts.sizeBytes = sizeBytes;
    facts.extent = extent;
    facts.sha256 = result.sha256();
    facts.privacy = download.privacy;
    return facts;
}

QString PolicyFacts::mimeTypeOf(const QString &announced)
{
    return announced.section(u';', 0, 0).trimmed().toLower();
}

} // namespace Sentinel
