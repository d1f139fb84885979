// SPDX-License-Identifier: MIT
#include "SecurityTap/policy/Decision.h"

namespace Sentinel {

namespace {

Decision decisionBy(Decision::By by, Disposition disposition)
{
    Decision decision;
    decision.by = by;
    decision.disposition = disposition;
    return decision;
}

Decision blockedAsNotWhole(const PolicyFacts &facts)
{
    Decision decision = decisionBy(Decision::By::Content, Disposition::Block);
    decision.name = QStringLiteral("no whole content");
    decision.text =
        QStringLiteral("there is no whole content to release: %1").arg(explanation(facts.reason));
    return decision;
}

Decision releasedBy(const PolicyException &exception)
{
    Decision decision = decisionBy(Decision::By::Exception, Disposition::Release);
    decision.exception = exception.id;
    decision.name = QStringLiteral("exception %1").arg(exception.id);
    decision.text =
        QStringLiteral("exception %1 of %2: %3").arg(exception.id, exception.who, exception.why);
    return decision;
}

Decision decidedBy(const Policy &policy, size_t index)
{
    const PolicyClause &clause = policy.clauses[index];
    Decision decision = decisionBy(Decision::By::Clause, clause.effect);
    decision.clause = int(index);
    decision.hold = clause.hold.value_or(policy.hold);
    decision.name = QStringLiteral("clause %1").arg(index + 1);
    decision.text = QStringLiteral("%1: %2").arg(decision.name, clause.toString());
    return decision;
}

Disposition defaultFor(const Policy &policy, const PolicyFacts &facts)
{
    switch (facts.verdict) {
    case Verdict::Clean:
        return Disposition::Release;
    case Verdict::Suspicious:
        return policy.suspicious;
    case Verdict::Malicious:
        return policy.malicious == Disposition::Release ? Disposition::Quarantine
                                                        : policy.malicious;
    case Verdict::NotScanned:
        return policy.forReason(facts.reason);
    }
    Q_UNREACHABLE();
}

Decision decidedByDefault(const Policy &policy, const PolicyFacts &facts)
{
    Decision decision = decisionBy(Decision::By::Default, defaultFor(policy, facts));
    decision.hold = policy.hold;
    decision.name = QStringLiteral("default for %1")
                        .arg(facts.verdict == Verdict::NotScanned ? nameOf(facts.reason)
                                                                  : nameOf(facts.verdict));
    decision.text = QStringLiteral("no clause is for it: the %1").arg(decision.name);
    return decision;
}

Decision decideByPolicy(const Policy &policy, const PolicyFacts &facts)
{
    for (size_t i = 0; i < policy.clauses.size(); ++i) {
        if (!policy.clauses[i].failing(facts))
            return decidedBy(policy, i);
    }
    return decidedByDefault(policy, facts);
}

} // namespace

Decision decide(const Policy &policy, const PolicyFacts &facts,
    std::span<const PolicyException> exceptions, const QDateTime &now)
{
    if (facts.verdict == Verdict::NotScanned && !isReleasable(facts.reason))
        return blockedAsNotWhole(facts);
    if (facts.verdict != Verdict::Clean) {
        for (const PolicyException &exception : exceptions) {
            if (!exception.failing(facts, now))
                return releasedBy(exception);
        }
    }
    Decision decision = decideByPolicy(policy, facts);
    if (facts.verdict != Verdict::NotScanned || !isHoldable(facts.reason))
        decision.hold = {};
    return decision;
}

} // namespace Sentinel
