// SPDX-License-Identifier: MIT
#include "SecurityTap/policy/Policy.h"

namespace Sentinel {

Policy Policy::failClosed()
{
    Policy policy;
    policy.notScanned.fill(Disposition::Block);
    return policy;
}

} // namespace Sentinel
