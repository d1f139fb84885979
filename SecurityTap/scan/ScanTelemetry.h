// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/ScanResult.h"
#include "ipc/TelemetrySnapshot.h"

#include <QtCore/qglobal.h>

#include <chrono>
#include <mutex>

namespace Sentinel {

class ScanRequest;

//! \brief Counts what happens to scans.
//!
//! Thread: any (locked).
class SECURITYTAP_EXPORT ScanTelemetry {
public:
    //! Gives \p request its answer and counts it, unless it has one. What is thrown by who is told
    //! is logged.
    void answer(ScanRequest &request, ScanResult result);
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
