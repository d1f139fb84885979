// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/Policy.h"

namespace Sentinel {

Policy Policy::failClosed()
{
    Policy policy;
    policy.notScanned.fill(Disposition::Block);
    return policy;
}

bool isReleasable(Reason reason)
{
    return reason != Reason::Cancelled && reason != Reason::Incomplete
        && reason != Reason::Unreadable;
}

Disposition decide(const Policy &policy, const ScanResult &result)
{
    switch (result.verdict()) {
    case Verdict::Clean:
        return Disposition::Release;
    case Verdict::Suspicious:
        return policy.suspicious;
    case Verdict::Malicious:
        return policy.malicious;
    case Verdict::NotScanned:
        return isReleasable(result.reason()) ? policy.forReason(result.reason())
                                             : Disposition::Block;
    }
    Q_UNREACHABLE();
}

} // namespace Sentinel
