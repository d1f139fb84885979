// SPDX-License-Identifier: MIT
#include "SecurityTap/Logging.h"
#include "SecurityTap/scan/LeftBehind_p.h"
#include "SecurityTap/scan/ScanWorkerPool_p.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>
#include <vector>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

ScanSlice crashedSlice(const ScanRequest &request, const QString &what)
{
    qCCritical(logScan).noquote() << "scan" << request.id() << "of" << request.subject().sizeBytes
                                  << "bytes crashed its worker:" << what;
    return {ScanSlice::End::Crash, ScanResult::notScanned(Reason::EngineCrashed, what)};
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

ScanSlice ScanWorkerPool::Core::runSlice(ScanRequest &request) const
{
    if (request.isAnswered())
        return {};
    request.begin();
    const SliceBudget budget{Clock::now() + settings.slice,
        [&request] { return request.isAnswered(); },
        [&request](ScanResult result) { request.suspect(std::move(result)); },
        [&request](
            std::function<void()> interrupt) { request.setInterrupt(std::move(interrupt)); }};
    try {
        if (!request.task)
            request.task = makeTask(request);
        if (!request.task) {
            return {ScanSlice::End::Answer,
                ScanResult::notScanned(
                    Reason::EngineError, QStringLiteral("No engine took this content."))};
        }
        const ScanTask::Progress progress = request.task->step(budget);
        if (request.isAnswered())
            return {};
        switch (progress) {
        case ScanTask::Progress::More:
            return {ScanSlice::End::Resume};
        case ScanTask::Progress::Starved:
            return {ScanSlice::End::Starve};
        case ScanTask::Progress::Done:
            return {ScanSlice::End::Answer, request.task->takeResult()};
        }
        Q_UNREACHABLE();
    } catch (const std::exception &e) {
        return crashedSlice(request, QString::fromLocal8Bit(e.what()));
    } catch (...) {
        return crashedSlice(request, QStringLiteral("unknown exception"));
    }
}

void ScanWorkerPool::Core::settle(ScanRequest &request, ScanSlice slice) const
{
    switch (slice.end) {
    case ScanSlice::End::Resume:
        queue->resume(request.id()); // from here on, the request is another worker's
        return;
    case ScanSlice::End::Starve:
        queue->starve(request.id());
        return;
    case ScanSlice::End::Crash:
        telemetry->countReplacedWorker();
        break;
    case ScanSlice::End::Answer:
    case ScanSlice::End::Drop:
        break;
    }
    // Before the answer: whoever is told may look at the memory, may keep the request, and may give
    // the file out of our hands.
    request.letGo();
    if (queue->remove(request.id()))
        answer(request, std::move(slice.result));
}

void ScanWorkerPool::Core::answer(ScanRequest &request, ScanResult result) const
{
    telemetry->answer(request, request.orSuspicion(std::move(result)));
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

void ScanWorkerPool::growContent(quint64 id, qint64 sizeBytes)
{
    m_core->queue->growContent(id, sizeBytes);
    m_core->bringWorkers();
}

void ScanWorkerPool::completeContent(quint64 id, qint64 sizeBytes, Deadline deadline)
{
    m_core->queue->completeContent(id, sizeBytes, deadline);
    m_core->bringWorkers();
}

ScanResult ScanWorkerPool::cancel(quint64 id, ScanResult result)
{
    const std::shared_ptr<ScanRequest> request = m_core->queue->remove(id);
    if (!request)
        return result;
    result = request->orSuspicion(std::move(result));
    m_core->answer(*request, result);
    m_core->loseWorkerOf(id);
    return result;
}

ScanWorkerPool::Counts ScanWorkerPool::counts() const
{
    const std::lock_guard lock(m_core->mutex);
    if (!m_core->crew)
        return {};
    return {m_core->crew->workers, m_core->crew->active, m_core->crew->lost};
}

} // namespace Sentinel
