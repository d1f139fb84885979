// SPDX-License-Identifier: MIT
#include "Sentinel/clamdserver/FileCopies.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/Logging.h"
#include "SecurityTap/scan/LeftBehind_p.h"
#include "SecurityTap/scan/QtHandover_p.h"

namespace Sentinel {

FileCopies::FileCopies(qint64 maxBytes, std::shared_ptr<SpoolBudget> budget, int threads)
    : m_maxBytes(maxBytes), m_budget(std::move(budget))
{
    setAutoDelete(false);
    m_threads.setMaxThreadCount(threads);
    const std::chrono::milliseconds idleTime = Limits::workerIdleTime;
    m_threads.setExpiryTimeout(int(idleTime.count()));
}

void FileCopies::add(Wanted isWanted, Work work)
{
    {
        const std::lock_guard lock(m_mutex);
        m_work.emplace_back(std::move(isWanted), std::move(work));
    }
    m_threads.start(this);
}

void FileCopies::end(std::unique_ptr<FileCopies> copies)
{
    copies->m_threads.clear();
    const std::chrono::milliseconds patience = Limits::stopPatience;
    if (copies->m_threads.waitForDone(int(patience.count()))) {
        QtHandover::taken(copies.get());
        return;
    }
    qCCritical(logScan) << "a client's file cannot be read: its thread is left behind";
    leaveBehind(std::move(copies));
}

void FileCopies::run()
{
    doNext();
    QtHandover::given(this);
}

void FileCopies::doNext()
{
    std::pair<Wanted, Work> next;
    {
        const std::lock_guard lock(m_mutex);
        next = std::move(m_work.front());
        m_work.pop_front();
    }
    const auto &[isWanted, work] = next;
    if (*isWanted)
        work(*isWanted);
}

} // namespace Sentinel
