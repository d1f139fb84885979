// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/LocalBackend.h"

#include "SecurityTap/backend/ContentScan.h"

namespace Sentinel {

namespace {

ScanQueue::Bounds queueBounds(const LocalBackend::Settings &settings)
{
    ScanQueue::Bounds bounds = settings.queue;
    bounds.longestSlice = settings.timeouts.least;
    return bounds;
}

} // namespace

//! What the next scan begins with.
struct LocalBackend::EngineInUse {
    std::mutex mutex;
    std::shared_ptr<const ScanEngine> engine;

    std::shared_ptr<const ScanEngine> get()
    {
        const std::lock_guard lock(mutex);
        return engine;
    }
};

LocalBackend::LocalBackend(std::shared_ptr<const ScanEngine> engine, Settings settings)
    : m_settings(settings)
    , m_engine(std::make_shared<EngineInUse>())
    , m_queue(std::make_shared<ScanQueue>(queueBounds(settings)))
    , m_telemetry(std::make_shared<ScanTelemetry>())
    , m_cache(std::make_shared<VerdictCache>(settings.cache))
    // The task factory holds what it needs by itself: a worker that hangs may outlive us.
    , m_pool(
          m_queue, m_telemetry,
          [inUse = m_engine, queue = m_queue, telemetry = m_telemetry, cache = m_cache, settings](
              ScanRequest &request) -> std::unique_ptr<ScanTask> {
              return std::make_unique<ContentScan>(request, inUse->get(),
                  ContentScan::Surroundings{
                      cache, telemetry, queue, settings.maxScanBytes, settings.hashContent});
          },
          settings.workers)
{
    Q_ASSERT(engine);
    m_engine->engine = std::move(engine);
}

LocalBackend::~LocalBackend()
{
    stop();
}

void LocalBackend::start()
{
    m_pool.start();
}

void LocalBackend::stop()
{
    m_pool.stop();
}

std::optional<Reason> LocalBackend::submit(std::shared_ptr<ScanRequest> request)
{
    const ScanSubject &subject = request->subject();
    Deadline deadline = noDeadline;
    const bool isComplete = !subject.content || subject.content->extent().isComplete;
    if (isComplete) {
        if (subject.sizeBytes > m_settings.maxScanBytes)
            return Reason::TooLarge;
        deadline = request->createdAt()
            + subject.timeout.value_or(m_settings.timeouts.forSize(subject.sizeBytes));
    }
    return m_pool.submit(std::move(request), deadline);
}

void LocalBackend::growContent(quint64 id, qint64 sizeBytes)
{
    m_pool.growContent(id, sizeBytes);
}

void LocalBackend::completeContent(
    quint64 id, qint64 sizeBytes, std::optional<std::chrono::milliseconds> timeout)
{
    m_pool.completeContent(
        id, sizeBytes, Clock::now() + timeout.value_or(m_settings.timeouts.forSize(sizeBytes)));
}

ScanResult LocalBackend::cancel(quint64 id, ScanResult result)
{
    return m_pool.cancel(id, std::move(result));
}

void LocalBackend::countRefusal(const ScanResult &result)
{
    m_telemetry->countAnswer(result, {});
}

void LocalBackend::use(std::shared_ptr<const ScanEngine> engine)
{
    Q_ASSERT(engine);
    {
        const std::lock_guard lock(m_engine->mutex);
        m_engine->engine.swap(engine);
    }
    // The old one may be freed here, outside of the lock.
}

std::shared_ptr<const ScanEngine> LocalBackend::engine() const
{
    return m_engine->get();
}

TelemetrySnapshot LocalBackend::telemetry() const
{
    TelemetrySnapshot snapshot = m_telemetry->snapshot();
    const ScanQueue::Depths depths = m_queue->depths();
    const ScanWorkerPool::Counts counts = m_pool.counts();
    snapshot.currentQueueDepth = depths.waiting;
    snapshot.maxQueueDepthSeen = depths.peakWaiting;
    snapshot.activeWorkers = counts.active;
    snapshot.workers = counts.workers;
    return snapshot;
}

} // namespace Sentinel
