// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerScan.h"

#include "SecurityTap/Logging.h"

#include <algorithm>
#include <utility>

#include <sys/stat.h>

namespace Sentinel {

namespace {

using Kind = WorkerRequest::Kind;
using std::chrono::milliseconds;

//! Of a task that is not sliced.
constexpr milliseconds longestSlice = std::chrono::hours(1);
//! How long a thread stands in line for a worker before it looks for other work.
constexpr milliseconds longestWait{20};

} // namespace

WorkerScan::WorkerScan(WorkerFleet &fleet, const ScanSubject &subject,
    std::shared_ptr<const Content> content, qint64 maxScanBytes)
    : m_fleet(fleet), m_content(std::move(content)), m_maxScanBytes(maxScanBytes)
{
    m_request.kind = Kind::Begin;
    m_request.filename = subject.metadata.filename;
    m_request.filePath = subject.filePath;
}

WorkerScan::~WorkerScan()
{
    if (m_starved != 0)
        m_worker = m_fleet.starved().takeBack(m_starved);
    if (m_worker)
        (*m_worker)->drop();
}

ScanTask::Progress WorkerScan::step(const SliceBudget &budget)
{
    const Content::Extent extent = m_content->extent();
    if (m_crashes > 0 && !extent.isComplete)
        return Progress::Starved; // what kills is known by its hash before it is tried again
    if (!m_worker) {
        const Progress found = findWorker(budget, extent.isComplete);
        if (!m_worker)
            return found;
    }
    m_request.mappedBytes = extent.isComplete ? extent.sizeBytes : m_maxScanBytes;
    m_request.sizeBytes = extent.sizeBytes;
    m_request.isComplete = extent.isComplete;
    m_request.slice = std::chrono::floor<milliseconds>(std::clamp<Clock::duration>(
        budget.until - Clock::now(), Clock::duration::zero(), longestSlice));

    ScanWorker &worker = **m_worker;
    if (budget.setInterrupt)
        budget.setInterrupt([&worker] { worker.kill(); });
    auto answer = worker.ask(m_request, m_request.kind == Kind::Begin ? m_content->file() : -1);
    if (budget.setInterrupt)
        budget.setInterrupt(nullptr);
    if (!answer)
        return loseWorker(budget, extent.isComplete, answer.error());
    // Killed just after its answer, it may look alive for a moment, and the next scan would be
    // blamed for its death.
    if (budget.isAbandoned && budget.isAbandoned())
        return loseWorker(budget, extent.isComplete, {});
    if (!isPossible(*answer, extent))
        return loseWorker(budget, extent.isComplete, QStringLiteral("which lied"));
    return use(std::move(*answer), budget);
}

//! Without a worker afterwards: how the slice ends.
ScanTask::Progress WorkerScan::findWorker(const SliceBudget &budget, bool isComplete)
{
    if (const quint64 ticket = std::exchange(m_starved, 0)) {
        m_worker = m_fleet.starved().takeBack(ticket);
        if (m_worker)
            return Progress::More;
    }
    m_request.kind = Kind::Begin;
    if (m_fleet.breaker().isOpen()) {
        return end(ScanResult::notScanned(Reason::ScannerUnavailable,
            QStringLiteral("The scan workers crash one after the other; they are tried again "
                           "in a while.")));
    }
    auto lease = m_fleet.lease(Clock::now());
    const auto isBusy = [&lease] {
        return !lease && lease.error().code == PoolError::Code::Timeout;
    };
    if (isBusy() && isComplete) {
        m_worker = m_fleet.starved().takeLongest();
        if (m_worker)
            return Progress::More;
        lease = m_fleet.lease(std::min(budget.until, Clock::now() + longestWait));
    }
    if (lease) {
        m_worker = std::move(*lease);
        return Progress::More;
    }
    // What still arrives takes no worker from anybody: its time comes with its next bytes.
    if (isBusy())
        return isComplete ? Progress::More : Progress::Starved;
    m_fleet.breaker().countCrash();
    return end(ScanResult::notScanned(Reason::ScannerUnavailable, lease.error().message));
}

//! A worker has seen hostile bytes: what it says of them has to fit what is known of them.
bool WorkerScan::isPossible(const WorkerAnswer &answer, const Content::Extent &extent) const
{
    if (answer.progress == Progress::Starved)
        return !extent.isComplete;
    if (!answer.result || answer.result->verdict() != Verdict::Clean)
        return true;
    const Coverage &coverage = answer.result->coverage();
    return extent.isComplete && coverage.bytesTotal == extent.sizeBytes
        && coverage.ruleSetDigest == m_fleet.rules().digest;
}

ScanTask::Progress WorkerScan::use(WorkerAnswer answer, const SliceBudget &budget)
{
    m_request.kind = Kind::Continue;
    switch (answer.progress) {
    case Progress::More:
        if (answer.result && budget.suspect)
            budget.suspect(std::move(*answer.result));
        break;
    case Progress::Starved:
        m_starved = m_fleet.starved().leave(std::move(*m_worker));
        m_worker.reset();
        break;
    case Progress::Done:
        m_worker.reset(); // it is given back
        m_fleet.breaker().countSuccess();
        return end(std::move(*answer.result));
    }
    return answer.progress;
}

ScanTask::Progress WorkerScan::loseWorker(
    const SliceBudget &budget, bool isComplete, const QString &error)
{
    const Progress again = isComplete ? Progress::More : Progress::Starved;
    const bool isKilled = budget.isAbandoned && budget.isAbandoned(); // by us, and nobody cares
    (*m_worker)->kill(); // what says nonsense lives
    const auto crash = isKilled ? std::nullopt : m_fleet.crashOf(**m_worker);
    m_worker->discard();
    m_worker.reset();
    m_request.kind = Kind::Begin;
    if (!crash) // it was killed, or died with its parent
        return again;
    struct stat status { };
    if (::fstat(m_content->file(), &status) != 0 || status.st_size < m_content->extent().sizeBytes)
        return end(ScanResult::notScanned(Reason::Unreadable,
            QStringLiteral("The content became shorter while it was scanned.")));
    m_fleet.breaker().countCrash();
    qCCritical(logScan).noquote() << "a scan of" << m_content->extent().sizeBytes
                                  << "bytes lost its worker," << error << "and" << *crash;
    if (++m_crashes < Limits::maxCrashesOfAScan)
        return again;
    return end(ScanResult::notScanned(Reason::EngineCrashed,
        QStringLiteral("Its scan worker %1, %2 times.").arg(*crash).arg(m_crashes)));
}

ScanTask::Progress WorkerScan::end(ScanResult result)
{
    m_result = std::move(result);
    return Progress::Done;
}

} // namespace Sentinel
