// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/ZipDirectory.h"

#include "SecurityTap/archive/ArchiveBytes_p.h"

#include <algorithm>

namespace Sentinel {

namespace {

constexpr QByteArrayView localHeader("PK\3\4");
constexpr QByteArrayView directoryRecord("PK\1\2");
constexpr QByteArrayView endRecord("PK\5\6");
constexpr QByteArrayView descriptor("PK\7\10"); // of a member's sizes
constexpr QByteArrayView largeLocator("PK\6\7"); // of zip64's end record
constexpr QByteArrayView largeEndRecord("PK\6\6");

constexpr qint64 localHeaderBytes = 30;
constexpr qint64 directoryRecordBytes = 46;
constexpr qint64 endRecordBytes = 22;
constexpr qint64 largeLocatorBytes = 20;
constexpr qint64 largeEndRecordBytes = 56;
constexpr quint16 sizesFollow = 8; //!< a flag: they stand behind the member
constexpr quint32 elsewhere = 0xffffffff; //!< a number that is in a field of zip64
constexpr quint16 manyMembers = 0xffff; //!< their number is there, too
constexpr qint64 maxCommentBytes = 0xffff;
constexpr size_t maxMembers = 0xffff;

constexpr qint64 maxLargeRecordBytes = 64 * 1024; // of what may stand between it and its locator

//! A directory, and where its members are.
struct Found {
    ZipDirectory directory;
    std::vector<ByteExtent> members;
    std::vector<ByteExtent> packed; // the same without their headers
};

//! What a record of the directory says of its member.
struct Record {
    qint64 at = 0;
    qint64 nameBytes = 0;
    quint64 packedBytes = 0;
    quint64 wholeBytes = 0;
    quint64 local = 0; //!< its header
};

qint64 behindRecord(const ArchiveBytes &bytes, qint64 at)
{
    return at + directoryRecordBytes + bytes.u16(at + 28) + bytes.u16(at + 30) + bytes.u16(at + 32);
}

Record recordAt(const ArchiveBytes &bytes, qint64 at)
{
    Record record{
        at, bytes.u16(at + 28), bytes.u32(at + 20), bytes.u32(at + 24), bytes.u32(at + 42)};
    constexpr quint16 zip64 = 1;
    const qint64 end = at + directoryRecordBytes + record.nameBytes + bytes.u16(at + 30);
    for (qint64 field = at + directoryRecordBytes + record.nameBytes; field + 4 <= end;
         field += 4 + bytes.u16(field + 2)) {
        if (bytes.u16(field) != zip64)
            continue;
        qint64 next = field + 4;
        for (quint64 *number : {&record.wholeBytes, &record.packedBytes, &record.local}) {
            if (*number == elsewhere) {
                *number = bytes.u64(next);
                next += qint64(sizeof(quint64));
            }
        }
        break;
    }
    return record;
}

//! Behind the descriptor at \p at, which tells how large the member before it was; \p at if there
//! is none. Its mark may be missing, its numbers may be those of zip64.
qint64 behindDescriptor(const ArchiveBytes &bytes, const Record &record, qint64 at)
{
    constexpr qint64 crcBytes = 4;
    const qint64 sizes = at + crcBytes + (bytes.has(at, descriptor) ? descriptor.size() : 0);
    for (const qint64 from : {sizes, at + crcBytes}) { // the checksum may look like the mark
        if (bytes.has(from, 16) && bytes.u64(from) == record.packedBytes
            && bytes.u64(from + 8) == record.wholeBytes)
            return from + 16;
        if (bytes.has(from, 8) && bytes.u32(from) == record.packedBytes
            && bytes.u32(from + 4) == record.wholeBytes)
            return from + 8;
    }
    return at;
}

//! A member's own header says something else of it than the directory.
bool contradicts(const ArchiveBytes &bytes, const Record &record, qint64 local)
{
    constexpr quint16 encrypted = 1;
    const quint16 flags = bytes.u16(local + 6);
    const auto isOther = [&](qint64 inHeader, qint64 inRecord) {
        const quint32 said = bytes.u32(local + inHeader);
        return said != bytes.u32(record.at + inRecord) && said != elsewhere
            && bytes.u32(record.at + inRecord) != elsewhere;
    };
    const bool isOfOtherSize = (flags & sizesFollow) == 0 && (isOther(18, 20) || isOther(22, 24));
    const qint64 name = local + localHeaderBytes;
    const bool isNamedSo = bytes.u16(local + 26) == record.nameBytes
        && bytes.equals(name, record.at + directoryRecordBytes, record.nameBytes);
    return isOfOtherSize || !isNamedSo || bytes.u16(local + 8) != bytes.u16(record.at + 10)
        || ((flags ^ bytes.u16(record.at + 8)) & encrypted) != 0;
}

//! Its members, in the order of their places. \p shift: bytes that were put before the zip after
//! it was made.
void readMembers(const ArchiveBytes &bytes, qint64 end, qint64 shift, Found &found)
{
    std::vector<qint64> unmarked; // what follows the members whose sizes no mark tells
    for (qint64 at = found.directory.begin;
         at < end && bytes.has(at, directoryRecord) && found.members.size() < maxMembers;
         at = behindRecord(bytes, at)) {
        const Record record = recordAt(bytes, at);
        const auto size = quint64(bytes.size());
        if (record.local > size || record.packedBytes > size)
            continue; // it is missing, as who reads it will see
        const qint64 local = qint64(record.local) + shift;
        const qint64 begin =
            local + localHeaderBytes + bytes.u16(local + 26) + bytes.u16(local + 28);
        const qint64 behind = begin + qint64(record.packedBytes);
        found.members.push_back({local, behind});
        found.packed.push_back({begin, behind});
        if (!bytes.has(local, localHeader))
            continue;
        if (contradicts(bytes, record, local))
            found.directory.isContradictory = true;
        // Who unpacks from header to header looks for the descriptor, and goes by its mark.
        const qint64 next = behindDescriptor(bytes, record, behind);
        const bool isMarked = next > behind && bytes.has(behind, descriptor);
        if ((bytes.u16(local + 6) & sizesFollow) != 0 && !isMarked)
            unmarked.push_back(next);
    }
    std::ranges::sort(found.members, {}, &ByteExtent::begin);
    const auto isFollowed = [&](qint64 at) {
        return at == found.directory.begin
            || std::ranges::binary_search(found.members, at, {}, &ByteExtent::begin);
    };
    if (!std::ranges::all_of(unmarked, isFollowed))
        found.directory.isContradictory = true;
}

//! The end record of zip64 that ends where its \p locator begins, by its own size, or else where
//! the locator says; -1 if there is none.
qint64 largeRecordOf(const ArchiveBytes &bytes, qint64 locator)
{
    constexpr qint64 uncounted = 12; // what its size does not count
    for (qint64 at = bytes.find(largeEndRecord, locator - maxLargeRecordBytes, locator); at >= 0;
         at = bytes.find(largeEndRecord, at + 1, locator)) {
        if (bytes.u64(at + 4) == quint64(locator - at - uncounted)
            && locator - at >= largeEndRecordBytes)
            return at;
    }
    if (bytes.has(locator - largeEndRecordBytes, largeEndRecord))
        return locator - largeEndRecordBytes;
    const quint64 said = bytes.u64(locator + 8);
    return said < quint64(locator) && bytes.has(qint64(said), largeEndRecord) ? qint64(said) : -1;
}

//! Where the directory of zip64 begins, which stands directly before its end record, and that
//! before the \p locator. One that is not understood there is for other readers.
Found largeDirectoryOf(const ArchiveBytes &bytes, qint64 record, qint64 locator)
{
    const qint64 large = largeRecordOf(bytes, locator);
    const quint64 size = bytes.u64(large + 40);
    const quint64 members = bytes.u64(large + 32);
    Found found;
    if (large < 0 || size > quint64(large)) {
        found.directory = {.begin = locator, .members = 1, .isContradictory = true};
        return found;
    }
    found.directory.begin = large - qint64(size);
    const quint64 begin = quint64(found.directory.begin);
    const quint64 shift = begin - std::min(begin, bytes.u64(large + 48));
    // The small record may tell readers that do not know zip64 of another directory.
    const quint16 fewMembers = bytes.u16(record + 10);
    const quint32 smallSize = bytes.u32(record + 12);
    const quint32 offset = bytes.u32(record + 16);
    found.directory.isContradictory = quint64(large) - bytes.u64(locator + 8) != shift
        || (fewMembers != manyMembers && fewMembers != members)
        || (smallSize != elsewhere && smallSize != size)
        || (offset != elsewhere && offset != bytes.u64(large + 48))
        || (members > 0 && !bytes.has(found.directory.begin, directoryRecord));
    found.directory.members = qint64(std::min<quint64>(members, quint64(bytes.size())));
    readMembers(bytes, large, qint64(shift), found);
    return found;
}

std::optional<Found> directoryOf(const ArchiveBytes &bytes, qint64 record)
{
    const qint64 entries = bytes.u16(record + 10);
    const qint64 size = bytes.u32(record + 12);
    const qint64 offset = bytes.u32(record + 16);
    std::optional<Found> found;
    if (const qint64 locator = record - largeLocatorBytes; bytes.has(locator, largeLocator)) {
        found = largeDirectoryOf(bytes, record, locator);
    } else {
        const auto isDirectory = [&](qint64 at) {
            return at >= 0 && at <= record && (entries == 0 || bytes.has(at, directoryRecord));
        };
        const bool isBefore = isDirectory(record - size);
        if (!isBefore && !isDirectory(offset))
            return std::nullopt;
        found.emplace();
        found->directory.begin = isBefore ? record - size : offset;
        // Some go by the offset, others by the size.
        found->directory.isContradictory =
            entries > 0 && offset != found->directory.begin && isDirectory(offset);
        readMembers(bytes, record, std::max<qint64>(found->directory.begin - offset, 0), *found);
    }
    ZipDirectory &directory = found->directory;
    directory.end = record + endRecordBytes;
    directory.firstMember = found->members.empty() ? directory.begin : found->members.front().begin;
    directory.endsFile = directory.end + bytes.u16(record + 20) == bytes.size();
    directory.members = std::max(
        {qint64(found->members.size()), directory.members, entries == manyMembers ? 0 : entries});
    return found;
}

bool isInMember(qint64 at, const std::vector<Found> &all)
{
    return std::ranges::any_of(all, [at](const Found &found) { return isIn(found.members, at); });
}

std::vector<Found> directoriesOf(const ArchiveBytes &bytes)
{
    std::vector<qint64> records;
    for (qint64 at =
             bytes.find(endRecord, bytes.size() - maxCommentBytes - endRecordBytes, bytes.size());
         at >= 0; at = bytes.find(endRecord, at + 1, bytes.size())) {
        if (bytes.has(at, endRecordBytes))
            records.push_back(at);
    }
    std::vector<Found> all;
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
        if (isInMember(*record, all))
            continue;
        auto found = directoryOf(bytes, *record);
        const auto isKnown = [&](const Found &other) {
            return found->directory.begin == other.directory.begin;
        };
        if (!found || std::ranges::any_of(all, isKnown))
            continue;
        if (all.size() == ZipLayout::maxDirectories) {
            all.back().directory.isContradictory = true;
            break;
        }
        all.push_back(std::move(*found));
    }
    return all;
}

} // namespace

