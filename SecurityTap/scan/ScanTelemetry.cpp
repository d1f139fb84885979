// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/ScanTelemetry.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/scan/ScanRequest.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace Sentinel {

void ScanTelemetry::answer(ScanRequest &request, ScanResult result)
{
    const auto count = [this, &request](const ScanResult &given) {
        countAnswer(given,
            std::chrono::duration_cast<std::chrono::microseconds>(
                Clock::now() - request.createdAt()));
    };
    try {
        request.answer(std::move(result), count);
    } catch (const std::exception &e) {
        qCCritical(logScan) << "the answer to scan" << request.id() << "threw:" << e.what();
    } catch (...) {
        qCCritical(logScan) << "the answer to scan" << request.id() << "threw";
    }
}

void ScanTelemetry::countAnswer(const ScanResult &result, std::chrono::microseconds elapsed)
{
    elapsed = std::max(elapsed, std::chrono::microseconds::zero());
    const qint64 bytes = std::max<qint64>(result.coverage().bytesScanned, 0);

    const std::lock_guard lock(m_mutex);
    TelemetrySnapshot &c = m_counters;
    c.bytesScanned += static_cast<quint64>(bytes);
    if (result.verdict() != Verdict::NotScanned) {
        c.minScanTime = c.totalScansCompleted == 0 ? elapsed : std::min(c.minScanTime, elapsed);
        c.maxScanTime = std::max(c.maxScanTime, elapsed);
        c.totalScanTime += elapsed;
        ++c.totalScansCompleted;
        return;
    }

    ++c.notScannedByReason.at(static_cast<size_t>(result.reason()));
    if (result.reason() == Reason::TimedOut)
        ++c.totalScansTimeout;
    else if (result.reason() == Reason::Cancelled)
        ++c.totalScansCancelled;
    else
        ++c.totalScansFailed;
}

void ScanTelemetry::countCacheHit()
{
    const std::lock_guard lock(m_mutex);
    ++m_counters.cacheHits;
}

void ScanTelemetry::countReplacedWorker()
{
    const std::lock_guard lock(m_mutex);
    ++m_counters.workersReplaced;
}

TelemetrySnapshot ScanTelemetry::snapshot() const
{
    const std::lock_guard lock(m_mutex);
    TelemetrySnapshot snapshot = m_counters;
    if (snapshot.totalScansCompleted > 0) {
        snapshot.averageScanTime =
            snapshot.totalScanTime / static_cast<qint64>(snapshot.totalScansCompleted);
    }
    return snapshot;
}

} // namespace Sentinel
