// SPDX-License-Identifier: MIT
#include "SecurityTap/quarantine/QuarantineFolder_p.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/store/PatientLock_p.h"
#include "ipc/Retried_p.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr char lockName[] = "lock";
constexpr char partSuffix[] = ".part";
constexpr char goneSuffix[] = ".gone";
constexpr size_t idBytes = 16;
constexpr mode_t itemMode = 0700;
constexpr mode_t fileMode = 0400;

std::unexpected<QuarantineError> folderError(const char *what)
{
    return std::unexpected(quarantineSystemError(errno, QLatin1StringView(what)));
}

FileDescriptor openedDirectory(int directory, const char *name)
{
    return FileDescriptor(retried([&] {
        return ::openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }));
}

FileDescriptor openedToRead(int directory, const char *name)
{
    // Not to wait for ever where somebody has put a pipe.
    return FileDescriptor(retried(
        [&] { return ::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); }));
}

FileDescriptor madeFile(int directory, const char *name)
{
    return FileDescriptor(retried([&] {
        return ::openat(
            directory, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, fileMode);
    }));
}

// Takes the room that a file will need, so that its lack is noticed early and others count it.
bool reserve(int file, qint64 bytes)
{
    if (retried([&] { return ::fallocate(file, 0, 0, bytes); }) == 0)
        return true;
    return (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)
        && retried([&] { return ::ftruncate(file, bytes); }) == 0;
}

// The ones of \p names that are an id and \p suffix.
QByteArrayList withSuffix(const QByteArrayList &names, const char *suffix)
{
    QByteArrayList found;
    for (const QByteArray &name : names) {
        if (name.endsWith(suffix)
            && QuarantineFolder::isId(name.chopped(qsizetype(std::strlen(suffix)))))
            found.append(name);
    }
    return found;
}

} // namespace

