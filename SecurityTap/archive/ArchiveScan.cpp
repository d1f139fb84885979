// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/ArchiveScan.h"

#include "SecurityTap/archive/UnopenedContent.h"
#include "SecurityTap/content/Sha256.h"
#include "SecurityTap/scan/ScanRequest.h"

#include <algorithm>
#include <utility>

namespace Sentinel {

namespace {

using Trouble = ArchiveTally::Trouble;

Trouble troubleOf(ArchiveError::Kind kind)
{
    switch (kind) {
    case ArchiveError::Kind::Damaged:
        return Trouble::Damaged;
    case ArchiveError::Kind::Encrypted:
        return Trouble::Encrypted;
    case ArchiveError::Kind::Unsupported:
        return Trouble::Unsupported;
    case ArchiveError::Kind::OutOfMemory:
        return Trouble::Memory;
    }
    Q_UNREACHABLE();
}

//! It has its members as they are.
bool isContainer(ArchiveFormat format)
{
    return format == ArchiveFormat::Tar || format == ArchiveFormat::Cpio
        || format == ArchiveFormat::Ar || format == ArchiveFormat::Iso
        || format == ArchiveFormat::IsoJoliet;
}

} // namespace

ArchiveScan::ArchiveScan(std::shared_ptr<const ScanEngine> engine,
    std::shared_ptr<const ArchiveSettings> settings, const ScanSubject &subject,
    std::shared_ptr<const Content> content)
    : m_engine(std::move(engine))
    , m_settings(std::move(settings))
    , m_content(std::move(content))
    , m_fileName(subject.metadata.filename)
    , m_filePath(subject.filePath)
    , m_task(m_engine->begin(subject, m_content))
{
}

ArchiveScan::~ArchiveScan() = default;

ScanTask::Progress ArchiveScan::step(const SliceBudget &budget)
{
    if (m_levels.empty() && m_task) {
        const Progress progress = m_task->step(budget);
        if (progress != Progress::Done)
            return progress;
        m_tally.addFile(m_task->takeResult());
        m_task.reset();
        lookInto({m_content, m_fileName, m_filePath, {}});
    }
    // Every slice does something, or a late one would get nowhere.
    for (bool isFirst = true; !m_levels.empty() && !m_isStopped; isFirst = false) {
        if (!isFirst && budget.isUsedUp()) {
            tellSuspicion(budget);
            return Progress::More;
        }
        if (!m_task)
            advance();
        else if (const Progress progress = stepInner(budget); progress != Progress::Done)
            return progress;
    }
    m_task.reset();
    m_levels.clear();
    return Progress::Done;
}

//! A slice of the scan of the member on top. What it suspects is told with all that is known by
//! now.
ScanTask::Progress ArchiveScan::stepInner(const SliceBudget &budget)
{
    Level &level = m_levels.back();
    SliceBudget inner = budget;
    if (budget.suspect) {
        inner.suspect = [&](ScanResult suspected) {
            ArchiveTally all = m_tally;
            all.addMember(level.member->place, std::move(suspected));
            budget.suspect(all.result());
        };
    }
    tellSuspicion(budget); // first: what the member's scan suspects is told with it
    const Progress progress = m_task->step(inner);
    if (progress == Progress::Done)
        endScan(level, m_task->takeResult());
    return progress;
}

//! What was found stands, should the deadline pass before the rest has been seen.
void ArchiveScan::tellSuspicion(const SliceBudget &budget)
{
    if (!budget.suspect || m_tally.findings() == m_toldFindings)
        return;
    m_toldFindings = m_tally.findings();
    ArchiveTally all = m_tally;
    all.addTrouble(Trouble::EngineLimit, {}, QStringLiteral("the rest was not scanned in time"));
    const ScanResult suspected = all.result();
    if (suspected.isThreat())
        budget.suspect(suspected);
}

void ArchiveScan::lookInto(Level level)
{
    const std::span<const uchar> bytes = level.content->span();
    m_tally.addNotLookedInto(notLookedInto(bytes));
    if (isEncryptedDocument(bytes))
        m_tally.addTrouble(Trouble::Encrypted, level.place);
    addArchives(level, archivesIn(bytes));
    if (level.archives.empty())
        lookInside(level);
    if (level.archives.empty())
        return;
    if (m_levels.size() >= size_t(m_settings->limits.maxDepth))
        m_tally.addTrouble(Trouble::Depth, level.place);
    else
        m_levels.push_back(std::move(level));
}

void ArchiveScan::addArchives(Level &level, const std::vector<ArchivePlace> &places)
{
    for (const ArchivePlace &place : places) {
        // Of a zip, the directory is the place.
        const bool isKnown = std::ranges::any_of(level.archives, [&](const ArchivePlace &known) {
            return known.format == place.format && known.end == place.end
                && (known.begin == place.begin || place.format == ArchiveFormat::Zip);
        });
        if (isKnown)
            continue;
        if (level.archives.size() == size_t(Limits::maxArchivesInOneFile))
            return m_tally.addTrouble(Trouble::Members, level.place);
        level.archives.push_back(place);
    }
}

//! One archive may follow the other, with zeros between them. Unpackers differ in what they take.
void ArchiveScan::lookBehind(Level &level)
{
    const std::span<const uchar> bytes = level.content->span();
    const ArchivePlace &place = level.archives[level.nextArchive - 1];
    const qint64 end = place.begin + level.reader->endOffset();
    const auto rest = bytes.subspan(size_t(std::min(end, qint64(bytes.size()))));
    const auto first = std::ranges::find_if(rest, [](uchar byte) { return byte != 0; });
    const qint64 shift = first - bytes.begin();
    if (shift == place.begin)
        return;
    const auto behind = bytes.subspan(size_t(shift));
    std::vector<ArchivePlace> places = archivesIn(behind);
    if (places.empty())
        places = archivesInside(behind, {});
    for (ArchivePlace &one : places) {
        one.begin += shift;
        one.end += shift;
    }
    addArchives(level, places);
}

//! For what another reader finds there, which does not see, or does not care, what this file is.
void ArchiveScan::lookInside(Level &level)
{
    level.isSearched = true;
    std::ranges::sort(level.known.members, {}, &ByteExtent::begin);
    addArchives(level, archivesInside(level.content->span(), level.known));
}

//! Where the member stands as it is in the archive, which has been read up to its end: what is
//! found there again is the member's.
void ArchiveScan::noteMember(Level &level, std::span<const uchar> bytes)
{
    const ArchivePlace &place = level.archives[level.nextArchive - 1];
    if (!isContainer(place.format) || bytes.empty())
        return;
    const std::span<const uchar> content = level.content->span();
    const qint64 end = place.begin + level.reader->position();
    const auto size = qint64(bytes.size());
    for (const qint64 block : {1, 2, 4, 512, 2048}) { // that members are padded to
        const qint64 begin = end - (size + block - 1) / block * block;
        if (begin < 0 || begin + size > qint64(content.size()))
            continue;
        if (std::ranges::equal(content.subspan(size_t(begin), size_t(size)), bytes)) {
            level.known.members.push_back({begin, begin + size});
            return;
        }
    }
}

//! The archive has been read to its end.
void ArchiveScan::notePacked(Level &level)
{
    const ArchivePlace &place = level.archives[level.nextArchive - 1];
    const bool isZip =
        place.format == ArchiveFormat::Zip || place.format == ArchiveFormat::ZipStream;
    if (!isContainer(place.format) && !isZip)
        level.known.packed.push_back({place.begin, place.begin + level.reader->endOffset()});
}

//! What has been packed may have parts that are stored, so that an archive among the members shows
//! in pieces. It comes out whole with its member.
bool ArchiveScan::isPiece(const Level &level, const ArchivePlace &place)
{
    const qint64 at = place.format == ArchiveFormat::Zip ? place.end - 1 : place.begin;
    return !place.isCertain && at > 0 && isInAny(level.known.packed, at);
}

void ArchiveScan::advance()
{
    Level &level = m_levels.back();
    if (!level.reader)
        openNext(level);
    else if (!level.member)
        readHeader(level);
    else
        readBlock(level);
}

void ArchiveScan::openNext(Level &level)
{
    if (level.nextArchive == level.archives.size() && !level.isSearched)
        lookInside(level);
    if (level.nextArchive == level.archives.size()) {
        m_levels.pop_back();
        return;
    }
    const ArchivePlace &place = level.archives[level.nextArchive++];
    level.isCertain = place.isCertain;
    level.isPiece = isPiece(level, place);
    level.hasRead = level.isOver = false;
    if (place.fault != ArchivePlace::Fault::None && !level.isPiece) {
        m_tally.addTrouble(Trouble::Damaged, level.place,
            place.fault == ArchivePlace::Fault::Cut
                ? QStringLiteral("it is cut short")
                : QStringLiteral("it says different things to different readers"));
    }
    auto reader = ArchiveReader::open(level.content->span(), place, m_settings->passwords);
    if (reader) {
        level.reader = std::move(*reader);
        if (place.isCertain)
            m_tally.addArchive();
    } else if (place.isCertain) {
        addError(level, reader.error(), level.place);
    }
}

void ArchiveScan::readHeader(Level &level)
{
    if (level.isOver)
        return endReader(level);
    if (m_members >= m_settings->limits.maxMembers) {
        // Only if there is one more.
        const auto next = level.reader->next();
        if (next && !*next)
            return endReader(level);
        m_tally.addTrouble(Trouble::Members, level.place);
        return stop();
    }
    auto next = level.reader->next();
    if (!next) {
        ++m_members; // what fails again and again comes to an end
        if (level.isCertain || level.hasRead)
            addError(level, next.error(), level.place);
        if (next.error().isFinal || !level.hasRead)
            endReader(level);
        return;
    }
    if (!*next) {
        notePacked(level);
        lookBehind(level);
        return endReader(level);
    }
    ++m_members;
    if (!std::exchange(level.hasRead, true))
        m_tally.addArchive();
    const ArchivePlace &place = level.archives[level.nextArchive - 1];
    const MemberName name = isSingleStream(place.format) ? MemberName::ofStreamIn(level.fileName)
                                                         : MemberName((*next)->name, m_members);
    level.member.emplace(name, name.placeIn(level.place), QByteArray(), (*next)->isFile);
    if ((*next)->doubt)
        addError(level, *(*next)->doubt, level.member->place);
}

void ArchiveScan::readBlock(Level &level)
{
    Member &member = *level.member;
    auto block = level.reader->read();
    if (!block) {
        addError(level, block.error(), member.place);
        member.isWhole = false;
        level.isOver = block.error().isFinal;
        return beginScan(level);
    }
    if (!*block)
        return beginScan(level);
    if ((*block)->doubt) {
        addError(level, *(*block)->doubt, member.place);
        member.isWhole = false;
    }
    if (!takeBlock(level, **block))
        return;
    level.isOver = (*block)->doubt && (*block)->doubt->isFinal;
    if (level.isOver)
        beginScan(level);
}

//! False if nothing more is to be done.
bool ArchiveScan::takeBlock(Level &level, const ArchiveBlock &block)
{
    Member &member = *level.member;
    const ArchiveLimits &limits = m_settings->limits;
    const qint64 size = qint64(block.bytes.size());
    if (member.isOverLimit)
        return countExpanded(size, member.place);
    const qint64 gap = std::max<qint64>(block.offset - member.bytes.size(), 0);
    const qint64 room = limits.maxMemberBytes - member.bytes.size();
    const qint64 held = heldBytes();
    std::optional<Trouble> trouble;
    if (gap > room || size > room - gap)
        trouble = Trouble::MemberBytes;
    else if (held + gap + size > limits.maxHeldBytes)
        trouble = Trouble::HeldBytes;
    if (trouble) {
        m_tally.addTrouble(*trouble, member.place);
        member.isWhole = false;
        member.isOverLimit = true;
        return countExpanded(size, member.place);
    }
    member.bytes.append(gap, '\0');
    member.bytes.append(reinterpret_cast<const char *>(block.bytes.data()), size);
    return countExpanded(gap + size, member.place);
}

bool ArchiveScan::countExpanded(qint64 bytes, const QString &place)
{
    const ArchiveLimits &limits = m_settings->limits;
    m_expandedBytes += bytes;
    const qint64 own = std::max<qint64>(m_content->extent().sizeBytes, 1);
    std::optional<Trouble> trouble;
    if (m_expandedBytes > limits.maxExpandedBytes)
        trouble = Trouble::ExpandedBytes;
    else if (m_expandedBytes > limits.ratioFreeBytes && m_expandedBytes > own * limits.maxRatio)
        trouble = Trouble::Ratio;
    if (!trouble)
        return true;
    m_tally.addTrouble(*trouble, place);
    stop();
    return false;
}

//! A disk image tells most of its files in two trees.
bool ArchiveScan::isRepeated(Level &level)
{
    const ArchiveFormat format = level.archives[level.nextArchive - 1].format;
    const Member &member = *level.member;
    if ((format != ArchiveFormat::Iso && format != ArchiveFormat::IsoJoliet) || !member.isWhole)
        return false;
    Sha256 hash;
    for (const QByteArray &part : {member.name.path().toLower().toUtf8() + '\0', member.bytes})
        hash.add({reinterpret_cast<const uchar *>(part.constData()), size_t(part.size())});
    if (level.seen.insert(hash.result()).second)
        return false;
    --m_members;
    m_expandedBytes -= member.bytes.size();
    return true;
}

void ArchiveScan::beginScan(Level &level)
{
    Member &member = *level.member;
    if ((!member.isFile && member.bytes.isEmpty()) || isRepeated(level)) {
        level.member.reset();
        return;
    }
    if (member.bytes.capacity() - member.bytes.size() > Limits::mib)
        member.bytes.squeeze();
    level.scanned = Content::fromByteArray(std::move(member.bytes));
    ScanSubject subject;
    subject.metadata.filename = member.name.fileName();
    if (!level.filePath.isEmpty())
        subject.filePath = level.filePath + u'!' + member.name.path();
    subject.sizeBytes = level.scanned->extent().sizeBytes;
    m_task = m_engine->begin(subject, level.scanned);
}

void ArchiveScan::endScan(Level &level, ScanResult result)
{
    m_task.reset();
    const Member &member = *level.member;
    if (member.isWhole)
        m_tally.addMember(member.place, std::move(result));
    else
        m_tally.addPart(member.place, result);
    if (member.isWhole && level.reader)
        noteMember(level, level.scanned->span());
    const QString filePath =
        level.filePath.isEmpty() ? QString() : level.filePath + u'!' + member.name.path();
    Level inner{level.scanned, member.name.fileName(), filePath, member.place};
    level.scanned.reset();
    level.member.reset();
    lookInto(std::move(inner)); // level may move
}

void ArchiveScan::endReader(Level &level)
{
    level.reader.reset();
    level.member.reset();
}

void ArchiveScan::addError(const Level &level, const ArchiveError &error, const QString &place)
{
    if (level.isPiece && error.kind == ArchiveError::Kind::Damaged)
        return;
    m_tally.addTrouble(troubleOf(error.kind), place, error.text);
}

//! The members in memory: those that are looked into, and the one that is read.
qint64 ArchiveScan::heldBytes() const
{
    qint64 held = m_levels.back().member->bytes.size();
    for (auto level = std::next(m_levels.begin()); level != m_levels.end(); ++level)
        held += level->content->extent().sizeBytes;
    return held;
}

} // namespace Sentinel
