// SPDX-License-Identifier: MIT
#include "Sentinel/settings/SettingsProblem.h"

namespace Sentinel {

QString describe(const SettingsProblem &problem)
{
    QString line = problem.file;
    if (problem.line > 0)
        line += QStringLiteral(":%1").arg(problem.line);
    if (problem.column > 0)
        line += QStringLiteral(":%1").arg(problem.column);
    if (!problem.key.isEmpty())
        line += QStringLiteral(": ") + problem.key;
    return line + QStringLiteral(": ") + problem.text;
}

} // namespace Sentinel
