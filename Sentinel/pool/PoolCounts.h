// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

namespace Sentinel {

//! \brief What a pool has done and has.
struct PoolCounts {
    quint64 acquires = 0; //!< leases given
    quint64 reuses = 0; //!< of these: with a resource that had been used before
    quint64 timeouts = 0;
    quint64 created = 0;
    quint64 destroyed = 0;
    quint64 creationFailures = 0;
    quint64 healthFailures = 0;
    int idle = 0;
    int inUse = 0; //!< on loan, or just being made, looked at or destroyed
    int waiting = 0;
};

} // namespace Sentinel
