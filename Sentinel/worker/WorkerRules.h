// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/archive/ArchiveSettings.h"
#include "SecurityTap/engine/RuleCompiler.h"

#include <QByteArrayList>

namespace Sentinel {

//! \brief Which rules the workers of a parent have, and for which contents, as it is told at its
//! start.
struct WorkerRules {
    QStringList paths;
    RuleOptions options;
    qint64 maxScanBytes = Limits::maxScanBytes; //!< they can map so much
    ArchiveSettings archives = {};

    //! What follows the program's name and the internal command's.
    QByteArrayList arguments() const;
    static WorkerRules fromArguments(const QByteArrayList &arguments);
};

} // namespace Sentinel
