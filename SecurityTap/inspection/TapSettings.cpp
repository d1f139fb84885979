// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/TapSettings.h"

#include <QCoreApplication>
#include <QFileInfo>

namespace Sentinel {

QString defaultRulesDirectory()
{
    const QString named = qEnvironmentVariable("SENTINEL_RULES");
    if (!named.isEmpty())
        return named;
    const QString beside = QDir::cleanPath(
        QCoreApplication::applicationDirPath() + QStringLiteral("/../share/sentinel/rules"));
    return QFileInfo(beside).isDir() ? beside : QStringLiteral(SENTINEL_INSTALLED_RULES);
}

} // namespace Sentinel
