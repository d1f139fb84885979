// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/ArchiveFormat.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/archive/ArchiveBytes_p.h"
#include "SecurityTap/archive/EmbeddedArchives_p.h"
#include "SecurityTap/archive/ZipDirectory.h"

#include <algorithm>
#include <optional>

namespace Sentinel {

namespace {

using namespace Qt::StringLiterals;
using Format = ArchiveFormat;

struct Signature {
    Format format;
    qint64 at;
    QByteArrayView bytes;
};

//! Long enough not to be an accident.
constexpr Signature signatures[] = {
    {Format::SevenZip, 0, "7z\xbc\xaf\x27\x1c"}, {Format::Rar, 0, {"Rar!\x1a\x07\x00", 7}},
    {Format::Rar5, 0, {"Rar!\x1a\x07\x01\x00", 8}}, {Format::Cab, 0, {"MSCF\0\0\0\0", 8}},
    {Format::Ar, 0, "!<arch>\n"}, {Format::Tar, 257, "ustar"}, {Format::Iso, 0x8001, "CD001"},
    {Format::Rpm, 0, "\xed\xab\xee\xdb"}, {Format::Gzip, 0, "\x1f\x8b\x08"},
    {Format::Xz, 0, {"\xfd\x37zXZ\0", 6}}, {Format::Lzip, 0, "LZIP\x01"},
    {Format::Zstd, 0, "\x28\xb5\x2f\xfd"},
    // zstd before it had a format for good; its library still reads some.
    {Format::Zstd, 0, "\x27\xb5\x2f\xfd"}, {Format::Zstd, 0, "\x26\xb5\x2f\xfd"},
    {Format::Zstd, 0, "\x25\xb5\x2f\xfd"}, {Format::Zstd, 0, "\x24\xb5\x2f\xfd"},
    {Format::Zstd, 0, "\x23\xb5\x2f\xfd"}, {Format::Zstd, 0, "\x22\xb5\x2f\xfd"},
    {Format::Zstd, 0, "\x1e\xb5\x2f\xfd"}, {Format::Lz4, 0, "\x04\x22\x4d\x18"},
    {Format::Lz4, 0, "\x02\x21\x4c\x18"}, // legacy frames
};

bool areAll(const ArchiveBytes &bytes, qint64 at, qint64 count, bool (*isFine)(uchar))
{
    for (qint64 i = at; i < at + count; ++i) {
        if (!bytes.has(i, 1) || !isFine(bytes.byte(i)))
            return false;
    }
    return true;
}

bool isOctal(uchar c)
{
    return c >= '0' && c <= '7';
}

bool isHex(uchar c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

//! A header of tar before it had a signature: by its checksum, which is a number in octal.
bool isOldTar(const ArchiveBytes &bytes, qint64 at)
{
    constexpr qint64 headerBytes = 512;
    constexpr qint64 checksumAt = 148;
    constexpr qint64 checksumBytes = 8;
    if (!bytes.has(at, headerBytes))
        return false;
    int claimed = 0;
    int digits = 0;
    for (qint64 i = checksumAt; i < checksumAt + checksumBytes; ++i) {
        const uchar c = bytes.byte(at + i);
        if (isOctal(c) && ++digits)
            claimed = claimed * 8 + c - '0';
        else if (c != ' ' && c != 0)
            return false;
    }
    int sum = 0;
    int signedSum = 0;
    for (qint64 i = 0; i < headerBytes; ++i) {
        const bool isChecksum = i >= checksumAt && i < checksumAt + checksumBytes;
        const uchar c = isChecksum ? uchar(' ') : bytes.byte(at + i);
        sum += c;
        signedSum += qint8(c);
    }
    return digits > 0 && (claimed == sum || claimed == signedSum);
}

//! The old binary header has a signature of two bytes: what follows has to fit.
bool isBinaryCpio(const ArchiveBytes &bytes)
{
    constexpr qint64 headerBytes = 26;
    const bool isLittle = bytes.has(0, "\xc7\x71");
    if (!isLittle && !bytes.has(0, "\x71\xc7"))
        return false;
    const auto field = [&](qint64 at) {
        const quint16 value = bytes.u16(at);
        return isLittle ? value : quint16(value >> 8 | value << 8);
    };
    const qint64 nameBytes = field(20);
    const bool isTyped = (field(6) & 0170000) != 0;
    return isTyped && nameBytes > 1 && nameBytes <= 4096 && bytes.has(headerBytes, nameBytes)
        && bytes.byte(headerBytes + nameBytes - 1) == 0;
}

bool isCpio(const ArchiveBytes &bytes)
{
    return ((bytes.has(0, "070701") || bytes.has(0, "070702")) && areAll(bytes, 6, 104, &isHex))
        || (bytes.has(0, "070707") && areAll(bytes, 6, 70, &isOctal)) || isBinaryCpio(bytes);
}

bool isLha(const ArchiveBytes &bytes)
{
    const auto isMethod = [](uchar c) { return (c >= '0' && c <= '9') || c == 'd' || c == 's'; };
    return bytes.has(2, "-l") && (bytes.byte(4) == 'h' || bytes.byte(4) == 'z')
        && isMethod(bytes.byte(5)) && bytes.has(6, "-") && bytes.has(20, 1) && bytes.byte(20) <= 3;
}

bool isBzip2(const ArchiveBytes &bytes)
{
    const bool hasBlock = bytes.has(4, "\x31\x41\x59\x26\x53\x59"); // pi
    const bool isEmpty = bytes.has(4, "\x17\x72\x45\x38\x50\x90"); // its root
    return bytes.has(0, "BZh") && bytes.byte(3) >= '1' && bytes.byte(3) <= '9'
        && (hasBlock || isEmpty);
}

//! No signature at all, but properties that are possible, and a first byte that always is zero.
bool isLzma(const ArchiveBytes &bytes)
{
    constexpr quint64 unknownSize = ~quint64(0);
    constexpr quint64 mostBytes = quint64(1) << 38;
    constexpr uchar properties = 9 * 5 * 5;
    const quint32 dictionary = bytes.u32(1);
    const quint32 rest = dictionary & (dictionary - 1); // without its lowest bit
    const bool isDictionary = dictionary >= 4096 && (rest == 0 || rest == dictionary / 3 * 2);
    const quint64 size = bytes.u64(5);
    return bytes.has(0, 14) && bytes.byte(0) < properties && isDictionary && bytes.byte(13) == 0
        && (size == unknownSize || size < mostBytes);
}

bool isCompress(const ArchiveBytes &bytes)
{
    const int flags = bytes.byte(2);
    return bytes.has(0, "\x1f\x9d") && (flags & 0x60) == 0 && (flags & 0x1f) >= 9
        && (flags & 0x1f) <= 16;
}

//! Behind the frames that lz4 and zstd let everybody put before their own.
qint64 behindSkippableFrames(const ArchiveBytes &bytes)
{
    constexpr quint32 firstSkippable = 0x184d2a50;
    qint64 at = 0;
    while ((bytes.u32(at) & 0xfffffff0) == firstSkippable)
        at += 8 + qint64(bytes.u32(at + 4));
    return at;
}

//! One may have the signature of another in a field of its own: who reads that one first sees its
//! members.
std::vector<ArchivePlace> atBeginning(const ArchiveBytes &bytes)
{
    std::vector<ArchivePlace> places;
    const auto add = [&](Format format, qint64 begin, bool isCertain) {
        if (std::ranges::find(places, format, &ArchivePlace::format) == places.end())
            places.push_back({format, begin, bytes.size(), isCertain});
    };
    const qint64 frames = behindSkippableFrames(bytes);
    for (const Signature &signature : signatures) {
        const bool hasFrames = signature.format == Format::Zstd || signature.format == Format::Lz4;
        const qint64 begin = hasFrames ? frames : 0;
        if (bytes.has(begin + signature.at, signature.bytes))
            add(signature.format, begin, true);
    }
    if (isBzip2(bytes))
        add(Format::Bzip2, 0, true);
    if (isCpio(bytes))
        add(Format::Cpio, 0, bytes.byte(0) == '0');
    if (isLha(bytes))
        add(Format::Lha, 0, true);
    if (isOldTar(bytes, 0))
        add(Format::Tar, 0, false);
    if (isLzma(bytes))
        add(Format::Lzma, 0, false);
    if (isCompress(bytes))
        add(Format::Compress, 0, false);
    return places;
}

//! Readers of tar go on behind blocks that they do not understand.
std::optional<ArchivePlace> tarBehindBlocks(const ArchiveBytes &bytes)
{
    constexpr qint64 blockBytes = 512;
    constexpr qint64 mostBlocks = 8;
    for (qint64 at = blockBytes; at <= mostBlocks * blockBytes; at += blockBytes) {
        if (isOldTar(bytes, at))
            return ArchivePlace{Format::Tar, at, bytes.size(), false};
    }
    return std::nullopt;
}

//! Its end, where it tells; the rest is somebody else's.
qint64 endOf(const ArchiveBytes &bytes, const ArchivePlace &place)
{
    quint64 size = 0;
    if (place.format == Format::SevenZip)
        size = 32 + bytes.u64(place.begin + 12) + bytes.u64(place.begin + 20);
    else if (place.format == Format::Cab)
        size = bytes.u32(place.begin + 8);
    const auto most = quint64(place.end - place.begin);
    return size > 36 && size < most ? place.begin + qint64(size) : place.end;
}

//! A tree of names in UTF-16, for Windows: what others see may not be in it, and the other way.
bool hasJoliet(const ArchiveBytes &bytes)
{
    constexpr qint64 sectorBytes = 2048;
    constexpr uchar supplementary = 2;
    constexpr qint64 escapesAt = 88;
    for (qint64 at = 16 * sectorBytes; bytes.has(at + 1, "CD001"); at += sectorBytes) {
        const bool isUtf16 = bytes.has(at + escapesAt, "%/@") || bytes.has(at + escapesAt, "%/C")
            || bytes.has(at + escapesAt, "%/E");
        if (bytes.byte(at) == supplementary && isUtf16)
            return true;
    }
    return false;
}

ArchivePlace placeOf(const ZipDirectory &directory, bool isCertain)
{
    using Fault = ArchivePlace::Fault;
    const Fault fault = directory.isContradictory ? Fault::Contradictory : Fault::None;
    return {Format::Zip, 0, directory.end, isCertain, fault};
}

//! Where a member begins that no directory has. It ends with the last of them.
std::optional<ArchivePlace> hiddenIn(const ZipLayout &zip)
{
    if (!zip.hiddenMember)
        return std::nullopt;
    const auto last = std::ranges::max_element(zip.directories, {}, &ZipDirectory::begin);
    return ArchivePlace{Format::ZipStream, *zip.hiddenMember, last->begin, false};
}

} // namespace

std::vector<ArchivePlace> archivesIn(std::span<const uchar> content)
{
    const ArchiveBytes bytes(content);
    std::vector<ArchivePlace> places = atBeginning(bytes);
    for (ArchivePlace &place : places)
        place.end = endOf(bytes, place);
    const auto isIso = [](const ArchivePlace &place) { return place.format == Format::Iso; };
    if (std::ranges::any_of(places, isIso) && hasJoliet(bytes))
        places.push_back({Format::IsoJoliet, 0, bytes.size()});
    const bool isOther = std::ranges::any_of(places, &ArchivePlace::isCertain);

    const ZipLayout zip = ZipLayout::of(content);
    // Parts of a split one have a mark before the first member.
    const bool isSplit = bytes.has(0, "PK\7\10PK\3\4");
    if (zip.directories.empty() && (isSplit || bytes.has(0, "PK\3\4"))) {
        places.push_back(
            {Format::ZipStream, isSplit ? 4 : 0, bytes.size(), true, ArchivePlace::Fault::Cut});
    }
    bool hasZip = false;
    for (const ZipDirectory &directory : zip.directories) {
        // Else it may be that of the last member of another archive.
        if (directory.members > 0 && (!isOther || directory.endsFile)) {
            places.push_back(placeOf(directory, true));
            hasZip = true;
        }
    }
    if (const auto hidden = hiddenIn(zip); hidden && (hasZip || !isOther))
        places.push_back(*hidden);
    if (places.empty()) {
        if (const auto tar = tarBehindBlocks(bytes))
            places.push_back(*tar);
    }
    return places;
}

std::vector<ArchivePlace> archivesInside(std::span<const uchar> content, const KnownExtents &known)
{
    const ArchiveBytes bytes(content);
    const ZipLayout zip = ZipLayout::of(content);
    std::vector<ArchivePlace> places;
    for (const ZipDirectory &directory : zip.directories) {
        const auto isWithin = [&](const ByteExtent &member) {
            return member.begin <= directory.firstMember && member.end >= directory.end;
        };
        if (directory.members > 0 && std::ranges::none_of(known.members, isWithin))
            places.push_back(placeOf(directory, false));
    }
    if (const auto hidden = hiddenIn(zip); hidden && !isIn(known.members, hidden->begin))
        places.push_back(*hidden);
    for (ArchivePlace place : embeddedArchives(content, zip, known)) {
        place.end = endOf(bytes, place);
        places.push_back(place);
    }
    if (places.size() > size_t(Limits::maxArchivesInOneFile))
        places.resize(size_t(Limits::maxArchivesInOneFile) + 1);
    return places;
}

} // namespace Sentinel
