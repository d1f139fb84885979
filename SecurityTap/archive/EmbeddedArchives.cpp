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
std::vector<ArchivePlace> behindScript(const ArchiveBytes &bytes)
{
    constexpr std::array streams{std::pair{Format::Gzip, QByteArrayView("\x1f\x8b\x08")},
        std::pair{Format::Xz, QByteArrayView("\xfd\x37zXZ\0", 6)},
        std::pair{Format::Bzip2, QByteArrayView("BZh")},
        std::pair{Format::Zstd, QByteArrayView("\x28\xb5\x2f\xfd")}};
    std::vector<ArchivePlace> places;
    const qint64 end = std::min(bytes.size(), Limits::embeddedArchiveBytes);
    for (qint64 at = bytes.find("\n", 0, end); at >= 0; at = bytes.find("\n", at, end)) {
        ++at;
        for (const auto &[format, signature] : streams) {
            if (bytes.has(at, signature) && bytes.byte(at + 3) != '\n')
                places.push_back({format, at, bytes.size(), false});
        }
        if (places.size() > size_t(Limits::maxArchivesInOneFile))
            break;
    }
    return places;
}

//! Where the packed bytes of the member of a zip begin.
qint64 behindHeader(const ArchiveBytes &bytes, qint64 local)
{
    return local + 30 + bytes.u16(local + 26) + bytes.u16(local + 28);
}

//! The reader of the member at \p local goes on to that at \p next, as its size or the descriptor
//! behind it says.
bool leadsTo(const ArchiveBytes &bytes, qint64 local, qint64 next)
{
    constexpr quint16 sizesFollow = 8;
    const qint64 begin = behindHeader(bytes, local);
    for (qint64 field = local + 30 + bytes.u16(local + 26); field < begin;) {
        field += 4 + bytes.u16(field + 2);
        if (field > begin)
            return false; // it gives up before
    }
    if ((bytes.u16(local + 6) & sizesFollow) == 0)
        return begin + bytes.u32(local + 18) == next;
    const auto small = qint64(bytes.u32(next - 8));
    const auto large = bytes.u64(next - 16);
    return small == next - begin - 12 || small == next - begin - 16
        || large == quint64(next - begin - 20) || large == quint64(next - begin - 24);
}

//! What is left to be looked for: not what a member's own search sees, nor what a directory has.
bool isSeenElsewhere(const ArchivePlace &place, const ZipLayout &zip, const KnownExtents &known)
{
    const auto isSearched = [&](const std::vector<ByteExtent> &extents) {
        const auto next = std::ranges::upper_bound(extents, place.begin, {}, &ByteExtent::begin);
        if (next == extents.begin())
            return false;
        const ByteExtent &extent = *std::prev(next);
        return place.begin < std::min(extent.end, extent.begin + Limits::embeddedArchiveBytes);
    };
    const bool isMember = place.format == Format::ZipStream
        && (place.begin == zip.hiddenMember
            || std::ranges::binary_search(zip.members, place.begin));
    return isMember || isSearched(zip.packed) || isSearched(known.members);
}

} // namespace

std::vector<ArchivePlace> embeddedArchives(
    std::span<const uchar> content, const ZipLayout &zip, const KnownExtents &known)
{
    const ArchiveBytes bytes(content);
    const bool isScript = bytes.has(0, "#!");
    const bool isProgram = bytes.has(0, "MZ")
        || bytes.has(0,
            "\x7f"
            "ELF");
    std::vector<ArchivePlace> places;
    if (isScript)
        places = behindScript(bytes);
    const qint64 end =
        isProgram || isScript ? bytes.size() : std::min(bytes.size(), Limits::embeddedArchiveBytes);
    qint64 member = -1; // of a zip, to which a reader comes that is told
    bool hasPackedMember = false;
    for (qint64 last = markBytes - 1; last < end;) {
        if (const uchar step = steps[content[size_t(last)]]; step > 0) {
            last += step;
            continue;
        }
        const qint64 begin = beginAt(bytes, last++);
        const auto format = begin > 0 ? formatAt(bytes, content, begin) : std::nullopt;
        if (!format)
            continue;
        const ArchivePlace place{*format, begin, bytes.size(), false};
        const bool isMember = *format == Format::ZipStream;
        if (isMember && member >= 0 && leadsTo(bytes, member, begin)) {
            member = begin;
            continue;
        }
        const bool isSeen = isSeenElsewhere(place, zip, known);
        if (isMember)
            member = isSeen && begin != zip.hiddenMember ? -1 : begin;
        if (isSeen)
            continue;
        if (isMember && isInAny(known.packed, begin) && std::exchange(hasPackedMember, true))
            continue;
        places.push_back(place);
        if (places.size() > size_t(Limits::maxArchivesInOneFile))
            break;
    }
    return places;
}

} // namespace Sentinel
