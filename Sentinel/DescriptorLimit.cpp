// SPDX-License-Identifier: MIT
#include "Sentinel/DescriptorLimit.h"

#include <sys/resource.h>

namespace Sentinel {

void raiseDescriptorLimit()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace Sentinel
