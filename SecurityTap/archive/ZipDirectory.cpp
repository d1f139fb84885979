// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/ZipDirectory.h"

#include "SecurityTap/archive/ArchiveBytes_p.h"

#include <algorithm>

namespace Sentinel {

namespace {

constexpr QByteArrayView localHeader("PK\3\4");
constexpr QByteArrayView directoryRecord("PK\1\2");
constexpr QByteArrayView endRecord("PK\5\6");
constexpr QByteArrayView largeLocator("PK\6\7"); // of zip64's end record

constexpr qint64 localHeaderBytes = 30;
constexpr qint64 directoryRecordBytes = 46;
constexpr qint64 endRecordBytes = 22;
constexpr QByteArrayView largeEndRecord("PK\6\6");
constexpr qint64 largeLocatorBytes = 20;
constexpr qint64 largeEndRecordBytes = 56;
constexpr quint32 elsewhere = 0xffffffff; //!< a number that is in a field of zip64
constexpr qint64 maxCommentBytes = 0xffff;
constexpr size_t maxMembers = 0xffff;
constexpr int maxEndRecords = 16; //!< that are looked at: one may stand in the comment of another

struct Extent {
    qint64 begin = 0;
    qint64 end = 0;
};

qint64 behindRecord(const ArchiveBytes &bytes, qint64 at)
{
    return at + directoryRecordBytes + bytes.u16(at + 28) + bytes.u16(at + 30) + bytes.u16(at + 32);
}

//! The members of the directory at \p begin, in the order of their places. \p shift: bytes that
//! were put before the zip after it was made.
std::vector<Extent> membersOf(const ArchiveBytes &bytes, qint64 begin, qint64 end, qint64 shift)
{
    std::vector<Extent> members;
    for (qint64 at = begin;
         at < end && bytes.has(at, directoryRecord) && members.size() < maxMembers;
         at = behindRecord(bytes, at)) {
        if (bytes.u32(at + 42) == elsewhere || bytes.u32(at + 20) == elsewhere)
            return {}; // nobody knows where
        const qint64 local = bytes.u32(at + 42) + shift;
        const qint64 name = bytes.u16(local + 26);
        const qint64 extra = bytes.u16(local + 28);
        members.push_back({local, local + localHeaderBytes + name + extra + bytes.u32(at + 20)});
    }
    std::ranges::sort(members, {}, &Extent::begin);
    return members;
}

std::optional<qint64> hiddenMember(
    const ArchiveBytes &bytes, const std::vector<Extent> &members, qint64 directory)
{
    // What stands before the first one is a program's or a document's, unless it is a zip's.
    const bool beginsAsZip = bytes.has(0, localHeader);
    qint64 known = beginsAsZip || members.empty() ? 0 : members.front().begin;
    const auto inGap = [&](qint64 end) { return bytes.find(localHeader, known, end); };
    for (const Extent &member : members) {
        if (const qint64 at = inGap(member.begin); at >= 0)
            return at;
        known = std::max(known, member.end);
    }
    const qint64 at = members.empty() && !beginsAsZip ? -1 : inGap(directory);
    return at < 0 ? std::nullopt : std::optional(at);
}

std::optional<ZipDirectory> directoryOf(const ArchiveBytes &bytes, qint64 record)
{
    const qint64 entries = bytes.u16(record + 10);
    const qint64 size = bytes.u32(record + 12);
    const qint64 offset = bytes.u32(record + 16);
    ZipDirectory directory;
    directory.end = record + endRecordBytes;
    directory.endsFile = directory.end + bytes.u16(record + 20) == bytes.size();
    if (bytes.has(record - largeLocatorBytes, largeLocator)) {
        const qint64 large = record - largeLocatorBytes - largeEndRecordBytes;
        directory.members = entries == 0xffff ? 1 : entries;
        const quint64 largeSize = bytes.u64(large + 40);
        if (!bytes.has(large, largeEndRecord) || largeSize > quint64(large))
            return std::nullopt;
        directory.begin = large - qint64(largeSize);
        return directory;
    }
    const auto isDirectory = [&](qint64 at) {
        return at >= 0 && at <= record && (entries == 0 || bytes.has(at, directoryRecord));
    };
    if (isDirectory(record - size))
        directory.begin = record - size;
    else if (isDirectory(offset))
        directory.begin = offset;
    else
        return std::nullopt;
    const auto members =
        membersOf(bytes, directory.begin, record, std::max<qint64>(directory.begin - offset, 0));
    directory.members = std::max(qint64(members.size()), entries == 0xffff ? 0 : entries);
    directory.hiddenMember = hiddenMember(bytes, members, directory.begin);
    return directory;
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

std::optional<ZipDirectory> ZipDirectory::find(std::span<const uchar> content)
{
    const ArchiveBytes bytes(content);
    const qint64 tail = bytes.size() - maxCommentBytes - endRecordBytes;
    std::vector<qint64> records;
    for (qint64 at = bytes.find(endRecord, tail, bytes.size()); at >= 0;
         at = bytes.find(endRecord, at + 1, bytes.size())) {
        if (bytes.has(at, endRecordBytes))
            records.push_back(at);
    }
    for (int tries = 0; !records.empty() && tries < maxEndRecords; ++tries) {
        if (const auto directory = directoryOf(bytes, records.back()))
            return directory;
        records.pop_back();
    }
    return std::nullopt;
}

} // namespace Sentinel
