// SPDX-License-Identifier: MIT
#include "ipc/Finding.h"

namespace Sentinel {

QString displayName(const Finding &finding, const QString &file)
{
    const QString name = QStringLiteral("%1 (%2)").arg(finding.rule, finding.ruleNamespace);
    if (finding.member.isEmpty())
        return name;
    const QString place = file.isEmpty() ? finding.member : file + u'!' + finding.member;
    return QStringLiteral("%1 in %2").arg(name, place);
}

} // namespace Sentinel
