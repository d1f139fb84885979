// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"

#include <algorithm>
#include <chrono>

namespace Sentinel {

using Clock = std::chrono::steady_clock;

//! \brief An absolute moment of the steady clock.
using Deadline = Clock::time_point;

inline constexpr Deadline noDeadline = Deadline::max();

//! \brief How long a scan may take, from the last byte's arrival to its answer, by size: \p least
//! up to 1 MiB, growing evenly to \p most at \p largestBytes and above.
struct ScanTimeouts {
    std::chrono::milliseconds least = Limits::minScanTimeout;
    std::chrono::milliseconds most = Limits::maxScanTimeout;
    qint64 largestBytes = Limits::maxScanBytes;

    std::chrono::milliseconds forSize(qint64 sizeBytes) const
    {
        if (most <= least || largestBytes <= Limits::mib)
            return most;
        const qint64 above =
            std::clamp<qint64>(sizeBytes - Limits::mib, 0, largestBytes - Limits::mib);
        const double share = double(above) / double(largestBytes - Limits::mib);
        return least + std::chrono::milliseconds(qint64(share * double((most - least).count())));
    }
};

} // namespace Sentinel
