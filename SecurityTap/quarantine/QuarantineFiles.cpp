// SPDX-License-Identifier: MIT
#include "SecurityTap/quarantine/QuarantineFiles_p.h"

#include "SecurityTap/content/Sha256.h"

#include <QJsonDocument>

#include <algorithm>

#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

template <typename T>
using FileResult = Quarantine::Result<T>;
using FileCode = QuarantineError::Code;

std::unexpected<QuarantineError> brokenFile(FileCode code, const QString &message)
{
    return std::unexpected(QuarantineError{code, message, {}});
}

SealedAs sealedItem(SealedAs::Kind kind, const QByteArray &id)
{
    return {kind, QuarantineFolder::rawId(id)};
}

// Fills \p target from \p read, or says why there are not so many bytes.
FileResult<void> readFully(const Quarantine::ReadAt &read, std::span<uchar> target, qint64 offset)
{
    while (!target.empty()) {
        const auto got = read({reinterpret_cast<char *>(target.data()), target.size()}, offset);
        if (!got)
            return brokenFile(FileCode::Failed,
                QStringLiteral("the content to be stored cannot be read: %1").arg(got.error()));
        if (*got <= 0 || *got > qint64(target.size()))
            return brokenFile(FileCode::Changed,
                QStringLiteral("the content to be stored ends at %1 bytes, too early; it was "
                               "changed meanwhile")
                    .arg(offset));
        target = target.subspan(size_t(*got));
        offset += *got;
    }
    return {};
}

} // namespace

FileResult<QByteArray> hashOfSource(const Quarantine::ReadAt &read, qint64 sizeBytes)
{
    Sha256 hash;
    std::vector<uchar> piece(size_t(std::min(sizeBytes, Limits::quarantineChunkBytes)));
    for (qint64 offset = 0; offset < sizeBytes; offset += qint64(piece.size())) {
        const auto size = std::min(sizeBytes - offset, qint64(piece.size()));
        const auto bytes = std::span(piece).first(size_t(size));
        if (const auto got = readFully(read, bytes, offset); !got)
            return std::unexpected(got.error());
        hash.add(bytes);
    }
    return hash.result();
}

FileResult<void> storeRecord(
    const QuarantineFolder::Part &part, const SealKey &key, const QuarantineRecord &record)
{
    const QByteArray json = QJsonDocument(record.toJson()).toJson(QJsonDocument::Compact);
    const auto file = QuarantineFolder::makeRecord(part);
    if (!file)
        return std::unexpected(file.error());
    const auto source = [&json](std::span<uchar> target, qint64 offset) -> FileResult<void> {
        std::copy_n(json.cbegin() + offset, target.size(), target.begin());
        return {};
    };
    const auto written = writeSealed(
        file->get(), key, sealedItem(SealedAs::Kind::Record, part.id), json.size(), source);
    if (written && ::fsync(file->get()) != 0)
        return std::unexpected(
            quarantineSystemError(errno, QStringLiteral("the disk has not taken its record")));
    return written;
}

FileResult<void> storeContent(const QuarantineFolder::Part &part, const SealKey &key,
    const QuarantineRecord &record, const Quarantine::ReadAt &read)
{
    Sha256 hash;
    const auto source = [&](std::span<uchar> target, qint64 offset) -> FileResult<void> {
        const auto got = readFully(read, target, offset);
        if (got)
            hash.add(target);
        return got;
    };
    const auto written = writeSealed(part.content.get(), key,
        sealedItem(SealedAs::Kind::Content, part.id), record.sizeBytes, source);
    if (written && hash.result() != record.sha256)
        return brokenFile(FileCode::Changed,
            QStringLiteral("the content to be stored is not the one that was looked at: it has "
                           "another SHA-256"));
    return written;
}

FileResult<QuarantineRecord> readRecord(int item, const SealKey &key, const QByteArray &id)
{
    const auto file = QuarantineFolder::openFile(item, QuarantineFolder::recordName);
    if (!file)
        return std::unexpected(file.error());
    const auto unknown = [] {
        return brokenFile(FileCode::Damaged,
            QStringLiteral("its record is of no kind that this version knows; use a newer one"));
    };
    QByteArray json;
    const auto sink = [&](std::span<const uchar> bytes) -> FileResult<void> {
        json.append(reinterpret_cast<const char *>(bytes.data()), qsizetype(bytes.size()));
        if (json.size() > Limits::maxQuarantineRecordBytes)
            return unknown();
        return {};
    };
    if (const auto got = readSealed(file->get(), key, sealedItem(SealedAs::Kind::Record, id), sink);
        !got)
        return std::unexpected(got.error());
    auto record = QuarantineRecord::fromJson(QJsonDocument::fromJson(json).object());
    if (!record)
        return unknown();
    return *std::move(record);
}

FileResult<FileDescriptor> openContent(int item, const QuarantineRecord &record)
{
    auto file = QuarantineFolder::openFile(item, QuarantineFolder::contentName);
    struct stat status { };
    if (file && ::fstat(file->get(), &status) != 0)
        return std::unexpected(
            quarantineSystemError(errno, QStringLiteral("its content cannot be read")));
    if (file && status.st_size != sealedBytesOf(record.sizeBytes))
        return brokenFile(FileCode::Damaged,
            QStringLiteral("its content is not as it was stored: it has %1 bytes, not %2; take it "
                           "from a backup, or delete the item")
                .arg(status.st_size)
                .arg(sealedBytesOf(record.sizeBytes)));
    return file;
}

// Gives the content to \p sink; a success says that all of it is what was taken.
FileResult<void> readContent(int file, const SealKey &key, const QByteArray &id,
    const QuarantineRecord &record, const PlainSink &sink)
{
    Sha256 hash;
    const auto hashing = [&](std::span<const uchar> bytes) {
        hash.add(bytes);
        return sink(bytes);
    };
    const auto got = readSealed(file, key, sealedItem(SealedAs::Kind::Content, id), hashing);
    if (got && hash.result() != record.sha256)
        return brokenFile(FileCode::Damaged,
            QStringLiteral("its content has another SHA-256 than the one that was taken; delete "
                           "the item"));
    return got;
}

} // namespace Sentinel
