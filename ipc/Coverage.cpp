// SPDX-License-Identifier: MIT
#include "ipc/Coverage.h"

#include <algorithm>

namespace Sentinel {

QString nameOf(EngineGap::Kind kind)
{
    switch (kind) {
    case EngineGap::Kind::NotAsked:
        return QStringLiteral("NotAsked");
    case EngineGap::Kind::Optional:
        return QStringLiteral("Optional");
    case EngineGap::Kind::Required:
        break;
    }
    return QStringLiteral("Required");
}

bool Coverage::isComplete() const
{
    const auto isRequired = [](const EngineGap &gap) {
        return gap.kind == EngineGap::Kind::Required;
    };
    return bytesTotal >= 0 && bytesScanned == bytesTotal && wholeEvaluated && limitsHit.isEmpty()
        && !engines.isEmpty() && !ruleSetDigest.isEmpty() && std::ranges::none_of(gaps, isRequired);
}

bool Coverage::hasFailedEngine() const
{
    return std::ranges::any_of(
        gaps, [](const EngineGap &gap) { return gap.kind != EngineGap::Kind::NotAsked; });
}

} // namespace Sentinel
