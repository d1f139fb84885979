// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/store/StorePaths.h"
#include "ipc/Retried_p.h"

#include <QDir>
#include <QFile>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

QString below(const char *variable, const char *otherwise)
{
    // The specification has relative ones ignored.
    QString base = qEnvironmentVariable(variable);
    if (!QDir::isAbsolutePath(base))
        base = QDir::homePath() + QLatin1String(otherwise);
    return QDir::cleanPath(base) + QStringLiteral("/sentinel");
}

std::unexpected<QString> refusal(const QString &path, const QString &what)
{
    return std::unexpected(QStringLiteral("%1: %2").arg(printable(path), what));
}

} // namespace

StorePaths StorePaths::ofUser()
{
    return {below("XDG_DATA_HOME", "/.local/share"), below("XDG_STATE_HOME", "/.local/state")};
}

std::expected<FileDescriptor, QString> openPrivateDirectory(const QString &path)
{
    if (!QDir::isAbsolutePath(path))
        return refusal(path, QStringLiteral("name it with its whole path, from / on"));
    const QByteArray name = QFile::encodeName(QDir::cleanPath(path));
    for (qsizetype end = name.indexOf('/', 1);; end = name.indexOf('/', end + 1)) {
        const QByteArray part = end < 0 ? name : name.first(end);
        if (::mkdir(part.constData(), 0700) != 0 && errno != EEXIST) {
            const int error = errno;
            // Above what is ours, not being allowed to make a directory says nothing yet.
            if (end < 0 || (error != EACCES && error != EROFS && error != EPERM))
                return refusal(path,
                    QStringLiteral("this directory cannot be made (%1); make it, or name another")
                        .arg(QString::fromLocal8Bit(std::strerror(error))));
        }
        if (end < 0)
            break;
    }

    FileDescriptor directory(retried(
        [&] { return ::open(name.constData(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }));
    if (!directory.isValid()) {
        return refusal(path,
            QStringLiteral("this is no directory that can be read (%1); a link is not followed")
                .arg(QString::fromLocal8Bit(std::strerror(errno))));
    }
    struct stat status { };
    if (::fstat(directory.get(), &status) != 0)
        return refusal(path, QString::fromLocal8Bit(std::strerror(errno)));
    if (status.st_uid != ::geteuid())
        return refusal(
            path, QStringLiteral("this directory belongs to somebody else; name one of your own"));
    if ((status.st_mode & 077) != 0 && ::fchmod(directory.get(), 0700) != 0) {
        return refusal(path,
            QStringLiteral("others may enter this directory, and that cannot be changed (%1)")
                .arg(QString::fromLocal8Bit(std::strerror(errno))));
    }
    return directory;
}

} // namespace Sentinel
