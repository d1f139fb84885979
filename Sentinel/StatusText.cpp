// SPDX-License-Identifier: MIT
#include "Sentinel/StatusText.h"

#include "SecurityTap/content/FileName.h"

#include <QDateTime>
#include <QLocale>

#include <algorithm>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

QString bytesText(qint64 bytes)
{
    return QLocale::c().formattedDataSize(bytes, 1, QLocale::DataSizeIecFormat);
}

//! "3 d 4 h", "12 min 5 s", "250 ms".
QString spanText(milliseconds duration)
{
    struct Unit {
        qint64 ms;
        const char *name;
    };
    constexpr Unit units[]{
        {86'400'000, "d"}, {3'600'000, "h"}, {60'000, "min"}, {1000, "s"}, {1, "ms"}};
    qint64 left = duration.count();
    QStringList parts;
    for (const Unit &unit : units) {
        const qint64 count = left / unit.ms;
        if (count > 0)
            parts.append(QStringLiteral("%1 %2").arg(count).arg(QLatin1StringView(unit.name)));
        left %= unit.ms;
    }
    return parts.isEmpty() ? QStringLiteral("0 ms") : parts.mid(0, 2).join(u' ');
}

QString nameOf(WorkerStatus::State state)
{
    switch (state) {
    case WorkerStatus::State::Starting:
        return QStringLiteral("starting");
    case WorkerStatus::State::Idle:
        return QStringLiteral("idle");
    case WorkerStatus::State::Scanning:
        return QStringLiteral("scanning");
    case WorkerStatus::State::Ending:
        return QStringLiteral("ending");
    }
    Q_UNREACHABLE();
}

QString sandboxText(const std::vector<SandboxFeature> &sandbox)
{
    const auto inForce = std::ranges::count_if(sandbox, &SandboxFeature::isInForce);
    QString text = QStringLiteral("%1 of %2 walls stand").arg(inForce).arg(sandbox.size());
    for (const SandboxFeature &feature : sandbox) {
        if (!feature.isInForce)
            text += QStringLiteral("; no %1: %2").arg(feature.name, feature.whyNot);
    }
    return text;
}

QString line(const char *name, const QString &text)
{
    return printable(QStringLiteral("%1 %2").arg(QLatin1StringView(name), -9).arg(text));
}

QJsonObject toJson(const TelemetrySnapshot &telemetry)
{
    QJsonObject reasons;
    for (const Reason reason : allReasons) {
        if (reason != Reason::None)
            reasons.insert(nameOf(reason), qint64(telemetry.notScannedByReason[size_t(reason)]));
    }
    const auto ms = [](std::chrono::microseconds time) { return double(time.count()) / 1000; };
    return {
        {QStringLiteral("completed"), qint64(telemetry.totalScansCompleted)},
        {QStringLiteral("failed"), qint64(telemetry.totalScansFailed)},
        {QStringLiteral("timedOut"), qint64(telemetry.totalScansTimeout)},
        {QStringLiteral("cancelled"), qint64(telemetry.totalScansCancelled)},
        {QStringLiteral("notScannedByReason"), reasons},
        {QStringLiteral("cacheHits"), qint64(telemetry.cacheHits)},
        {QStringLiteral("bytesScanned"), qint64(telemetry.bytesScanned)},
        {QStringLiteral("workersReplaced"), qint64(telemetry.workersReplaced)},
        {QStringLiteral("minMs"), ms(telemetry.minScanTime)},
        {QStringLiteral("averageMs"), ms(telemetry.averageScanTime)},
        {QStringLiteral("maxMs"), ms(telemetry.maxScanTime)},
        {QStringLiteral("maxQueueDepthSeen"), telemetry.maxQueueDepthSeen},
    };
}

QJsonObject toJson(const RuleSetSummary &rules)
{
    return {
        {QStringLiteral("digest"), QString::fromLatin1(rules.digest.toHex())},
        {QStringLiteral("rules"), rules.rules},
        {QStringLiteral("files"), rules.files},
    };
}

QJsonValue toJson(const std::optional<ClamdStatus> &clamd)
{
    if (!clamd)
        return QJsonValue::Null;
    return QJsonObject{
        {QStringLiteral("address"), clamd->address},
        {QStringLiteral("reachable"), clamd->isReachable},
        {QStringLiteral("version"), clamd->version},
        {QStringLiteral("signatures"), clamd->signatures},
        {QStringLiteral("signaturesMadeAt"), clamd->signaturesMadeAt},
        {QStringLiteral("connections"), clamd->connections},
        {QStringLiteral("connectionsInUse"), clamd->connectionsInUse},
        {QStringLiteral("scans"), clamd->scans},
        {QStringLiteral("scansOnUsedConnections"), clamd->scansOnUsedConnections},
        {QStringLiteral("trouble"), clamd->trouble},
    };
}

QString timeText(const QDateTime &time)
{
    return time.toLocalTime().toString(QStringLiteral("yyyy-MM-dd hh:mm"));
}

QString describe(const JobRun &job)
{
    QString text = job.name;
    if (job.isRunning)
        text += QStringLiteral(", running");
    if (!job.ranAt.isValid())
        return text + QStringLiteral(", has not run yet");
    text += QStringLiteral(", %1, took %2").arg(timeText(job.ranAt), spanText(job.took));
    if (job.dueAt.isValid())
        text += QStringLiteral(", next %1").arg(timeText(job.dueAt));
    if (!job.hasSucceeded)
        text += QStringLiteral("; failed: %1").arg(job.result);
    else if (!job.result.isEmpty())
        text += QStringLiteral("; %1").arg(job.result);
    return text;
}

QJsonValue timeJson(const QDateTime &time)
{
    return time.isValid() ? QJsonValue(time.toUTC().toString(Qt::ISODateWithMs)) : QJsonValue::Null;
}

QJsonObject toJson(const JobRun &job)
{
    return {
        {QStringLiteral("name"), job.name},
        {QStringLiteral("running"), job.isRunning},
        {QStringLiteral("ranAt"), timeJson(job.ranAt)},
        {QStringLiteral("tookMs"), qint64(job.took.count())},
        {QStringLiteral("succeeded"), job.hasSucceeded},
        {QStringLiteral("result"), job.result},
        {QStringLiteral("dueAt"), timeJson(job.dueAt)},
        {QStringLiteral("failures"), job.failures},
        {QStringLiteral("runs"), job.runs},
    };
}

} // namespace

QStringList describe(const std::vector<JobRun> &jobs)
{
    QStringList lines;
    for (const JobRun &job : jobs)
        lines.append(line("job", describe(job)));
    return lines;
}

QJsonArray toJson(const std::vector<JobRun> &jobs)
{
    QJsonArray array;
    for (const JobRun &job : jobs)
        array.append(toJson(job));
    return array;
}

QString describe(const ClamdStatus &clamd)
{
    QString text = clamd.isReachable ? QStringLiteral("at %1").arg(clamd.address)
                                     : QStringLiteral("at %1, away").arg(clamd.address);
    if (!clamd.version.isEmpty())
        text += QStringLiteral(", %1").arg(clamd.version);
    if (clamd.signatures > 0)
        text += QStringLiteral(", signatures %1").arg(clamd.signatures);
    if (clamd.signaturesMadeAt > 0) {
        text += QStringLiteral(" of %1").arg(
            QDateTime::fromSecsSinceEpoch(clamd.signaturesMadeAt).date().toString(Qt::ISODate));
    }
    text += QStringLiteral("; %1 scans, %2 connections")
                .arg(QLocale::c().toString(clamd.scans))
                .arg(clamd.connections);
    if (!clamd.trouble.isEmpty())
        text += QStringLiteral("; %1").arg(clamd.trouble);
    return text;
}

QString describe(const RuleSetSummary &rules)
{
    return QStringLiteral("%1 rules in %2 files, %3")
        .arg(QLocale::c().toString(rules.rules), QLocale::c().toString(rules.files),
            QString::fromLatin1(rules.digest.toHex().first(8)));
}

QStringList describe(const SentinelStatus &status)
{
    const TelemetrySnapshot &scans = status.telemetry;
    QStringList lines{
        line("sentinel",
            QStringLiteral("%1, process %2, up %3")
                .arg(status.productVersion)
                .arg(status.pid)
                .arg(spanText(status.uptime))),
        line("rules", describe(status.rules)),
        line("clients", QString::number(status.clients)),
        line("queue",
            QStringLiteral("%1 waiting, %2 under way, %3")
                .arg(status.queue.waiting)
                .arg(status.queue.underWay)
                .arg(bytesText(status.queue.bytes))),
        line("scans",
            QStringLiteral("%1 completed, %2 failed, %3 timed out, %4 cancelled; %5 known before; "
                           "%6 ms on average")
                .arg(scans.totalScansCompleted)
                .arg(scans.totalScansFailed)
                .arg(scans.totalScansTimeout)
                .arg(scans.totalScansCancelled)
                .arg(scans.cacheHits)
                .arg(double(scans.averageScanTime.count()) / 1000, 0, 'f', 1)),
    };
    for (const WorkerStatus &worker : status.workers) {
        lines.append(line("worker",
            QStringLiteral("process %1, %2, %3 scans, %4 old")
                .arg(worker.pid)
                .arg(nameOf(worker.state))
                .arg(worker.scans)
                .arg(spanText(worker.age))));
    }
    lines.append(line("sandbox", sandboxText(status.sandbox)));
    if (status.clamd)
        lines.append(line("clamd", describe(*status.clamd)));
    for (const QString &trouble : status.troubles)
        lines.append(line("trouble", trouble));
    return lines;
}

QJsonObject toJson(const SentinelStatus &status)
{
    QJsonArray workers;
    for (const WorkerStatus &worker : status.workers) {
        workers.append(QJsonObject{{QStringLiteral("pid"), worker.pid},
            {QStringLiteral("state"), nameOf(worker.state)},
            {QStringLiteral("scans"), worker.scans},
            {QStringLiteral("ageMs"), qint64(worker.age.count())}});
    }
    QJsonArray sandbox;
    for (const SandboxFeature &feature : status.sandbox) {
        sandbox.append(QJsonObject{{QStringLiteral("name"), feature.name},
            {QStringLiteral("inForce"), feature.isInForce},
            {QStringLiteral("whyNot"), feature.whyNot}});
    }
    return {
        {QStringLiteral("version"), status.productVersion},
        {QStringLiteral("pid"), status.pid},
        {QStringLiteral("uptimeMs"), qint64(status.uptime.count())},
        {QStringLiteral("clients"), status.clients},
        {QStringLiteral("rules"), toJson(status.rules)},
        {QStringLiteral("queue"),
            QJsonObject{{QStringLiteral("waiting"), status.queue.waiting},
                {QStringLiteral("underWay"), status.queue.underWay},
                {QStringLiteral("bytes"), status.queue.bytes}}},
        {QStringLiteral("workers"), workers},
        {QStringLiteral("sandbox"), sandbox},
        {QStringLiteral("scans"), toJson(status.telemetry)},
        {QStringLiteral("clamd"), toJson(status.clamd)},
        {QStringLiteral("troubles"), QJsonArray::fromStringList(status.troubles)},
    };
}

} // namespace Sentinel
