// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/LibarchiveReader_p.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/archive/ArchiveBytes_p.h"
#include "SecurityTap/archive/ZipDirectory.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <archive.h>
#include <archive_entry.h>
#include <clocale>
#include <locale.h>

namespace Sentinel {

namespace {

using Kind = ArchiveError::Kind;
using Format = ArchiveFormat;

//! Names are UTF-8 while this lives, whatever the program's locale is: libarchive then converts
//! them by itself, and needs neither iconv nor its files.
class Utf8Names {
public:
    Utf8Names() : m_before(::uselocale(locale())) { }
    ~Utf8Names() { ::uselocale(m_before); }
    Q_DISABLE_COPY_MOVE(Utf8Names)

private:
    static locale_t locale()
    {
        static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t(nullptr));
        return utf8; // null, where there is none, leaves the locale as it is
    }

    const locale_t m_before;
};

//! Enables \p format and nothing else.
int enable(archive *handle, Format format)
{
    const auto filter = [handle](int code) {
        const int status = archive_read_append_filter(handle, code);
        return status == ARCHIVE_OK ? archive_read_support_format_raw(handle) : ARCHIVE_FATAL;
    };
    switch (format) {
    case Format::Zip:
        return archive_read_support_format_zip_seekable(handle);
    case Format::ZipStream:
        return archive_read_support_format_zip_streamable(handle);
    case Format::SevenZip:
        return archive_read_support_format_7zip(handle);
    case Format::Tar:
        return archive_read_support_format_tar(handle);
    case Format::Cpio:
        return archive_read_support_format_cpio(handle);
    case Format::Ar:
        return archive_read_support_format_ar(handle);
    case Format::Iso:
    case Format::IsoJoliet:
        return archive_read_support_format_iso9660(handle);
    case Format::Cab:
        return archive_read_support_format_cab(handle);
    case Format::Rar:
        return archive_read_support_format_rar(handle);
    case Format::Rar5:
        return archive_read_support_format_rar5(handle);
    case Format::Lha:
        return archive_read_support_format_lha(handle);
    case Format::Rpm:
        return filter(ARCHIVE_FILTER_RPM);
    case Format::Gzip:
        return filter(ARCHIVE_FILTER_GZIP);
    case Format::Bzip2:
        return filter(ARCHIVE_FILTER_BZIP2);
    case Format::Xz:
        return filter(ARCHIVE_FILTER_XZ);
    case Format::Lzma:
        return filter(ARCHIVE_FILTER_LZMA);
    case Format::Lzip:
        return filter(ARCHIVE_FILTER_LZIP);
    case Format::Zstd:
        return filter(ARCHIVE_FILTER_ZSTD);
    case Format::Lz4:
        return filter(ARCHIVE_FILTER_LZ4);
    case Format::Compress: // wants its bytes before it is opened, if it is appended
        archive_read_support_filter_compress(handle);
        return archive_read_support_format_raw(handle);
    }
    Q_UNREACHABLE();
}

//! libarchive tells what is wrong in words alone.
Kind kindOf(const QByteArray &message)
{
    if (message.contains("ncrypt") || message.contains("assphrase"))
        return Kind::Encrypted;
    if (message.contains("nsupported") || message.contains("not supported")
        || message.contains("codec ID"))
        return Kind::Unsupported;
    return Kind::Damaged;
}

} // namespace

void LibarchiveReader::Free::operator()(archive *handle) const
{
    archive_read_free(handle);
}

LibarchiveReader::LibarchiveReader(ArchiveFormat format, std::span<const uchar> bytes)
    : m_format(format), m_bytes(bytes), m_archive(archive_read_new())
{
    if (format != Format::Zip)
        return;
    // The place of a zip ends with its directory.
    if (const auto layout = ZipLayout::of(bytes); !layout.directories.empty()) {
        const ZipDirectory &directory = layout.directories.front();
        m_membersMissing = directory.members;
        m_tail = directory.withFilesOnly(bytes);
        m_bytes = bytes.first(size_t(directory.begin));
    }
}

//! What is read next: it is not copied.
std::span<const uchar> LibarchiveReader::block() const
{
    const auto position = size_t(m_position);
    const auto rest = position < m_bytes.size()
        ? m_bytes.subspan(position)
        : std::span(m_tail).subspan(position - m_bytes.size());
    return rest.first(std::min(rest.size(), size_t(Limits::archiveBlockBytes)));
}

std::expected<std::unique_ptr<ArchiveReader>, ArchiveError> LibarchiveReader::open(
    std::span<const uchar> bytes, ArchiveFormat format, const QStringList &passwords)
{
    const Utf8Names names;
    std::unique_ptr<LibarchiveReader> reader(new LibarchiveReader(format, bytes));
    if (!reader->m_archive)
        return std::unexpected(
            ArchiveError{Kind::OutOfMemory, QStringLiteral("no memory for a reader"), true});
    const int status = reader->begin(passwords);
    if (status == ARCHIVE_OK)
        return reader;
    ArchiveError error = reader->error(status);
    error.isFinal = true;
    return std::unexpected(std::move(error));
}

