// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Retried_p.h"

#include <cerrno>
#include <chrono>
#include <thread>

#include <sys/file.h>

namespace Sentinel {

//! \brief Locks \p file by flock(), for this process alone or as \p how says, unless others keep it
//! for longer than \p patience: errno is EWOULDBLOCK then. One that was stopped may keep it for
//! ever.
inline bool lockInTime(int file, std::chrono::milliseconds patience, int how = LOCK_EX)
{
    constexpr std::chrono::milliseconds pause{5}; // nobody tells when a lock is free
    const auto end = std::chrono::steady_clock::now() + patience;
    while (retried([file, how] { return ::flock(file, how | LOCK_NB); }) != 0) {
        if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() >= end)
            return false;
        std::this_thread::sleep_for(pause);
    }
    return true;
}

} // namespace Sentinel
