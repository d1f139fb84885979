// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/archive/ArchiveSettings.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "SecurityTap/scan/Deadline.h"

#include <QString>
#include <QStringList>

#include <chrono>
#include <optional>

namespace Sentinel {

//! \brief The sentinel's program: SENTINEL_PROGRAM, else `sentinel` beside the application or in
//! ../bin from there, else where it was installed.
SECURITYTAP_EXPORT QString defaultSentinelProgram();

//! \brief Where a sentinel that runs on its own listens: SENTINEL_SOCKET, else sentinel/socket in
//! XDG_RUNTIME_DIR, else in /run for root and in /run/user/<uid> for others.
SECURITYTAP_EXPORT QString defaultSentinelSocket();

//! \brief Which sentinel is asked, and how it is to scan.
struct SentinelSettings {
    QString program = defaultSentinelProgram(); //!< of a spawned one
    QString socketPath = defaultSentinelSocket(); //!< of one that runs already

    // What a spawned sentinel is told; one that runs already has its own.
    QString settingsFile; //!< for what is not said below; empty: none is read
    QStringList rulePaths; //!< empty: its own default
    RuleOptions rules;
    ArchiveSettings archives;
    std::optional<int> jobs; //!< scans at once; none: as it sees fit

    qint64 maxScanBytes = Limits::maxScanBytes; //!< above it, it is not asked (TooLarge)
    ScanTimeouts timeouts;
    bool wantsSha256 = true; //!< in results

    //! How long is waited for what.
    struct Patience {
        std::chrono::milliseconds answerGrace = Limits::answerGrace;
        std::chrono::milliseconds spawnedWelcome = Limits::spawnedWelcomePatience;
        std::chrono::milliseconds systemWelcome = Limits::systemWelcomePatience;
        std::chrono::milliseconds pingInterval = Limits::pingInterval;
        std::chrono::milliseconds pong = Limits::pongPatience;
        std::chrono::milliseconds leastReconnectPause = Limits::leastReconnectPause;
        std::chrono::milliseconds mostReconnectPause = Limits::mostReconnectPause;
    };
    Patience patience;
};

} // namespace Sentinel
