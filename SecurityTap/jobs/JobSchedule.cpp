// SPDX-License-Identifier: MIT
#include "SecurityTap/jobs/JobSchedule.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/history/SerialThread_p.h"
#include "SecurityTap/scan/Deadline.h"
#include "SecurityTap/scan/Mailbox.h"

#include <QRandomGenerator>
#include <QThread>

#include <algorithm>
#include <atomic>
#include <exception>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

JobResult resultOf(const Job &job)
{
    try {
        return job.run();
    } catch (const std::exception &e) {
        return std::unexpected(QString::fromLocal8Bit(e.what()));
    } catch (...) {
        return std::unexpected(QStringLiteral("it threw"));
    }
}

//! Not all machines at the same moment.
milliseconds jitter(milliseconds interval)
{
    const qint64 most = interval.count() / Limits::jobJitterShare;
    return milliseconds(most > 0 ? QRandomGenerator::system()->bounded(most) : 0);
}

milliseconds retryPause(milliseconds least, milliseconds interval, int failures)
{
    constexpr int mostDoublings = 20; // beyond every interval
    return std::min(interval, least * (1 << std::clamp(failures, 0, mostDoublings)));
}

} // namespace

//! What the thread has.
struct JobSchedule::Work {
    Work(const QString &path, std::vector<Job> itsJobs, const Settings &settings)
        : jobs(std::move(itsJobs))
        , now(settings.now)
        , leastRetry(settings.leastRetry)
        , runs(std::make_unique<JobRuns>(path, settings.now))
    {
    }

    const std::vector<Job> jobs;
    const JobRuns::Now now;
    const milliseconds leastRetry;
    std::unique_ptr<JobRuns> runs; // closed on its thread
    std::atomic<bool> isStopping{false};
    std::atomic<bool> isPosted{false}; // a look at what is due waits for the thread

    std::expected<std::optional<JobRun>, QString> runIfDue(const Job &job)
    {
        const auto claim = runs->claim(job.name, job.interval);
        if (!claim)
            return std::unexpected(claim.error());
        if (!*claim)
            return std::nullopt;
        const auto began = Clock::now();
        const JobResult result = resultOf(job);
        const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - began);
        const milliseconds pause = result
            ? job.interval + jitter(job.interval)
            : retryPause(leastRetry, job.interval, (*claim)->failures);
        const auto finished = runs->finish(**claim, result, took, pause);
        if (!finished)
            return std::unexpected(finished.error());
        JobRun run;
        run.name = job.name;
        run.ranAt = (*claim)->beganAt;
        run.took = took;
        run.hasSucceeded = result.has_value();
        run.result = result ? *result : result.error();
        run.dueAt = now().addMSecs(pause.count());
        run.failures = result ? 0 : (*claim)->failures + 1;
        return run;
    }
};

JobSchedule::JobSchedule(
    const QString &path, std::vector<Job> jobs, Settings settings, QObject *parent)
    : QObject(parent)
    , m_work(std::make_shared<Work>(path, std::move(jobs), settings))
    , m_thread(std::make_unique<SerialThread>([work = m_work] { work->runs.reset(); }))
    , m_settings(std::move(settings))
{
    connect(&m_timer, &QTimer::timeout, this, [this] {
        m_timer.setInterval(m_settings.look);
        look();
    });
}

JobSchedule::~JobSchedule()
{
    stop();
}

void JobSchedule::start()
{
    Q_ASSERT(thread() == QThread::currentThread());
    m_timer.start(m_settings.startDelay);
}

bool JobSchedule::stop(milliseconds patience)
{
    Q_ASSERT(thread() == QThread::currentThread());
    m_timer.stop();
    m_work->isStopping = true;
    if (m_thread->stop(patience))
        return true;
    qCCritical(logTap) << "a periodic job does not end: its thread is left behind";
    return false;
}

void JobSchedule::look()
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (m_work->isPosted.exchange(true))
        return;
    m_thread->post([work = m_work, mailbox = Mailbox(this), this] {
        work->isPosted = false;
        for (const Job &job : work->jobs) {
            if (work->isStopping)
                return;
            const auto run = work->runIfDue(job);
            if (!run)
                mailbox.post([this, text = run.error()] { Q_EMIT trouble(text); });
            else if (*run)
                mailbox.post([this, run = **run] { Q_EMIT ran(run); });
        }
        mailbox.post([this] { Q_EMIT looked(); });
    });
}

} // namespace Sentinel
