// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/ScanWorkerPool.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/scan/WorkerScheduling.h"

#include <QRunnable>
#include <QThreadPool>

#include <algorithm>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

//! How a slice ended, and what to do with its request.
struct Slice {
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

Slice crashedSlice(const ScanRequest &request, const QString &what)
{
    qCCritical(logScan).noquote() << "scan" << request.id() << "of" << request.subject().sizeBytes
                                  << "bytes crashed its worker:" << what;
    return {Slice::End::Crash, ScanResult::notScanned(Reason::EngineCrashed, what)};
}

ScanWorkerPool::Settings sane(ScanWorkerPool::Settings settings)
{
    settings.maxWorkers = std::max(settings.maxWorkers, 1);
    settings.minWorkers = std::clamp(settings.minWorkers, 0, settings.maxWorkers);
    // With no time at all the workers that stay would spin.
    settings.idleTime = std::max(settings.idleTime, milliseconds(1));
    settings.stopPatience = std::clamp(
        settings.stopPatience, milliseconds::zero(), milliseconds(std::numeric_limits<int>::max()));
    return settings;
}

} // namespace

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

    Slice runSlice(ScanRequest &request) const;
    void settle(ScanRequest &request, Slice slice) const;
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

//! Keeps a crew with a worker that is stuck, for ever: to destroy its QThreadPool would be to wait
//! for that worker. Kept reachable, so that a leak checker tells this from a mistake.
static void leaveBehind(std::shared_ptr<QRunnable> crew)
{
    static std::mutex mutex;
    static auto *const left = new std::vector<std::shared_ptr<QRunnable>>;
    const std::lock_guard lock(mutex);
    left->push_back(std::move(crew));
}

// ---- One slice -------------------------------------------------------------------------------

Slice ScanWorkerPool::Core::runSlice(ScanRequest &request) const
{
    if (request.isAnswered())
        return {};
    const SliceBudget budget{Clock::now() + settings.slice,
        [&request] { return request.isAnswered(); },
        [&request](ScanResult result) { request.suspect(std::move(result)); }};
    try {
        if (!request.task)
            request.task = makeTask(request);
        if (!request.task) {
            return {Slice::End::Answer,
                ScanResult::notScanned(
                    Reason::EngineError, QStringLiteral("No engine took this content."))};
        }
        const ScanTask::Progress progress = request.task->step(budget);
        if (request.isAnswered())
            return {};
        switch (progress) {
        case ScanTask::Progress::More:
            return {Slice::End::Resume};
        case ScanTask::Progress::Starved:
            return {Slice::End::Starve};
        case ScanTask::Progress::Done:
            return {Slice::End::Answer, request.task->takeResult()};
        }
        Q_UNREACHABLE();
    } catch (const std::exception &e) {
        return crashedSlice(request, QString::fromLocal8Bit(e.what()));
    } catch (...) {
        return crashedSlice(request, QStringLiteral("unknown exception"));
    }
}

void ScanWorkerPool::Core::settle(ScanRequest &request, Slice slice) const
{
    switch (slice.end) {
    case Slice::End::Resume:
        queue->resume(request.id()); // from here on, the request is another worker's
        return;
    case Slice::End::Starve:
        queue->starve(request.id());
        return;
    case Slice::End::Crash:
        telemetry->countReplacedWorker();
        break;
    case Slice::End::Answer:
    case Slice::End::Drop:
        break;
    }
    // Before the answer: whoever is told may look at the memory, and may keep the request.
    request.task.reset();
    if (queue->remove(request.id()))
        answer(request, std::move(slice.result));
}

void ScanWorkerPool::Core::answer(ScanRequest &request, ScanResult result) const
{
    const auto count = [this, &request](const ScanResult &given) {
        telemetry->countAnswer(given,
            std::chrono::duration_cast<std::chrono::microseconds>(
                Clock::now() - request.createdAt()));
    };
    try {
        request.answer(std::move(result), count);
    } catch (const std::exception &e) {
        qCCritical(logScan) << "the answer to scan" << request.id() << "threw:" << e.what();
    } catch (...) {
        qCCritical(logScan) << "the answer to scan" << request.id() << "threw";
    }
}

void ScanWorkerPool::Core::bringWorkers()
{
    const std::lock_guard lock(mutex);
    if (crew)
        crew->bringWorkers();
}

bool ScanWorkerPool::Core::loseWorkerOf(quint64 id)
{
    const std::lock_guard lock(mutex);
    return crew && crew->loseWorkerOf(id);
}

