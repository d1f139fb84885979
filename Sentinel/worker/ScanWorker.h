// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/worker/WorkerWire.h"
#include "ipc/FileDescriptor.h"

#include <atomic>
#include <expected>
#include <memory>

#include <sys/types.h>

namespace Sentinel {

//! \brief What is told of a worker while it lives.
struct WorkerRecord {
    const qint64 pid;
    const Clock::time_point madeAt = Clock::now();
    std::atomic<qint64> scans{0};
    std::atomic<bool> isScanning{false}; // a slice, right now
};

//! \brief A scan worker process, as its broker has it: asked for one slice at a time, and ended
//! whenever it should be.
//!
//! Made by WorkerParent::makeWorker(). Hostile bytes are looked at there and nowhere else.
//!
//! Owner:  whoever has leased it.
//! Thread: ask() and drop() one at a time; kill() any, also meanwhile.
class ScanWorker {
public:
    //! \p process is the pidfd of \p pid.
    ScanWorker(FileDescriptor socket, FileDescriptor process, pid_t pid,
        std::vector<SandboxFeature> sandbox);
    //! Ends the process.
    ~ScanWorker();
    Q_DISABLE_COPY_MOVE(ScanWorker)

    //! The answer to \p request, whose content is \p file if it begins a scan. Waits for it, as
    //! long as it takes: kill() ends that. The error, for people: the worker is dead, or says what
    //! cannot be; it is of no more use.
    std::expected<WorkerAnswer, QString> ask(const WorkerRequest &request, int file = -1);
    //! Ends the scan that it is at, which nobody wants to know about any more. Does not block.
    void drop();
    //! Ends the process, now. Whoever waits for an answer gets an error.
    void kill();

    //! False once the process has ended.
    bool isAlive() const;
    pid_t pid() const { return pid_t(m_record->pid); }
    std::shared_ptr<const WorkerRecord> record() const { return m_record; }
    //! The walls around it.
    const std::vector<SandboxFeature> &sandbox() const { return m_sandbox; }

private:
    const FileDescriptor m_socket;
    const FileDescriptor m_process; // pidfd: never another process
    const std::shared_ptr<WorkerRecord> m_record;
    const std::vector<SandboxFeature> m_sandbox;
};

} // namespace Sentinel
