// SPDX-License-Identifier: MIT
#include "SecurityTap/history/RescanDesk_p.h"

#include "SecurityTap/content/ContentFile.h"
#include "SecurityTap/content/FileCopy.h"
#include "SecurityTap/content/FileType.h"
#include "SecurityTap/content/Sha256.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>

namespace Sentinel {

namespace {

using Ending = ReleaseRecord::Ending;

//! All of \p file, which nobody can change any more, in memory; null if it cannot be mapped.
std::shared_ptr<Content> mappedContent(int file, qint64 sizeBytes)
{
    if (sizeBytes == 0)
        return Content::fromByteArray({});
    void *const bytes = ::mmap(nullptr, size_t(sizeBytes), PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED)
        return nullptr;
    const std::shared_ptr<const void> owner(
        bytes, [sizeBytes](void *mapped) { ::munmap(mapped, size_t(sizeBytes)); });
    auto content = std::make_shared<Content>(static_cast<const uchar *>(bytes), owner);
    content->grow(sizeBytes);
    content->complete();
    return content;
}

QByteArray sha256Of(const Content &content)
{
    Sha256 hash;
    hash.add(content.span());
    return hash.result();
}

FileType fileTypeOf(const FetchedRelease &fetched)
{
    return sniffFileType(fetched.content->span(), fetched.claim.record.mimeType);
}

} // namespace

RescanDesk::RescanDesk(const QString &path, const ReleaseHistory::Settings &settings,
    qint64 maxBytes, std::chrono::milliseconds leastPause)
    : m_history(path, settings), m_maxBytes(maxBytes), m_leastPause(leastPause)
{
}

RescanDesk::~RescanDesk()
{
    giveBack();
    if (!m_begun.empty())
        (void)m_history.giveBack(m_begun); // else our end does it
}

NextRescan RescanDesk::next()
{
    NextRescan next;
    while (true) {
        const auto isDone = advance(next);
        if (!isDone)
            next.trouble = isDone.error();
        if (!isDone || *isDone)
            return next;
    }
}

//! Sees to one claim. True if that was all for now.
std::expected<bool, QString> RescanDesk::advance(NextRescan &next)
{
    if (m_claims.empty()) {
        auto claims = m_history.claimOwed(Limits::rescansClaimed);
        if (!claims)
            return std::unexpected(claims.error());
        std::ranges::move(*claims, std::back_inserter(m_claims));
    }
    if (m_claims.empty()) {
        const auto due = m_history.nextDue();
        if (!due)
            return std::unexpected(due.error());
        next.due = due->value_or(next.due);
        return true;
    }
    const Claim claim = std::move(m_claims.front());
    m_claims.pop_front();
    begin(claim);
    // Counted before anything is done with the file: it may be the end of us.
    const auto isOurs = m_history.begin(claim);
    if (!isOurs) {
        putBack(claim);
        return std::unexpected(isOurs.error());
    }
    if (!*isOurs) {
        drop(claim);
        return false;
    }
    const bool isWornOut = claim.record.attempts >= Limits::maxRescanAttempts;
    auto fetched = isWornOut ? std::unexpected(Lost(FileLoss::Unreadable)) : fetch(claim);
    if (fetched) {
        next.fetched = std::make_shared<const FetchedRelease>(std::move(*fetched));
        return true;
    }
    auto settled = settleLost(claim, fetched.error());
    if (!settled) {
        putBack(claim);
        return std::unexpected(settled.error());
    }
    if (*settled)
        next.settled.push_back(std::move(**settled));
    return false;
}

std::expected<FetchedRelease, RescanDesk::Lost> RescanDesk::fetch(const Claim &claim) const
{
    const ReleaseRecord &record = claim.record;
    auto file = openUnchanged(record.path, record.stamp);
    if (!file)
        return std::unexpected(file.error());
    const FileStamp stamp = stampOf(file->get());
    if (stamp.sizeBytes > m_maxBytes)
        return std::unexpected(Reason::TooLarge);
    // A copy: whoever writes to the file while it is scanned changes nothing of the verdict, and a
    // file that is cut short takes no mapping away.
    FileDescriptor copy(::memfd_create("sentinel content", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!copy.isValid())
        return std::unexpected(FileLoss::Unreadable);
    const qint64 size = copyBytes(file->get(), copy.get(), m_maxBytes + 1);
    if (size < 0 || !sealForGood(copy.get()))
        return std::unexpected(FileLoss::Unreadable);
    if (stampOf(file->get()) != stamp || size != stamp.sizeBytes)
        return std::unexpected(FileLoss::Changed);
    auto content = mappedContent(copy.get(), size);
    if (!content)
        return std::unexpected(FileLoss::Unreadable);
    FetchedRelease fetched{claim, std::make_shared<const FileDescriptor>(std::move(*file)),
        std::move(content), std::make_shared<const FileDescriptor>(std::move(copy))};
    const QByteArray sha256 = sha256Of(*fetched.content);
    if (!record.sha256.isEmpty() && sha256 != record.sha256)
        return std::unexpected(FileLoss::Changed);
    fetched.claim.record.sha256 = sha256;
    fetched.claim.record.stamp = stamp; // the file as it was read
    return fetched;
}

//! What cannot be scanned: settled, if that will stay so.
std::expected<std::optional<ReleaseRecord>, QString> RescanDesk::settleLost(
    const Claim &claim, const Lost &lost)
{
    const auto *loss = std::get_if<FileLoss>(&lost);
    const Reason reason = loss ? Reason::Unreadable : std::get<Reason>(lost);
    const ScanResult result = ScanResult::notScanned(reason);
    ReleaseRecord record = claim.record;
    if (loss && *loss == FileLoss::Unreadable && record.attempts + 1 < Limits::maxRescanAttempts) {
        const auto postponed = m_history.postpone(claim, pauseAfter(record));
        if (!postponed)
            return std::unexpected(postponed.error());
        drop(claim);
        return std::nullopt;
    }
    record.ending = !loss            ? Ending::Scanned
        : *loss == FileLoss::Gone    ? Ending::Gone
        : *loss == FileLoss::Changed ? Ending::Changed
                                     : Ending::GivenUp;
    record.state = ReleaseRecord::State::Settled;
    const auto settled = m_history.settle(claim, record.ending, result);
    if (!settled)
        return std::unexpected(settled.error());
    drop(claim);
    return *settled == ReleaseHistory::Settled::NotOurs ? std::nullopt : std::optional(record);
}

std::expected<RescanDesk::Settlement, QString> RescanDesk::settle(
    const FetchedRelease &fetched, const ScanResult &result)
{
    const Claim &claim = fetched.claim;
    const auto settled = m_history.settle(claim, Ending::Scanned, result);
    if (!settled)
        return std::unexpected(settled.error());
    Settlement settlement;
    settlement.isOurs = *settled != ReleaseHistory::Settled::NotOurs;
    if (*settled != ReleaseHistory::Settled::ThreatToTell) {
        drop(claim);
        return settlement;
    }
    const ReleaseRecord &record = claim.record;
    const bool isTheSame = isUnchanged(record.path, fetched.file->get(), record.stamp);
    settlement.threats.push_back(
        {record, result, isTheSame ? fetched.file : nullptr, fileTypeOf(fetched)});
    // The same bytes may have gone elsewhere, too.
    if (auto others = settleOthers(result.withSha256(record.sha256), settlement.threats); !others)
        settlement.trouble = others.error();
    return settlement;
}

std::expected<bool, QString> RescanDesk::postpone(
    const FetchedRelease &fetched, const ScanResult &result)
{
    const Claim &claim = fetched.claim;
    if (claim.record.attempts + 1 >= Limits::maxRescanAttempts) {
        const auto settled = m_history.settle(claim, Ending::GivenUp, result);
        if (!settled)
            return std::unexpected(settled.error());
        drop(claim);
        return true;
    }
    const auto postponed = m_history.postpone(claim, pauseAfter(claim.record));
    if (!postponed)
        return std::unexpected(postponed.error());
    drop(claim);
    return false;
}

void RescanDesk::putBack(const Claim &claim)
{
    drop(claim);
    m_claims.push_front(claim);
}

void RescanDesk::giveBack()
{
    const std::vector<Claim> claims(m_claims.begin(), m_claims.end());
    m_claims.clear();
    if (!claims.empty())
        (void)m_history.giveBack(claims); // else they come back with the lease's end
}

std::expected<void, QString> RescanDesk::told(const LateThreat &threat)
{
    const auto claim = std::ranges::find(
        m_begun, threat.record.id, [](const Claim &begun) { return begun.record.id; });
    if (claim == m_begun.end())
        return {};
    const auto told = m_history.told(*claim, threat.result);
    if (!told)
        return std::unexpected(told.error());
    m_begun.erase(claim);
    return {};
}

std::expected<std::vector<LateThreat>, QString> RescanDesk::learn(const ScanResult &threat)
{
    std::vector<LateThreat> threats;
    if (auto settled = settleOthers(threat, threats); !settled)
        return std::unexpected(settled.error());
    return threats;
}

std::expected<void, QString> RescanDesk::settleOthers(
    const ScanResult &threat, std::vector<LateThreat> &threats)
{
    const auto claims = m_history.claimByHash(threat.sha256(), Limits::maxReleasesOfOneHash);
    if (!claims)
        return std::unexpected(claims.error());
    for (const Claim &claim : *claims)
        begin(claim);
    for (const Claim &claim : *claims) {
        const auto settled = m_history.settle(claim, Ending::Scanned, threat);
        if (!settled)
            return std::unexpected(settled.error());
        if (*settled != ReleaseHistory::Settled::ThreatToTell) {
            drop(claim);
            continue;
        }
        const auto fetched =
            claim.record.path.isEmpty() ? std::unexpected(Lost(FileLoss::Gone)) : fetch(claim);
        threats.push_back({claim.record, threat, fetched ? fetched->file : nullptr,
            fetched ? fileTypeOf(*fetched) : FileType::Unknown});
    }
    return {};
}

std::chrono::milliseconds RescanDesk::pauseAfter(const ReleaseRecord &record) const
{
    static_assert(Limits::maxRescanAttempts < 20); // so often it may be doubled
    return m_leastPause * (1 << record.attempts);
}

//! An earlier claim of it has lapsed: it was not told, or not over, within the lease.
void RescanDesk::begin(const Claim &claim)
{
    std::erase_if(
        m_begun, [&claim](const Claim &begun) { return begun.record.id == claim.record.id; });
    m_begun.push_back(claim);
}

void RescanDesk::drop(const Claim &claim)
{
    std::erase_if(m_begun, [&claim](const Claim &begun) { return begun.token == claim.token; });
}

} // namespace Sentinel
