// SPDX-License-Identifier: MIT
#include "ipc/Finding.h"

namespace Sentinel {

QString displayName(const Finding &finding)
{
    return QStringLiteral("%1 (%2)").arg(finding.rule, finding.ruleNamespace);
}

} // namespace Sentinel
