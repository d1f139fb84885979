// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Reason.h"

#include <QtCore/qglobal.h>

#include <array>
#include <chrono>

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

    friend bool operator==(const TelemetrySnapshot &, const TelemetrySnapshot &) = default;
};

} // namespace Sentinel
