// SPDX-License-Identifier: MIT
#include "Sentinel/ScanArguments.h"

#include "SecurityTap/backend/SentinelSettings.h"
#include "SecurityTap/inspection/TapSettings.h"

#include <QThread>

#include <algorithm>
#include <optional>

namespace Sentinel {

namespace {

constexpr int maxJobs = 256;

std::optional<Severity> severityOf(const QByteArray &name)
{
    for (const Severity severity : {Severity::Info, Severity::Suspicious, Severity::Malicious}) {
        if (nameOf(severity).toLatin1() == name)
            return severity;
    }
    return std::nullopt;
}

//! The first option that says something about rules.
std::optional<const char *> optionOfRules(const CommandLine &line)
{
    for (const char *option : {"rules", "unrated", "skip-bad-rules"}) {
        if (line.has(option))
            return option;
    }
    return std::nullopt;
}

} // namespace

QString socketPathOf(const CommandLine &line)
{
    return line.has("socket") ? line.paths("socket").constLast() : defaultSentinelSocket();
}

std::expected<ScanArguments, QString> ScanArguments::of(const CommandLine &line)
{
    ScanArguments arguments;
    arguments.rulePaths = line.paths("rules");
    if (arguments.rulePaths.isEmpty())
        arguments.rulePaths = QStringList{defaultRulesDirectory()};
    if (line.has("skip-bad-rules"))
        arguments.rules.badFiles = BadRuleFiles::Skip;
    arguments.socketPath = socketPathOf(line);
    if (const auto text = line.value("isolation")) {
        const auto isolation = isolationFromName(QString::fromUtf8(*text));
        if (!isolation || *isolation == Isolation::Auto)
            return std::unexpected(
                QStringLiteral("--isolation takes in-process, spawned or system"));
        arguments.isolation = *isolation;
    }
    if (const auto foreign = optionOfRules(line);
        foreign && arguments.isolation == Isolation::System) {
        return std::unexpected(
            QStringLiteral("--%1 does not go with --isolation system: the sentinel that runs has "
                           "rules of its own")
                .arg(QLatin1StringView(*foreign)));
    }
    if (line.has("socket") && line.has("isolation") && arguments.isolation != Isolation::System)
        return std::unexpected(QStringLiteral("--socket goes with --isolation system"));
    arguments.jobs = std::clamp(QThread::idealThreadCount(), 1, maxJobs);
    if (const auto text = line.value("jobs")) {
        const auto jobs = numberOf(*text, 1, maxJobs);
        if (!jobs)
            return std::unexpected(
                QStringLiteral("--jobs takes a number from 1 to %1").arg(maxJobs));
        arguments.jobs = int(*jobs);
    }
    if (const auto text = line.value("max-size")) {
        const auto size = sizeOf(*text, Limits::maxSpoolBytes);
        if (!size)
            return std::unexpected(
                QStringLiteral("--max-size takes a number of bytes such as 300, 64K, 100M or 2G, "
                               "up to %1G")
                    .arg(Limits::maxSpoolBytes / Limits::gib));
        arguments.maxBytes = *size;
    }
    if (const auto text = line.value("archives"))
        arguments.archives = archiveSettingsOf(*text);
    if (const auto text = line.value("unrated")) {
        const auto severity = severityOf(*text);
        if (!severity)
            return std::unexpected(QStringLiteral("--unrated takes info, suspicious or malicious"));
        arguments.rules.unratedSeverity = *severity;
    }
    return arguments;
}

} // namespace Sentinel
