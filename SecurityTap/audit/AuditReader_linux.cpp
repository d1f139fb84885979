// SPDX-License-Identifier: MIT
#include "SecurityTap/audit/AuditReader.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/audit/AuditFile.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/store/PatientLock_p.h"
#include "ipc/Retried_p.h"

#include <QFile>
#include <QJsonDocument>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <functional>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace Sentinel {

namespace {

constexpr qsizetype auditBlockBytes = 2 * Limits::maxAuditEventBytes;

//! The numbers of the files in \p directory, the oldest first.
std::vector<int> auditNumbersIn(int directory)
{
    std::vector<int> numbers;
    FileDescriptor copy(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *const entries = copy.isValid() ? ::fdopendir(copy.get()) : nullptr;
    if (!entries)
        return numbers;
    copy.release();
    while (const dirent *entry = ::readdir(entries)) {
        const int number = AuditFileName::numberOf(entry->d_name);
        if (number >= 0 && number <= Limits::maxAuditFilesKept)
            numbers.push_back(number);
    }
    ::closedir(entries);
    std::ranges::sort(numbers, std::greater());
    return numbers;
}

} // namespace

std::expected<AuditReader, QString> AuditReader::open(const QString &directory)
{
    AuditReader reader;
    const QByteArray name = QFile::encodeName(directory);
    reader.m_directory =
        FileDescriptor(::open(name.constData(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!reader.m_directory.isValid()) {
        return std::unexpected(QStringLiteral("%1: %2").arg(
            printable(directory), QString::fromLocal8Bit(std::strerror(errno))));
    }
    reader.m_files = reader.openFiles();
    return reader;
}

//! Nobody writes or renames until it is closed. Without the file nobody does either. If a writer
//! was stopped who holds it, what is there is read all the same: he renames nothing.
FileDescriptor AuditReader::lockAgainstWriters() const
{
    FileDescriptor lock(::openat(m_directory.get(), AuditFileName::lock,
        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (lock.isValid())
        lockInTime(lock.get(), Limits::auditReadPatience, LOCK_SH);
    return lock;
}

//! All files there are, as they are between two rotations.
std::deque<AuditReader::File> AuditReader::openFiles() const
{
    const FileDescriptor lock = lockAgainstWriters();
    std::deque<File> files;
    for (const int number : auditNumbersIn(m_directory.get())) {
        const QByteArray name =
            number == 0 ? QByteArray(AuditFileName::current) : AuditFileName::rotated(number);
        File file;
        file.name = QString::fromLatin1(name);
        file.descriptor = FileDescriptor(::openat(m_directory.get(), name.constData(),
            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        struct stat status { };
        if (!file.descriptor.isValid() || ::fstat(file.descriptor.get(), &status) != 0
            || !S_ISREG(status.st_mode))
            continue;
        file.device = status.st_dev;
        file.inode = status.st_ino;
        files.push_back(std::move(file));
    }
    return files;
}

std::optional<AuditLine> AuditReader::next()
{
    while (true) {
        while (!m_files.empty()) {
            if (auto line = nextOf(m_files.front()))
                return line;
            if (m_files.size() == 1)
                break;
            // It has got a successor, so nothing is added to it any more.
            auto torn = rest();
            m_files.pop_front();
            m_block.clear();
            if (torn)
                return torn;
        }
        if (!lookForNewer())
            return std::nullopt;
    }
}

//! True if there is more to read than the file at hand, which stays the first.
bool AuditReader::lookForNewer()
{
    struct stat named { };
    if (::fstatat(m_directory.get(), AuditFileName::current, &named, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    const auto isAtHand = [this](const File &file) {
        return file.device == m_files.front().device && file.inode == m_files.front().inode;
    };
    if (!m_files.empty() && named.st_ino == m_files.front().inode
        && named.st_dev == m_files.front().device)
        return false;
    std::deque<File> files = openFiles();
    if (m_files.empty()) {
        m_files = std::move(files);
        return !m_files.empty();
    }
    const auto found = std::ranges::find_if(files, isAtHand);
    if (found == files.end())
        m_hasLost = true;
    else
        files.erase(files.begin(), found + 1);
    for (File &file : files)
        m_files.push_back(std::move(file));
    return m_files.size() > 1;
}

std::optional<AuditLine> AuditReader::nextOf(File &file)
{
    bool isFresh = false;
    QByteArray start; // of a line that no block holds
    while (true) {
        const qsizetype from = qsizetype(file.at - m_blockAt);
        const bool isHeld = !m_block.isEmpty() && from >= 0 && from <= m_block.size();
        const qsizetype end = isHeld ? m_block.indexOf('\n', from) : -1;
        if (end >= 0) {
            const QByteArray text = start + m_block.sliced(from, end - from);
            file.at = m_blockAt + end + 1;
            return lineOf(file, text);
        }
        if (isFresh) {
            // What is longer than any line of a log is passed over, with its start kept.
            if (m_block.size() < auditBlockBytes)
                return std::nullopt;
            if (start.isEmpty())
                start = m_block;
            file.at += m_block.size();
        }
        m_block.resize(auditBlockBytes);
        m_blockAt = file.at;
        const ssize_t size = retried([&] {
            return ::pread(file.descriptor.get(), m_block.data(), size_t(auditBlockBytes), file.at);
        });
        m_block.resize(qMax<qsizetype>(size, 0));
        isFresh = true;
    }
}

std::optional<AuditLine> AuditReader::rest()
{
    if (m_files.empty())
        return std::nullopt;
    const FileDescriptor lock = lockAgainstWriters();
    const File &file = m_files.front();
    QByteArray text(Limits::maxAuditEventBytes, '\0');
    const ssize_t size = retried(
        [&] { return ::pread(file.descriptor.get(), text.data(), size_t(text.size()), file.at); });
    text.resize(qMax<qsizetype>(size, 0));
    if (text.isEmpty() || text.contains('\n')) // it has come to its end meanwhile
        return std::nullopt;
    AuditLine line;
    line.text = text;
    line.file = file.name;
    line.number = file.lines + 1;
    return line;
}

AuditLine AuditReader::lineOf(File &file, QByteArray text)
{
    AuditLine line;
    line.file = file.name;
    line.number = ++file.lines;
    const bool isTooLong = text.size() > Limits::maxAuditEventBytes;
    if (!isTooLong) {
        const QJsonDocument document = QJsonDocument::fromJson(text);
        if (document.isObject() && document[QStringLiteral("event")].isObject())
            line.event = document.object();
    }
    line.text = std::move(text).left(Limits::maxAuditEventBytes);
    return line;
}

} // namespace Sentinel
