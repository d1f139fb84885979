// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/scan/ScanWorkerPool.h"

#include <QRunnable>
#include <QThreadPool>

#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace Sentinel {

//! How a slice ended, and what to do with its request.
struct ScanSlice {
    enum class End : quint8 {
        Resume, //!< goes on later
        Starve, //!< goes on when it is woken
        Answer, //!< has its result
        Drop, //!< somebody else has answered it
        Crash, //!< threw; has a result that says so
    };
    End end = End::Drop;
    ScanResult result = ScanResult::notScanned(Reason::Cancelled);
};

//! What the pool's threads share: the way of one request through a slice.
struct ScanWorkerPool::Core {
    struct Crew;

    Core(std::shared_ptr<ScanQueue> queue_, std::shared_ptr<ScanTelemetry> telemetry_,
        TaskFactory makeTask_, Settings settings_)
        : queue(std::move(queue_))
        , telemetry(std::move(telemetry_))
        , makeTask(std::move(makeTask_))
        , settings(settings_)
    {
    }

    ScanSlice runSlice(ScanRequest &request) const;
    void settle(ScanRequest &request, ScanSlice slice) const;
    void answer(ScanRequest &request, ScanResult result) const;
    void bringWorkers();
    bool loseWorkerOf(quint64 id);

    const std::shared_ptr<ScanQueue> queue;
    const std::shared_ptr<ScanTelemetry> telemetry;
    const TaskFactory makeTask;
    const Settings settings;

    mutable std::mutex mutex; // locked before the queue's own, never after
    std::shared_ptr<Crew> crew; // the workers between start() and stop(); else null
};

//! The workers and the watch between one start() and its stop(). It is its workers' runnable: one
//! object that is there before the first thread and until the last has ended, if need be for ever.
struct ScanWorkerPool::Core::Crew final : QRunnable {
    struct Worker {
        bool isLost = false;
    };

    explicit Crew(std::shared_ptr<Core> owner);

    void run() override;
    void watchDeadlines();

    void bringWorkers(); // under core->mutex
    bool loseWorkerOf(quint64 id); // under core->mutex
    bool endsIdle();
    void beginSlice(Worker &worker, quint64 id);
    void endSlice(Worker &worker, quint64 id);
    bool goesOn(const Worker &worker, bool hasCrashed);

    const std::shared_ptr<Core> core;
    QThreadPool threads;
    std::thread watch;

    // All below under core->mutex.
    std::unordered_map<quint64, Worker *> running; // by the request's id
    int workers = 0; // that take requests
    int idle = 0; // of these: in take(), or on their way there
    int active = 0; // of these: in a slice
    int lost = 0; // in a slice that nobody waits for; no longer among the workers
    bool isClosing = false;
};

} // namespace Sentinel
