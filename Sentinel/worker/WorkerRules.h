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

    //! What follows the program's name and the internal command's. Says nothing of archives:
    //! everybody can read the arguments of a process, and there are passwords among it.
    QByteArrayList arguments() const;
    static WorkerRules fromArguments(const QByteArrayList &arguments);
    //! For what the arguments leave out, as the first packet. False if nobody takes it.
    bool tell(int socket) const;
    //! Takes that packet.
    bool hear(int socket);
};

} // namespace Sentinel
