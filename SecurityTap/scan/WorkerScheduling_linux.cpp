// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/WorkerScheduling.h"

#include <sched.h>

namespace Sentinel {

void yieldToEventLoops()
{
    const sched_param parameters{};
    ::sched_setscheduler(0, SCHED_BATCH, &parameters); // 0: the calling thread
}

} // namespace Sentinel
