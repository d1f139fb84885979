// SPDX-License-Identifier: MIT
#include "Sentinel/FetchTarget.h"

#include "SecurityTap/content/FileName.h"
#include "Sentinel/PathText.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

std::expected<FetchTarget, QString> fetchTarget(
    const std::optional<QByteArray> &output, ExistingFile existing)
{
    const QByteArray bytes = output.value_or(QByteArray("."));
    const QString path = QFile::decodeName(bytes);
    if (bytes.isEmpty() || QFile::encodeName(path) != bytes)
        return std::unexpected(QStringLiteral("%1 cannot be a name: it is empty or not UTF-8")
                                   .arg(pathForPeople(bytes)));

    FetchTarget target{{}, {}, existing};
    const QFileInfo info(path);
    if (info.isDir() || path.endsWith(u'/')) {
        target.directory = info.absoluteFilePath();
    } else {
        target.directory = info.absolutePath();
        target.name = info.fileName();
        const QString sanitised = sanitisedFileName(target.name);
        if (target.name != sanitised)
            return std::unexpected(QStringLiteral("%1 cannot be the name of a download; %2 could")
                                       .arg(printable(target.name), printable(sanitised)));
    }
    const QByteArray directory = QFile::encodeName(target.directory);
    if (!QFileInfo(target.directory).isDir())
        return std::unexpected(
            QStringLiteral("there is no directory %1").arg(pathForPeople(directory)));
    if (::access(directory.constData(), W_OK | X_OK) != 0)
        return std::unexpected(
            QStringLiteral("%1 cannot be written to: %2")
                .arg(pathForPeople(directory), QString::fromLocal8Bit(std::strerror(errno))));
    return target;
}

std::optional<QString> obstacle(const FetchTarget &target, const QString &name)
{
    const QString path = QDir(target.directory).absoluteFilePath(name);
    struct stat status { };
    if (::lstat(QFile::encodeName(path).constData(), &status) != 0)
        return std::nullopt;
    if (target.existing == ExistingFile::Keep)
        return QStringLiteral("%1 exists already; --force replaces it").arg(printable(path));
    if (!S_ISREG(status.st_mode)) // a device, say, which would be a file from then on
        return QStringLiteral("%1 is no regular file and is not replaced").arg(printable(path));
    return std::nullopt;
}

} // namespace Sentinel
