// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileRelease.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileLease.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/Sha256.h"
#include "ipc/Retried_p.h"

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
constexpr mode_t unreleasedMode = 0600;

// 0, or the error's number, or one of the two below.
using Errno = int;
constexpr Errno heldOpen = -1; // somebody has the file open for writing, or wants to
constexpr Errno otherBytes = -2; // what is there is not what was scanned

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
        return unreleasedMode;
    for (const QByteArray &line : status.readAll().split('\n')) {
        if (!line.startsWith("Umask:"))
            continue;
        bool isNumber = false;
        const uint mask = line.mid(qsizetype(sizeof "Umask:") - 1).trimmed().toUInt(&isNumber, 8);
        return isNumber ? all & ~mode_t(mask) : unreleasedMode;
    }
    return unreleasedMode;
}

QByteArray temporaryName()
{
    return ".download-" + QByteArray::number(QRandomGenerator::system()->generate64(), 36);
}

// One release: the directory, opened once, the name in it, and what goes there.
class Target {
public:
    Target(FileDescriptor directory, QByteArray name, ExistingFile existing, const Spool &spool,
        const ReleasedContent &content)
        : m_directory(std::move(directory))
        , m_name(std::move(name))
        , m_existing(existing)
        , m_spool(spool)
        , m_content(content)
    {
    }

    Errno linkSpool() const;
    Errno linkCopy() const;
    Errno renameCopy() const;

private:
    Errno equip(int file) const;
    Errno check(int file, const FileLease &lease) const;
    Errno fill(FileDescriptor &file) const;
    Errno link(int file) const;
    Errno linkAs(int file, const QByteArray &name) const;
    Errno rename(int file, const QByteArray &temporary) const;
    Errno renameFrom(const QByteArray &temporary) const;
    Errno renameOverPlaceholder(const QByteArray &temporary) const;
    void remove(const QByteArray &name) const { ::unlinkat(m_directory.get(), name, 0); }

    const FileDescriptor m_directory;
    const QByteArray m_name;
    const ExistingFile m_existing;
    const Spool &m_spool;
    const ReleasedContent &m_content;
    const mode_t m_mode = newFileMode();
};

// What a file shows beside its bytes, the mode last: one that takes the owner's right to write
// would keep the attributes away. vfat and the like refuse modes that they cannot store.
Errno Target::equip(int file) const
{
    writeProvenance(file, m_content.provenance);
    const Errno error = asErrno(::fchmod(file, m_mode));
    return error == EPERM || error == EOPNOTSUPP ? 0 : error;
}

// That \p file has the very bytes that were scanned, and keeps them while \p lease lives.
Errno Target::check(int file, const FileLease &lease) const
{
    if (m_content.sha256.isEmpty())
        return 0;
    if (lease.state() == FileLease::State::Busy)
        return heldOpen;
    struct stat status { };
    if (::fstat(file, &status) != 0)
        return errno;
    if (status.st_size != m_spool.sizeBytes())
        return otherBytes;
    const auto sha256 = sha256OfFile(file, m_spool.sizeBytes());
    if (!sha256)
        return errno;
    if (*sha256 != m_content.sha256)
        return otherBytes;
    return lease.state() == FileLease::State::Busy ? heldOpen : 0;
}

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
        directory, m_name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, unreleasedMode));
    if (!placeholder.isValid())
        return errno;
    const Errno error = asErrno(::renameat(directory, temporary, directory, m_name));
    if (error != 0)
        remove(m_name);
    return error;
}

// Under the lease of a file that was checked, there is nothing between it and the name.
Errno Target::link(int file) const
{
    const FileLease lease(file);
    Errno error = check(file, lease);
    if (error == 0)
        error = linkAs(file, m_name);
    if (error != EEXIST || m_existing == ExistingFile::Keep)
        return error;

    QByteArray temporary;
    for (int i = 0; error == EEXIST && i < maxTemporaryNames; ++i) {
        temporary = temporaryName();
        error = linkAs(file, temporary);
    }
    return error != 0 ? error : rename(file, temporary);
}

// From its temporary name; who may write to the directory could have put another file there.
Errno Target::rename(int file, const QByteArray &temporary) const
{
    if (const Errno error = renameFrom(temporary); error != 0) {
        remove(temporary);
        return error;
    }
    struct stat ours { };
    struct stat placed { };
    if (::fstat(file, &ours) != 0
        || ::fstatat(m_directory.get(), m_name, &placed, AT_SYMLINK_NOFOLLOW) != 0)
        return 0; // not to be known
    return placed.st_dev == ours.st_dev && placed.st_ino == ours.st_ino ? 0 : otherBytes;
}

