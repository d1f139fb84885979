// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Spool.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileCopy.h"
#include "ipc/Retried_p.h"

#include <QDir>
#include <QFile>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U // Linux 6.3
#endif

namespace Sentinel {

namespace {

// What a spool of unknown size takes from the budget at a time.
constexpr qint64 reserveStepBytes = 256 * Limits::kib;
constexpr mode_t spoolMode = 0600;

qint64 roundedUp(qint64 bytes, qint64 unit)
{
    return (bytes + unit - 1) / unit * unit;
}

qint64 pageBytes()
{
    static const qint64 bytes = ::sysconf(_SC_PAGESIZE);
    return bytes;
}

void *mapped(void *address, qint64 size, int flags, int descriptor)
{
    return ::mmap(address, static_cast<size_t>(size), PROT_READ,
        MAP_PRIVATE | MAP_NORESERVE | flags, descriptor, 0);
}

//! The file \p descriptor again, for reading alone; invalid without /proc. What is mapped by a
//! descriptor that can write is held open for writing by its mapping: the system gives no lease on
//! it then, and a release has to copy it.
FileDescriptor reopened(int descriptor)
{
    const QByteArray path = "/proc/self/fd/" + QByteArray::number(descriptor);
    return FileDescriptor(retried([&] { return ::open(path.constData(), O_RDONLY | O_CLOEXEC); }));
}

} // namespace

// The address range that content() shows, and what it holds of the budget while anyone can read it.
struct Spool::Mapping {
    Mapping(std::shared_ptr<SpoolBudget> spoolBudget, quint64 spoolOrigin)
        : budget(std::move(spoolBudget)), origin(spoolOrigin)
    {
    }
    Q_DISABLE_COPY_MOVE(Mapping)
    ~Mapping()
    {
        if (address)
            ::munmap(address, static_cast<size_t>(sizeBytes));
        giveBack();
    }
    void giveBack()
    {
        if (budget)
            budget->release(reservedBytes, origin);
        reservedBytes = 0;
    }

    std::shared_ptr<SpoolBudget> budget;
    const quint64 origin;
    qint64 reservedBytes = 0;
    void *address = nullptr;
    qint64 sizeBytes = 0;
};

Spool::Spool(SpoolOptions options)
    : m_options(std::move(options))
    , m_mapping(std::make_shared<Mapping>(m_options.budget, m_options.origin))
{
    if (m_options.directory.isEmpty())
        m_options.directory = QDir::tempPath();
    // More can never arrive, so more address space is of no use.
    m_options.maxMappedBytes =
        std::clamp<qint64>(m_options.maxMappedBytes, 0, std::max<qint64>(m_options.maxBytes, 0));
}

Spool::~Spool() = default;

std::expected<std::unique_ptr<Spool>, SpoolError> Spool::create(SpoolOptions options)
{
    std::unique_ptr<Spool> spool(new Spool(std::move(options)));
    const qint64 announced = std::max<qint64>(spool->m_options.announcedBytes.value_or(0), 0);
    const bool toMemory = announced <= Limits::maxMemorySpoolBytes
        && spool->tryReserve(announced, pageBytes()) && spool->openMemory();
    if (!toMemory) {
        spool->m_mapping->giveBack();
        auto file = spool->openFile();
        if (!file)
            return std::unexpected(file.error());
        spool->m_file = std::move(*file);
    }
    if (const auto done = spool->map(); !done)
        return std::unexpected(done.error());
    return spool;
}

SpoolError Spool::error(int errorNumber, const QString &what) const
{
    const QString reason = qt_error_string(errorNumber);
    switch (errorNumber) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: // RLIMIT_FSIZE, or the file system's largest file
        return {SpoolError::Code::NoSpace,
            QStringLiteral("%1 failed: %2. Free some space in %3, or choose another directory.")
                .arg(what, reason, m_options.directory)};
    case EMFILE:
    case ENFILE:
        return {SpoolError::Code::Failed,
            QStringLiteral("%1 failed: %2. Raise the limit of open files (ulimit -n).")
                .arg(what, reason)};
    default:
        return {SpoolError::Code::Failed,
            QStringLiteral("%1 failed: %2. Check the directory %3, or choose another one.")
                .arg(what, reason, m_options.directory)};
    }
}

