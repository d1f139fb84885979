// SPDX-License-Identifier: MIT
#include "SecurityTap/history/FileStamp.h"
#include "ipc/Retried_p.h"

#include <QFile>

#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>

namespace Sentinel {

namespace {

constexpr qint64 nsInSecond = 1'000'000'000;

FileStamp fileStamp(const struct stat &status)
{
    return {status.st_dev, status.st_ino, status.st_size,
        status.st_mtim.tv_sec * nsInSecond + status.st_mtim.tv_nsec};
}

} // namespace

FileStamp stampOf(int file)
{
    struct stat status { };
    return ::fstat(file, &status) == 0 ? fileStamp(status) : FileStamp();
}

std::expected<FileDescriptor, FileLoss> openUnchanged(const QString &path, const FileStamp &stamp)
{
    constexpr int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    const QByteArray name = QFile::encodeName(path);
    FileDescriptor file(retried([&] { return ::open(name.constData(), flags); }));
    if (!file.isValid()) {
        switch (errno) {
        case ENOENT:
        case ENOTDIR:
            return std::unexpected(FileLoss::Gone);
        case ELOOP: // a link
        case ENXIO: // a socket, or a device without a driver
            return std::unexpected(FileLoss::Changed);
        default:
            return std::unexpected(FileLoss::Unreadable);
        }
    }
    struct stat status { };
    if (::fstat(file.get(), &status) != 0)
        return std::unexpected(FileLoss::Unreadable);
    if (!S_ISREG(status.st_mode) || (stamp.isKnown() && fileStamp(status) != stamp))
        return std::unexpected(FileLoss::Changed);
    return file;
}

bool isUnchanged(const QString &path, int file, const FileStamp &stamp)
{
    struct stat status { };
    return stampOf(file) == stamp && ::lstat(QFile::encodeName(path).constData(), &status) == 0
        && fileStamp(status) == stamp;
}

} // namespace Sentinel
