// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/Outcome.h"

#include "SecurityTap/content/FileName.h"

namespace Sentinel {

QString describe(const ScanResult &result)
{
    QStringList parts;
    for (const Finding &finding : result.findings())
        parts.append(displayName(finding));
    if (result.verdict() == Verdict::NotScanned) {
        parts.prepend(explanation(result.reason()));
        if (!result.detail().isEmpty())
            parts.append(result.detail());
    }
    const QString verdict = nameOf(result.verdict());
    return printable(parts.isEmpty()
            ? verdict
            : QStringLiteral("%1: %2").arg(verdict, parts.join(QStringLiteral("; "))));
}

} // namespace Sentinel
