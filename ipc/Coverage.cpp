// SPDX-License-Identifier: MIT
#include "ipc/Coverage.h"

namespace Sentinel {

bool Coverage::isComplete() const
{
    return bytesTotal >= 0 && bytesScanned == bytesTotal && wholeEvaluated && limitsHit.isEmpty()
        && !engines.isEmpty() && !ruleSetDigest.isEmpty();
}

} // namespace Sentinel
