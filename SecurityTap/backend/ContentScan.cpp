// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/ContentScan.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/content/ContentFile.h"
#include "SecurityTap/content/FileType.h"

#include <utility>

namespace Sentinel {

namespace {

ScanResult unreadable()
{
    return ScanResult::notScanned(
        Reason::Unreadable, QStringLiteral("The content is shorter than it was said to be."));
}

} // namespace

ContentScan::ContentScan(
    const ScanRequest &request, std::shared_ptr<const ScanEngine> engine, Surroundings surroundings)
    : m_requestId(request.id())
    , m_subject(request.subject())
    , m_engine(std::move(engine))
    , m_around(std::move(surroundings))
    , m_content(m_subject.content)
{
}

ContentScan::~ContentScan()
{
    if (!m_key.isEmpty())
        m_around.cache->settle(m_key, std::nullopt);
}

ScanTask::Progress ContentScan::step(const SliceBudget &budget)
{
    if (!m_content && !load())
        return Progress::Done;
    if (m_around.hashContent) {
        if (const auto progress = hash(budget))
            return *progress;
    }
    if (!m_engineTask) {
        if (!hasBeginning())
            return Progress::Starved;
        m_engineTask = m_engine->begin(m_subject, m_content);
    }
    const Progress progress = m_engineTask->step(budget);
    if (progress == Progress::Done)
        conclude(resultOfEngine());
    return progress;
}

//! A client that can still change its content may have one hashed and another one scanned. What
//! comes of that may be wrong for nobody but itself. Asked before either has begun.
bool ContentScan::concernsAll() const
{
    return m_subject.client == 0 || m_subject.isContentOurs || m_content->file() < 0
        || isSealed(m_content->file());
}

//! Rules may ask for the type of a content, which its first bytes tell: an engine that began before
//! them would take it for another one. It could not do anything with less than a window either.
bool ContentScan::hasBeginning() const
{
    static_assert(fileTypeSniffBytes <= Limits::scanWindowBytes);
    const Content::Extent extent = m_content->extent();
    return extent.isComplete || extent.sizeBytes >= Limits::scanWindowBytes;
}

//! Nothing if the engine is to go on.
std::optional<ScanTask::Progress> ContentScan::hash(const SliceBudget &budget)
{
    if (!m_hash) {
        m_concerns = concernsAll() ? QByteArray() : QByteArray::number(m_subject.client);
        m_hash.emplace(m_content);
    }
    const bool isComplete = m_content->extent().isComplete; // before: what comes meanwhile is next
    switch (m_hash->advance([&budget] { return budget.isUsedUp(); })) {
    case ContentHash::Progress::Failed:
        conclude(unreadable());
        return Progress::Done;
    case ContentHash::Progress::Known:
        return m_asked ? std::nullopt : askCache();
    case ContentHash::Progress::More:
        break;
    }
    return isComplete ? std::optional(Progress::More) : std::nullopt;
}

ScanResult ContentScan::resultOfEngine()
{
    ScanResult result = m_engineTask->takeResult();
    m_engineTask.reset();
    if (!m_hash)
        return result;
    // It can have been completed and scanned since we have hashed.
    if (m_hash->finish() == ContentHash::Progress::Failed)
        return result.isThreat() ? result : unreadable();
    return result.withSha256(m_hash->sha256());
}

bool ContentScan::load()
{
    auto content = m_subject.loader();
    if (!content) {
        m_result = std::move(content.error());
        return false;
    }
    m_content = std::move(*content);
    if (m_content->extent().sizeBytes <= m_around.maxScanBytes)
        return true;
    m_result = ScanResult::notScanned(Reason::TooLarge);
    return false;
}

//! Nothing if the scan is ours to do.
std::optional<ScanTask::Progress> ContentScan::askCache()
{
    // All that engines see beside the bytes follows from these; and whom the verdict is for.
    const QByteArrayList visible{m_subject.metadata.filename.toUtf8(), m_subject.filePath.toUtf8(),
        QByteArray::number(int(m_subject.fileType)), QByteArray::number(m_around.maxScanBytes),
        m_concerns};
    const QByteArray key = VerdictCache::key(m_hash->sha256(), m_engine->fingerprint(), visible);
    const VerdictCache::Answer answer =
        m_around.cache->ask(key, [queue = m_around.queue, id = m_requestId] {
            if (const auto alive = queue.lock())
                alive->wake(id);
        });
    switch (answer.role) {
    case VerdictCache::Role::Hit:
        m_around.telemetry->countCacheHit();
        m_engineTask.reset();
        m_result = answer.result;
        return Progress::Done;
    case VerdictCache::Role::Follower:
        m_engineTask.reset(); // what it has of the engine's, others need: the leader perhaps
        return Progress::Starved;
    case VerdictCache::Role::Leader:
        break;
    }
    m_asked = true;
    m_key = key;
    return std::nullopt;
}

void ContentScan::conclude(ScanResult result)
{
    m_result = std::move(result);
    if (!m_key.isEmpty())
        m_around.cache->settle(std::exchange(m_key, {}), m_result);
}

ScanResult ContentScan::takeResult()
{
    return std::move(*m_result);
}

} // namespace Sentinel