std::expected<void, SpoolError> Spool::openMemory()
{
    // Never executable where the kernel knows how; an older one refuses the flag.
    int fd = ::memfd_create("download", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = ::memfd_create("download", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    FileDescriptor file(fd);
    // Cannot shrink from the start: no reader will ever touch a page that is gone.
    if (fd < 0 || ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
        return std::unexpected(error(errno, QStringLiteral("Keeping a download in memory")));
    m_file = std::move(file);
    m_inMemory = true;
    return {};
}

std::expected<FileDescriptor, SpoolError> Spool::openFile()
{
    const auto openIn = [](const QString &directory) {
        const QByteArray path = QFile::encodeName(directory);
        return retried(
            [&] { return ::open(path.constData(), O_TMPFILE | O_RDWR | O_CLOEXEC, spoolMode); });
    };
    int fd = openIn(m_options.directory);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        m_options.directory = QDir::tempPath(); // as on vfat; the release then copies
        fd = openIn(m_options.directory);
    }
    if (fd < 0)
        return std::unexpected(
            error(errno, QStringLiteral("Creating a nameless file for a download")));
    return FileDescriptor(fd);
}

std::expected<void, SpoolError> Spool::map()
{
    // The whole range at once, far beyond the end of the file: as the file grows, its bytes appear
    // here. Pages beyond the end would be SIGBUS, so readers stay within what is announced.
    m_mapping->sizeBytes = roundedUp(std::max<qint64>(m_options.maxMappedBytes, 1), pageBytes());
    const FileDescriptor reader = m_inMemory ? FileDescriptor() : reopened(m_file.get());
    void *address =
        mapped(nullptr, m_mapping->sizeBytes, 0, reader.isValid() ? reader.get() : m_file.get());
    if (address == MAP_FAILED)
        return std::unexpected(error(errno, QStringLiteral("Mapping a download for its scan")));
    m_mapping->address = address;
    m_content = std::make_shared<Content>(static_cast<const uchar *>(address), m_mapping);
    return {};
}

// Room for \p sizeBytes in memory, taken from the budget in multiples of \p unitBytes.
bool Spool::tryReserve(qint64 sizeBytes, qint64 unitBytes)
{
    const qint64 missing = sizeBytes - m_mapping->reservedBytes;
    if (missing <= 0)
        return true;
    const qint64 taken = roundedUp(missing, unitBytes);
    if (m_mapping->budget && !m_mapping->budget->tryReserve(taken, m_mapping->origin))
        return false;
    m_mapping->reservedBytes += taken;
    return true;
}

std::expected<void, SpoolError> Spool::append(std::span<const char> bytes)
{
    if (m_sealed)
        return std::unexpected(SpoolError{SpoolError::Code::Failed,
            QStringLiteral("Bytes arrived after the end of the download.")});
    const auto count = static_cast<qint64>(bytes.size());
    if (count > m_options.maxBytes - m_size)
        return std::unexpected(SpoolError{SpoolError::Code::TooLarge,
            QStringLiteral("The download is larger than the limit of %1 bytes.")
                .arg(m_options.maxBytes)});

    if (m_inMemory) {
        const qint64 size = m_size + count;
        const bool fits = size <= m_mapping->reservedBytes
            || (size <= Limits::maxUnannouncedMemoryBytes && tryReserve(size, reserveStepBytes));
        if (!fits) {
            if (const auto moved = moveToFile(); !moved)
                return moved;
        }
    }

    auto written = write(bytes);
    if (!written && m_inMemory && moveToFile()) // no memory left; there may be room on the disk
        written = write(bytes);
    if (!written)
        return written;
    m_size += count;
    m_content->grow(std::min(m_size, m_options.maxMappedBytes));
    return {};
}

// All of \p bytes at the end, which stays where it is if they do not fit.
std::expected<void, SpoolError> Spool::write(std::span<const char> bytes)
{
    qint64 offset = m_size;
    while (!bytes.empty()) {
        const auto count =
            retried([&] { return ::pwrite(m_file.get(), bytes.data(), bytes.size(), offset); });
        if (count < 0) {
            const int errorNumber = errno;
            // What memory keeps beyond m_size nobody looks at, and seal() gets rid of.
            [[maybe_unused]] const int cut = m_inMemory ? 0 : ::ftruncate(m_file.get(), m_size);
            return std::unexpected(error(errorNumber, QStringLiteral("Writing a download")));
        }
        bytes = bytes.subspan(static_cast<size_t>(count));
        offset += count;
    }
    return {};
}

std::expected<void, SpoolError> Spool::copyTo(int descriptor) const
{
    if (const auto unchanged = checkUnchanged(); !unchanged)
        return unchanged;
    const qint64 copied = copyBytes(m_file.get(), descriptor, m_size);
    if (copied == m_size)
        return {};
    // Shorter than it says: never release less than was scanned.
    return std::unexpected(error(copied < 0 ? errno : EIO, QStringLiteral("Copying a download")));
}

std::expected<void, SpoolError> Spool::moveToFile()
{
    auto file = openFile();
    if (!file)
        return std::unexpected(file.error());
    if (const auto copied = copyTo(file->get()); !copied)
        return copied;

    // The file takes the memory's place in one step, with the same bytes at the same addresses:
    // a scan that reads there meanwhile does not notice. Whether this file can be mapped at all is
    // tried elsewhere first, as a failure in place may leave a hole under that scan.
    const FileDescriptor reader = reopened(file->get());
    const int source = reader.isValid() ? reader.get() : file->get();
    void *trial = mapped(nullptr, pageBytes(), 0, source);
    if (trial == MAP_FAILED)
        return std::unexpected(error(errno, QStringLiteral("Mapping a download for its scan")));
    ::munmap(trial, static_cast<size_t>(pageBytes()));
    if (mapped(m_mapping->address, m_mapping->sizeBytes, MAP_FIXED, source) == MAP_FAILED) {
        const int errorNumber = errno;
        if (mapped(m_mapping->address, m_mapping->sizeBytes, MAP_FIXED, m_file.get()) == MAP_FAILED)
            qFatal("A download's memory cannot be mapped again: %d", errorNumber);
        return std::unexpected(
            error(errorNumber, QStringLiteral("Mapping a download for its scan")));
    }
    m_file = std::move(*file);
    m_inMemory = false;
    m_mapping->giveBack();
    return {};
}

// Cuts off what a failed append() left behind the end.
std::expected<void, SpoolError> Spool::cutToSize()
{
    struct stat status { };
    if (::fstat(m_file.get(), &status) != 0)
        return std::unexpected(error(errno, QStringLiteral("Closing a download")));
    if (status.st_size == m_size)
        return {};
    if (m_inMemory)
        return moveToFile(); // memory cannot shrink
    if (::ftruncate(m_file.get(), m_size) != 0)
        return std::unexpected(error(errno, QStringLiteral("Closing a download")));
    return {};
}

std::expected<void, SpoolError> Spool::seal()
{
    if (m_sealed)
        return {};
    if (const auto cut = cutToSize(); !cut)
        return cut;
    if (m_inMemory) {
        // Not F_SEAL_WRITE, which looks at every page, while the event loop waits, for a writable
        // mapping from before: there never was one.
        constexpr int seals = F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SEAL;
        if (retried([&] { return ::fcntl(m_file.get(), F_ADD_SEALS, seals); }) < 0)
            return std::unexpected(error(errno, QStringLiteral("Sealing a download")));
    } else if (auto readOnly = openReadOnly()) {
        // Also lets a released program be started while we still hold it (no ETXTBSY).
        m_file = std::move(*readOnly);
    } // Without /proc it stays writable by us alone, which scans nothing worse.
    struct stat status { };
    if (::fstat(m_file.get(), &status) == 0)
        m_sealedAt = status.st_mtim;
    m_sealed = true;
    if (m_size <= m_options.maxMappedBytes)
        m_content->complete();
    return {};
}

//! A spool that was linked into place is its user's file as well from then on.
std::expected<void, SpoolError> Spool::checkUnchanged() const
{
    if (!m_sealed || m_inMemory)
        return {};
    struct stat status { };
    if (::fstat(m_file.get(), &status) != 0)
        return std::unexpected(error(errno, QStringLiteral("Reading a download")));
    if (status.st_size == m_size && status.st_mtim.tv_sec == m_sealedAt.tv_sec
        && status.st_mtim.tv_nsec == m_sealedAt.tv_nsec)
        return {};
    return std::unexpected(SpoolError{SpoolError::Code::Changed,
        QStringLiteral("The file of a download was changed by another program.")});
}

std::expected<qint64, SpoolError> Spool::read(char *target, qint64 size, qint64 offset) const
{
    if (const auto unchanged = checkUnchanged(); !unchanged)
        return std::unexpected(unchanged.error());
    if (size < 0 || offset < 0)
        return std::unexpected(SpoolError{
            SpoolError::Code::Failed, QStringLiteral("A read before the start of a download.")});
    // Not to the end of the file: a failed append() may have left bytes there.
    const qint64 end = offset + std::min(size, std::max<qint64>(m_size - offset, 0));
    qint64 done = 0;
    while (offset + done < end) {
        const auto count = retried([&] {
            return ::pread(m_file.get(), target + done, static_cast<size_t>(end - offset - done),
                offset + done);
        });
        if (count < 0)
            return std::unexpected(error(errno, QStringLiteral("Reading a download")));
        if (count == 0)
            break;
        done += count;
    }
    return done;
}

std::expected<FileDescriptor, SpoolError> Spool::openReadOnly() const
{
    FileDescriptor reader = reopened(m_file.get());
    if (!reader.isValid())
        return std::unexpected(error(errno, QStringLiteral("Opening a download for reading")));
    return reader;
}

} // namespace Sentinel
