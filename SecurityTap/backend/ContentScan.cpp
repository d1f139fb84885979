// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/ContentScan.h"

#include "SecurityTap/engine/YaraEngine.h"

#include <utility>

namespace Sentinel {

ContentScan::ContentScan(
    const ScanRequest &request, std::shared_ptr<const RuleSet> ruleSet, Surroundings surroundings)
    : m_requestId(request.id())
    , m_subject(request.subject())
    , m_ruleSet(std::move(ruleSet))
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
    const bool isComplete = m_content->extent().isComplete;
    if (m_around.hashContent) {
        if (!m_hash)
            m_hash.emplace(m_content);
        m_hash->advance([&budget] { return budget.isUsedUp(); });
        if (isComplete && !m_hash->isKnown())
            return Progress::More;
        if (m_hash->isKnown() && !m_asked) {
            if (const auto progress = askCache())
                return *progress;
        }
    }
    if (!m_engineTask)
        m_engineTask = YaraEngine::begin(m_ruleSet, m_subject, m_content);
    const Progress progress = m_engineTask->step(budget);
    if (progress != Progress::Done)
        return progress;
    ScanResult result = m_engineTask->takeResult();
    m_engineTask.reset();
    if (m_hash) {
        m_hash->finish(); // it can have been completed and scanned since we have hashed
        result = result.withSha256(m_hash->sha256());
    }
    conclude(std::move(result));
    return Progress::Done;
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
    QByteArrayList visible = YaraEngine::externals(m_subject, *m_content);
    visible.append(QByteArray::number(m_around.maxScanBytes));
    const QByteArray key = VerdictCache::key(m_hash->sha256(), m_ruleSet->digest(), visible);
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
