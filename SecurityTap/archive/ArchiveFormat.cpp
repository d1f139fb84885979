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
    {Format::Zstd, 0, "\x28\xb5\x2f\xfd"}, {Format::Lz4, 0, "\x04\x22\x4d\x18"},
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
bool isOldTar(const ArchiveBytes &bytes)
{
    constexpr qint64 headerBytes = 512;
    constexpr qint64 checksumAt = 148;
    constexpr qint64 checksumBytes = 8;
    if (!bytes.has(0, headerBytes) || bytes.byte(0) == 0)
        return false;
    int claimed = 0;
    int digits = 0;
    for (qint64 i = checksumAt; i < checksumAt + checksumBytes; ++i) {
        const uchar c = bytes.byte(i);
        if (isOctal(c) && ++digits)
            claimed = claimed * 8 + c - '0';
        else if (c != ' ' && c != 0)
            return false;
    }
    int sum = 0;
    int signedSum = 0;
    for (qint64 i = 0; i < headerBytes; ++i) {
        const bool isChecksum = i >= checksumAt && i < checksumAt + checksumBytes;
        const uchar c = isChecksum ? uchar(' ') : bytes.byte(i);
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

std::optional<ArchivePlace> atBeginning(const ArchiveBytes &bytes)
{
    const qint64 frames = behindSkippableFrames(bytes);
    for (const Signature &signature : signatures) {
        const bool hasFrames = signature.format == Format::Zstd || signature.format == Format::Lz4;
        const qint64 begin = hasFrames ? frames : 0;
        if (bytes.has(begin + signature.at, signature.bytes))
            return ArchivePlace{signature.format, begin, bytes.size()};
    }
    const auto place = [&](Format format, bool isCertain) {
        return ArchivePlace{format, 0, bytes.size(), isCertain};
    };
    if (isBzip2(bytes))
        return place(Format::Bzip2, true);
    if (isCpio(bytes))
        return place(Format::Cpio, bytes.byte(0) == '0');
    if (isLha(bytes))
        return place(Format::Lha, true);
    if (isOldTar(bytes))
        return place(Format::Tar, false);
    if (isLzma(bytes))
        return place(Format::Lzma, false);
    if (isCompress(bytes))
        return place(Format::Compress, false);
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

void addZip(const ArchiveBytes &bytes, const ZipLayout &zip, std::vector<ArchivePlace> &places)
{
    using Fault = ArchivePlace::Fault;
    // Parts of a split one have a mark before the first member.
    const bool isSplit = bytes.has(0, "PK\7\10PK\3\4");
    const bool beginsAsZip = isSplit || bytes.has(0, "PK\3\4");
    if (zip.directories.empty()) {
        if (beginsAsZip)
            places.push_back({Format::ZipStream, isSplit ? 4 : 0, bytes.size(), true, Fault::Cut});
        return;
    }
    const bool isAlone = places.empty();
    qint64 end = 0;
    for (const ZipDirectory &directory : zip.directories) {
        end = std::max(end, directory.begin);
        const Fault fault = directory.isContradictory ? Fault::Contradictory : Fault::None;
        // The last member of another archive is found there.
        if ((isAlone || directory.endsFile) && directory.members > 0)
            places.push_back({Format::Zip, 0, directory.end, true, fault});
    }
    if (zip.hiddenMember && (isAlone || places.size() > 1))
        places.push_back({Format::ZipStream, *zip.hiddenMember, end, false});
}

} // namespace

std::vector<ArchivePlace> archivesIn(std::span<const uchar> content)
{
    const ArchiveBytes bytes(content);
    std::vector<ArchivePlace> places;
    if (auto first = atBeginning(bytes)) {
        first->end = endOf(bytes, *first);
        places.push_back(*first);
        if (first->format == Format::Iso && hasJoliet(bytes))
            places.push_back({Format::IsoJoliet, 0, bytes.size()});
    }
    const bool isKnown = !places.empty() && places.front().isCertain;
    const ZipLayout zip = ZipLayout::of(content);
    addZip(bytes, zip, places);
    // What is inside of an archive comes out with its members.
    if (!isKnown && zip.firstMember > 0 && !bytes.has(0, "PK")) {
        for (ArchivePlace place : embeddedArchives(content.first(size_t(zip.firstMember)))) {
            place.end = endOf(bytes, place);
            places.push_back(place);
        }
    }
    if (places.size() > size_t(Limits::maxArchivesInOneFile))
        places.resize(size_t(Limits::maxArchivesInOneFile) + 1);
    return places;
}

} // namespace Sentinel
