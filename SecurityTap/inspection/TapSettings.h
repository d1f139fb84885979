// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/archive/ArchiveSettings.h"
#include "SecurityTap/backend/Isolation.h"
#include "SecurityTap/backend/LocalBackend.h"
#include "SecurityTap/backend/SentinelSettings.h"
#include "SecurityTap/custody/CustodySettings.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "SecurityTap/policy/Policy.h"

#include <QDir>
#include <QStringList>

namespace Sentinel {

//! \brief What Isolation::Auto does if at the start there is neither a sentinel nor a way to start
//! one.
enum class Fallback : quint8 {
    Unavailable, //!< nothing is scanned (ScannerUnavailable) until there is one
    InProcess, //!< scans in this process, from then on
};

//! \brief Everything that can be set of a SecurityTap. The defaults are meant for a desktop
//! browser.
struct TapSettings {
    //! Rule files and directories; empty: defaultRulesDirectory().
    QStringList rulePaths;
    RuleOptions rules;
    ArchiveSettings archives;
    Policy policy;
    LocalBackend::Settings scanning;
    //! Where scans run.
    Isolation isolation = Isolation::InProcess;
    //! For all but InProcess: which sentinel, and how patient to be with it. What is said above of
    //! rules, workers, sizes and timeouts holds for it, too.
    SentinelSettings sentinel;
    Fallback fallback = Fallback::Unavailable;
    //! For downloads without a destination directory that are too large for memory.
    QString spoolDirectory = QDir::tempPath();
    qint64 maxSpoolBytes = Limits::maxSpoolBytes; //!< of one download
    qint64 maxSpoolMemoryBytes = Limits::maxSpoolMemoryBytes; //!< of all downloads together
    //! What is kept beyond this process: quarantine, audit log, releases. Without it nothing is
    //! written, what was to be quarantined is blocked, and what was not scanned never will be.
    std::optional<CustodySettings> custody = CustodySettings();
};

//! \brief Where the rules shipped are: SENTINEL_RULES, else beside the application as in an
//! installation or a build tree (../share/sentinel/rules), else where this library was installed.
SECURITYTAP_EXPORT QString defaultRulesDirectory();

} // namespace Sentinel
