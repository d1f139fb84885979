// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileRelease.h"

#include "SecurityTap/content/FileName.h"

#include <QDir>
#include <QFile>
#include <QRandomGenerator>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr int maxTemporaryNames = 16; // tries; each of 64 random bits
constexpr mode_t privateMode = 0600;

// 0, or the error's number.
using Errno = int;

Errno asErrno(int result)
{
    return result == 0 ? 0 : errno;
}

// "This file system cannot do it", as opposed to "no": another way is worth a try. ENOENT is what
// a link by /proc says where there is no /proc.
bool isUnsupported(Errno error)
{
    switch (error) {
    case EXDEV:
    case EPERM:
    case EOPNOTSUPP:
    case EISDIR:
    case EINVAL:
    case ENOSYS:
    case ENOENT:
        return true;
    default:
        return false;
    }
}

// The mode that the user's other new files get. umask(2) can only be read by changing it, which
// other threads would notice.
mode_t newFileMode()
{
    constexpr mode_t all = 0666;
    QFile status(QStringLiteral("/proc/self/status"));
    if (!status.open(QIODevice::ReadOnly))
        return privateMode;
    for (const QByteArray &line : status.readAll().split('\n')) {
        if (!line.startsWith("Umask:"))
            continue;
        bool isNumber = false;
        const uint mask = line.mid(qsizetype(sizeof "Umask:") - 1).trimmed().toUInt(&isNumber, 8);
        return isNumber ? all & ~mode_t(mask) : privateMode;
    }
    return privateMode;
}

QByteArray temporaryName()
{
    return ".download-" + QByteArray::number(QRandomGenerator::system()->generate64(), 36);
}

// One release: the directory, opened once, and the name in it.
class Target {
public:
    Target(FileDescriptor directory, QByteArray name, ExistingFile existing)
        : m_directory(std::move(directory)), m_name(std::move(name)), m_existing(existing)
    {
    }

    Errno link(int file) const;
    Errno linkCopy(const Spool &spool, mode_t mode) const;
    Errno renameCopy(const Spool &spool, mode_t mode) const;

private:
    Errno linkAs(int file, const QByteArray &name) const;
    Errno renameFrom(const QByteArray &temporary) const;
    Errno renameOverPlaceholder(const QByteArray &temporary) const;
    void remove(const QByteArray &name) const { ::unlinkat(m_directory.get(), name, 0); }

    FileDescriptor m_directory;
    QByteArray m_name;
    ExistingFile m_existing;
};

// Never replaces anything and never follows a link at \p name.
Errno Target::linkAs(int file, const QByteArray &name) const
{
    const QByteArray path = "/proc/self/fd/" + QByteArray::number(file);
    return asErrno(::linkat(AT_FDCWD, path, m_directory.get(), name, AT_SYMLINK_FOLLOW));
}

Errno Target::renameFrom(const QByteArray &temporary) const
{
    const int directory = m_directory.get();
    if (m_existing == ExistingFile::Replace) {
        const Errno error = asErrno(::renameat(directory, temporary, directory, m_name));
        return error == EISDIR ? EEXIST : error; // no directory is replaced by a file
    }
    Errno error = asErrno(::renameat2(directory, temporary, directory, m_name, RENAME_NOREPLACE));
    if (error == EINVAL || error == ENOSYS) { // as on NFS, which has hard links instead
        error = asErrno(::linkat(directory, temporary, directory, m_name, 0));
        if (error == 0)
            remove(temporary);
        else if (isUnsupported(error)) // as on some that run in user space
            error = renameOverPlaceholder(temporary);
    }
    return error;
}

// Takes the name by an empty file, which the rename replaces.
Errno Target::renameOverPlaceholder(const QByteArray &temporary) const
{
    const int directory = m_directory.get();
    const FileDescriptor placeholder(::openat(
        directory, m_name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, privateMode));
    if (!placeholder.isValid())
        return errno;
    const Errno error = asErrno(::renameat(directory, temporary, directory, m_name));
    if (error != 0)
        remove(m_name);
    return error;
}

Errno Target::link(int file) const
{
    Errno error = linkAs(file, m_name);
    if (error != EEXIST || m_existing == ExistingFile::Keep)
        return error;

    QByteArray temporary;
    for (int i = 0; error == EEXIST && i < maxTemporaryNames; ++i) {
        temporary = temporaryName();
        error = linkAs(file, temporary);
    }
    if (error != 0)
        return error;
    error = renameFrom(temporary);
    if (error != 0)
        remove(temporary);
    return error;
}

