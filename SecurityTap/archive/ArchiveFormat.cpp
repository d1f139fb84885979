// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/ArchiveFormat.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/archive/ArchiveBytes_p.h"
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

//! No signature at all, but properties that everybody uses.
bool isLzma(const ArchiveBytes &bytes)
{
    constexpr quint64 unknownSize = ~quint64(0);
    constexpr quint64 mostBytes = quint64(1) << 38;
    const quint32 dictionary = bytes.u32(1);
    const quint32 rest = dictionary & (dictionary - 1); // without its lowest bit
    const bool isDictionary = dictionary >= 4096 && (rest == 0 || rest == dictionary / 3 * 2);
    const quint64 size = bytes.u64(5);
    return bytes.has(0, 14) && bytes.byte(0) == 0x5d && isDictionary && bytes.byte(13) == 0
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
    constexpr int mostFrames = 1000;
    qint64 at = 0;
    for (int i = 0; i < mostFrames && (bytes.u32(at) & 0xfffffff0) == firstSkippable; ++i)
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

void addZip(const std::span<const uchar> &content, std::vector<ArchivePlace> &places)
{
    const ArchiveBytes bytes(content);
    const bool beginsAsZip = bytes.has(0, "PK\3\4");
    const auto directory = ZipDirectory::find(content);
    if (!directory) {
        if (beginsAsZip)
            places.push_back({Format::ZipStream, 0, bytes.size(), true, true});
        return;
    }
    // The last member of another archive is found there.
    if (!places.empty() && !directory->endsFile)
        return;
    if (directory->members > 0)
        places.push_back({Format::Zip, 0, directory->end});
    if (directory->hiddenMember)
        places.push_back({Format::ZipStream, *directory->hiddenMember, directory->begin, false});
}

//! Programs that unpack themselves.
void addEmbedded(const ArchiveBytes &bytes, std::vector<ArchivePlace> &places)
{
    if (!bytes.has(0, "MZ")
        && !bytes.has(0,
            "\x7f"
            "ELF"))
        return;
    for (const Signature &signature : signatures) {
        const bool isCab = signature.format == Format::Cab;
        if (!isCab && signature.format != Format::SevenZip && signature.format != Format::Rar
            && signature.format != Format::Rar5)
            continue;
        const qint64 at = bytes.find(signature.bytes, 0, Limits::embeddedArchiveBytes);
        // Its version and size: the signature alone may be a constant of the program.
        const bool fits =
            !isCab || (bytes.u16(at + 24) == 0x103 && bytes.has(at, bytes.u32(at + 8)));
        if (at > 0 && fits)
            places.push_back({signature.format, at, bytes.size(), false});
    }
}

} // namespace

std::vector<ArchivePlace> archivesIn(std::span<const uchar> content)
{
    const ArchiveBytes bytes(content);
    std::vector<ArchivePlace> places;
    if (const auto first = atBeginning(bytes))
        places.push_back(*first);
    addZip(content, places);
    addEmbedded(bytes, places);
    if (places.size() > size_t(Limits::maxArchivesInOneFile))
        places.resize(size_t(Limits::maxArchivesInOneFile));
    return places;
}

QString notLookedInto(std::span<const uchar> content)
{
    constexpr qint64 pdfHeaderWithin = 1024; // where readers look for it
    const ArchiveBytes bytes(content);
    if (bytes.has(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"))
        return u"streams of an OLE2 document"_s;
    if (bytes.find("%PDF-", 0, pdfHeaderWithin) >= 0)
        return u"streams of a PDF document"_s;
    return {};
}

} // namespace Sentinel
