// SPDX-License-Identifier: MIT
#include "ipc/Verdict.h"

namespace Sentinel {

QString nameOf(Verdict verdict)
{
    switch (verdict) {
    case Verdict::Clean:
        return QStringLiteral("Clean");
    case Verdict::Suspicious:
        return QStringLiteral("Suspicious");
    case Verdict::Malicious:
        return QStringLiteral("Malicious");
    case Verdict::NotScanned:
        return QStringLiteral("NotScanned");
    }
    Q_UNREACHABLE();
}

std::optional<Verdict> verdictNamed(const QString &name)
{
    for (const Verdict verdict : allVerdicts) {
        if (name.compare(nameOf(verdict), Qt::CaseInsensitive) == 0)
            return verdict;
    }
    return std::nullopt;
}

QString nameOf(Severity severity)
{
    switch (severity) {
    case Severity::Info:
        return QStringLiteral("info");
    case Severity::Suspicious:
        return QStringLiteral("suspicious");
    case Severity::Malicious:
        return QStringLiteral("malicious");
    }
    Q_UNREACHABLE();
}

} // namespace Sentinel
