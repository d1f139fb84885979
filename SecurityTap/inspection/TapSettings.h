// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/backend/LocalBackend.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "SecurityTap/inspection/Policy.h"

#include <QDir>
#include <QStringList>

namespace Sentinel {

//! \brief Everything that can be set of a SecurityTap. The defaults are meant for a desktop
//! browser.
struct TapSettings {
    //! Rule files and directories; empty: defaultRulesDirectory().
    QStringList rulePaths;
    RuleOptions rules;
    Policy policy;
    LocalBackend::Settings scanning;
    //! For downloads without a destination directory that are too large for memory.
    QString spoolDirectory = QDir::tempPath();
    qint64 maxSpoolBytes = Limits::maxSpoolBytes; //!< of one download
    qint64 maxSpoolMemoryBytes = Limits::maxSpoolMemoryBytes; //!< of all downloads together
};

//! \brief Where the rules shipped are: SENTINEL_RULES, else beside the application as in an
//! installation or a build tree (../share/sentinel/rules), else where this library was installed.
SECURITYTAP_EXPORT QString defaultRulesDirectory();

} // namespace Sentinel
