// SPDX-License-Identifier: MIT
#pragma once

#include <QRunnable>

#include <memory>
#include <mutex>
#include <vector>

namespace Sentinel {

//! \brief Keeps what owns a QThreadPool with a thread that is stuck, for ever: to destroy it would
//! be to wait for that thread. Kept reachable, so that a leak checker tells this from a mistake.
//!
//! Thread: any.
inline void leaveBehind(std::shared_ptr<QRunnable> owner)
{
    static std::mutex mutex;
    static auto *const left = new std::vector<std::shared_ptr<QRunnable>>;
    const std::lock_guard lock(mutex);
    left->push_back(std::move(owner));
}

} // namespace Sentinel
