// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/worker/Packet.h"
#include "Sentinel/worker/ScanWorker.h"
#include "Sentinel/worker/WorkerRules.h"
#include "ipc/ChildProcess.h"
#include "ipc/Messages.h"

#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

namespace Sentinel {

//! \brief The warm parent of scan workers, a process that has compiled one set of rules: its
//! workers are there in a millisecond and share its memory.
//!
//! A new set of rules is a new parent; the old one stays as long as somebody needs its workers, as
//! they end with it.
//!
//! Owner:  shared by whoever makes workers or has any.
//! Thread: any (locked).
class WorkerParent {
public:
    //! Starts \p program (a sentinel) and waits until it has compiled \p rules, Limits::
    //! maxRuleCompilation at most. The error: all that is wrong with the rules, or with starting.
    //! To stop it by \p stop is one of them.
    static std::expected<std::shared_ptr<WorkerParent>, std::vector<RuleProblem>> start(
        const QByteArray &program, const WorkerRules &rules, const std::stop_token &stop = {});
    //! Ends the process, and so all of its workers.
    ~WorkerParent();
    Q_DISABLE_COPY_MOVE(WorkerParent)

    //! What its workers scan with, and what was to be said about it.
    const ReloadResult &rules() const { return m_rules; }

    //! A new worker, in its sandbox. Blocks for about a millisecond. The error is for people.
    std::expected<std::unique_ptr<ScanWorker>, QString> makeWorker();
    //! How \p worker, which is dead or was killed, has ended, for people and logs: "was ended by
    //! signal 11 (Segmentation fault)".
    QString endingOf(const ScanWorker &worker);

    //! False once the process has ended: then there will be no more workers.
    bool isAlive();
    //! False if \p worker was made by another one, before.
    bool hasMade(const ScanWorker &worker) const { return worker.record()->madeAt >= m_startedAt; }

private:
    WorkerParent(FileDescriptor control, std::unique_ptr<ChildProcess> process);
    std::optional<Packet> ask(QByteArrayView question, int descriptor);

    std::mutex m_mutex; // a question and its answer belong together
    const FileDescriptor m_control;
    const std::unique_ptr<ChildProcess> m_process;
    const Clock::time_point m_startedAt = Clock::now();
    bool m_isAnswering = true; // false, for good: it is dead, or as good as dead
    ReloadResult m_rules;
};

} // namespace Sentinel
