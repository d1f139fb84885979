// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/Limits.h"
#include "Sentinel/clamd/ClamdAddress.h"

namespace Sentinel {

//! \brief Where clamd is, and how it is used.
struct ClamdSettings {
    ClamdAddress address;
    int poolSize = Limits::clamdConnections; //!< scans at a time
    std::chrono::milliseconds acquireTimeout = Limits::clamdAcquireTimeout; //!< for a connection
    std::chrono::milliseconds maxAge = Limits::pooledAge; //!< of a connection
    std::chrono::milliseconds scanTimeout = Limits::maxScanTimeout; //!< with all waiting
    //! Larger contents are TooLarge. Not above clamd's own MaxFileSize, StreamMaxLength and
    //! MaxScanSize, whose values it tells nobody.
    qint64 maxBytes = Limits::maxScanBytes;
    std::chrono::milliseconds pingInterval = Limits::clamdPingInterval;
    std::chrono::milliseconds pingPatience = Limits::clamdPingPatience;

    //! What is out of bounds, for people; empty: nothing.
    QString problem() const;
};

} // namespace Sentinel
