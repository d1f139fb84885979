// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>
#include <QThreadPool>
#include <QUrl>

#include <atomic>

namespace Sentinel {

//! \brief Tells the desktop's file manager where a file came from: GIO's metadata::download-uri,
//! which a daemon of the desktop keeps.
//!
//! By the program `gio`, one process at a time, each for two seconds at most, so that neither a
//! desktop that hangs nor a flood of downloads holds up anybody. While such a process runs, the
//! address is in the system's list of processes, for all its users to see: nothing here tells by
//! itself, an embedder that wants it calls tell() after a release. Never for a private window.
//!
//! Owner:  who tells. Its end waits for the process that runs and forgets those that wait.
//! Thread: any. tell() does not block.
//! Limits: one thread; 16 files that wait.
class SECURITYTAP_EXPORT DesktopMetadata {
public:
    //! The program in the path, if there is one, and a session's bus for it to talk to; else empty.
    static QString installedProgram();

    explicit DesktopMetadata(QString program = installedProgram());
    ~DesktopMetadata();
    Q_DISABLE_COPY_MOVE(DesktopMetadata)

    //! That the file \p path came from \p origin, as provenanceText() puts it. False if nothing
    //! will be told: no program, no address, or too many that wait.
    bool tell(const QString &path, const QUrl &origin);

private:
    const QString m_program;
    std::atomic<int> m_waiting = 0;
    QThreadPool m_pool;
};

} // namespace Sentinel
