// SPDX-License-Identifier: MIT
#include "SecurityTap/audit/AuditFile.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/store/PatientLock_p.h"
#include "SecurityTap/store/StorePaths.h"
#include "ipc/Retried_p.h"

#include <QFile>

#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

//! Holds a lock of flock() on \p descriptor.
class FileLock {
public:
    explicit FileLock(
        int descriptor, std::chrono::milliseconds patience = Limits::storeLockPatience)
        : m_descriptor(descriptor), m_isHeld(lockInTime(descriptor, patience))
    {
    }
    ~FileLock()
    {
        if (m_isHeld)
            ::flock(m_descriptor, LOCK_UN);
    }
    Q_DISABLE_COPY_MOVE(FileLock)
    bool isHeld() const { return m_isHeld; }

private:
    const int m_descriptor;
    const bool m_isHeld;
};

//! Deletes the rotated files of \p directory whose numbers are not below \p count: another setting
//! has left them.
void deleteFrom(int count, int directory)
{
    // A position of its own.
    FileDescriptor copy(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    DIR *const entries = copy.isValid() ? ::fdopendir(copy.get()) : nullptr;
    if (!entries)
        return;
    copy.release();
    while (const dirent *entry = ::readdir(entries)) {
        if (AuditFileName::numberOf(entry->d_name) >= count)
            ::unlinkat(directory, entry->d_name, 0);
    }
    ::closedir(entries);
}

bool existsIn(int directory, const QByteArray &name)
{
    struct stat status { };
    return ::fstatat(directory, name.constData(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

} // namespace

QByteArray AuditFileName::rotated(int number)
{
    return QByteArray(current) + '.' + QByteArray::number(number);
}

int AuditFileName::numberOf(const QByteArray &name)
{
    if (name == current)
        return 0;
    const QByteArray digits = name.mid(qsizetype(sizeof current));
    bool isNumber = false;
    const int number = digits.toInt(&isNumber);
    return isNumber && number > 0 && name == rotated(number) ? number : -1;
}

std::expected<AuditFile, QString> AuditFile::open(const AuditSettings &settings)
{
    AuditFile file(settings);
    if (auto opened = file.openAll(); !opened)
        return std::unexpected(opened.error());
    return file;
}

std::unexpected<QString> AuditFile::trouble(const char *name, const QString &what) const
{
    return std::unexpected(
        QStringLiteral("%1/%2: %3")
            .arg(printable(m_settings.directory), QLatin1StringView(name), what));
}

std::unexpected<QString> AuditFile::systemTrouble(const char *name) const
{
    return trouble(name, QString::fromLocal8Bit(std::strerror(errno)));
}

std::expected<void, QString> AuditFile::openAll()
{
    auto directory = openPrivateDirectory(m_settings.directory);
    if (!directory)
        return std::unexpected(directory.error());
    m_directory = std::move(*directory);
    m_lock = FileDescriptor(retried([this] {
        return ::openat(m_directory.get(), AuditFileName::lock,
            O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    }));
    if (!m_lock.isValid())
        return systemTrouble(AuditFileName::lock);
    if (auto size = openCurrent(); !size)
        return std::unexpected(size.error());
    // Who opens waits for nobody: a process that was stopped may hold the lock for ever. What is
    // not deleted now is with the next rotation; which file is in use append() looks up anew.
    if (const FileLock lock(m_lock.get(), std::chrono::milliseconds::zero()); lock.isHeld())
        deleteFrom(m_settings.maxFiles, m_directory.get());
    ::fsync(m_directory.get());
    return {};
}

//! Sees to it that m_current is the file that is in use now; its size.
std::expected<off_t, QString> AuditFile::openCurrent()
{
    struct stat held { };
    struct stat named { };
    const bool isThere =
        ::fstatat(m_directory.get(), AuditFileName::current, &named, AT_SYMLINK_NOFOLLOW) == 0;
    if (isThere && m_current.isValid() && ::fstat(m_current.get(), &held) == 0
        && held.st_ino == named.st_ino && held.st_dev == named.st_dev)
        return held.st_size;

    m_current = FileDescriptor(retried([this] {
        return ::openat(m_directory.get(), AuditFileName::current,
            O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    }));
    if (!m_current.isValid() && errno == ELOOP)
        return trouble(AuditFileName::current,
            QStringLiteral("this is a link, which is not followed; remove it"));
    if (!m_current.isValid() || ::fstat(m_current.get(), &held) != 0)
        return systemTrouble(AuditFileName::current);
    if (!S_ISREG(held.st_mode) || held.st_uid != ::geteuid()) {
        m_current = FileDescriptor();
        return trouble(AuditFileName::current,
            QStringLiteral("this is no regular file of this user; remove it"));
    }
    if ((held.st_mode & 077) != 0 && ::fchmod(m_current.get(), 0600) != 0)
        return systemTrouble(AuditFileName::current);
    return held.st_size;
}

//! Makes room: each file gets the next number up to the first that is free, as a rotation that was
//! cut short leaves one.
std::expected<void, QString> AuditFile::rotate()
{
    if (::fdatasync(m_current.get()) != 0)
        return systemTrouble(AuditFileName::current);
    deleteFrom(m_settings.maxFiles, m_directory.get());
    int free = 1;
    while (free < m_settings.maxFiles && existsIn(m_directory.get(), AuditFileName::rotated(free)))
        ++free;
    if (free == m_settings.maxFiles && --free > 0)
        ::unlinkat(m_directory.get(), AuditFileName::rotated(free).constData(), 0);
    for (int number = free; number > 0; --number) {
        const QByteArray from =
            number == 1 ? QByteArray(AuditFileName::current) : AuditFileName::rotated(number - 1);
        const QByteArray to = AuditFileName::rotated(number);
        if (::renameat(m_directory.get(), from.constData(), m_directory.get(), to.constData()) != 0)
            return systemTrouble(from.constData());
    }
    if (free == 0) // there is but one file
        ::unlinkat(m_directory.get(), AuditFileName::current, 0);
    const auto size = openCurrent();
    ::fsync(m_directory.get()); // if it fails, names may be older after a crash of the machine
    return size ? std::expected<void, QString>() : std::unexpected(size.error());
}

std::expected<void, QString> AuditFile::appendLocked(const QByteArray &line)
{
    const FileLock lock(m_lock.get());
    if (!lock.isHeld())
        return systemTrouble(AuditFileName::lock);
    auto size = openCurrent();
    if (!size)
        return std::unexpected(size.error());
    if (*size > 0 && *size + line.size() > m_settings.maxFileBytes) {
        if (auto rotated = rotate(); !rotated)
            return rotated;
        size = openCurrent();
        if (!size)
            return std::unexpected(size.error());
    }
    char last = '\n';
    if (*size > 0 && ::pread(m_current.get(), &last, 1, *size - 1) != 1)
        return systemTrouble(AuditFileName::current);
    const QByteArray bytes = last == '\n' ? line : '\n' + line;
    const ssize_t written =
        retried([&] { return ::write(m_current.get(), bytes.constData(), size_t(bytes.size())); });
    if (written == bytes.size())
        return {};
    const int error = written < 0 ? errno : ENOSPC;
    if (written > 0 && ::ftruncate(m_current.get(), *size) != 0)
        m_current = FileDescriptor(); // the next line begins with a line feed
    errno = error;
    return systemTrouble(AuditFileName::current);
}

std::expected<void, QString> AuditFile::append(const QByteArray &line)
{
    if (!m_lock.isValid()) {
        if (auto opened = openAll(); !opened)
            return opened;
    }
    auto written = appendLocked(line);
    if (!written) {
        m_current = FileDescriptor();
        m_lock = FileDescriptor();
    }
    return written;
}

std::expected<void, QString> AuditFile::sync()
{
    if (m_current.isValid() && ::fdatasync(m_current.get()) != 0)
        return systemTrouble(AuditFileName::current);
    return {};
}

} // namespace Sentinel
