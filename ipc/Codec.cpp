// SPDX-License-Identifier: MIT
#include "ipc/Codec.h"

#include "ipc/Limits.h"
#include "ipc/ResultWire_p.h"

#include <array>
#include <type_traits>
#include <utility>

namespace Sentinel {

namespace {

using namespace IpcLimits;
using Code = ProtocolError::Code;

constexpr quint8 descriptorFlag = 1;

// A time from now on, or none.
template <typename Io>
void timeout(Io &io, Field<Io, std::optional<std::chrono::milliseconds>> &value)
{
    io.optional(value, [&](auto &duration) { io.duration(duration); });
}

void url(WireWriter &io, const QUrl &value)
{
    io.text(QString::fromLatin1(value.toEncoded()), maxUrlBytes);
}

// Only shown: what is no URL, for one because it was cut, is none.
void url(WireReader &io, QUrl &value)
{
    QString encoded;
    io.text(encoded, maxUrlBytes);
    value = QUrl(encoded, QUrl::TolerantMode);
    if (!value.isValid())
        value.clear();
}

template <typename Io>
void exchange(Io &io, Field<Io, DownloadMetadata> &m)
{
    url(io, m.url);
    io.text(m.filename, maxPathBytes);
    io.text(m.mimeType, maxNameBytes);
    io.optional(m.sizeBytes, [&](auto &size) { io.count(size); });
    io.digest(m.sha256);
}

template <typename Io>
void exchange(Io &io, Field<Io, RuleSetSummary> &rules)
{
    io.digest(rules.digest);
    io.count(rules.rules);
    io.count(rules.files);
}

template <typename Io>
void exchange(Io &io, Field<Io, TelemetrySnapshot> &t)
{
    for (auto *count : {&t.totalScansCompleted, &t.totalScansFailed, &t.totalScansTimeout,
             &t.totalScansCancelled, &t.cacheHits, &t.bytesScanned, &t.workersReplaced})
        io.number(*count);
    for (auto &count : t.notScannedByReason)
        io.number(count);
    for (auto *time : {&t.totalScanTime, &t.minScanTime, &t.maxScanTime, &t.averageScanTime})
        io.duration(*time);
    for (auto *depth : {&t.currentQueueDepth, &t.maxQueueDepthSeen, &t.activeWorkers, &t.workers})
        io.count(*depth);
    io.count(t.spoolMemoryBytes);
}

template <typename Io>
void exchange(Io &io, Field<Io, ClamdStatus> &clamd)
{
    io.text(clamd.address, maxTextBytes);
    io.flag(clamd.isReachable);
    io.text(clamd.version, maxNameBytes);
    for (auto *count : {&clamd.signatures, &clamd.signaturesMadeAt, &clamd.connections,
             &clamd.connectionsInUse, &clamd.scans, &clamd.scansOnUsedConnections})
        io.count(*count);
    io.text(clamd.trouble, maxTextBytes);
}

template <typename Io>
void exchange(Io &io, Field<Io, SentinelStatus> &status)
{
    io.text(status.productVersion, maxNameBytes);
    io.count(status.pid);
    io.duration(status.uptime);
    io.count(status.clients);
    exchange(io, status.rules);
    io.count(status.queue.waiting);
    io.count(status.queue.underWay);
    io.count(status.queue.bytes);
    io.list(status.workers, maxWorkersListed, [&](auto &worker) {
        io.count(worker.pid);
        io.choice(worker.state, WorkerStatus::State::Ending);
        io.count(worker.scans);
        io.duration(worker.age);
    });
    io.list(status.sandbox, maxSandboxFeatures, [&](auto &feature) { exchange(io, feature); });
    exchange(io, status.telemetry);
    io.optional(status.clamd, [&](auto &clamd) { exchange(io, clamd); });
    texts(io, status.troubles, maxTroubles, maxTextBytes);
}

template <typename Io>
void exchange(Io &io, Field<Io, Hello> &m)
{
    io.number(m.oldestVersion);
    io.number(m.newestVersion);
    io.choice(m.role, Hello::Role::Control);
    io.text(m.product, maxNameBytes);
    if constexpr (Io::isReader) {
        if (m.oldestVersion > m.newestVersion)
            io.fail(Code::BadValue, QStringLiteral("a range of versions that is empty"));
    }
}

template <typename Io>
void exchange(Io &io, Field<Io, Welcome> &m)
{
    io.number(m.version);
    io.text(m.product, maxNameBytes);
    exchange(io, m.rules);
}

template <typename Io>
void exchange(Io &io, Field<Io, Refusal> &m)
{
    io.text(m.text, maxTextBytes);
}

template <typename Io>
void exchange(Io &io, Field<Io, ScanBegin> &m)
{
    io.number(m.id);
    exchange(io, m.metadata);
    io.text(m.filePath, maxPathBytes);
    io.choice(m.fileType, FileType::Text);
    io.count(m.sizeBytes);
    io.flag(m.isComplete);
    timeout(io, m.timeout);
    io.flag(m.wantsSha256);
    io.flag(m.mayWait);
}

template <typename Io>
void exchange(Io &io, Field<Io, ScanGrow> &m)
{
    io.number(m.id);
    io.count(m.sizeBytes);
}

template <typename Io>
void exchange(Io &io, Field<Io, ScanEnd> &m)
{
    io.number(m.id);
    io.count(m.sizeBytes);
    timeout(io, m.timeout);
}

template <typename Io>
void exchange(Io &io, Field<Io, ScanCancel> &m)
{
    io.number(m.id);
    io.choice(m.reason, allReasons.back());
    if constexpr (Io::isReader) {
        if (m.reason == Reason::None)
            io.fail(Code::BadValue, QStringLiteral("a cancellation without a reason"));
    }
}

template <typename Io>
void exchange(Io &io, Field<Io, ScanVerdict> &m)
{
    io.number(m.id);
    io.duration(m.duration);
    exchange(io, m.result);
}

template <typename Io>
void exchange(Io &io, Field<Io, VerdictAck> &m)
{
    io.number(m.id);
    io.choice(m.disposition, Disposition::Warn);
}

template <typename Io>
void exchange(Io &io, Field<Io, Ping> &m)
{
    io.number(m.number);
}

template <typename Io>
void exchange(Io &io, Field<Io, Pong> &m)
{
    io.number(m.number);
}

template <typename Io>
void exchange(Io &io, Field<Io, StatusRequest> &m)
{
    io.number(m.id);
}

template <typename Io>
void exchange(Io &io, Field<Io, StatusReport> &m)
{
    io.number(m.id);
    exchange(io, m.status);
}

template <typename Io>
void exchange(Io &io, Field<Io, ReloadRequest> &m)
{
    io.number(m.id);
}

template <typename Io>
void exchange(Io &io, Field<Io, ReloadResult> &m)
{
    io.number(m.id);
    io.flag(m.isActivated);
    exchange(io, m.rules);
    io.list(m.problems, maxRuleProblems, [&](auto &problem) {
        io.choice(problem.level, RuleProblem::Level::Error);
        io.text(problem.file, maxPathBytes);
        io.count(problem.line);
        io.text(problem.message, maxTextBytes);
    });
    io.count(m.problemsOmitted);
}

template <typename Io>
void exchange(Io &io, Field<Io, RuleSetChanged> &m)
{
    exchange(io, m.rules);
}

template <typename T>
QByteArray frameOf(const T &message)
{
    WireWriter body;
    exchange(body, message);
    WireWriter header;
    header.number(T::wireType);
    header.number(std::is_same_v<T, ScanBegin> ? descriptorFlag : quint8(0));
    header.number(quint16(0));
    header.number(quint32(body.bytes().size()));
    return header.bytes() + body.bytes();
}

// A verdict may have more to tell than a frame holds: places of matches are given up first, then
// the lesser findings, until it fits. The last step always does, by Limits.h.
QByteArray frameOf(const ScanVerdict &message)
{
    static constexpr std::pair<int, int> steps[] = {{maxFindings, maxStringsPerFinding},
        {maxFindings, 16}, {maxFindings, 4}, {maxFindings, 1}, {maxFindings, 0}, {64, 0}, {16, 0},
        {4, 0}, {1, 0}};
    QByteArray frame;
    for (const auto &[findings, strings] : steps) {
        ScanVerdict lean = message;
        lean.result = trimmed(message.result, findings, strings);
        frame = frameOf<ScanVerdict>(lean);
        if (frame.size() <= maxFrameBytes)
            break;
    }
    return frame;
}

QByteArray frameOf(const ReloadResult &message)
{
    ReloadResult lean = message;
    if (lean.problems.size() > size_t(maxRuleProblems)) {
        lean.problemsOmitted += qint64(lean.problems.size()) - maxRuleProblems;
        lean.problems.resize(size_t(maxRuleProblems));
    }
    return frameOf<ReloadResult>(lean);
}

template <typename... T>
std::optional<Message> blankMessage(quint8 wireType, std::type_identity<std::variant<T...>>)
{
    std::optional<Message> message;
    ((wireType == T::wireType ? void(message = T()) : void()), ...);
    return message;
}

} // namespace

QByteArray encode(const Message &message)
{
    QByteArray frame = std::visit([](const auto &m) { return frameOf(m); }, message);
    Q_ASSERT(frame.size() <= maxFrameBytes);
    return frame;
}

std::expected<Message, ProtocolError> decode(QByteArrayView frame)
{
    quint8 wireType = 0;
    quint8 flags = 0;
    quint16 reserved = 0;
    quint32 bodyBytes = 0;
    WireReader header(frame);
    header.number(wireType);
    header.number(flags);
    header.number(reserved);
    header.number(bodyBytes);
    if (header.error())
        return std::unexpected(*header.error());
    if (frame.size() > maxFrameBytes)
        return std::unexpected(ProtocolError(Code::TooLong, QStringLiteral("the frame")));
    if (reserved != 0)
        return std::unexpected(
            ProtocolError(Code::BadHeader, QStringLiteral("reserved bytes in use")));
    const QByteArrayView body = frame.sliced(frameHeaderBytes);
    if (bodyBytes > body.size())
        return std::unexpected(ProtocolError(Code::Truncated, QStringLiteral("the frame")));
    if (bodyBytes < body.size())
        return std::unexpected(
            ProtocolError(Code::TrailingBytes, QStringLiteral("behind the frame")));

    std::optional<Message> message = blankMessage(wireType, std::type_identity<Message>());
    if (!message)
        return std::unexpected(
            ProtocolError(Code::UnknownType, QStringLiteral("message %1").arg(wireType)));
    if (flags != (carriesDescriptor(*message) ? descriptorFlag : 0))
        return std::unexpected(ProtocolError(Code::BadFlags, nameOf(*message)));
    WireReader fields(body);
    std::visit([&fields](auto &m) { exchange(fields, m); }, *message);
    if (!fields.isAtEnd())
        fields.fail(Code::TrailingBytes, QStringLiteral("behind the last field"));
    if (fields.error()) {
        return std::unexpected(ProtocolError(fields.error()->code,
            QStringLiteral("%1: %2").arg(nameOf(*message), fields.error()->detail)));
    }
    return *std::move(message);
}

QString nameOf(const Message &message)
{
    static constexpr std::array names{"Hello", "Welcome", "Refusal", "ScanBegin", "ScanGrow",
        "ScanEnd", "ScanCancel", "ScanVerdict", "VerdictAck", "Ping", "Pong", "StatusRequest",
        "StatusReport", "ReloadRequest", "ReloadResult", "RuleSetChanged"};
    static_assert(names.size() == std::variant_size_v<Message>);
    return QString::fromLatin1(names[message.index()]);
}

} // namespace Sentinel
