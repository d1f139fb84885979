// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/scan/ScanQueue.h"
#include "SecurityTap/scan/ScanTelemetry.h"

#include <functional>
#include <memory>

namespace Sentinel {

//! \brief Runs the queue's requests on a QThreadPool, one slice at a time, the best request first.
//!
//! Workers start when requests wait and no worker is idle, up to the limit, and end when they have
//! been idle: the pool follows its load towards full but not idle workers. A watch thread answers
//! what is overdue, also when every worker is stuck; a worker stuck in a scan past its deadline is
//! lost: replaced if work waits, and when it comes back it goes on if there is room, else ends. A
//! task that throws is a crashed worker: its request is answered (EngineCrashed) and the worker is
//! replaced.
//!
//! Every request that the queue accepted is answered exactly once, also at stop(): by the one who
//! takes it out of the queue. The queue is the pool's alone to shut down and to reopen.
//!
//! Owner:  its backend.
//! Thread: start(), stop() and destruction by one thread; the rest any.
class SECURITYTAP_EXPORT ScanWorkerPool {
public:
    //! Makes the task of a request on the worker that runs its first slice. What it holds must stay
    //! valid as long as a worker may be stuck in it: it is shared with a worker left behind.
    using TaskFactory = std::function<std::unique_ptr<ScanTask>(ScanRequest &)>;

    //! As many as there are processors, at most Limits::maxWorkers: scans use a processor fully.
    static int defaultWorkers();

    //! How much of the processor the threads are to have.
    enum class Urgency : quint8 {
        Background, //!< they scan: the event loop goes before them, where the system has such
        Normal, //!< they wait for others who scan
    };
    struct Settings {
        Urgency urgency = Urgency::Background;
        int minWorkers = 1;
        int maxWorkers = defaultWorkers();
        std::chrono::milliseconds slice = Limits::sliceDuration;
        std::chrono::milliseconds idleTime = Limits::workerIdleTime;
        std::chrono::milliseconds stopPatience = Limits::stopPatience;
    };
    struct Counts {
        int workers = 0; //!< threads that take requests
        int active = 0; //!< running a slice right now
        int lost = 0; //!< in a scan that nobody waits for any more (overdue, cancelled)
    };

    ScanWorkerPool(std::shared_ptr<ScanQueue> queue, std::shared_ptr<ScanTelemetry> telemetry,
        TaskFactory makeTask, Settings settings);
    //! Stops.
    ~ScanWorkerPool();
    Q_DISABLE_COPY_MOVE(ScanWorkerPool)

    void start();
    //! Answers all that waits (ScannerUnavailable), lets running slices end, joins the workers.
    //! A worker that does not come back within Settings::stopPatience is left behind, logged.
    //! May be followed by start().
    void stop();

    //! Submits to the queue and sees to it that a worker comes for it. As ScanQueue::submit().
    [[nodiscard]] std::optional<Reason> submit(
        std::shared_ptr<ScanRequest> request, Deadline deadline = noDeadline);
    //! As ScanQueue::growContent(), with a worker.
    void growContent(quint64 id, qint64 sizeBytes);
    //! As ScanQueue::completeContent(), with a worker.
    void completeContent(quint64 id, qint64 sizeBytes, Deadline deadline);
    //! Takes \p id out and answers it with \p result instead of a verdict; a running task stops
    //! within a window. Until it does, its worker counts as lost: with the request its deadline has
    //! gone. Returns the answer: \p result, or the threat that was suspected by then.
    ScanResult cancel(quint64 id, ScanResult result = ScanResult::notScanned(Reason::Cancelled));

    Counts counts() const;

private:
    struct Core; // shared with the workers, so that a worker left behind harms nobody
    std::shared_ptr<Core> m_core;
};

} // namespace Sentinel
