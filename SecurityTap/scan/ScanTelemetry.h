// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/ScanResult.h"

#include <QtCore/qglobal.h>

#include <array>
#include <chrono>
#include <mutex>

namespace Sentinel {

//! \brief Counters of one moment, all from the same one.
//!
//! A scan counts as completed when its verdict is known (also from the cache), as failed when it
//! ended NotScanned for another reason than a timeout or a cancellation.
struct TelemetrySnapshot {
    quint64 totalScansCompleted = 0;
    quint64 totalScansFailed = 0;
    quint64 totalScansTimeout = 0;
    quint64 totalScansCancelled = 0;
    std::array<quint64, allReasons.size()> notScannedByReason{}; //!< indexed by Reason
    quint64 cacheHits = 0;
    quint64 bytesScanned = 0; //!< by the coverage of all answers, so also of those from the cache
    std::chrono::microseconds totalScanTime{0}; //!< from request to answer, completed scans
    std::chrono::microseconds minScanTime{0};
    std::chrono::microseconds maxScanTime{0};
    std::chrono::microseconds averageScanTime{0};
    int currentQueueDepth = 0;
    int maxQueueDepthSeen = 0;
    int activeWorkers = 0; //!< running a slice right now
    int workers = 0;
    qint64 spoolMemoryBytes = 0; //!< reserved by downloads that are held in memory
    quint64 workersReplaced = 0; //!< after a crash or a scan that did not end
};

//! \brief Counts what happens to scans.
//!
//! Thread: any (locked).
class SECURITYTAP_EXPORT ScanTelemetry {
public:
    //! An accepted or refused request has its answer, \p elapsed after it was made.
    void countAnswer(const ScanResult &result, std::chrono::microseconds elapsed);
    void countCacheHit();
    void countReplacedWorker();

    //! All counters of this moment; the queue's and the pool's figures are left for their owners.
    TelemetrySnapshot snapshot() const;

private:
    mutable std::mutex m_mutex;
    TelemetrySnapshot m_counters;
};

} // namespace Sentinel
