// SPDX-License-Identifier: MIT
#include "SecurityTap/Logging.h"
#include "SecurityTap/scan/ScanWorkerPool_p.h"
#include "SecurityTap/scan/WorkerScheduling.h"

#include <optional>

namespace Sentinel {

ScanWorkerPool::Core::Crew::Crew(std::shared_ptr<Core> owner) : core(std::move(owner))
{
    setAutoDelete(false);
    threads.setMaxThreadCount(core->settings.maxWorkers + Limits::maxReplacementWorkers);
    threads.setExpiryTimeout(0); // a worker has idled already
}

void ScanWorkerPool::Core::Crew::run()
{
    Worker self;
    bool hasCrashed = false;
    do {
        std::shared_ptr<ScanRequest> request = core->queue->take(core->settings.idleTime);
        while (!request) {
            if (endsIdle())
                return;
            request = core->queue->take(core->settings.idleTime);
        }
        beginSlice(self, request->id());
        ScanSlice slice = core->runSlice(*request);
        // Before the request goes back: the next worker that takes it enters itself.
        endSlice(self, request->id());
        hasCrashed = slice.end == ScanSlice::End::Crash;
        core->settle(*request, std::move(slice));
    } while (goesOn(self, hasCrashed));
}

//! Starts a worker if one is missing. A worker counts as idle from its start to its first request,
//! and calls this when it got one, so that each worker brings the next as long as work waits.
void ScanWorkerPool::Core::Crew::bringWorkers()
{
    const auto isMissing = [this] {
        if (workers + lost >= core->settings.maxWorkers + Limits::maxReplacementWorkers)
            return false;
        return workers < core->settings.minWorkers
            || (workers < core->settings.maxWorkers && idle == 0 && core->queue->hasReady());
    };
    while (!isClosing && isMissing()) {
        ++workers;
        ++idle;
        std::optional<WorkerScheduling> scheduling;
        if (core->settings.urgency == Urgency::Background)
            scheduling.emplace();
        threads.start(this);
    }
}

//! A worker found nothing to do for its idle time: true if it leaves.
bool ScanWorkerPool::Core::Crew::endsIdle()
{
    const std::lock_guard lock(core->mutex);
    // Who submitted meanwhile counted on this worker, if it came here first; else it sees that
    // nobody is idle.
    if (!isClosing && (workers <= core->settings.minWorkers || core->queue->hasReady()))
        return false;
    --idle;
    --workers;
    return true;
}

void ScanWorkerPool::Core::Crew::beginSlice(Worker &worker, quint64 id)
{
    const std::lock_guard lock(core->mutex);
    --idle;
    ++active;
    running.insert_or_assign(id, &worker);
    bringWorkers();
}

void ScanWorkerPool::Core::Crew::endSlice(Worker &worker, quint64 id)
{
    const std::lock_guard lock(core->mutex);
    running.erase(id);
    if (!worker.isLost) {
        --active;
        return;
    }
    --lost;
    if (workers < core->settings.maxWorkers) {
        ++workers;
        worker.isLost = false;
    }
}

//! After a slice: true if the worker takes the next request.
bool ScanWorkerPool::Core::Crew::goesOn(const Worker &worker, bool hasCrashed)
{
    const std::lock_guard lock(core->mutex);
    if (!isClosing && !worker.isLost && !hasCrashed) {
        ++idle;
        return true;
    }
    if (!worker.isLost)
        --workers;
    bringWorkers();
    return false;
}

//! Nobody waits for \p id any more. If it is being run, its worker may never come back from it:
//! it no longer counts, and another may start. Called after the request was answered, because a
//! worker that enters itself only then looks at the answer next and does not run it.
bool ScanWorkerPool::Core::Crew::loseWorkerOf(quint64 id)
{
    const auto it = running.find(id);
    if (it == running.end())
        return false;
    it->second->isLost = true;
    running.erase(it);
    --workers;
    --active;
    ++lost;
    bringWorkers();
    return true;
}

void ScanWorkerPool::Core::Crew::watchDeadlines()
{
    while (true) {
        const auto overdue = core->queue->takeExpired();
        if (overdue.empty())
            return;
        for (const std::shared_ptr<ScanRequest> &request : overdue) {
            core->answer(*request, request->timedOut());
            if (core->loseWorkerOf(request->id())) {
                core->telemetry->countReplacedWorker();
                qCWarning(logScan) << "scan" << request->id() << "runs past its deadline";
            }
        }
    }
}

} // namespace Sentinel