// Writes a copy into \p file, which cannot write from then on.
Errno Target::fill(FileDescriptor &file) const
{
    if (const auto copied = m_spool.copyTo(file.get()); !copied) {
        switch (copied.error().code) {
        case SpoolError::Code::NoSpace:
            return ENOSPC;
        case SpoolError::Code::Changed:
            return otherBytes;
        default:
            return EIO;
        }
    }
    const QByteArray path = "/proc/self/fd/" + QByteArray::number(file.get());
    FileDescriptor readOnly(retried([&] { return ::open(path, O_RDONLY | O_CLOEXEC); }));
    if (readOnly.isValid()) // else without a lease
        file = std::move(readOnly);
    return equip(file.get());
}

Errno Target::linkSpool() const
{
    const Errno error = equip(m_spool.descriptor());
    return error != 0 ? EXDEV : link(m_spool.descriptor());
}

Errno Target::linkCopy() const
{
    FileDescriptor file(
        ::openat(m_directory.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, unreleasedMode));
    if (!file.isValid())
        return errno;
    const Errno error = fill(file);
    return error != 0 ? error : link(file.get());
}

Errno Target::renameCopy() const
{
    QByteArray temporary;
    int fd = -1;
    for (int i = 0; i < maxTemporaryNames; ++i) {
        temporary = temporaryName();
        fd = ::openat(m_directory.get(), temporary,
            O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, unreleasedMode);
        if (fd >= 0 || errno != EEXIST)
            break;
    }
    if (fd < 0)
        return errno;
    FileDescriptor file(fd);
    Errno error = fill(file);
    const FileLease lease(file.get());
    if (error == 0)
        error = check(file.get(), lease);
    if (error == 0)
        return rename(file.get(), temporary);
    remove(temporary);
    return error;
}

ReleaseError toError(Errno error, const QString &directory, const QString &name)
{
    const QString where = printable(directory);
    const QString what = printable(name);
    const QString reason = error > 0 ? qt_error_string(error) : QString();
    switch (error) {
    case heldOpen:
        return {ReleaseError::Code::Changed,
            QStringLiteral("%1 was not saved: another program keeps it open to change it. Close "
                           "that program, or download it again.")
                .arg(what)};
    case otherBytes:
        return {ReleaseError::Code::Changed,
            QStringLiteral("%1 was changed by another program after it was scanned. Download it "
                           "again.")
                .arg(what)};
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

// A second release gets a file of its own: a link would be a second name of the first one's. So
// does one that a scan still reads, which nobody waits for: its user may shorten the file, and who
// reads mapped bytes beyond the end of a file dies of it.
bool isLinkable(const Spool &spool)
{
    struct stat status { };
    return !spool.isInMemory() && !spool.isBeingRead() && ::fstat(spool.descriptor(), &status) == 0
        && status.st_nlink == 0;
}

// A process that is just being started from this one holds all of its files open for a moment, also
// one that can write to the copy.
template <typename Copy>
Errno undisturbed(Copy copy)
{
    Errno error = heldOpen;
    for (int i = 0; error == heldOpen && i < Limits::maxReleaseCopies; ++i)
        error = copy();
    return error;
}

Errno place(const Spool &spool, const Target &target)
{
    Errno error = isLinkable(spool) ? target.linkSpool() : EXDEV;
    if (isUnsupported(error) || error == heldOpen)
        error = undisturbed([&] { return target.linkCopy(); });
    if (isUnsupported(error))
        error = undisturbed([&] { return target.renameCopy(); });
    return error;
}

} // namespace

std::expected<QString, ReleaseError> releaseInto(const Spool &spool, const QString &directory,
    const QString &name, ExistingFile existing, const ReleasedContent &content)
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

    const Target target(std::move(opened), fileName, existing, spool, content);
    if (const Errno error = place(spool, target); error != 0)
        return std::unexpected(toError(error, directory, name));
    // (Of a name that begins with a colon, QDir::filePath() makes another thing.)
    return QDir::cleanPath(QDir(directory).absolutePath() + u'/' + name);
}

} // namespace Sentinel
