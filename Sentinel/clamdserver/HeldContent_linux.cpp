// SPDX-License-Identifier: MIT
#include "Sentinel/clamdserver/HeldContent.h"

#include "SecurityTap/content/ContentFile.h"
#include "SecurityTap/content/FileCopy.h"
#include "Sentinel/broker/ContentCheck.h"
#include "ipc/Reason.h"
#include "ipc/Retried_p.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr char noRoom[] = "too many contents are being scanned, try again later";
constexpr char noMemory[] = "no memory for the content";
constexpr char isChanging[] = "the file changed while it was read";

bool isSame(const timespec &a, const timespec &b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

} // namespace

std::expected<std::shared_ptr<HeldContent>, HeldContent::Error> HeldContent::create(
    std::shared_ptr<SpoolBudget> budget)
{
    FileDescriptor file(::memfd_create("clamd content", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    // Who scans it while it grows has it mapped.
    if (!file.isValid() || ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0)
        return std::unexpected(Error(noMemory));
    auto own = duplicated(file.get());
    auto reader = own ? readOnly(std::move(*own)) : std::unexpected(own.error());
    if (!reader)
        return std::unexpected(Error(noMemory));
    return std::shared_ptr<HeldContent>(
        new HeldContent(std::move(file), std::move(*reader), std::move(budget)));
}

HeldContent::HeldContent(
    FileDescriptor file, FileDescriptor reader, std::shared_ptr<SpoolBudget> budget)
    : m_file(std::move(file))
    , m_content(std::make_shared<Content>(std::move(reader)))
    , m_budget(std::move(budget))
{
}

HeldContent::~HeldContent()
{
    m_budget->release(m_reservedBytes);
}

std::expected<std::shared_ptr<HeldContent>, HeldContent::Error> HeldContent::copyOf(
    int source, qint64 maxBytes, std::shared_ptr<SpoolBudget> budget)
{
    if (const auto problem = fileProblem(source))
        return std::unexpected(problem->toLatin1());
    struct stat before { };
    struct stat after { };
    if (::fstat(source, &before) != 0)
        return std::unexpected(explanation(Reason::Unreadable).toLatin1());
    if (before.st_size > maxBytes)
        return std::unexpected(explanation(Reason::TooLarge).toLatin1());
    auto copy = create(std::move(budget));
    if (!copy)
        return copy;
    if (const auto copied = (*copy)->copyFrom(source, before.st_size); !copied)
        return std::unexpected(copied.error());
    // Half of an old file and half of a new one is neither.
    if (::fstat(source, &after) != 0 || after.st_size != before.st_size
        || !isSame(after.st_mtim, before.st_mtim))
        return std::unexpected(Error(isChanging));
    if (const auto completed = (*copy)->complete(); !completed)
        return std::unexpected(completed.error());
    return copy;
}

std::expected<void, HeldContent::Error> HeldContent::copyFrom(int source, qint64 sizeBytes)
{
    if (const auto reserved = reserve(sizeBytes); !reserved)
        return reserved;
    // One byte more than there should be tells a file that says nothing of its size.
    const qint64 copied = copyBytes(source, m_file.get(), sizeBytes + 1);
    if (copied < 0)
        return std::unexpected(errno == ENOMEM || errno == ENOSPC
                ? Error(noMemory)
                : explanation(Reason::Unreadable).toLatin1());
    if (copied != sizeBytes)
        return std::unexpected(Error(isChanging));
    m_sizeBytes = sizeBytes;
    m_content->grow(sizeBytes);
    return {};
}

std::expected<void, HeldContent::Error> HeldContent::reserve(qint64 bytes)
{
    if (!m_budget->tryReserve(bytes))
        return std::unexpected(Error(noRoom));
    m_reservedBytes += bytes;
    return {};
}

std::expected<void, HeldContent::Error> HeldContent::append(std::span<const char> bytes)
{
    if (const auto reserved = reserve(qint64(bytes.size())); !reserved)
        return reserved;
    while (!bytes.empty()) {
        const ssize_t written = retried(
            [&] { return ::pwrite(m_file.get(), bytes.data(), bytes.size(), m_sizeBytes); });
        if (written <= 0)
            return std::unexpected(Error(noMemory));
        bytes = bytes.subspan(size_t(written));
        m_sizeBytes += written;
    }
    m_content->grow(m_sizeBytes);
    return {};
}

std::expected<void, HeldContent::Error> HeldContent::complete()
{
    if (!sealForGood(m_file.get()))
        return std::unexpected(Error(noMemory));
    m_file = FileDescriptor();
    m_content->complete();
    return {};
}

} // namespace Sentinel