// Writes a copy and gives it its mode. vfat and the like refuse modes that they cannot store.
Errno fill(int file, const Spool &spool, mode_t mode)
{
    if (const auto copied = spool.copyTo(file); !copied)
        return copied.error().code == SpoolError::Code::NoSpace ? ENOSPC : EIO;
    const Errno error = asErrno(::fchmod(file, mode));
    return error == EPERM || error == EOPNOTSUPP ? 0 : error;
}

Errno Target::linkCopy(const Spool &spool, mode_t mode) const
{
    const FileDescriptor file(
        ::openat(m_directory.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, privateMode));
    if (!file.isValid())
        return errno;
    const Errno error = fill(file.get(), spool, mode);
    return error != 0 ? error : link(file.get());
}

Errno Target::renameCopy(const Spool &spool, mode_t mode) const
{
    QByteArray temporary;
    int fd = -1;
    for (int i = 0; i < maxTemporaryNames; ++i) {
        temporary = temporaryName();
        fd = ::openat(m_directory.get(), temporary,
            O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, privateMode);
        if (fd >= 0 || errno != EEXIST)
            break;
    }
    if (fd < 0)
        return errno;
    const FileDescriptor file(fd);
    Errno error = fill(file.get(), spool, mode);
    if (error == 0)
        error = renameFrom(temporary);
    if (error != 0)
        remove(temporary);
    return error;
}

ReleaseError toError(Errno error, const QString &directory, const QString &name)
{
    const QString where = printable(directory);
    const QString what = printable(name);
    const QString reason = qt_error_string(error);
    switch (error) {
    case EEXIST:
        return {ReleaseError::Code::Exists,
            QStringLiteral("There is a %2 in %1 already. Choose another name.").arg(where, what)};
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return {ReleaseError::Code::NoSpace,
            QStringLiteral(
                "Saving %2 in %1 failed: %3. Free some space, or choose another directory.")
                .arg(where, what, reason)};
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EROFS:
    case ELOOP:
        return {ReleaseError::Code::NoDirectory,
            QStringLiteral("%1 cannot be written to: %2. Create it, or choose another directory.")
                .arg(where, reason)};
    default:
        return {ReleaseError::Code::Failed,
            QStringLiteral("Saving %2 in %1 failed: %3. Choose another directory or name.")
                .arg(where, what, reason)};
    }
}

bool isOneComponent(const QByteArray &name)
{
    return !name.isEmpty() && name != "." && name != ".." && !name.contains('/')
        && !name.contains('\0');
}

Errno place(const Spool &spool, const Target &target)
{
    const mode_t mode = newFileMode();
    Errno error = EXDEV;
    struct stat status { };
    // A second release gets a file of its own: a link would be a second name of the first one's. So
    // does one that a scan still reads, which nobody waits for: its user may shorten the file, and
    // who reads mapped bytes beyond the end of a file dies of it.
    if (!spool.isInMemory() && !spool.isBeingRead() && ::fstat(spool.descriptor(), &status) == 0
        && status.st_nlink == 0 && ::fchmod(spool.descriptor(), mode) == 0)
        error = target.link(spool.descriptor());
    if (isUnsupported(error))
        error = target.linkCopy(spool, mode);
    if (isUnsupported(error))
        error = target.renameCopy(spool, mode);
    return error;
}

} // namespace

std::expected<QString, ReleaseError> releaseInto(
    const Spool &spool, const QString &directory, const QString &name, ExistingFile existing)
{
    const QByteArray fileName = QFile::encodeName(name);
    if (!isOneComponent(fileName))
        return std::unexpected(ReleaseError{ReleaseError::Code::Failed,
            QStringLiteral("A download cannot be saved under a name that is empty or a path.")});
    if (!spool.isSealed())
        return std::unexpected(ReleaseError{ReleaseError::Code::Failed,
            QStringLiteral("%1 is not complete yet and cannot be saved.").arg(printable(name))});

    const QByteArray path = QFile::encodeName(directory);
    if (path.contains('\0'))
        return std::unexpected(toError(ENOENT, directory, name));
    FileDescriptor opened(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened.isValid())
        return std::unexpected(toError(errno, directory, name));

    const Target target(std::move(opened), fileName, existing);
    if (const Errno error = place(spool, target); error != 0)
        return std::unexpected(toError(error, directory, name));
    return QDir(directory).absoluteFilePath(name);
}

} // namespace Sentinel
