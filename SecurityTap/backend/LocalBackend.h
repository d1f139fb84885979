// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/backend/ScanBackend.h"
#include "SecurityTap/engine/ScanEngine.h"
#include "SecurityTap/scan/ScanQueue.h"
#include "SecurityTap/scan/ScanTelemetry.h"
#include "SecurityTap/scan/ScanWorkerPool.h"
#include "SecurityTap/scan/VerdictCache.h"

#include <memory>
#include <mutex>

namespace Sentinel {

//! \brief Scans by an engine of this process: the queue, the workers and the cache around it.
//!
//! Thread: as ScanBackend; use() and engine() any.
class SECURITYTAP_EXPORT LocalBackend final : public ScanBackend {
public:
    struct Settings {
        ScanQueue::Bounds queue;
        ScanWorkerPool::Settings workers;
        VerdictCache::Settings cache;
        ScanTimeouts timeouts;
        qint64 maxScanBytes = Limits::maxScanBytes;
        bool hashContent = true; //!< SHA-256 in results; the cache needs it
    };

    LocalBackend(std::shared_ptr<const ScanEngine> engine, Settings settings);
    //! Stops.
    ~LocalBackend() override;
    Q_DISABLE_COPY_MOVE(LocalBackend)

    ContentForm contentForm() const override { return ContentForm::Memory; }
    void start() override;
    //! Besides joins the workers. May be followed by start().
    void stop() override;

    [[nodiscard]] std::optional<Reason> submit(std::shared_ptr<ScanRequest> request) override;
    void growContent(quint64 id, qint64 sizeBytes) override;
    void completeContent(quint64 id, qint64 sizeBytes,
        std::optional<std::chrono::milliseconds> timeout = std::nullopt) override;
    ScanResult cancel(quint64 id, ScanResult result) override;
    void countRefusal(const ScanResult &result) override;
    TelemetrySnapshot telemetry() const override;

    //! From now on scans begin with \p engine; those under way end with theirs.
    void use(std::shared_ptr<const ScanEngine> engine);
    std::shared_ptr<const ScanEngine> engine() const;
    ScanQueue::Depths queueDepths() const { return m_queue->depths(); }
    const Settings &settings() const { return m_settings; }

private:
    struct EngineInUse;

    const Settings m_settings;
    const std::shared_ptr<EngineInUse> m_engine;
    const std::shared_ptr<ScanQueue> m_queue;
    const std::shared_ptr<ScanTelemetry> m_telemetry;
    const std::shared_ptr<VerdictCache> m_cache;
    ScanWorkerPool m_pool;
};

} // namespace Sentinel
