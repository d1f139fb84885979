// SPDX-License-Identifier: MIT
#include "RandomMessages.h"

#include "ipc/Limits.h"

namespace Sentinel::Test {

std::optional<std::chrono::milliseconds> RandomMessages::timeout()
{
    return coin() ? std::optional(duration()) : std::nullopt;
}

QString RandomMessages::text(int mostBytes)
{
    static constexpr char32_t alphabet[] = {U'a', U'Z', U'/', U'.', U'\0', U'\n', U'\u00e9',
        U'\u202e', U'\ufeff', U'\uffff', U'\U0001f4a3'};
    QString text;
    for (int i = below(mostBytes / 4 + 1); i > 0; --i)
        text += QString::fromUcs4(&alphabet[below(int(std::size(alphabet)))], 1);
    return text;
}

QStringList RandomMessages::texts(int most)
{
    QStringList texts;
    for (int i = below(most + 1); i > 0; --i)
        texts.append(text());
    return texts;
}

QByteArray RandomMessages::digest()
{
    QByteArray digest;
    for (int i = coin() ? 32 : 0; i > 0; --i)
        digest.append(char(below(256)));
    return digest;
}

QVariant RandomMessages::metaValue()
{
    switch (below(3)) {
    case 0:
        return qint64(m_random.generate64());
    case 1:
        return coin();
    default:
        return text();
    }
}

Coverage RandomMessages::coverage()
{
    Coverage coverage;
    coverage.bytesTotal = coin() ? count() : -1;
    coverage.bytesScanned = coverage.bytesTotal >= 0 && coin() ? coverage.bytesTotal : count();
    coverage.engines = texts(2);
    for (int i = below(3); i > 0; --i)
        coverage.gaps.push_back({text(), EngineGap::Kind(below(3)), text()});
    coverage.limitsHit = coin() ? texts(3) : QStringList();
    coverage.ruleSetDigest = digest();
    coverage.membersScanned = count();
    coverage.notLookedInto = coin() ? texts(2) : QStringList();
    coverage.findingsOmitted = below(100);
    coverage.wholeEvaluated = coin();
    return coverage;
}

Finding RandomMessages::finding()
{
    Finding finding;
    finding.engine = text();
    finding.member = coin() ? text(400) : QString();
    finding.rule = text();
    finding.ruleNamespace = text();
    finding.tags = texts(4);
    for (int i = below(4); i > 0; --i)
        finding.meta.emplace_back(text(), metaValue());
    for (int i = below(8); i > 0; --i)
        finding.strings.push_back({text(), count(), count()});
    finding.stringsOmitted = count();
    finding.severity = Severity(below(3));
    return finding;
}

ScanResult RandomMessages::result()
{
    const auto reason = Reason(1 + below(int(allReasons.size()) - 1));
    if (below(3) == 0)
        return ScanResult::notScanned(reason, text(400), coverage()).withSha256(digest());
    std::vector<Finding> findings;
    for (int i = coin() ? below(5) : 0; i > 0; --i)
        findings.push_back(finding());
    return ScanResult::judge(coverage(), std::move(findings), digest(), reason);
}

DownloadMetadata RandomMessages::metadata()
{
    DownloadMetadata metadata;
    metadata.url = QUrl(QStringLiteral("https://example.org/%1?q=%2").arg(below(99)).arg(below(9)));
    metadata.filename = text(300);
    metadata.mimeType = text();
    if (coin())
        metadata.sizeBytes = count();
    metadata.sha256 = digest();
    return metadata;
}

RuleSetSummary RandomMessages::rules()
{
    return {digest(), count(), count()};
}

TelemetrySnapshot RandomMessages::telemetry()
{
    TelemetrySnapshot t;
    t.totalScansCompleted = m_random.generate64();
    t.totalScansFailed = m_random.generate64();
    t.totalScansTimeout = m_random.generate64();
    t.totalScansCancelled = m_random.generate64();
    for (quint64 &number : t.notScannedByReason)
        number = m_random.generate64();
    t.cacheHits = m_random.generate64();
    t.bytesScanned = m_random.generate64();
    t.totalScanTime = duration();
    t.minScanTime = duration();
    t.maxScanTime = duration();
    t.averageScanTime = duration();
    t.currentQueueDepth = below(1'000);
    t.maxQueueDepthSeen = below(1'000);
    t.activeWorkers = below(1'000);
    t.workers = below(1'000);
    t.spoolMemoryBytes = count();
    t.workersReplaced = m_random.generate64();
    return t;
}

SentinelStatus RandomMessages::status()
{
    SentinelStatus status;
    status.productVersion = text();
    status.pid = count();
    status.uptime = duration();
    status.clients = count();
    status.rules = rules();
    status.queue = {count(), count(), count()};
    for (int i = below(5); i > 0; --i)
        status.workers.push_back({count(), WorkerStatus::State(below(4)), count(), duration()});
    for (int i = below(8); i > 0; --i)
        status.sandbox.push_back({text(), coin(), text()});
    status.telemetry = telemetry();
    if (coin()) {
        status.clamd = ClamdStatus{
            text(), coin(), text(), count(), count(), count(), count(), count(), count(), text()};
    }
    status.troubles = texts(3);
    return status;
}

Message RandomMessages::make(size_t index)
{
    const quint64 id = m_random.generate64();
    const auto version = quint16(below(1'000));
    switch (index) {
    case 0:
        return Hello{version, quint16(version + below(9)), Hello::Role(below(2)), text()};
    case 1:
        return Welcome{version, text(), rules()};
    case 2:
        return Refusal{text(400)};
    case 3:
        return ScanBegin{id, metadata(), text(300), FileType(below(int(FileType::Text) + 1)),
            count(), coin(), timeout(), coin(), coin()};
    case 4:
        return ScanGrow{id, count()};
    case 5:
        return ScanEnd{id, count(), timeout()};
    case 6:
        return ScanCancel{id, Reason(1 + below(int(allReasons.size()) - 1))};
    case 7:
        return ScanVerdict{id, result(), duration()};
    case 8:
        return VerdictAck{id, Disposition(below(int(Disposition::Warn) + 1))};
    case 9:
        return Ping{id};
    case 10:
        return Pong{id};
    case 11:
        return StatusRequest{id};
    case 12:
        return StatusReport{id, status()};
    case 13:
        return ReloadRequest{id};
    case 14: {
        ReloadResult result{id, coin(), rules(), {}, count()};
        for (int i = below(4); i > 0; --i) {
            const auto level = coin() ? RuleProblem::Level::Warning : RuleProblem::Level::Error;
            result.problems.push_back({level, text(), below(9'999), text(400)});
        }
        return result;
    }
    case 15:
        return RuleSetChanged{rules()};
    default:
        qFatal("a message without random values");
    }
}

} // namespace Sentinel::Test
