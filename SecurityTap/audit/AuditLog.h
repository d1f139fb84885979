// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/audit/AuditEvent.h"
#include "SecurityTap/audit/AuditSettings.h"

#include <chrono>
#include <expected>
#include <memory>
#include <thread>

namespace Sentinel {

//! \brief Writes AuditEvents to the files of a log, one JSON object a line: docs/audit.md.
//!
//! A thread of its own writes each event at once, in one piece, and has the disk keep them at least
//! once in Limits::auditSyncInterval, alerts without delay. Several logs, in several processes, may
//! write to one directory. What cannot be written, as the disk is full for instance, is said once
//! to the logging category sentinel.audit and tried again; meanwhile events wait, and beyond
//! Limits::maxQueuedAuditEvents they are dropped, which the next event says (sentinel.dropped).
//!
//! Owner:  whoever puts things together; outlives those who record().
//! Thread: any.
//! Limits: one thread; four descriptors; maxQueuedAuditEvents events of maxAuditEventBytes.
class SECURITYTAP_EXPORT AuditLog {
public:
    struct Counts {
        quint64 written = 0;
        quint64 synced = 0; //!< that the disk keeps
        quint64 dropped = 0; //!< there was no room to wait
        quint64 failures = 0; //!< attempts to write, or to have the disk keep it, that failed
        quint64 copiesLost = 0; //!< that the system's log did not take
        int waiting = 0; //!< to be written
    };

    //! Blocks: for the disk. The error is a sentence for people.
    static std::expected<std::unique_ptr<AuditLog>, QString> open(AuditSettings settings);
    //! Writes what waits. Blocks: up to Limits::auditDrainPatience; what is not written then is
    //! lost, and said to be.
    ~AuditLog();
    Q_DISABLE_COPY_MOVE(AuditLog)

    //! Blocks: never.
    void record(const AuditEvent &event);

    //! Blocks: until all that was recorded before is on the disk. False after \p patience.
    bool flush(std::chrono::milliseconds patience);

    Counts counts() const;

private:
    class Writer;
    explicit AuditLog(std::shared_ptr<Writer> writer);

    const std::shared_ptr<Writer> m_writer; // null: nothing is written
    std::thread m_thread;
};

} // namespace Sentinel
