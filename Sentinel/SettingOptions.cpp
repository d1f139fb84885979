// SPDX-License-Identifier: MIT
#include "Sentinel/SettingOptions.h"

#include "SecurityTap/content/FileName.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Limits.h"
#include "Sentinel/Output.h"

#include <QFile>

#include <array>
#include <optional>

namespace Sentinel {

namespace {

constexpr qint64 maxTimeoutSeconds = std::chrono::seconds(Limits::maxTimeSetting).count();

//! The first option that says something about rules.
std::optional<const char *> optionOfRules(const CommandLine &line)
{
    for (const char *option : {"rules", "unrated", "skip-bad-rules", "refuse-bad-rules"}) {
        if (line.has(option))
            return option;
    }
    return std::nullopt;
}

//! Two options that say a setting is on or off.
struct SwitchOptions {
    const char *key;
    const char *on;
    const char *off;
};

constexpr std::array switches{
    SwitchOptions{"rules.skip-bad", "skip-bad-rules", "refuse-bad-rules"},
    SwitchOptions{"fetch.fail-closed", "fail-closed", "fail-open"},
};

//! Puts what options say into \p settings; the first that says what cannot be is the error.
class Options {
public:
    Options(const CommandLine &line, SettingsInForce &settings) : m_line(line), m_settings(settings)
    {
    }

    std::expected<void, QString> apply()
    {
        if (const QStringList paths = m_line.paths("rules"); !paths.isEmpty())
            m_settings.addOption("rules.paths", paths);
        applySocket();
        for (const SwitchOptions &one : switches) {
            if (m_line.has(one.on) && m_line.has(one.off)) {
                fail(QStringLiteral("--%1 and --%2 exclude each other")
                         .arg(QLatin1StringView(one.on), QLatin1StringView(one.off)));
            } else if (m_line.has(one.on) || m_line.has(one.off)) {
                m_settings.addOption(one.key, m_line.has(one.on));
            }
        }
        applyIsolation();
        number("jobs", "scan.workers", 1, Limits::maxJobs,
            QStringLiteral("--jobs takes a number from 1 to %1").arg(Limits::maxJobs));
        applyTimeout();
        applySize();
        applySeverity();
        if (!m_problem.isEmpty())
            return std::unexpected(m_problem);
        return {};
    }

private:
    void fail(const QString &problem)
    {
        if (m_problem.isEmpty())
            m_problem = problem;
    }

    std::optional<qint64> number(
        const char *option, const char *key, qint64 least, qint64 most, const QString &problem)
    {
        const auto text = m_line.value(option);
        if (!text)
            return std::nullopt;
        const auto number = numberOf(*text, least, most);
        if (!number)
            fail(problem);
        else if (key)
            m_settings.addOption(key, *number);
        return number;
    }

    void applySocket()
    {
        if (!m_line.has("socket"))
            return;
        const QString path = m_line.paths("socket").constLast();
        if (path.isEmpty())
            return fail(QStringLiteral("--socket takes a path"));
        m_settings.addOption("service.socket", path);
    }

    void applyIsolation()
    {
        const auto text = m_line.value("isolation");
        if (!text)
            return;
        const auto isolation = isolationFromName(QString::fromUtf8(*text));
        if (!isolation || *isolation == Isolation::Auto)
            return fail(QStringLiteral("--isolation takes in-process, spawned or system"));
        m_settings.addOption("scan.isolation", qint64(*isolation));
    }

    void applyTimeout()
    {
        const auto seconds = number("timeout", nullptr, 1, maxTimeoutSeconds,
            QStringLiteral("--timeout takes a number of seconds from 1 to %1")
                .arg(maxTimeoutSeconds));
        if (!seconds)
            return;
        const qint64 time = std::chrono::milliseconds(std::chrono::seconds(*seconds)).count();
        m_settings.addOption("scan.timeout-small", time);
        m_settings.addOption("scan.timeout-large", time);
    }

    void applySize()
    {
        const auto text = m_line.value("max-size");
        const auto size = text ? sizeOf(*text, Limits::maxSpoolBytes) : std::nullopt;
        if (size)
            m_settings.addOption("scan.max-size", *size);
        else if (text)
            fail(QStringLiteral("--max-size takes a number of bytes such as 300, 64K, 100M or 2G, "
                                "up to %1G")
                     .arg(Limits::maxSpoolBytes / Limits::gib));
    }

    void applySeverity()
    {
        const auto text = m_line.value("unrated");
        if (!text)
            return;
        for (const Severity severity :
            {Severity::Info, Severity::Suspicious, Severity::Malicious}) {
            if (nameOf(severity).toLatin1() == *text)
                return m_settings.addOption("rules.unrated", qint64(severity));
        }
        fail(QStringLiteral("--unrated takes info, suspicious or malicious"));
    }

    const CommandLine &m_line;
    SettingsInForce &m_settings;
    QString m_problem;
};

std::expected<std::optional<SettingsFile>, SettingsProblem> fileOf(const CommandLine &line)
{
    for (const char *option : {"config", "policy"}) {
        if (!line.has(option))
            continue;
        auto file = SettingsFile::read(line.paths(option).constLast());
        if (!file)
            return std::unexpected(std::move(file.error()));
        return *std::move(file);
    }
    if (line.has("spawned"))
        return std::nullopt;
    return findSettingsFile();
}

QStringList described(const SettingsProblems &problems)
{
    QStringList lines;
    for (const SettingsProblem &problem : problems)
        lines.append(describe(problem));
    return lines;
}

} // namespace

std::expected<SettingsInForce, QStringList> settingsOf(const CommandLine &line)
{
    const auto file = fileOf(line);
    if (!file)
        return std::unexpected(QStringList{describe(file.error())});
    SettingsInForce settings;
    if (*file) {
        if (const auto added = settings.addFile(**file); !added)
            return std::unexpected(described(added.error()));
    }
    settings.addEnvironment();
    if (const auto applied = Options(line, settings).apply(); !applied)
        return std::unexpected(QStringList{applied.error()});
    if (const auto settled = settings.settle(); !settled)
        return std::unexpected(described(settled.error()));
    return settings;
}

std::expected<SettingsInForce, int> settingsOrExplain(const CommandLine &line, Output &output)
{
    auto settings = settingsOf(line);
    if (settings)
        return *std::move(settings);
    for (const QString &problem : settings.error())
        output.message(printable(problem));
    return std::unexpected(int(exitTrouble));
}

std::expected<SettingsInForce, int> scanSettingsOrExplain(const CommandLine &line, Output &output)
{
    auto settings = settingsOrExplain(line, output);
    if (!settings)
        return settings;
    const bool isSystem = settings->values().isolation == Isolation::System;
    const auto foreign = optionOfRules(line);
    if (foreign && isSystem) {
        output.message(
            QStringLiteral("--%1 does not go with --isolation system: the sentinel that runs has "
                           "rules of its own")
                .arg(QLatin1StringView(*foreign)));
    } else if (line.has("socket") && line.has("isolation") && !isSystem) {
        output.message(QStringLiteral("--socket goes with --isolation system"));
    } else {
        return settings;
    }
    return std::unexpected(int(exitTrouble));
}

} // namespace Sentinel
