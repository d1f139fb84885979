// SPDX-License-Identifier: MIT
#include "Sentinel/FileReader.h"

#include "SecurityTap/Limits.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

//! read(2) moves at most 2 GiB less a page at once.
constexpr qint64 maxReadBytes = Limits::gib;
constexpr size_t copiedAtOnce = 256 * Limits::kib;

QString systemError()
{
    return QString::fromLocal8Bit(std::strerror(errno));
}

ScanResult unreadable(const QString &detail)
{
    return ScanResult::notScanned(Reason::Unreadable, detail);
}

ScanResult tooLarge()
{
    return ScanResult::notScanned(Reason::TooLarge);
}

//! Why \p file cannot be scanned, as far as the system tells beforehand.
std::optional<ScanResult> whyNot(const FileDescriptor &file, qint64 maxBytes)
{
    struct stat status { };
    if (::fstat(file.get(), &status) != 0)
        return unreadable(systemError());
    return status.st_size > maxBytes ? std::optional(tooLarge()) : std::nullopt;
}

//! Reads \p file to its end or until \p capacity bytes are there; -1 and errno on an error.
qint64 fill(const FileDescriptor &file, uchar *buffer, qint64 capacity)
{
    qint64 size = 0;
    while (size < capacity) {
        const size_t wanted = size_t(std::min(capacity - size, maxReadBytes));
        const ssize_t count = ::read(file.get(), buffer + size, wanted);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        size += count;
    }
    return size;
}

//! Copies \p file to its end or until \p most bytes are there; -1 and errno on an error.
qint64 moveBytes(const FileDescriptor &file, const FileDescriptor &target, qint64 most)
{
    std::vector<uchar> piece; // of files that the kernel cannot copy by itself
    qint64 size = 0;
    while (size < most) {
        const size_t wanted = size_t(std::min(most - size, maxReadBytes));
        ssize_t count = piece.empty() ? ::sendfile(target.get(), file.get(), nullptr, wanted) : -1;
        if (count < 0 && piece.empty() && (errno == EINVAL || errno == ENOSYS))
            piece.resize(copiedAtOnce);
        if (!piece.empty()) {
            const size_t part = std::min(wanted, piece.size());
            count = ::read(file.get(), piece.data(), part);
            if (count > 0 && ::write(target.get(), piece.data(), size_t(count)) != count)
                return -1;
        }
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        size += count;
    }
    return size;
}

} // namespace

std::expected<FileDescriptor, QString> openForScan(const FilePlace &place)
{
    constexpr int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    FileDescriptor file(place.directory
            ? ::openat(::dirfd(place.directory.get()), place.name.constData(), flags | O_NOFOLLOW)
            : ::open(place.path.constData(), flags));
    struct stat status { };
    if (!file.isValid() || ::fstat(file.get(), &status) != 0)
        return std::unexpected(systemError());
    if (!S_ISREG(status.st_mode))
        return std::unexpected(QStringLiteral("Not a regular file"));
    return file;
}

std::expected<std::shared_ptr<const Content>, ScanResult> readFile(
    const FileDescriptor &file, qint64 maxBytes, const std::shared_ptr<ReadBuffers> &buffers)
{
    Q_ASSERT(maxBytes < buffers->capacity());
    if (auto no = whyNot(file, maxBytes))
        return std::unexpected(std::move(*no));

    uchar *bytes = buffers->lend();
    if (!bytes)
        return std::unexpected(unreadable(QStringLiteral("Not enough memory to read it")));
    const std::shared_ptr<const void> owner(
        bytes, [buffers](uchar *used) { buffers->takeBack(used); });
    // One byte more than there may be: then it is too large.
    const qint64 size = fill(file, bytes, maxBytes + 1);
    if (size < 0)
        return std::unexpected(unreadable(systemError()));
    if (size > maxBytes)
        return std::unexpected(tooLarge());
    auto content = std::make_shared<Content>(bytes, owner);
    content->grow(size);
    content->complete();
    return content;
}

std::expected<std::shared_ptr<const Content>, ScanResult> copyFile(
    const FileDescriptor &file, qint64 maxBytes)
{
    if (auto no = whyNot(file, maxBytes))
        return std::unexpected(std::move(*no));
    FileDescriptor copy(::memfd_create("scan", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const qint64 size = copy.isValid() ? moveBytes(file, copy, maxBytes + 1) : -1;
    if (size < 0)
        return std::unexpected(unreadable(systemError()));
    if (size > maxBytes)
        return std::unexpected(tooLarge());
    constexpr int forGood = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    if (::fcntl(copy.get(), F_ADD_SEALS, forGood) != 0)
        return std::unexpected(unreadable(systemError()));
    auto content = std::make_shared<Content>(std::move(copy));
    content->grow(size);
    content->complete();
    return content;
}

} // namespace Sentinel
