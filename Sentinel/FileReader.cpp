// SPDX-License-Identifier: MIT
#include "Sentinel/FileReader.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/content/ContentFile.h"
#include "SecurityTap/content/FileCopy.h"
#include "ipc/Retried_p.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

//! read(2) moves at most 2 GiB less a page at once.
constexpr qint64 maxReadBytes = Limits::gib;

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
        const ssize_t count = retried([&] { return ::read(file.get(), buffer + size, wanted); });
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        size += count;
    }
    return size;
}

//! \p content, of which \p size bytes were read, -1 and errno on an error; one more than \p
//! maxBytes tells that there are too many.
std::expected<std::shared_ptr<const Content>, ScanResult> finished(
    const std::shared_ptr<Content> &content, qint64 size, qint64 maxBytes)
{
    if (size < 0)
        return std::unexpected(unreadable(systemError()));
    if (size > maxBytes)
        return std::unexpected(tooLarge());
    content->grow(size);
    content->complete();
    return content;
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
    auto content = std::make_shared<Content>(bytes, owner);
    return finished(content, fill(file, bytes, maxBytes + 1), maxBytes);
}

std::expected<std::shared_ptr<const Content>, ScanResult> copyFile(
    const FileDescriptor &file, qint64 maxBytes)
{
    if (auto no = whyNot(file, maxBytes))
        return std::unexpected(std::move(*no));
    FileDescriptor copy(::memfd_create("scan", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    qint64 size = copy.isValid() ? copyBytes(file.get(), copy.get(), maxBytes + 1) : -1;
    if (size >= 0 && !sealForGood(copy.get()))
        size = -1;
    return finished(std::make_shared<Content>(std::move(copy)), size, maxBytes);
}

} // namespace Sentinel
