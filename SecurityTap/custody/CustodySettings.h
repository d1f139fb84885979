// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/audit/AuditSettings.h"
#include "SecurityTap/history/Rescans.h"
#include "SecurityTap/jobs/JobSchedule.h"
#include "SecurityTap/quarantine/Quarantine.h"
#include "SecurityTap/store/StorePaths.h"

namespace Sentinel {

//! \brief What can be set of a Custody.
struct CustodySettings {
    StorePaths paths = StorePaths::ofUser();
    AuditSettings audit; //!< its directory is in paths.state, if it names none
    QuarantineLimits quarantine;
    std::chrono::hours quarantineAge = Limits::quarantineAge; //!< then an item is purged
    Rescans::Settings rescans;
    JobSchedule::Settings jobs; //!< when they begin

    AuditSettings auditSettings() const
    {
        AuditSettings settings = audit;
        if (settings.directory.isEmpty())
            settings.directory = paths.state + QStringLiteral("/audit");
        return settings;
    }
    QString quarantineDirectory() const { return paths.data + QStringLiteral("/quarantine"); }
    QString historyPath() const { return ReleaseHistory::fileIn(paths.state); }
};

} // namespace Sentinel
