// SPDX-License-Identifier: MIT
#include "Sentinel/clamdserver/FileCopies.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/Logging.h"
#include "SecurityTap/scan/LeftBehind_p.h"

namespace Sentinel {

FileCopies::FileCopies(qint64 maxBytes, std::shared_ptr<SpoolBudget> budget, int threads)
    : m_maxBytes(maxBytes), m_budget(std::move(budget))
{
    setAutoDelete(false);
    m_threads.setMaxThreadCount(threads);
    const std::chrono::milliseconds idleTime = Limits::workerIdleTime;
    m_threads.setExpiryTimeout(int(idleTime.count()));
}

void FileCopies::add(FileDescriptor source, Done done)
{
    {
        const std::lock_guard lock(m_mutex);
        m_jobs.push_back({std::move(source), std::move(done)});
    }
    m_threads.start(this);
}

void FileCopies::end(std::unique_ptr<FileCopies> copies)
{
    copies->m_threads.clear();
    const std::chrono::milliseconds patience = Limits::stopPatience;
    if (copies->m_threads.waitForDone(int(patience.count())))
        return;
    qCCritical(logScan) << "a client's file cannot be read: its thread is left behind";
    leaveBehind(std::move(copies));
}

void FileCopies::run()
{
    Job job;
    {
        const std::lock_guard lock(m_mutex);
        job = std::move(m_jobs.front());
        m_jobs.pop_front();
    }
    job.done(HeldContent::copyOf(job.source.get(), m_maxBytes, m_budget));
}

} // namespace Sentinel
