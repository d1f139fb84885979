// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/SentinelSettings.h"

#include <QCoreApplication>
#include <QDir>
#include <QFileInfo>

#include <unistd.h>

namespace Sentinel {

QString defaultSentinelProgram()
{
    const QString named = qEnvironmentVariable("SENTINEL_PROGRAM");
    if (!named.isEmpty())
        return named;
    const QString application = QCoreApplication::applicationDirPath();
    for (const QString &place :
        {QStringLiteral("%1/sentinel"), QStringLiteral("%1/../bin/sentinel")}) {
        const QFileInfo program(QDir::cleanPath(place.arg(application)));
        if (program.isFile() && program.isExecutable())
            return program.filePath();
    }
    return QStringLiteral(SENTINEL_INSTALLED_PROGRAM);
}

QString defaultSentinelSocket()
{
    const QString named = qEnvironmentVariable("SENTINEL_SOCKET");
    if (!named.isEmpty())
        return named;
    QString directory = qEnvironmentVariable("XDG_RUNTIME_DIR");
    if (directory.isEmpty()) {
        const uid_t user = ::geteuid();
        directory =
            user == 0 ? QStringLiteral("/run") : QStringLiteral("/run/user/%1").arg(qint64(user));
    }
    return directory + QStringLiteral("/sentinel/socket");
}

} // namespace Sentinel
