// SPDX-License-Identifier: MIT
#include "Sentinel/broker/ContentCheck.h"

#include <QByteArray>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

namespace Sentinel {

namespace {

//! The device that all memfds are on, and nothing else.
dev_t memfdDevice()
{
    static const dev_t device = [] {
        const FileDescriptor probe(::memfd_create("probe", MFD_CLOEXEC));
        struct stat status { };
        return ::fstat(probe.get(), &status) == 0 ? status.st_dev : dev_t(0);
    }();
    return device;
}

//! As fileProblem(); \p status is the file's if there is no problem.
std::optional<QString> lookAt(int descriptor, struct stat &status)
{
    if (::fstat(descriptor, &status) != 0)
        return QStringLiteral("the content cannot be looked at");
    if (!S_ISREG(status.st_mode))
        return QStringLiteral("the content is not a regular file");
    const int flags = ::fcntl(descriptor, F_GETFL);
    if (flags < 0 || (flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY)
        return QStringLiteral("the content is not open for reading");
    return std::nullopt;
}

} // namespace

std::optional<QString> fileProblem(int descriptor)
{
    struct stat status { };
    return lookAt(descriptor, status);
}

std::optional<QString> contentProblem(int descriptor)
{
    struct stat status { };
    if (auto problem = lookAt(descriptor, status))
        return problem;
    const int seals = ::fcntl(descriptor, F_GET_SEALS); // -1 where files have none
    if (seals >= 0 && (seals & F_SEAL_SHRINK) != 0)
        return std::nullopt;
    if (status.st_dev == memfdDevice())
        return QStringLiteral("the content can shrink: a memfd needs F_SEAL_SHRINK");
    if (status.st_nlink != 0)
        return QStringLiteral("the content has a name, under which others can shorten it");
    return std::nullopt;
}

std::optional<QString> sizeProblem(int descriptor, qint64 sizeBytes, bool isComplete)
{
    struct stat status { };
    if (::fstat(descriptor, &status) != 0)
        return QStringLiteral("the content cannot be looked at");
    if (status.st_size == sizeBytes || (status.st_size > sizeBytes && !isComplete))
        return std::nullopt;
    return QStringLiteral("the content has %1 bytes where %2 were announced")
        .arg(status.st_size)
        .arg(sizeBytes);
}

std::expected<FileDescriptor, QString> readOnly(FileDescriptor file)
{
    const int flags = ::fcntl(file.get(), F_GETFL);
    if (flags >= 0 && (flags & O_ACCMODE) == O_RDONLY)
        return file;
    constexpr int unchangeable = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
    const int seals = ::fcntl(file.get(), F_GET_SEALS);
    if (seals >= 0 && (seals & unchangeable) == unchangeable)
        return file;
    const QByteArray path = "/proc/self/fd/" + QByteArray::number(file.get());
    FileDescriptor reader(::open(path.constData(), O_RDONLY | O_CLOEXEC));
    if (!reader.isValid())
        return std::unexpected(QStringLiteral("the content cannot be opened for reading alone"));
    return reader;
}

} // namespace Sentinel
