// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/Limits.h"

#include <QString>

#include <chrono>
#include <optional>
#include <vector>

#include <sys/types.h>

namespace Sentinel {

//! \brief What a ClamdServer is to do, and for whom.
struct ClamdServerSettings {
    QString socketPath; //!< empty: there is no such server
    //! Whose members may connect, beside this user and root.
    std::optional<gid_t> group;
    std::vector<uid_t> users; //!< who else may
    bool allowReload = false; //!< else RELOAD is refused
    bool allowShutdown = false; //!< else SHUTDOWN is
    //! Else SCAN and its like are: what they name is opened with this process's rights, for whoever
    //! may connect.
    bool allowPaths = false;

    int maxClients = Limits::maxClamdClients; //!< connections at the same time
    int maxScansOfClient = Limits::maxClamdScansOfClient; //!< then no more of its commands are read
    //! Of all clients together, in memory. Never less than one largest scan.
    qint64 maxContentBytes = Limits::maxClamdContentBytes;
    std::chrono::milliseconds idleTime = Limits::maxClamdIdleTime; //!< without a byte from a client
    //! From a content's command to its last byte.
    std::chrono::milliseconds contentTime = Limits::maxClamdContentTime;
};

} // namespace Sentinel
