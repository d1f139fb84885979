// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/Isolation.h"

namespace Sentinel {

QString nameOf(Isolation isolation)
{
    switch (isolation) {
    case Isolation::InProcess:
        return QStringLiteral("in-process");
    case Isolation::Spawned:
        return QStringLiteral("spawned");
    case Isolation::System:
        return QStringLiteral("system");
    case Isolation::Auto:
        return QStringLiteral("auto");
    }
    Q_UNREACHABLE();
}

std::optional<Isolation> isolationFromName(const QString &name)
{
    for (const Isolation isolation :
        {Isolation::InProcess, Isolation::Spawned, Isolation::System, Isolation::Auto}) {
        if (nameOf(isolation) == name)
            return isolation;
    }
    return std::nullopt;
}

} // namespace Sentinel
