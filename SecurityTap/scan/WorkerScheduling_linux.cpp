// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/WorkerScheduling.h"

#include <sched.h>

namespace Sentinel {

namespace {

bool setPolicy(int policy)
{
    const sched_param parameters{};
    return ::sched_setscheduler(0, policy, &parameters) == 0; // 0: the calling thread
}

} // namespace

// A thread inherits its policy from the one that starts it: so it is right from its first moment.
WorkerScheduling::WorkerScheduling()
    : m_isSet(::sched_getscheduler(0) == SCHED_OTHER && setPolicy(SCHED_BATCH))
{
}

WorkerScheduling::~WorkerScheduling()
{
    if (m_isSet)
        setPolicy(SCHED_OTHER);
}

} // namespace Sentinel
