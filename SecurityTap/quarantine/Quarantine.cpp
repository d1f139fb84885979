// SPDX-License-Identifier: MIT
#include "SecurityTap/quarantine/Quarantine.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/FileRelease.h"
#include "SecurityTap/quarantine/QuarantineFiles_p.h"
#include "SecurityTap/quarantine/QuarantineKey_p.h"
#include "SecurityTap/store/StorePaths.h"
#include "ipc/Retried_p.h"

#include <QDir>

#include <algorithm>

#include <unistd.h>

namespace Sentinel {

namespace {

using Code = QuarantineError::Code;
template <typename T>
using Result = Quarantine::Result<T>;

constexpr qsizetype sha256Size = 32;
constexpr qsizetype shownIdLength = 64; // of what somebody takes for an id

std::unexpected<QuarantineError> refused(Code code, const QString &message)
{
    return std::unexpected(QuarantineError{code, message, {}});
}

std::unexpected<QuarantineError> about(const QByteArray &id, QuarantineError error)
{
    return std::unexpected(aboutQuarantineItem(id, std::move(error)));
}

Result<QByteArray> checkedId(const QString &id)
{
    const QByteArray name = id.toLatin1();
    if (QuarantineFolder::isId(name) && QString::fromLatin1(name) == id)
        return name;
    return refused(Code::NotFound,
        QStringLiteral("There is no quarantined item %1 (see: sentinel quarantine list)")
            .arg(printable(id.left(shownIdLength))));
}

QuarantineError fromSpool(const SpoolError &error)
{
    return {
        error.code == SpoolError::Code::NoSpace ? Code::NoSpace : Code::Failed, error.message, {}};
}

QuarantineError fromRelease(const ReleaseError &error)
{
    const auto code = [&error] {
        switch (error.code) {
        case ReleaseError::Code::Exists:
            return Code::Exists;
        case ReleaseError::Code::NoSpace:
            return Code::NoSpace;
        case ReleaseError::Code::NoDirectory:
            return Code::NoAccess;
        case ReleaseError::Code::Changed:
            return Code::Changed;
        case ReleaseError::Code::Failed:
            break;
        }
        return Code::Failed;
    };
    return {code(), error.message, {}};
}

Quarantine::ReadAt readerOf(const FileDescriptor &content)
{
    const int file = content.get();
    return [file](std::span<char> target, qint64 offset) -> std::expected<qint64, QString> {
        const ssize_t got =
            retried([&] { return ::pread(file, target.data(), target.size(), offset); });
        if (got < 0)
            return std::unexpected(qt_error_string(errno));
        return got;
    };
}

} // namespace

// An item that is being stored, and what it is stored with.
struct Quarantine::Begun {
    QuarantineFolder::Part part;
    SealKey key;
};

// An item that is being read.
struct Quarantine::Opened {
    SealKey key;
    QuarantineItem item;
    FileDescriptor content;
};

Quarantine::Quarantine(std::unique_ptr<QuarantineFolder> folder, QuarantineLimits limits)
    : m_folder(std::move(folder)), m_limits(limits)
{
}

Quarantine::~Quarantine() = default;

Result<std::unique_ptr<Quarantine>> Quarantine::open(
    const QString &directory, QuarantineLimits limits)
{
    auto opened = openPrivateDirectory(directory);
    if (!opened)
        return refused(Code::NoAccess, QStringLiteral("The quarantine: %1").arg(opened.error()));
    std::unique_ptr<Quarantine> quarantine(
        new Quarantine(std::make_unique<QuarantineFolder>(*std::move(opened)), limits));
    quarantine->recover();
    return quarantine;
}

// What cannot be done now, as on a disk that can only be read, is left for the next time: none of
// it is ever listed.
void Quarantine::recover() const
{
    const auto lock = m_folder->tryLock();
    if (!lock)
        return;
    dropUnfinishedQuarantineKey(m_folder->descriptor());
    m_folder->finishDeletions();
    const auto parts = m_folder->abandonedParts();
    const auto key = readQuarantineKey(m_folder->descriptor());
    if (parts.empty() || !key)
        return;
    for (const QuarantineFolder::Part &part : parts) {
        const auto check = [&]() -> Result<void> {
            if (!*key || !part.content.isValid())
                return refused(Code::Damaged, {});
            const auto record = readRecord(part.directory.get(), **key, part.id);
            if (!record)
                return std::unexpected(record.error());
            return readContent(part.content.get(), **key, part.id, *record,
                [](std::span<const uchar>) { return Result<void>(); });
        };
        const auto whole = check();
        if (whole)
            (void)m_folder->commit(part);
        else if (whole.error().code == Code::Damaged)
            m_folder->drop(part);
    }
}

Result<Quarantine::Begun> Quarantine::begin(qint64 sizeBytes) const
{
    const auto lock = m_folder->lock();
    if (!lock)
        return std::unexpected(lock.error());
    const auto usage = m_folder->usage();
    if (!usage)
        return std::unexpected(usage.error());
    const qint64 sealedBytes = sealedBytesOf(sizeBytes);
    if (usage->items >= m_limits.items || sealedBytes > m_limits.bytes - usage->bytes)
        return refused(Code::Full,
            QStringLiteral("The quarantine is full (%1 items, %2 bytes); delete some items, or "
                           "run: sentinel quarantine purge")
                .arg(usage->items)
                .arg(usage->bytes));
    auto key = readQuarantineKey(m_folder->descriptor());
    if (!key)
        return std::unexpected(key.error());
    if (!*key) {
        const auto made = usage->items > 0
            ? refused(Code::NoKey,
                QStringLiteral("The key of the quarantine is missing, though it has items; take "
                               "the file \"key\" from a backup, or delete the items"))
            : makeQuarantineKey(m_folder->descriptor());
        if (!made)
            return std::unexpected(made.error());
        *key = *made;
    }
    auto part = m_folder->begin(sealedBytes);
    if (!part)
        return std::unexpected(part.error());
    return Begun{*std::move(part), **key};
}

Result<QuarantineItem> Quarantine::take(
    const FileDescriptor &content, qint64 sizeBytes, QuarantineRecord record) const
{
    return take(readerOf(content), sizeBytes, std::move(record));
}

Result<QuarantineItem> Quarantine::take(
    const ReadAt &read, qint64 sizeBytes, QuarantineRecord record) const
{
    if (sizeBytes < 0 || sizeBytes > m_limits.itemBytes)
        return refused(Code::TooLarge,
            QStringLiteral("A content of %1 bytes is not taken into quarantine: the most is %2")
                .arg(sizeBytes)
                .arg(m_limits.itemBytes));
    record = record.asKept();
    record.sizeBytes = sizeBytes;
    if (record.sha256.isEmpty()) {
        auto hash = hashOfSource(read, sizeBytes);
        if (!hash)
            return std::unexpected(hash.error());
        record.sha256 = *std::move(hash);
    } else if (record.sha256.size() != sha256Size) {
        return refused(Code::Refused, QStringLiteral("A SHA-256 has 32 bytes"));
    }
    const auto begun = begin(sizeBytes);
    if (!begun)
        return std::unexpected(begun.error());
    const QuarantineFolder::Part &part = begun->part;
    auto stored = storeRecord(part, begun->key, record);
    if (stored)
        stored = storeContent(part, begun->key, record, read);
    if (stored)
        stored = m_folder->commit(part);
    if (stored)
        return QuarantineItem{QString::fromLatin1(part.id), std::move(record)};
    if (stored.error().code != Code::NotConfirmed)
        m_folder->drop(part);
    return about(part.id, stored.error());
}

Result<Quarantine::Opened> Quarantine::openItem(const QByteArray &id) const
{
    const auto directory = m_folder->openItem(id);
    if (!directory)
        return about(id, directory.error());
    const auto read = [&]() -> Result<Opened> {
        const auto key = readQuarantineKey(m_folder->descriptor());
        if (!key)
            return std::unexpected(key.error());
        if (!*key)
            return refused(Code::NoKey,
                QStringLiteral("the key of the quarantine is missing; take the file \"key\" from "
                               "a backup, or delete the item"));
        auto record = readRecord(directory->get(), **key, id);
        if (!record)
            return std::unexpected(record.error());
        auto content = openContent(directory->get(), *record);
        if (!content)
            return std::unexpected(content.error());
        return Opened{**key, {QString::fromLatin1(id), *std::move(record)}, *std::move(content)};
    };
    auto opened = read();
    if (!opened && !m_folder->exists(id)) // deleted meanwhile, by another process
        return about(id, {Code::NotFound, QStringLiteral("there is no such item"), {}});
    if (!opened)
        return about(id, opened.error());
    return opened;
}

Result<QuarantineListing> Quarantine::list() const
{
    const auto ids = m_folder->ids();
    if (!ids)
        return std::unexpected(ids.error());
    QuarantineListing listing;
    for (const QByteArray &id : *ids) {
        auto opened = openItem(id);
        if (opened)
            listing.items.push_back(std::move(opened->item));
        else if (opened.error().code != Code::NotFound)
            listing.unreadable.push_back(opened.error());
    }
    std::ranges::sort(listing.items, {},
        [](const QuarantineItem &item) { return std::pair(item.record.storedAt, item.id); });
    std::ranges::sort(listing.unreadable, {}, &QuarantineError::item);
    return listing;
}

Result<QuarantineItem> Quarantine::find(const QString &id) const
{
    const auto name = checkedId(id);
    if (!name)
        return std::unexpected(name.error());
    auto opened = openItem(*name);
    if (!opened)
        return std::unexpected(opened.error());
    return std::move(opened->item);
}

Result<QString> Quarantine::restore(const QString &id, const QuarantineRestore &to) const
{
    const auto name = checkedId(id);
    if (!name)
        return std::unexpected(name.error());
    if (to.reason.trimmed().isEmpty())
        return about(*name, {Code::Refused, QStringLiteral("say why it is to be restored"), {}});
    if (!QDir::isAbsolutePath(to.directory))
        return about(*name,
            {Code::Refused,
                QStringLiteral("say where it is to be restored to, by a directory's whole path"),
                {}});
    const auto opened = openItem(*name);
    if (!opened)
        return std::unexpected(opened.error());

    // Into a file without a name: nobody sees a byte before all of them are proved.
    const QuarantineRecord &record = opened->item.record;
    SpoolOptions options;
    options.directory = to.directory;
    options.announcedBytes = record.sizeBytes;
    options.maxBytes = record.sizeBytes;
    const auto spool = Spool::create(options);
    if (!spool)
        return about(*name, fromSpool(spool.error()));
    const auto sink = [&spool](std::span<const uchar> bytes) -> Result<void> {
        const auto done =
            (*spool)->append({reinterpret_cast<const char *>(bytes.data()), bytes.size()});
        if (!done)
            return std::unexpected(fromSpool(done.error()));
        return {};
    };
    if (const auto read = readContent(opened->content.get(), opened->key, *name, record, sink);
        !read)
        return about(*name, read.error());
    if (const auto sealed = (*spool)->seal(); !sealed)
        return about(*name, fromSpool(sealed.error()));
    const auto path = releaseInto(**spool, to.directory, to.name, ExistingFile::Keep,
        {record.sha256, {record.url, record.referrer}});
    if (!path)
        return about(*name, fromRelease(path.error()));
    return *path;
}

Result<void> Quarantine::remove(const QString &id) const
{
    const auto name = checkedId(id);
    if (!name)
        return std::unexpected(name.error());
    const auto removed = m_folder->remove(*name);
    if (!removed)
        return about(*name, removed.error());
    return removed;
}

Result<QuarantinePurged> Quarantine::purge(const QuarantinePurge &purge, const QDateTime &now) const
{
    auto listing = list();
    if (!listing)
        return std::unexpected(listing.error());
    qint64 bytes = 0;
    for (const QuarantineItem &item : listing->items)
        bytes += item.record.sizeBytes;
    auto left = qint64(listing->items.size());
    const auto mustGo = [&](const QuarantineRecord &record) {
        return (purge.olderThan && record.storedAt.secsTo(now) > purge.olderThan->count())
            || (purge.keepBytes && bytes > *purge.keepBytes)
            || (purge.keepItems && left > *purge.keepItems);
    };
    QuarantinePurged purged;
    for (QuarantineItem &item : listing->items) {
        if (!mustGo(item.record))
            break; // the others are younger
        const auto removed = remove(item.id);
        bytes -= item.record.sizeBytes;
        --left;
        if (!removed && removed.error().code != Code::NotFound)
            purged.problems.push_back(removed.error());
        if (removed || removed.error().code == Code::NotConfirmed)
            purged.gone.push_back(std::move(item));
    }
    return purged;
}

} // namespace Sentinel
