// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/ScanRequest.h"

#include "SecurityTap/Limits.h"

#include <algorithm>
#include <utility>

namespace Sentinel {

namespace {

quint64 nextId()
{
    static std::atomic<quint64> lastId{0};
    return lastId.fetch_add(1, std::memory_order_relaxed) + 1;
}

} // namespace

ScanRequest::ScanRequest(ScanSubject subject, Answer answer, Clock::time_point createdAt)
    : m_id(nextId())
    , m_subject(std::move(subject))
    , m_createdAt(m_subject.mayWait ? createdAt + Limits::rescanYield : createdAt)
    , m_answer(std::move(answer))
    , m_timeBeganAt(m_createdAt)
{
}

bool ScanRequest::answer(ScanResult result, const BeforeTelling &beforeTelling)
{
    if (m_answered.exchange(true, std::memory_order_acq_rel))
        return false;

    // Taken out first, so that what it holds goes as soon as it was told: a request may be kept.
    const Answer tell = std::exchange(m_answer, nullptr);
    if (beforeTelling)
        beforeTelling(result);
    if (tell)
        tell(std::move(result));
    const std::lock_guard lock(m_mutex);
    if (m_interrupt)
        m_interrupt();
    return true;
}

void ScanRequest::setInterrupt(std::function<void()> interrupt)
{
    const std::lock_guard lock(m_mutex);
    m_interrupt = std::move(interrupt);
    if (m_interrupt && isAnswered())
        m_interrupt();
}

void ScanRequest::suspect(ScanResult result)
{
    const std::lock_guard lock(m_mutex);
    m_suspicion = std::move(result);
}

ScanResult ScanRequest::orSuspicion(ScanResult result) const
{
    if (result.verdict() != Verdict::NotScanned || result.reason() == Reason::Cancelled)
        return result;
    const std::lock_guard lock(m_mutex);
    return m_suspicion.value_or(std::move(result));
}

void ScanRequest::begin()
{
    Clock::time_point never = noDeadline;
    m_begunAt.compare_exchange_strong(never, Clock::now());
}

void ScanRequest::restartTime()
{
    m_timeBeganAt = Clock::now();
}

ScanResult ScanRequest::timedOut() const
{
    const Clock::time_point now = Clock::now();
    const Clock::time_point timeBeganAt = m_timeBeganAt;
    const Clock::duration scanned = now - std::max(std::min(now, m_begunAt.load()), timeBeganAt);
    if (2 * scanned < now - timeBeganAt) {
        return ScanResult::notScanned(Reason::TimedOut,
            QStringLiteral("The deadline passed before a worker was free for long enough."));
    }
    Coverage coverage;
    coverage.bytesTotal = m_subject.sizeBytes;
    return ScanResult::notScanned(Reason::TimedOut,
        QStringLiteral("The deadline passed before the scan ended."), std::move(coverage));
}

void ScanRequest::letGo()
{
    task.reset();
    m_subject.content.reset();
    m_subject.file.reset();
}

} // namespace Sentinel
