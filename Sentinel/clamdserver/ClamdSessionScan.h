// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/scan/Deadline.h"
#include "Sentinel/clamdserver/ClamdCommand.h"
#include "Sentinel/clamdserver/ClamdWalk.h"
#include "Sentinel/clamdserver/HeldContent.h"
#include "ipc/ScanResult.h"

#include <QByteArray>

#include <memory>
#include <optional>

namespace Sentinel {

//! \brief One scan that a client of a ClamdServer waits for, from its command to its reply.
struct ClamdSessionScan {
    QByteArray label; //!< what the reply begins with: "stream", "fd[7]"
    quint64 number = 0; //!< of the command, in a session
    char terminator = '\n'; //!< of the reply
    Deadline until = noDeadline; //!< by when its content is here
    std::shared_ptr<HeldContent> content;
    qint64 arrivedBytes = 0;
    qint64 announcedBytes = 0; //!< to the backend
    quint64 request = 0; //!< with the backend; 0: none yet
    //! What was known before all of the content had arrived.
    std::optional<ScanResult> early;
    bool isOfWalk = false; //!< one of the files below a path: a Clean one is not answered
};

//! \brief The scans of the files below a path that a client has named, one after the other.
struct ClamdSessionWalk {
    std::shared_ptr<ClamdWalk> files; //!< in use by another thread while one is copied
    ClamdCommand::Extent extent = ClamdCommand::Extent::FirstThreat;
    QByteArray label; //!< what "OK" is said of
    quint64 number = 0; //!< of the command, in a session
    char terminator = '\n'; //!< of its replies
    bool isOver = false; //!< no more files
    bool isAllClean = true; //!< so far
};

} // namespace Sentinel
