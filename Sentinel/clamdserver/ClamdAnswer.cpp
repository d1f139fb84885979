// SPDX-License-Identifier: MIT
#include "Sentinel/clamdserver/ClamdAnswer.h"

#include "SecurityTap/content/FileName.h"

#include <QLocale>

#include <algorithm>

namespace Sentinel::ClamdAnswer {

namespace {

//! Clients cut the name off at spaces and colons.
QByteArray nameOf(const Finding &finding)
{
    QByteArray name = finding.rule.toLatin1();
    if (finding.engine == QStringLiteral("yara"))
        name.prepend("YARA.");
    std::ranges::replace_if(
        name,
        [](char c) {
            const bool isLetter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
            return !isLetter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_';
        },
        '_');
    return name;
}

QByteArray megabytes(qint64 bytes)
{
    return QByteArray::number(double(bytes) / double(Limits::mib), 'f', 3) + 'M';
}

} // namespace

QByteArray answer(const ScanResult &result)
{
    if (result.verdict() == Verdict::Clean)
        return "OK";
    if (!result.isThreat())
        return error(explanation(result.reason()).toLatin1());
    const auto worst = std::ranges::max_element(result.findings(), {}, &Finding::severity);
    return (worst == result.findings().end() ? QByteArray("Sentinel.Threat") : nameOf(*worst))
        + " FOUND";
}

QByteArrayList answers(const ScanResult &result)
{
    QByteArrayList all;
    for (const Finding &finding : result.findings()) {
        const QByteArray found = nameOf(finding) + " FOUND";
        if (finding.severity > Severity::Info && !all.contains(found)) // another member's, perhaps
            all.append(found);
    }
    return all.isEmpty() ? QByteArrayList{answer(result)} : all;
}

QByteArray error(const QByteArray &why)
{
    return why + " ERROR";
}

QByteArray version(const RuleSetSummary &rules, const QDateTime &since)
{
    return "Sentinel " SENTINEL_VERSION "/" + rules.digest.toHex().first(8) + '/'
        + QLocale::c().toString(since, QStringLiteral("ddd MMM d hh:mm:ss yyyy")).toLatin1();
}

QByteArray versionCommands(const QByteArray &version, const QByteArray &names)
{
    return version + "| COMMANDS: " + names;
}

QByteArray stats(const TelemetrySnapshot &scans, const ScanQueue::Depths &queue, qint64 usedBytes,
    qint64 mostBytes)
{
    const auto number = [](qint64 value) { return QByteArray::number(value); };
    const qint64 idle = std::max(0, scans.workers - scans.activeWorkers);
    return "POOLS: 1\n\nSTATE: VALID PRIMARY\nTHREADS: live " + number(scans.workers) + "  idle "
        + number(idle) + " max " + number(scans.workers) + " idle-timeout "
        + number(Limits::workerIdleTime.count()) + "\nQUEUE: " + number(queue.waiting)
        + " items\n\nMEMSTATS: heap N/A mmap N/A used N/A free N/A releasable N/A pools 1 "
          "pools_used "
        + megabytes(usedBytes) + " pools_total " + megabytes(mostBytes) + "\nEND";
}

QByteArray printablePath(const QByteArray &path)
{
    return printable(QString::fromUtf8(path)).toUtf8();
}

} // namespace Sentinel::ClamdAnswer
