// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/ScanResult.h"
#include "ipc/TelemetrySnapshot.h"

#include <QtCore/qglobal.h>

#include <chrono>
#include <mutex>

namespace Sentinel {

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