// ---- Workers ---------------------------------------------------------------------------------

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
        Slice slice = core->runSlice(*request);
        // Before the request goes back: the next worker that takes it enters itself.
        endSlice(self, request->id());
        hasCrashed = slice.end == Slice::End::Crash;
        core->settle(*request, std::move(slice));
    } while (goesOn(self, hasCrashed));
}

//! Starts a worker if one is missing. A worker counts as idle from its start to its first request,
//! and calls this when it got one, so that each worker brings the next as long as work waits.
void ScanWorkerPool::Core::Crew::bringWorkers()
{
    const auto isMissing = [this] {
        return workers < core->settings.minWorkers
            || (workers < core->settings.maxWorkers && idle == 0 && core->queue->hasReady());
    };
    while (!isClosing && isMissing()) {
        ++workers;
        ++idle;
        const WorkerScheduling scheduling;
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
    if (it == running.end() || lost >= Limits::maxReplacementWorkers)
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
            core->answer(*request,
                request->suspicion().value_or(ScanResult::notScanned(Reason::TimedOut,
                    QStringLiteral("The deadline passed before the scan ended."))));
            if (core->loseWorkerOf(request->id())) {
                core->telemetry->countReplacedWorker();
                qCWarning(logScan) << "scan" << request->id() << "runs past its deadline";
            }
        }
    }
}

// ---- The pool --------------------------------------------------------------------------------

int ScanWorkerPool::defaultWorkers()
{
    return std::clamp(int(std::thread::hardware_concurrency()), 1, Limits::maxWorkers);
}

ScanWorkerPool::ScanWorkerPool(std::shared_ptr<ScanQueue> queue,
    std::shared_ptr<ScanTelemetry> telemetry, TaskFactory makeTask, Settings settings)
    : m_core(std::make_shared<Core>(
        std::move(queue), std::move(telemetry), std::move(makeTask), sane(settings)))
{
    Q_ASSERT(m_core->queue && m_core->telemetry && m_core->makeTask);
}

ScanWorkerPool::~ScanWorkerPool()
{
    stop();
}

void ScanWorkerPool::start()
{
    const std::lock_guard lock(m_core->mutex);
    if (m_core->crew)
        return;
    m_core->queue->reopen();
    m_core->crew = std::make_shared<Core::Crew>(m_core);
    m_core->crew->watch = std::thread([crew = m_core->crew.get()] { crew->watchDeadlines(); });
    m_core->crew->bringWorkers();
}

void ScanWorkerPool::stop()
{
    std::shared_ptr<Core::Crew> crew;
    {
        const std::lock_guard lock(m_core->mutex);
        crew = std::exchange(m_core->crew, nullptr);
        if (crew)
            crew->isClosing = true;
    }
    for (const std::shared_ptr<ScanRequest> &request : m_core->queue->shutDown()) {
        m_core->answer(*request,
            ScanResult::notScanned(
                Reason::ScannerUnavailable, QStringLiteral("The scanner was stopped.")));
    }
    if (!crew)
        return;
    crew->watch.join();
    if (!crew->threads.waitForDone(static_cast<int>(m_core->settings.stopPatience.count()))) {
        qCCritical(logScan) << "a scan did not stop within" << m_core->settings.stopPatience.count()
                            << "ms: its worker is left behind";
        leaveBehind(std::move(crew));
        return;
    }
    // Every worker's last act was under this lock: after it, nobody is in the crew any more.
    const std::lock_guard lock(m_core->mutex);
    Q_ASSERT(crew->workers == 0 && crew->lost == 0 && crew->running.empty());
}

std::optional<Reason> ScanWorkerPool::submit(
    std::shared_ptr<ScanRequest> request, Deadline deadline)
{
    const std::optional<Reason> refusal = m_core->queue->submit(std::move(request), deadline);
    if (!refusal)
        m_core->bringWorkers();
    return refusal;
}

void ScanWorkerPool::wake(quint64 id)
{
    m_core->queue->wake(id);
    m_core->bringWorkers();
}

void ScanWorkerPool::completeContent(quint64 id, qint64 sizeBytes, Deadline deadline)
{
    m_core->queue->completeContent(id, sizeBytes, deadline);
    m_core->bringWorkers();
}

void ScanWorkerPool::cancel(quint64 id, ScanResult result)
{
    const std::shared_ptr<ScanRequest> request = m_core->queue->remove(id);
    if (!request)
        return;
    m_core->answer(*request, std::move(result));
    m_core->loseWorkerOf(id);
}

ScanWorkerPool::Counts ScanWorkerPool::counts() const
{
    const std::lock_guard lock(m_core->mutex);
    if (!m_core->crew)
        return {};
    return {m_core->crew->workers, m_core->crew->active, m_core->crew->lost};
}

} // namespace Sentinel