std::vector<uchar> ZipDirectory::withFilesOnly(std::span<const uchar> content) const
{
    constexpr qint64 madeByAt = 5; // the system whose attributes these are; 0: MS-DOS
    constexpr qint64 attributesAt = 38;
    const auto part = content.subspan(size_t(begin), size_t(end - begin));
    const ArchiveBytes bytes(part);
    std::vector<uchar> changed(part.begin(), part.end());
    for (qint64 at = 0; bytes.has(at, directoryRecord) && bytes.has(at, directoryRecordBytes);
         at = behindRecord(bytes, at)) {
        changed[size_t(at + madeByAt)] = 0;
        std::fill_n(changed.begin() + at + attributesAt, 4, uchar(0));
    }
    constexpr qint64 sizeAt = 12;
    const qint64 record = bytes.size() - endRecordBytes;
    if (bytes.u32(record + sizeAt) != elsewhere
        && !bytes.has(record - largeLocatorBytes, largeLocator))
        qToLittleEndian(quint32(record), changed.data() + record + sizeAt);
    return changed;
}

ZipLayout ZipLayout::of(std::span<const uchar> content)
{
    const ArchiveBytes bytes(content);
    ZipLayout layout;
    std::vector<ByteExtent> known;
    qint64 last = 0; // where no member can begin any more
    for (const Found &found : directoriesOf(bytes)) {
        const ZipDirectory &directory = found.directory;
        layout.directories.push_back(directory);
        known.insert(known.end(), found.members.begin(), found.members.end());
        known.push_back({directory.begin, directory.end});
        last = std::max(last, directory.begin);
        layout.packed.insert(layout.packed.end(), found.packed.begin(), found.packed.end());
        for (const ByteExtent &member : found.members)
            layout.members.push_back(member.begin);
    }
    if (layout.directories.empty())
        return layout;
    std::ranges::sort(layout.members);
    std::ranges::sort(layout.packed, {}, &ByteExtent::begin);
    std::ranges::sort(known, {}, &ByteExtent::begin);
    // What stands before the first one is a program's or a document's, unless it is a zip's.
    qint64 from = bytes.has(0, "PK") ? 0 : known.front().begin;
    for (const ByteExtent &extent : known) {
        const qint64 at = bytes.find(localHeader, from, std::min(extent.begin, last));
        if (at >= 0) {
            layout.hiddenMember = at;
            break;
        }
        from = std::max(from, extent.end);
    }
    return layout;
}

} // namespace Sentinel
