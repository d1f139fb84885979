// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/engine/YaraEngine.h"
#include "SecurityTap/scan/ScanQueue.h"
#include "SecurityTap/scan/ScanTelemetry.h"
#include "SecurityTap/scan/ScanWorkerPool.h"
#include "SecurityTap/scan/VerdictCache.h"

#include <memory>

namespace Sentinel {

//! \brief Scans in this process: the queue, the workers and the cache around the YARA engine.
//!
//! Owner:  SecurityTap, or a command.
//! Thread: start(), stop() and destruction by one thread; the rest any.
class SECURITYTAP_EXPORT LocalBackend {
public:
    struct Settings {
        ScanQueue::Bounds queue;
        ScanWorkerPool::Settings workers;
        VerdictCache::Settings cache;
        ScanTimeouts timeouts;
        qint64 maxScanBytes = Limits::maxScanBytes;
        bool hashContent = true; //!< SHA-256 in results; the cache needs it
    };

    LocalBackend(std::shared_ptr<YaraEngine> engine, Settings settings);
    ~LocalBackend();
    Q_DISABLE_COPY_MOVE(LocalBackend)

    void start();
    //! Answers all requests and joins the workers.
    void stop();

    //! Takes \p request on; it will be answered once. If it cannot be (too large, queue full), the
    //! reason, and no answer comes.
    [[nodiscard]] std::optional<Reason> submit(std::shared_ptr<ScanRequest> request);
    //! More content of the request has arrived, \p sizeBytes by now.
    void growContent(quint64 id, qint64 sizeBytes);
    //! The request's content is complete with \p sizeBytes: its timeout begins.
    void completeContent(quint64 id, qint64 sizeBytes);
    //! Answers the request with \p result instead of a verdict, if it has no answer yet. Returns
    //! the answer: \p result, or the threat that was suspected by then.
    ScanResult cancel(quint64 id, ScanResult result);

    //! Counts an answer that was given without the queue (refused, too large).
    void countRefusal(const ScanResult &result);
    TelemetrySnapshot telemetry() const;
    const Settings &settings() const { return m_settings; }
    YaraEngine &engine() const { return *m_engine; }

private:
    const Settings m_settings;
    const std::shared_ptr<YaraEngine> m_engine;
    const std::shared_ptr<ScanQueue> m_queue;
    const std::shared_ptr<ScanTelemetry> m_telemetry;
    const std::shared_ptr<VerdictCache> m_cache;
    ScanWorkerPool m_pool;
};

} // namespace Sentinel
