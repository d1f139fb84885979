// SPDX-License-Identifier: MIT
#include "ArchiveMaker.h"

#include "RawFrame.h"

#include <QByteArrayList>
#include <QList>

#include <archive.h>
#include <archive_entry.h>

namespace Sentinel::Test {

namespace {

using Raw::number;
using Raw::u16;
using Raw::u8;

la_ssize_t append(archive *, void *to, const void *bytes, size_t size)
{
    static_cast<QByteArray *>(to)->append(static_cast<const char *>(bytes), qsizetype(size));
    return la_ssize_t(size);
}

void require(archive *handle, int status)
{
    if (status < ARCHIVE_WARN)
        qFatal("libarchive: %s", archive_error_string(handle));
}

QByteArray written(archive *handle, const std::vector<Packed> &members)
{
    QByteArray out;
    archive_write_set_bytes_in_last_block(handle, 1);
    require(handle, archive_write_open(handle, &out, nullptr, &append, nullptr));
    for (const Packed &member : members) {
        archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, member.name.constData());
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_mtime(entry, 1'600'000'000, 0);
        archive_entry_set_size(entry, member.bytes.size());
        require(handle, archive_write_header(handle, entry));
        if (archive_write_data(handle, member.bytes.constData(), size_t(member.bytes.size())) < 0)
            require(handle, ARCHIVE_FATAL);
        archive_entry_free(entry);
    }
    require(handle, archive_write_close(handle));
    archive_write_free(handle);
    return out;
}

quint32 crc32(const QByteArray &bytes)
{
    quint32 crc = ~0U;
    for (const char c : bytes) {
        crc ^= uchar(c);
        for (int i = 0; i < 8; ++i)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

quint16 crc16(const QByteArray &bytes)
{
    quint16 crc = 0;
    for (const char c : bytes) {
        crc ^= uchar(c);
        for (int i = 0; i < 8; ++i)
            crc = quint16(crc >> 1 ^ (crc & 1 ? 0xa001 : 0));
    }
    return crc;
}

QByteArray u32(qint64 value)
{
    return number(quint32(value));
}

} // namespace

QByteArray archiveOf(const char *format, const std::vector<Packed> &members, const char *options,
    const char *password)
{
    archive *handle = archive_write_new();
    require(handle, archive_write_set_format_by_name(handle, format));
    if (options)
        require(handle, archive_write_set_options(handle, options));
    if (password)
        require(handle, archive_write_set_passphrase(handle, password));
    return written(handle, members);
}

QByteArray compressed(const char *filter, const QByteArray &bytes)
{
    archive *handle = archive_write_new();
    require(handle, archive_write_set_format_raw(handle));
    require(handle, archive_write_add_filter_by_name(handle, filter));
    return written(handle, {{"content", bytes}});
}

QByteArray zipOf(const QByteArray &name, const QByteArray &bytes)
{
    return archiveOf("zip", {{name, bytes}});
}

QByteArray rarOf(const QByteArray &name, const QByteArray &bytes)
{
    const auto block = [](const QByteArray &header) {
        return u16(crc32(header) & 0xffff) + header;
    };
    const QByteArray main = block(u8(0x73) + u16(0) + u16(13) + QByteArray(6, '\0'));
    constexpr int hasData = 0x8000;
    constexpr int stored = 0x30;
    const QByteArray file = block(u8(0x74) + u16(hasData) + u16(32 + name.size())
        + u32(bytes.size()) + u32(bytes.size()) + u8(3) + u32(crc32(bytes)) + u32(0x50210000)
        + u8(20) + u8(stored) + u16(name.size()) + u32(0100644) + name);
    return QByteArray("Rar!\x1a\x07\x00", 7) + main + file + bytes;
}

QByteArray rar5Of(const QByteArray &name, const QByteArray &bytes)
{
    const auto vint = [](qint64 value) {
        QByteArray out;
        for (; value > 0x7f; value >>= 7)
            out += u8(int(value & 0x7f) | 0x80);
        return out + u8(int(value));
    };
    const auto block = [&](const QByteArray &header) {
        const QByteArray sized = vint(header.size()) + header;
        return u32(crc32(sized)) + sized;
    };
    constexpr int hasData = 2;
    constexpr int hasChecksum = 4;
    const QByteArray file = vint(2) + vint(hasData) + vint(bytes.size()) + vint(hasChecksum)
        + vint(bytes.size()) + vint(0100644) + u32(crc32(bytes)) + vint(0) + vint(1)
        + vint(name.size()) + name;
    return QByteArray("Rar!\x1a\x07\x01\x00", 8) + block(vint(1) + vint(0) + vint(0)) + block(file)
        + bytes + block(vint(5) + vint(0) + vint(0));
}

QByteArray lhaWithCodePage(const QByteArray &name, const QByteArray &bytes, int codePage)
{
    const auto extension = [](int type, const QByteArray &data, qsizetype next) {
        return u8(type) + data + u16(next);
    };
    constexpr int frame = 3; // its type and the size of the next one
    const auto extensions = [&](int checksum) {
        return u16(2 + frame) + extension(0, u16(checksum), name.size() + frame)
            + extension(1, name, 4 + frame) + extension(0x46, u32(codePage), 0);
    };
    const auto header = [&](int checksum) {
        const QByteArray fields = "-lh0-" + u32(bytes.size()) + u32(bytes.size()) + u32(1)
            + u8(0x20) + u8(2) + u16(crc16(bytes)) + "U" + extensions(checksum);
        return u16(fields.size() + 2) + fields;
    };
    return header(crc16(header(0))) + bytes + u8(0);
}

QByteArray lhaOf(const QByteArray &name, const QByteArray &bytes)
{
    const QByteArray body = "-lh0-" + u32(bytes.size()) + u32(bytes.size()) + u32(0x50210000)
        + u8(0x20) + u8(0) + u8(int(name.size())) + name + u16(crc16(bytes));
    int sum = 0;
    for (const char c : body)
        sum += uchar(c);
    return u8(int(body.size())) + u8(sum & 0xff) + body + bytes + u8(0);
}

QByteArray cabOf(const QByteArray &name, const QByteArray &bytes)
{
    constexpr int headerBytes = 36;
    constexpr int folderBytes = 8;
    const QByteArray file =
        u32(bytes.size()) + u32(0) + u16(0) + u16(0x5021) + u16(0) + u16(0x20) + name + u8(0);
    const QByteArray data = u32(0) + u16(bytes.size()) + u16(bytes.size()) + bytes;
    const qsizetype files = headerBytes + folderBytes;
    const QByteArray folder = u32(files + file.size()) + u16(1) + u16(0);
    return "MSCF" + u32(0) + u32(files + file.size() + data.size()) + u32(0) + u32(files) + u32(0)
        + u8(3) + u8(1) + u16(1) + u16(1) + u16(0) + u16(0) + u16(0) + folder + file + data;
}

QByteArray rpmOf(const QByteArray &payload)
{
    constexpr int leadBytes = 96;
    const QByteArray empty = QByteArray::fromHex("8eade80100000000") + QByteArray(8, '\0');
    return QByteArray::fromHex("edabeedb0300") + QByteArray(leadBytes - 6, '\0') + empty + empty
        + payload;
}

// Before the header of the next member stands a block of deflate that stores it as it is.
QByteArray overlappingZip(int count, qint64 zeros)
{
    const QByteArray gzip = compressed("gzip", QByteArray(zeros, '\0'));
    constexpr int gzipHeaderBytes = 10;
    constexpr int gzipTrailerBytes = 8;
    QByteArray body = gzip.sliced(gzipHeaderBytes).chopped(gzipTrailerBytes);
    qint64 size = zeros;
    QByteArrayList headers; // from the last member to the first
    QList<qint64> compressedBytes;
    const auto fields = [](qint64 packed, qint64 unpacked) {
        return u16(20) + u16(0) + u16(8) + u32(0x50210000) + u32(0) + u32(packed) + u32(unpacked)
            + u16(4) + u16(0);
    };
    QList<qint64> sizes;
    for (int i = count - 1; i >= 0; --i) {
        const QByteArray name = QByteArray::number(i).rightJustified(4, '0');
        const QByteArray header = "PK\3\4" + fields(body.size(), size) + name;
        compressedBytes.prepend(body.size());
        sizes.prepend(size);
        headers.prepend(header);
        body = header + body;
        if (i > 0) {
            body = u8(0) + u16(header.size()) + u16(~header.size() & 0xffff) + body;
            size += header.size();
        }
    }
    QByteArray directory;
    qint64 at = 0;
    for (int i = 0; i < count; ++i) {
        directory += "PK\1\2" + u16(20) + fields(compressedBytes[i], sizes[i]) + u16(0) + u16(0)
            + u16(0) + u32(0) + u32(at) + headers[i].last(4);
        at += headers[i].size() + 5;
    }
    return body + directory + "PK\5\6" + u32(0) + u16(count) + u16(count) + u32(directory.size())
        + u32(body.size()) + u16(0);
}

} // namespace Sentinel::Test
