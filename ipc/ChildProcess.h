// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/FileDescriptor.h"
#include "ipc/IpcExport.h"

#include <QByteArrayList>
#include <QString>

#include <expected>
#include <memory>

#include <sys/types.h>

namespace Sentinel {

//! \brief A process that was started with one end of a socket, and has nothing else of ours but
//! the standard error. It is over when it has ended or this is destroyed.
//!
//! Thread: one at a time; kill() any.
class SENTINELIPC_EXPORT ChildProcess {
public:
    //! Where the process finds its socket.
    static constexpr int socketDescriptor = 3;

    //! A process and our end of its socket, which it alone has the other end of.
    struct Started {
        std::unique_ptr<ChildProcess> process;
        FileDescriptor socket;
    };
    //! Starts \p program. The error is for people.
    static std::expected<Started, QString> start(QByteArray program, QByteArrayList arguments);
    //! Ends the process and waits for its end, a few milliseconds.
    ~ChildProcess();
    Q_DISABLE_COPY_MOVE(ChildProcess)

    pid_t pid() const { return m_pid; }
    //! A descriptor that can be read from (poll) once the process has ended.
    int endDescriptor() const { return m_process.get(); }
    bool hasEnded();
    //! How it has ended, for people: "exited with code 2", "was ended by signal 11".
    const QString &ending() const { return m_ending; }
    void kill();

private:
    ChildProcess(pid_t pid, FileDescriptor process) : m_pid(pid), m_process(std::move(process)) { }
    bool reap(int options);

    const pid_t m_pid;
    const FileDescriptor m_process; // pidfd: never another process
    bool m_hasEnded = false;
    QString m_ending;
};

} // namespace Sentinel
