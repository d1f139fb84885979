// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/scan/ScanWorkerPool.h"
#include "tests/support/ScriptedTask.h"

#include <memory>

namespace Sentinel::Test {

//! \brief A queue and a pool whose scans are written by the test, and the book of their answers.
class PoolBench {
public:
    using Progress = ScanTask::Progress;

    explicit PoolBench(ScanWorkerPool::Settings settings = {}, ScanQueue::Bounds bounds = {})
        : queue(std::make_shared<ScanQueue>(bounds))
        , pool(
              queue, telemetry,
              [engine = engine](ScanRequest &request) { return engine->makeTask(request); },
              settings)
    {
    }

    //! Submits a request with its own script. Its id, or 0 if it is refused.
    quint64 submit(const QString &name, ScriptedTask::Step step = {},
        Deadline deadline = noDeadline, qint64 sizeBytes = 1)
    {
        return submitMaker(
            name, [step] { return std::make_unique<ScriptedTask>(step); }, deadline, sizeBytes);
    }
    quint64 submitMaker(const QString &name, ScriptedEngine::Maker maker,
        Deadline deadline = noDeadline, qint64 sizeBytes = 1)
    {
        ScanSubject subject;
        subject.sizeBytes = sizeBytes;
        auto request = std::make_shared<ScanRequest>(std::move(subject), answers.writer(name));
        const quint64 id = request->id();
        engine->script(id, std::move(maker));
        return pool.submit(std::move(request), deadline) ? 0 : id;
    }

    //! Submits a request that stays in its slice until \p gate opens, and waits until it does so.
    quint64 occupyWorker(const QString &name, const Gate &gate, Deadline deadline = noDeadline)
    {
        const Gate started;
        const quint64 id = submit(
            name,
            [gate, started](const SliceBudget &) {
                started.open();
                gate.wait();
                return Progress::Done;
            },
            deadline);
        return started.wait() ? id : 0;
    }

    const std::shared_ptr<ScanQueue> queue;
    const std::shared_ptr<ScanTelemetry> telemetry = std::make_shared<ScanTelemetry>();
    const std::shared_ptr<ScriptedEngine> engine = std::make_shared<ScriptedEngine>();
    AnswerBook answers;
    ScanWorkerPool pool; // last: it stops before the rest goes
};

} // namespace Sentinel::Test
