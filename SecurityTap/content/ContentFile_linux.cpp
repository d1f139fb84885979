// SPDX-License-Identifier: MIT
#include "SecurityTap/content/ContentFile.h"

#include "ipc/Retried_p.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace Sentinel {

namespace {

std::unexpected<QString> failed(const char *what)
{
    const int error = errno;
    return std::unexpected(
        QStringLiteral("cannot %1: %2").arg(QLatin1String(what), qt_error_string(error)));
}

std::expected<FileDescriptor, QString> sealedCopy(std::span<const uchar> bytes)
{
    FileDescriptor file(::memfd_create("sentinel content", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file.isValid())
        return failed("make a file in memory");
    while (!bytes.empty()) {
        const ssize_t written =
            retried([&] { return ::write(file.get(), bytes.data(), bytes.size()); });
        if (written <= 0)
            return failed("copy a content into a file in memory");
        bytes = bytes.subspan(size_t(written));
    }
    if (!sealForGood(file.get()))
        return failed("seal a file in memory");
    return file;
}

} // namespace

std::expected<FileDescriptor, QString> duplicated(int descriptor)
{
    FileDescriptor copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!copy.isValid())
        return failed("pass a content on");
    return copy;
}

bool sealForGood(int file)
{
    constexpr int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    return ::fcntl(file, F_ADD_SEALS, all) == 0;
}

// Not F_SEAL_FUTURE_WRITE: it leaves a writable mapping to who had one before.
bool isSealed(int file)
{
    const int seals = ::fcntl(file, F_GET_SEALS); // -1 where files have none
    return seals >= 0 && (seals & F_SEAL_WRITE) != 0;
}

std::expected<FileDescriptor, QString> contentFile(const Content &content)
{
    return content.file() >= 0 ? duplicated(content.file()) : sealedCopy(content.span());
}

} // namespace Sentinel
