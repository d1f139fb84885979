// SPDX-License-Identifier: MIT
#include "Sentinel/FileReader.h"

#include "SecurityTap/Limits.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

//! read(2) moves at most 2 GiB less a page at once.
constexpr qint64 maxReadBytes = Limits::gib;
constexpr qint64 leastCapacity = 64 * Limits::kib;

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

//! Fills \p buffer from \p size up to its capacity or the file's end; -1 and errno on an error.
qint64 fill(const FileDescriptor &file, ReadBuffer &buffer, qint64 size)
{
    while (size < buffer.capacity) {
        const size_t wanted = size_t(std::min(buffer.capacity - size, maxReadBytes));
        const ssize_t count = ::read(file.get(), buffer.bytes.get() + size, wanted);
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

std::shared_ptr<const Content> contentOf(
    ReadBuffer buffer, qint64 size, const std::shared_ptr<ReadBuffers> &buffers)
{
    const uchar *bytes = buffer.bytes.get();
    const qint64 capacity = buffer.capacity;
    const std::shared_ptr<const void> owner(
        buffer.bytes.release(), [buffers, capacity](uchar *used) {
            ReadBuffer back;
            back.bytes.reset(used);
            back.capacity = capacity;
            buffers->takeBack(std::move(back));
        });
    auto content = std::make_shared<Content>(bytes, owner);
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
    struct stat status { };
    if (::fstat(file.get(), &status) != 0)
        return std::unexpected(unreadable(systemError()));
    if (status.st_size > maxBytes)
        return std::unexpected(tooLarge());

    // One byte more than there should be: the end is seen without a larger buffer.
    qint64 capacity = std::max<qint64>(status.st_size + 1, leastCapacity);
    ReadBuffer buffer = buffers->lend(capacity);
    qint64 size = buffer.bytes ? fill(file, buffer, 0) : 0;
    while (buffer.bytes && size == buffer.capacity && size <= maxBytes) {
        capacity = std::min(2 * buffer.capacity, std::max(maxBytes, buffer.capacity) + 1);
        ReadBuffer larger = buffers->lend(capacity);
        if (larger.bytes) {
            std::memcpy(larger.bytes.get(), buffer.bytes.get(), size_t(size));
            size = fill(file, larger, size);
        }
        std::swap(buffer, larger);
        if (larger.bytes)
            buffers->takeBack(std::move(larger));
    }
    const int error = errno;
    if (!buffer.bytes)
        return std::unexpected(unreadable(QStringLiteral("Not enough memory to read it")));
    if (size < 0 || size > maxBytes) {
        buffers->takeBack(std::move(buffer));
        errno = error;
        return std::unexpected(size < 0 ? unreadable(systemError()) : tooLarge());
    }
    return contentOf(std::move(buffer), size, buffers);
}

} // namespace Sentinel
