// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/EmbeddedArchives_p.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/archive/ArchiveBytes_p.h"

#include <algorithm>
#include <array>
#include <optional>

#include <zlib.h>

namespace Sentinel {

namespace {

using Format = ArchiveFormat;

constexpr QByteArrayView sevenZip("7z\xbc\xaf\x27\x1c");
constexpr QByteArrayView rar("Rar!\x1a\x07\0", 7);
constexpr QByteArrayView rar5("Rar!\x1a\x07\1\0", 8);
constexpr QByteArrayView cab("MSCF\0\0\0\0", 8);
constexpr QByteArrayView zipMember("PK\3\4");

//! Four bytes of each signature that tell it from ordinary ones.
struct Mark {
    QByteArrayView bytes;
    qint64 at; //!< in the signature
};
constexpr qint64 markBytes = 4;
constexpr std::array marks{
    Mark{"z\xbc\xaf\x27", 1}, Mark{"ar!\x1a", 1}, Mark{"MSCF", 0}, Mark{"PK\3\4", 0}};

//! How far to go on when a byte is seen where a mark would end.
constexpr auto steps = [] {
    std::array<uchar, 256> all{};
    all.fill(markBytes);
    for (const Mark &mark : marks) {
        for (qint64 i = 0; i < markBytes; ++i) {
            uchar &step = all[uchar(mark.bytes[i])];
            step = std::min(step, uchar(markBytes - 1 - i));
        }
    }
    return all;
}();

quint32 crcOf(std::span<const uchar> bytes, qint64 at, qint64 count)
{
    return quint32(::crc32(0, bytes.data() + at, uInt(count)));
}

bool isSevenZip(const ArchiveBytes &bytes, std::span<const uchar> content, qint64 at)
{
    constexpr qint64 headerBytes = 32;
    return bytes.has(at, sevenZip) && bytes.has(at, headerBytes)
        && bytes.u32(at + 8) == crcOf(content, at + 12, 20);
}

bool isRar(const ArchiveBytes &bytes, std::span<const uchar> content, qint64 at)
{
    constexpr uchar mainHeader = 0x73;
    const qint64 block = at + rar.size();
    const qint64 size = bytes.u16(block + 5);
    return bytes.has(at, rar) && bytes.byte(block + 2) == mainHeader && size > 7
        && bytes.has(block, size)
        && bytes.u16(block) == quint16(crcOf(content, block + 2, size - 2));
}

bool isRar5(const ArchiveBytes &bytes, std::span<const uchar> content, qint64 at)
{
    // Its size is a number of variable length; that of a first header has one byte.
    const qint64 block = at + rar5.size();
    const qint64 size = bytes.byte(block + 4);
    return bytes.has(at, rar5) && size > 0 && size < 0x80 && bytes.has(block, 5 + size)
        && bytes.u32(block) == crcOf(content, block + 4, 1 + size);
}

bool isCab(const ArchiveBytes &bytes, qint64 at)
{
    constexpr quint16 version = 0x103;
    return bytes.has(at, cab) && bytes.u16(at + 24) == version && bytes.has(at, bytes.u32(at + 8));
}

bool isZipMember(const ArchiveBytes &bytes, qint64 at)
{
    constexpr int mostVersion = 63;
    constexpr quint16 mostMethod = 99;
    constexpr qint64 nameAt = 30;
    const qint64 nameBytes = bytes.u16(at + 26);
    if (!bytes.has(at, zipMember) || bytes.byte(at + 4) > mostVersion
        || bytes.u16(at + 8) > mostMethod || nameBytes == 0 || !bytes.has(at + nameAt, nameBytes))
        return false;
    for (qint64 i = 0; i < nameBytes; ++i) {
        if (bytes.byte(at + nameAt + i) < ' ')
            return false;
    }
    return true;
}

std::optional<Format> formatAt(const ArchiveBytes &bytes, std::span<const uchar> content, qint64 at)
{
    if (isSevenZip(bytes, content, at))
        return Format::SevenZip;
    if (isRar(bytes, content, at))
        return Format::Rar;
    if (isRar5(bytes, content, at))
        return Format::Rar5;
    if (isCab(bytes, at))
        return Format::Cab;
    if (isZipMember(bytes, at))
        return Format::ZipStream;
    return std::nullopt;
}

//! Where the archive begins whose mark ends with the byte at \p last; -1 if there is none.
qint64 beginAt(const ArchiveBytes &bytes, qint64 last)
{
    for (const Mark &mark : marks) {
        if (bytes.has(last - markBytes + 1, mark.bytes))
            return last - markBytes + 1 - mark.at;
    }
    return -1;
}

//! What a script that unpacks itself has behind its last line.
std::optional<ArchivePlace> behindScript(const ArchiveBytes &bytes)
{
    constexpr std::array streams{std::pair{Format::Gzip, QByteArrayView("\x1f\x8b\x08")},
        std::pair{Format::Xz, QByteArrayView("\xfd\x37zXZ\0", 6)},
        std::pair{Format::Bzip2, QByteArrayView("BZh")},
        std::pair{Format::Zstd, QByteArrayView("\x28\xb5\x2f\xfd")}};
    const qint64 end = std::min(bytes.size(), Limits::embeddedArchiveBytes);
    for (qint64 at = bytes.find("\n", 0, end); at >= 0; at = bytes.find("\n", at, end)) {
        ++at;
        for (const auto &[format, signature] : streams) {
            if (bytes.has(at, signature) && bytes.byte(at + 3) != '\n')
                return ArchivePlace{format, at, bytes.size(), false};
        }
    }
    return std::nullopt;
}

} // namespace

std::vector<ArchivePlace> embeddedArchives(std::span<const uchar> content)
{
    const ArchiveBytes bytes(content);
    const bool isScript = bytes.has(0, "#!");
    const bool isProgram = bytes.has(0, "MZ")
        || bytes.has(0,
            "\x7f"
            "ELF");
    std::vector<ArchivePlace> places;
    if (const auto payload = isScript ? behindScript(bytes) : std::nullopt)
        places.push_back(*payload);
    const qint64 end =
        isProgram || isScript ? bytes.size() : std::min(bytes.size(), Limits::embeddedArchiveBytes);
    bool hasZip = false; // its reader goes on to all that follow
    for (qint64 last = markBytes - 1; last < end;) {
        if (const uchar step = steps[content[size_t(last)]]; step > 0) {
            last += step;
            continue;
        }
        const qint64 begin = beginAt(bytes, last++);
        const auto format = begin > 0 ? formatAt(bytes, content, begin) : std::nullopt;
        if (!format || (*format == Format::ZipStream && std::exchange(hasZip, true)))
            continue;
        places.push_back({*format, begin, bytes.size(), false});
        if (places.size() > size_t(Limits::maxArchivesInOneFile))
            break;
        if (*format == Format::Cab) // what is in it comes out of it
            last = std::max(last, begin + qint64(bytes.u32(begin + 8)) + markBytes - 1);
        else if (*format == Format::SevenZip)
            last += qint64(std::min<quint64>(bytes.u64(begin + 12), quint64(bytes.size())));
    }
    return places;
}

} // namespace Sentinel