int LibarchiveReader::begin(const QStringList &passwords)
{
    archive *handle = m_archive.get();
    // A warning would mean that a program does the work.
    if (const int status = enable(handle, m_format); status != ARCHIVE_OK)
        return ARCHIVE_FATAL;
    if (m_format == Format::Tar) // others may go on behind the end
        archive_read_set_option(handle, "tar", "read_concatenated_archives", "1");
    if (m_format == Format::Iso)
        archive_read_set_option(handle, "iso9660", "joliet", nullptr);
    else if (m_format == Format::IsoJoliet)
        archive_read_set_option(handle, "iso9660", "rockridge", nullptr);
    for (const QString &password : passwords) {
        if (!password.isEmpty())
            archive_read_add_passphrase(handle, password.toUtf8().constData());
    }
    archive_read_set_callback_data(handle, this);
    archive_read_set_read_callback(
        handle, [](archive *, void *self, const void **bytes) -> la_ssize_t {
            auto *reader = static_cast<LibarchiveReader *>(self);
            const auto block = reader->block();
            reader->m_position += qint64(block.size());
            *bytes = block.data();
            return la_ssize_t(block.size());
        });
    archive_read_set_seek_callback(
        handle, [](archive *, void *self, la_int64_t offset, int whence) -> la_int64_t {
            auto *reader = static_cast<LibarchiveReader *>(self);
            const auto size = qint64(reader->m_bytes.size() + reader->m_tail.size());
            const qint64 from = whence == SEEK_SET ? 0
                : whence == SEEK_CUR               ? reader->m_position
                                                   : size;
            reader->m_position = std::clamp<qint64>(offset, -from, size - from) + from;
            return reader->m_position;
        });
    archive_read_set_skip_callback(
        handle, [](archive *, void *self, la_int64_t request) -> la_int64_t {
            auto *reader = static_cast<LibarchiveReader *>(self);
            const auto size = qint64(reader->m_bytes.size() + reader->m_tail.size());
            const qint64 skipped = std::clamp<qint64>(request, 0, size - reader->m_position);
            reader->m_position += skipped;
            return skipped;
        });
    return archive_read_open1(handle);
}

std::expected<std::optional<ArchiveMember>, ArchiveError> LibarchiveReader::next()
{
    const Utf8Names names;
    archive_entry *entry = nullptr;
    m_isEncrypted = false;
    const int status = archive_read_next_header(m_archive.get(), &entry);
    if (status == ARCHIVE_EOF && m_membersMissing > 0)
        return std::unexpected(
            ArchiveError{Kind::Damaged, QStringLiteral("members are missing"), true});
    if (status == ARCHIVE_EOF)
        return std::nullopt;
    const bool isUnpacked = m_format != Format::Compress
        || archive_filter_code(m_archive.get(), 0) == ARCHIVE_FILTER_COMPRESS;
    if (!isUnpacked)
        return std::unexpected(ArchiveError{Kind::Damaged, QStringLiteral("no such stream"), true});
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
        m_isEncrypted = archive_read_has_encrypted_entries(m_archive.get()) == 1;
        return std::unexpected(error(status));
    }
    --m_membersMissing;
    ArchiveMember member;
    m_isEncrypted = archive_entry_is_encrypted(entry) != 0;
    member.isFile = archive_entry_filetype(entry) == AE_IFREG;
    if (!isSingleStream(m_format)) // libarchive has made one up
        member.name = QString::fromUtf8(archive_entry_pathname(entry));
    member.doubt = doubtOf(entry, status);
    return member;
}

//! libarchive hands out no bytes of what a zip does not call a file: not all of its readers care.
std::optional<ArchiveError> LibarchiveReader::doubtOf(archive_entry *entry, int status) const
{
    if (status == ARCHIVE_WARN)
        return error(status);
    const bool isZip = m_format == Format::Zip || m_format == Format::ZipStream;
    const bool hasBytes =
        archive_entry_size(entry) > 0 || archive_entry_filetype(entry) == AE_IFLNK;
    if (!isZip || archive_entry_filetype(entry) == AE_IFREG || !hasBytes)
        return std::nullopt;
    return ArchiveError{Kind::Unsupported, QStringLiteral("it has bytes, and says it is no file")};
}

std::expected<std::optional<ArchiveBlock>, ArchiveError> LibarchiveReader::read()
{
    const Utf8Names names;
    const void *bytes = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(m_archive.get(), &bytes, &size, &offset);
    if (status == ARCHIVE_EOF)
        return std::nullopt;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
        return std::unexpected(error(status));
    ArchiveBlock block{{static_cast<const uchar *>(bytes), size}, offset, {}};
    if (status == ARCHIVE_WARN)
        block.doubt = error(status);
    return block;
}

qint64 LibarchiveReader::endOffset() const
{
    const auto size = qint64(m_bytes.size() + m_tail.size());
    switch (m_format) {
    case Format::Zip: // their place is theirs alone
    case Format::ZipStream:
    case Format::SevenZip:
    case Format::Cab:
        return size;
    case Format::Iso: // read in any order
    case Format::IsoJoliet: {
        constexpr qint64 volumeSizeAt = 0x8050;
        constexpr qint64 sectorBytes = 2048;
        const ArchiveBytes bytes(m_bytes);
        return std::min(size, std::max(volumeSizeAt, bytes.u32(volumeSizeAt) * sectorBytes));
    }
    default:
        return std::clamp<qint64>(archive_filter_bytes(m_archive.get(), -1), 0, size);
    }
}

qint64 LibarchiveReader::position() const
{
    return archive_filter_bytes(m_archive.get(), -1);
}

ArchiveError LibarchiveReader::error(int status) const
{
    const char *text = archive_error_string(m_archive.get());
    const QByteArray message(text ? text : "no more is known");
    ArchiveError error{kindOf(message), QString::fromUtf8(message), status == ARCHIVE_FATAL};
    if (archive_errno(m_archive.get()) == ENOMEM)
        error.kind = Kind::OutOfMemory;
    else if (m_isEncrypted)
        error.kind = Kind::Encrypted; // a wrong password looks like damage
    return error;
}

} // namespace Sentinel
