// SPDX-License-Identifier: MIT
#include "SecurityTap/history/SerialThread_p.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace Sentinel {

//! Shared with the thread, which may be left behind.
struct SerialThread::Core {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::function<void()>> waiting;
    std::function<void()> atEnd;
    bool isStopping = false;
    bool hasEnded = false;

    void run()
    {
        std::unique_lock lock(mutex);
        while (true) {
            changed.wait(lock, [this] { return isStopping || !waiting.empty(); });
            if (waiting.empty())
                break;
            std::function<void()> work = std::move(waiting.front());
            waiting.pop_front();
            lock.unlock();
            work();
            work = nullptr; // what it holds goes on this thread, too
            lock.lock();
        }
        lock.unlock();
        if (const auto last = std::exchange(atEnd, nullptr))
            last();
        lock.lock();
        hasEnded = true;
        changed.notify_all();
    }
};

SerialThread::SerialThread(std::function<void()> atEnd) : m_core(std::make_shared<Core>())
{
    m_core->atEnd = std::move(atEnd);
    m_thread = std::thread([core = m_core] { core->run(); });
}

SerialThread::~SerialThread()
{
    stop(std::chrono::milliseconds::zero());
}

bool SerialThread::add(std::function<void()> work, Place place)
{
    const std::lock_guard lock(m_core->mutex);
    if (m_core->isStopping)
        return false;
    if (place == Place::First)
        m_core->waiting.push_front(std::move(work));
    else
        m_core->waiting.push_back(std::move(work));
    m_core->changed.notify_all();
    return true;
}

bool SerialThread::stop(std::chrono::milliseconds patience)
{
    {
        std::unique_lock lock(m_core->mutex);
        m_core->isStopping = true;
        m_core->changed.notify_all();
        if (!m_thread.joinable())
            return true;
        if (!m_core->changed.wait_for(lock, patience, [this] { return m_core->hasEnded; })) {
            m_thread.detach();
            return false;
        }
    }
    m_thread.join();
    return true;
}

} // namespace Sentinel
