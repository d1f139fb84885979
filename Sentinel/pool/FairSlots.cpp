// SPDX-License-Identifier: MIT
#include "Sentinel/pool/FairSlots.h"

#include <iterator>

namespace Sentinel {

namespace {

// The end of time is too far for the arithmetic of some clocks.
template <typename Condition>
bool waitUntil(std::condition_variable &changed, std::unique_lock<std::mutex> &lock,
    Deadline deadline, Condition condition)
{
    if (deadline != noDeadline)
        return changed.wait_until(lock, deadline, condition);
    changed.wait(lock, condition);
    return true;
}

} // namespace

// With the lock held: without it, the waiter could see the decision on its own and be gone before
// it is notified.
void FairSlots::Waiter::decide(std::optional<Refusal> decision)
{
    isDecided = true;
    refusal = decision;
    decided.notify_one();
}

std::optional<FairSlots::Refusal> FairSlots::take(Deadline deadline)
{
    std::unique_lock lock(m_mutex);
    if (!m_isOpen)
        return Refusal::Closed;
    if (m_free > 0) { // then nobody waits
        --m_free;
        ++m_taken;
        return std::nullopt;
    }
    if (deadline <= Clock::now())
        return Refusal::Timeout;

    Waiter self;
    const auto place = m_waiters.insert(m_waiters.end(), &self);
    if (waitUntil(self.decided, lock, deadline, [&] { return self.isDecided; }))
        return self.refusal;
    m_waiters.erase(place);
    return Refusal::Timeout;
}

bool FairSlots::tryTake()
{
    const std::lock_guard lock(m_mutex);
    if (m_free == 0)
        return false;
    --m_free;
    ++m_taken;
    return true;
}

void FairSlots::release()
{
    const std::lock_guard lock(m_mutex);
    Q_ASSERT(m_taken > 0);
    if (!m_waiters.empty()) { // the place changes hands
        Waiter *next = m_waiters.front();
        m_waiters.pop_front();
        next->decide(std::nullopt);
        return;
    }
    ++m_free;
    if (--m_taken == 0)
        m_allFree.notify_all();
}

void FairSlots::close()
{
    const std::lock_guard lock(m_mutex);
    m_isOpen = false;
    for (Waiter *waiter : m_waiters)
        waiter->decide(Refusal::Closed);
    m_waiters.clear();
}

bool FairSlots::waitUntilAllFree(Deadline deadline)
{
    std::unique_lock lock(m_mutex);
    return waitUntil(m_allFree, lock, deadline, [this] { return m_taken == 0; });
}

int FairSlots::taken() const
{
    const std::lock_guard lock(m_mutex);
    return m_taken;
}

int FairSlots::waiting() const
{
    const std::lock_guard lock(m_mutex);
    return static_cast<int>(std::ssize(m_waiters));
}

} // namespace Sentinel