bool QuarantineFolder::isId(const QByteArray &name)
{
    return name.size() == qsizetype(2 * idBytes) && std::ranges::all_of(name, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

std::expected<FileDescriptor, QuarantineError> QuarantineFolder::lock() const
{
    FileDescriptor file(retried([&] {
        return ::openat(descriptor(), lockName, O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    }));
    if (!file.isValid() || !lockInTime(file.get(), Limits::storeLockPatience))
        return folderError("The quarantine cannot be locked");
    return file;
}

std::optional<FileDescriptor> QuarantineFolder::tryLock() const
{
    FileDescriptor file(retried([&] {
        return ::openat(descriptor(), lockName, O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    }));
    if (!file.isValid() || retried([&] { return ::flock(file.get(), LOCK_EX | LOCK_NB); }) != 0)
        return std::nullopt;
    return file;
}

std::expected<QByteArrayList, QuarantineError> QuarantineFolder::names() const
{
    // A description of its own: others read the directory, too.
    FileDescriptor opened = openedDirectory(descriptor(), ".");
    const std::unique_ptr<DIR, int (*)(DIR *)> stream(
        opened.isValid() ? ::fdopendir(opened.get()) : nullptr, &::closedir);
    if (!stream)
        return folderError("The quarantine cannot be listed");
    opened.release();
    QByteArrayList names;
    errno = 0;
    while (const dirent *entry = ::readdir(stream.get()))
        names.append(entry->d_name);
    if (errno != 0)
        return folderError("The quarantine cannot be listed");
    return names;
}

std::expected<QByteArrayList, QuarantineError> QuarantineFolder::ids() const
{
    const auto all = names();
    if (!all)
        return all;
    return withSuffix(*all, "");
}

std::expected<QuarantineFolder::Usage, QuarantineError> QuarantineFolder::usage() const
{
    const auto all = names();
    if (!all)
        return std::unexpected(all.error());
    const QByteArrayList counted = withSuffix(*all, "") + withSuffix(*all, partSuffix);
    Usage usage{int(counted.size()), 0};
    for (const QByteArray &name : counted) {
        struct stat status { };
        const QByteArray content = name + '/' + contentName;
        if (::fstatat(descriptor(), content.constData(), &status, AT_SYMLINK_NOFOLLOW) == 0)
            usage.bytes += status.st_size;
    }
    return usage;
}

std::expected<FileDescriptor, QuarantineError> QuarantineFolder::openItem(
    const QByteArray &name) const
{
    FileDescriptor item = openedDirectory(descriptor(), name.constData());
    if (item.isValid())
        return item;
    if (errno == ENOENT)
        return std::unexpected(QuarantineError{
            QuarantineError::Code::NotFound, QStringLiteral("there is no such item"), {}});
    if (errno == ENOTDIR || errno == ELOOP)
        return std::unexpected(QuarantineError{QuarantineError::Code::Damaged,
            QStringLiteral("what has its name is no directory; remove that by hand"), {}});
    return folderError("it cannot be opened");
}

std::expected<FileDescriptor, QuarantineError> QuarantineFolder::openFile(
    int item, const char *name)
{
    FileDescriptor file = openedToRead(item, name);
    struct stat status { };
    const bool isMissing = !file.isValid() && (errno == ENOENT || errno == ELOOP || errno == ENXIO);
    const bool isOpen = file.isValid() && ::fstat(file.get(), &status) == 0;
    if (isMissing || (isOpen && !S_ISREG(status.st_mode)))
        return std::unexpected(QuarantineError{QuarantineError::Code::Damaged,
            QStringLiteral("its %1 is missing; take it from a backup, or delete the item")
                .arg(QLatin1StringView(name)),
            {}});
    if (!isOpen)
        return std::unexpected(quarantineSystemError(
            errno, QStringLiteral("its %1 cannot be opened").arg(QLatin1StringView(name))));
    return file;
}

bool QuarantineFolder::exists(const QByteArray &name) const
{
    struct stat status { };
    return ::fstatat(descriptor(), name.constData(), &status, AT_SYMLINK_NOFOLLOW) == 0
        || errno != ENOENT;
}

std::expected<QuarantineFolder::Part, QuarantineError> QuarantineFolder::begin(
    qint64 contentBytes) const
{
    std::array<uchar, idBytes> random{};
    if (RAND_bytes(random.data(), int(random.size())) != 1)
        return std::unexpected(QuarantineError{QuarantineError::Code::Failed,
            QStringLiteral("OpenSSL has no random numbers for the name of an item"), {}});
    Part part;
    part.id = QByteArray(reinterpret_cast<const char *>(random.data()), idBytes).toHex();
    const QByteArray name = part.id + partSuffix;
    if (::mkdirat(descriptor(), name.constData(), itemMode) != 0)
        return folderError("A new item cannot be made in the quarantine");
    part.directory = openedDirectory(descriptor(), name.constData());
    if (part.directory.isValid())
        part.content = madeFile(part.directory.get(), contentName);
    if (part.content.isValid()
        && retried([&] { return ::flock(part.content.get(), LOCK_EX | LOCK_NB); }) == 0
        && reserve(part.content.get(), contentBytes))
        return part;
    const int error = errno;
    removeTree(name);
    return std::unexpected(quarantineSystemError(
        error, QStringLiteral("A new item cannot be made in the quarantine")));
}

std::expected<FileDescriptor, QuarantineError> QuarantineFolder::makeRecord(const Part &part)
{
    FileDescriptor file = madeFile(part.directory.get(), recordName);
    if (!file.isValid())
        return folderError("its record cannot be made");
    return file;
}

int QuarantineFolder::renameKeeping(const QByteArray &from, const QByteArray &to) const
{
    const char *source = from.constData();
    const char *target = to.constData();
    if (::renameat2(descriptor(), source, descriptor(), target, RENAME_NOREPLACE) == 0)
        return 0;
    // As on NFS. A directory that is not empty is never replaced by another, and no item is empty.
    if ((errno == EINVAL || errno == ENOSYS)
        && ::renameat(descriptor(), source, descriptor(), target) == 0)
        return 0;
    return errno;
}

QuarantineFolder::Result QuarantineFolder::commit(const Part &part) const
{
    if (::fsync(part.content.get()) != 0 || ::fsync(part.directory.get()) != 0)
        return folderError("the disk has not taken it");
    return moveIn(part);
}

QuarantineFolder::Result QuarantineFolder::moveIn(const Part &part) const
{
    if (const int error = renameKeeping(part.id + partSuffix, part.id); error != 0) {
        errno = error;
        return folderError("it cannot be put into its place");
    }
    if (::fsync(descriptor()) != 0) {
        auto error = quarantineSystemError(
            errno, QStringLiteral("it is stored, but the disk has not said that it will last"));
        error.code = QuarantineError::Code::NotConfirmed;
        return std::unexpected(error);
    }
    return {};
}

void QuarantineFolder::drop(const Part &part) const
{
    removeTree(part.id + partSuffix);
}

// Only the two files that an item has: what else is in there keeps the directory.
int QuarantineFolder::removeTree(const QByteArray &name) const
{
    const FileDescriptor item = openedDirectory(descriptor(), name.constData());
    if (!item.isValid())
        return errno == ENOENT ? 0 : errno;
    for (const char *file : {recordName, contentName}) {
        if (::unlinkat(item.get(), file, 0) != 0 && errno != ENOENT)
            return errno;
    }
    const bool isGone =
        ::unlinkat(descriptor(), name.constData(), AT_REMOVEDIR) == 0 || errno == ENOENT;
    return isGone ? 0 : errno;
}

QuarantineFolder::Result QuarantineFolder::remove(const QByteArray &id) const
{
    const QByteArray gone = id + goneSuffix;
    if (const int error = renameKeeping(id, gone); error != 0) {
        if (error == ENOENT)
            return std::unexpected(QuarantineError{
                QuarantineError::Code::NotFound, QStringLiteral("there is no such item"), {}});
        errno = error;
        return folderError("it cannot be deleted");
    }
    // Only when the disk knows that it is gone may its files go.
    if (::fsync(descriptor()) != 0) {
        auto error = quarantineSystemError(
            errno, QStringLiteral("it is deleted, but the disk has not said that this will last"));
        error.code = QuarantineError::Code::NotConfirmed;
        return std::unexpected(error);
    }
    if (const int error = removeTree(gone); error != 0) {
        auto left = quarantineSystemError(error,
            QStringLiteral("it is deleted, but its files are still there, inert; they go when the "
                           "quarantine is opened the next time"));
        left.code = QuarantineError::Code::NotConfirmed;
        return std::unexpected(left);
    }
    return {};
}

bool QuarantineFolder::isStill(const QByteArray &name, int opened) const
{
    struct stat named { };
    struct stat held { };
    return ::fstatat(descriptor(), name.constData(), &named, AT_SYMLINK_NOFOLLOW) == 0
        && ::fstat(opened, &held) == 0 && named.st_ino == held.st_ino
        && named.st_dev == held.st_dev;
}

std::vector<QuarantineFolder::Part> QuarantineFolder::abandonedParts() const
{
    std::vector<Part> parts;
    const auto all = names();
    for (const QByteArray &name : all ? withSuffix(*all, partSuffix) : QByteArrayList()) {
        Part part;
        part.id = name.chopped(qsizetype(std::strlen(partSuffix)));
        part.directory = openedDirectory(descriptor(), name.constData());
        if (!part.directory.isValid())
            continue;
        part.content = openedToRead(part.directory.get(), contentName);
        if (!part.content.isValid() && errno != ENOENT)
            continue; // not to be judged now
        // Who stores it holds the other lock, until it is under its final name or nobody's.
        if (part.content.isValid()
            && retried([&] { return ::flock(part.content.get(), LOCK_SH | LOCK_NB); }) != 0)
            continue;
        if (isStill(name, part.directory.get()))
            parts.push_back(std::move(part));
    }
    return parts;
}

void QuarantineFolder::finishDeletions() const
{
    const auto all = names();
    const QByteArrayList gone = all ? withSuffix(*all, goneSuffix) : QByteArrayList();
    if (gone.isEmpty() || ::fsync(descriptor()) != 0)
        return;
    for (const QByteArray &name : gone)
        removeTree(name);
}

} // namespace Sentinel
