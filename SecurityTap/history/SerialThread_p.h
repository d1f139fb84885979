// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

namespace Sentinel {

//! \brief A thread that does one thing after the other, for work that may block for long.
//!
//! Owner:  whoever must not be blocked.
//! Thread: post() and postFirst() any; the rest one.
class SerialThread {
public:
    //! \p atEnd runs on the thread, as the last thing.
    explicit SerialThread(std::function<void()> atEnd = {});
    //! Stops, without patience for what runs.
    ~SerialThread();
    Q_DISABLE_COPY_MOVE(SerialThread)

    //! Queues \p work, which must not throw. False after stop(): it does not happen.
    bool post(std::function<void()> work) { return add(std::move(work), Place::Last); }
    //! The same, before what waits: somebody waits for it.
    bool postFirst(std::function<void()> work) { return add(std::move(work), Place::First); }
    //! Takes nothing more, and waits for what was posted. False if that has not ended within
    //! \p patience: the thread is left behind, with all that its work holds, until it does.
    bool stop(std::chrono::milliseconds patience);

private:
    enum class Place : quint8 { First, Last };
    struct Core;

    bool add(std::function<void()> work, Place place);

    const std::shared_ptr<Core> m_core;
    std::thread m_thread;
};

} // namespace Sentinel
