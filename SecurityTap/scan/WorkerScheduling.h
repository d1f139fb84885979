// SPDX-License-Identifier: MIT
#pragma once

namespace Sentinel {

//! \brief While it lives, the calling thread starts threads that do not push others off their
//! processor when they are woken: handing a download over must not cost the event loop its turn.
//! They get their whole share of the processors all the same. Without effect where the system
//! knows no such thing, or the thread is scheduled in a way of its own.
//!
//! Thread: the one that made it.
class WorkerScheduling {
public:
    WorkerScheduling();
    ~WorkerScheduling();
    WorkerScheduling(const WorkerScheduling &) = delete;
    WorkerScheduling &operator=(const WorkerScheduling &) = delete;

private:
    bool m_isSet = false;
};

} // namespace Sentinel
