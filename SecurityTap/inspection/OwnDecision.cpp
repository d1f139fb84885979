// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/OwnDecision.h"

#include "SecurityTap/custody/Custody.h"

namespace Sentinel {

Decision ownDecision(const Policy &policy, Custody *custody, const PolicyFacts &facts)
{
    const QDateTime now = QDateTime::currentDateTimeUtc();
    if (!custody || facts.verdict == Verdict::Clean) // which needs no exception
        return decide(policy, facts, {}, now);
    return decide(policy, facts, *custody->exceptions(), now);
}

} // namespace Sentinel
