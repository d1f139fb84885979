// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/EngineSetScan.h"

#include "SecurityTap/Limits.h"

#include <algorithm>
#include <utility>

namespace Sentinel {

namespace {

using Need = EngineSet::Need;
using Kind = EngineGap::Kind;

//! Adds \p more up to \p most; of what is beyond, nobody is told.
void append(QStringList &texts, const QStringList &more, int most)
{
    for (const QString &text : more) {
        if (texts.size() < most && !texts.contains(text))
            texts.append(text);
    }
}

//! What an engine tells of the content, whatever has become of its scan.
void addContent(Coverage &all, const Coverage &one)
{
    if (all.ruleSetDigest.isEmpty())
        all.ruleSetDigest = one.ruleSetDigest;
    all.bytesTotal = std::max(all.bytesTotal, one.bytesTotal);
    append(all.limitsHit, one.limitsHit, IpcLimits::maxLimitsHit);
    append(all.notLookedInto, one.notLookedInto, IpcLimits::maxNotLookedInto);
}

//! What an engine that has come to a verdict has seen.
void addScan(Coverage &all, const Coverage &one)
{
    const bool isFirst = all.engines.isEmpty();
    all.bytesScanned = isFirst ? one.bytesScanned : std::min(all.bytesScanned, one.bytesScanned);
    all.wholeEvaluated = one.wholeEvaluated && (isFirst || all.wholeEvaluated);
    all.membersScanned = std::max(all.membersScanned, one.membersScanned);
    all.findingsOmitted += one.findingsOmitted;
    append(all.engines, one.engines, IpcLimits::maxEngines);
}

//! The limits that were hit are told of by themselves.
QString whyNot(const ScanResult &result)
{
    const QString said = explanation(result.reason());
    if (result.detail().isEmpty() || !result.coverage().limitsHit.isEmpty())
        return said;
    return QStringLiteral("%1: %2").arg(said, result.detail());
}

//! Keeps the worst ones that there is room for.
void bound(std::vector<Finding> &findings, Coverage &coverage)
{
    const auto most = size_t(Limits::maxFindings);
    if (findings.size() <= most)
        return;
    std::ranges::stable_sort(findings, std::greater(), &Finding::severity);
    coverage.findingsOmitted += int(findings.size() - most);
    findings.resize(most);
}

} // namespace

ScanTask::Progress EngineSetScan::step(const SliceBudget &budget)
{
    Part *last = nullptr; // who may use the slice up
    for (Part &part : m_parts) {
        if (part.task)
            last = &part;
    }
    bool isStarved = true;
    for (Part &part : m_parts) {
        if (!part.task)
            continue;
        SliceBudget share = budget;
        if (&part != last)
            share.until = std::min(budget.until, Clock::now());
        const Progress progress = part.task->step(share);
        if (progress == Progress::Done) {
            part.result = part.task->takeResult();
            part.task.reset();
        } else {
            isStarved = isStarved && progress == Progress::Starved;
        }
    }
    const bool isDone = std::ranges::none_of(m_parts, [](const Part &part) { return !!part.task; });
    if (isDone)
        return Progress::Done;
    return isStarved ? Progress::Starved : Progress::More;
}

ScanResult EngineSetScan::takeResult()
{
    Coverage coverage;
    std::vector<Finding> findings;
    Reason reason = Reason::LimitHit;
    bool hasFailed = false;
    for (const Part &part : m_parts) {
        if (!part.result) {
            coverage.gaps.push_back({part.name, Kind::NotAsked,
                QStringLiteral("not asked about contents of this type")});
            continue;
        }
        const ScanResult &result = *part.result;
        const bool isRequired = part.need == Need::Required;
        const bool hasVerdict = result.verdict() != Verdict::NotScanned;
        if (isRequired || hasVerdict)
            addContent(coverage, result.coverage());
        if (hasVerdict) {
            addScan(coverage, result.coverage());
            findings.insert(findings.end(), result.findings().begin(), result.findings().end());
            continue;
        }
        coverage.gaps.push_back(
            {part.name, isRequired ? Kind::Required : Kind::Optional, whyNot(result)});
        if (isRequired && !std::exchange(hasFailed, true))
            reason = result.reason();
    }
    bound(findings, coverage);
    return ScanResult::judge(std::move(coverage), std::move(findings), {}, reason);
}

} // namespace Sentinel
