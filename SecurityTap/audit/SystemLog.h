// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/FileDescriptor.h"

#include <QByteArray>

namespace Sentinel {

//! \brief One line for the log of the system.
struct SystemLogLine {
    enum class Weight : int { // as syslog has them
        Critical = 2,
        Warning = 4,
        Notice = 5,
    };
    Weight weight = Weight::Notice;
    QByteArray text; //!< for people, printable, one line
    QByteArray json; //!< the event, one line
};

//! \brief Sends copies of events to journald, by its own protocol, or to syslog where there is no
//! journald. Without a library: both take datagrams at a local socket.
//!
//! Owner:  the AuditLog.
//! Thread: one at a time.
//! Blocks: never; what the system does not take at once is lost to it.
//! Limits: one descriptor.
class SECURITYTAP_EXPORT SystemLog {
public:
    struct Places {
        QByteArray journal = "/run/systemd/journal/socket";
        QByteArray syslog = "/dev/log";
    };
    SystemLog() : SystemLog(Places()) { }
    explicit SystemLog(Places places);

    //! False if nobody took it.
    bool send(const SystemLogLine &line);

private:
    bool sendTo(const QByteArray &path, const QByteArray &datagram) const;

    const Places m_places;
    const FileDescriptor m_socket;
};

} // namespace Sentinel
