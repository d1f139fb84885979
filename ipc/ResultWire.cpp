// SPDX-License-Identifier: MIT
#include "ipc/ResultWire_p.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace Sentinel {

namespace {

using namespace IpcLimits;
using Code = ProtocolError::Code;

enum class MetaType : quint8 { Text, Number, Flag };

void metaValue(WireWriter &io, const QVariant &value)
{
    if (value.typeId() == QMetaType::LongLong) {
        io.choice(MetaType::Number, MetaType::Flag);
        io.number(value.toULongLong());
    } else if (value.typeId() == QMetaType::Bool) {
        io.choice(MetaType::Flag, MetaType::Flag);
        io.flag(value.toBool());
    } else {
        io.choice(MetaType::Text, MetaType::Flag);
        io.text(value.toString(), maxTextBytes);
    }
}

void metaValue(WireReader &io, QVariant &value)
{
    MetaType type = MetaType::Text;
    io.choice(type, MetaType::Flag);
    if (type == MetaType::Number) {
        quint64 number = 0;
        io.number(number);
        value = qint64(number);
    } else if (type == MetaType::Flag) {
        bool flag = false;
        io.flag(flag);
        value = flag;
    } else {
        QString text;
        io.text(text, maxTextBytes);
        value = text;
    }
}

template <typename Io>
void exchange(Io &io, Field<Io, Finding> &finding)
{
    io.text(finding.engine, maxNameBytes);
    io.text(finding.member, maxMemberBytes);
    io.text(finding.rule, maxNameBytes);
    io.text(finding.ruleNamespace, maxNameBytes);
    io.choice(finding.severity, Severity::Malicious);
    texts(io, finding.tags, maxTagsPerFinding);
    io.list(finding.meta, maxMetaPerFinding, [&](auto &meta) {
        io.text(meta.first, maxNameBytes);
        metaValue(io, meta.second);
    });
    io.list(finding.strings, maxStringsPerFinding, [&](auto &match) {
        io.text(match.identifier, maxNameBytes);
        io.count(match.offset);
        io.count(match.length);
    });
    io.count(finding.stringsOmitted);
}

template <typename Io>
void exchange(Io &io, Field<Io, Coverage> &coverage)
{
    io.count(coverage.bytesTotal, -1);
    io.count(coverage.bytesScanned);
    texts(io, coverage.engines, maxEngines);
    io.list(coverage.gaps, maxEngines, [&](auto &gap) {
        io.text(gap.engine, maxNameBytes);
        io.choice(gap.kind, EngineGap::Kind::Required);
        io.text(gap.why, maxNameBytes);
    });
    texts(io, coverage.limitsHit, maxLimitsHit);
    io.digest(coverage.ruleSetDigest);
    io.count(coverage.membersScanned);
    texts(io, coverage.notLookedInto, maxNotLookedInto);
    io.count(coverage.findingsOmitted);
    io.flag(coverage.wholeEvaluated);
}

// The indexes of the \p count worst of \p findings, in their order; of equals the first.
std::vector<size_t> worst(const std::vector<Finding> &findings, size_t count)
{
    std::vector<size_t> indexes(findings.size());
    std::iota(indexes.begin(), indexes.end(), 0);
    std::stable_sort(indexes.begin(), indexes.end(),
        [&findings](size_t a, size_t b) { return findings[a].severity > findings[b].severity; });
    indexes.resize(std::min(indexes.size(), count));
    std::sort(indexes.begin(), indexes.end());
    return indexes;
}

} // namespace

// The detail of a result with findings is derived from its coverage, so it is left out.
void exchange(WireWriter &io, const ScanResult &result)
{
    io.choice(result.verdict(), Verdict::NotScanned);
    io.choice(result.reason(), allReasons.back());
    io.text(result.findings().empty() ? result.detail() : QString(), maxTextBytes);
    exchange(io, result.coverage());
    io.list(result.findings(), maxFindings, [&](const Finding &finding) { exchange(io, finding); });
    io.digest(result.sha256());
}

void exchange(WireReader &io, ScanResult &result)
{
    Verdict verdict = Verdict::NotScanned;
    Reason reason = Reason::None;
    QString detail;
    Coverage coverage;
    std::vector<Finding> findings;
    QByteArray sha256;
    io.choice(verdict, Verdict::NotScanned);
    io.choice(reason, allReasons.back());
    io.text(detail, maxTextBytes);
    exchange(io, coverage);
    io.list(findings, maxFindings, [&](Finding &finding) { exchange(io, finding); });
    io.digest(sha256);
    if (io.error())
        return;

    const bool isReasoned = (verdict == Verdict::NotScanned) == (reason != Reason::None);
    const bool isDetailed =
        detail.isEmpty() || (verdict == Verdict::NotScanned && findings.empty());
    if (!isReasoned || !isDetailed)
        return io.fail(Code::Contradiction, QStringLiteral("a reason for a verdict"));
    if (verdict == Verdict::NotScanned && findings.empty()) {
        result = ScanResult::notScanned(reason, std::move(detail), std::move(coverage))
                     .withSha256(std::move(sha256));
        return;
    }
    result = ScanResult::judge(std::move(coverage), std::move(findings), std::move(sha256),
        reason == Reason::None ? Reason::LimitHit : reason);
    if (result.verdict() != verdict || result.reason() != reason) {
        io.fail(Code::Contradiction,
            QStringLiteral("claims %1 where %2 follows")
                .arg(nameOf(verdict), nameOf(result.verdict())));
    }
}

ScanResult trimmed(const ScanResult &result, int findingsToKeep, int stringsToKeep)
{
    if (result.findings().empty())
        return result;
    std::vector<Finding> kept;
    for (const size_t index : worst(result.findings(), size_t(findingsToKeep))) {
        Finding &finding = kept.emplace_back(result.findings()[index]);
        const auto places = std::min(finding.strings.size(), size_t(stringsToKeep));
        finding.stringsOmitted += qint64(finding.strings.size() - places);
        finding.strings.resize(places);
    }
    Coverage coverage = result.coverage();
    coverage.findingsOmitted = int(std::min<qint64>(std::numeric_limits<int>::max(),
        coverage.findingsOmitted + qint64(result.findings().size() - kept.size())));
    return ScanResult::judge(std::move(coverage), std::move(kept), result.sha256(),
        result.reason() == Reason::None ? Reason::LimitHit : result.reason());
}

} // namespace Sentinel
