// SPDX-License-Identifier: MIT
#include "Sentinel/DoctorCommand.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/inspection/Outcome.h"
#include "Sentinel/ControlClient.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Limits.h"
#include "Sentinel/Output.h"
#include "Sentinel/ResultJson.h"
#include "Sentinel/SettingOptions.h"
#include "Sentinel/StatusText.h"
#include "Sentinel/rules/CanaryContents.h"
#include "ipc/ChildProcess.h"

#include <QFile>
#include <QFileInfo>
#include <QJsonArray>

#include <algorithm>
#include <array>
#include <vector>

namespace Sentinel {

namespace {

constexpr std::array doctorOptions{
    configOption,
    socketOption,
    rulesOption,
    OptionSpec{"json", 0, nullptr, false, "one JSON object"},
};

constexpr CommandSpec doctorSpec{
    "doctor",
    "",
    "Checks whether everything is in place: settings, rules, scan workers and their sandbox, and "
    "the EICAR\n"
    "test file's way through a sentinel of its own; and through the one that runs, if one does.",
    doctorOptions,
    "  0  all is well\n"
    "  1  something is wrong: the lines say what\n"
    "  2  usage error\n",
    0,
    0,
};

//! One thing that was looked at.
struct Check {
    QString name;
    bool isGood = false;
    QString text;
};

//! The wall without which a worker is not in a sandbox; the others depend on the kernel.
constexpr QLatin1StringView indispensableWall("system-call-filter");

Check sandboxCheck(const SentinelStatus &status)
{
    QStringList missing;
    bool isFiltered = false;
    for (const SandboxFeature &wall : status.sandbox) {
        if (!wall.isInForce)
            missing.append(QStringLiteral("no %1 (%2)").arg(wall.name, wall.whyNot));
        else if (wall.name == indispensableWall)
            isFiltered = true;
    }
    const QString all = QStringLiteral("all %1 walls stand").arg(status.sandbox.size());
    return {QStringLiteral("sandbox"), isFiltered,
        missing.isEmpty() ? all : missing.join(QStringLiteral(", "))};
}

Check eicarCheck(ControlClient &client)
{
    const auto result = client.scan("eicar.com", eicarContent().bytes);
    if (!result)
        return {QStringLiteral("eicar"), false, result.error()};
    if (result->isThreat())
        return {QStringLiteral("eicar"), true, displayName(result->findings().front())};
    return {QStringLiteral("eicar"), false,
        QStringLiteral("the EICAR test file is not found: ") + describe(*result)};
}

Check cleanCheck(ControlClient &client)
{
    const auto result = client.scan("clean.txt", "There is nothing to be found in this file.\n");
    if (!result)
        return {QStringLiteral("clean"), false, result.error()};
    return {QStringLiteral("clean"), result->verdict() == Verdict::Clean, describe(*result)};
}

Check settingsCheck(const SettingsInForce &settings)
{
    return {QStringLiteral("settings"), true,
        settings.filePath().isEmpty() ? QStringLiteral("no file: the defaults hold")
                                      : settings.filePath()};
}

//! A sentinel of our own, as a browser would have it.
void checkSpawned(const SettingsInForce &settings, std::vector<Check> &checks)
{
    const auto fail = [&checks](const QString &why) {
        checks.push_back({QStringLiteral("spawned"), false, why});
    };
    QByteArrayList arguments{"serve", "--spawned"};
    if (!settings.filePath().isEmpty())
        arguments << "--config" << QFile::encodeName(settings.filePath());
    for (const QString &path : settings.values().rulePaths)
        arguments << "--rules" << QFile::encodeName(path);
    auto sentinel = ChildProcess::start("/proc/self/exe", arguments);
    if (!sentinel)
        return fail(sentinel.error());
    const auto client =
        ControlClient::greet(std::move(sentinel->socket), Limits::maxRuleCompilation);
    if (!client)
        return fail(QStringLiteral("no sentinel: %1").arg(client.error()));
    checks.push_back({QStringLiteral("spawned"), true, (*client)->welcome().product});
    const RuleSetSummary &rules = (*client)->welcome().rules;
    checks.push_back({QStringLiteral("rules"), rules.rules > 0, describe(rules)});
    checks.push_back(eicarCheck(**client));
    checks.push_back(cleanCheck(**client));
    const auto status = (*client)->status();
    checks.push_back(
        status ? sandboxCheck(*status) : Check{QStringLiteral("sandbox"), false, status.error()});
}

//! The sentinel that runs on its own, if one does.
void checkSystem(const QString &socketPath, std::vector<Check> &checks)
{
    const QFileInfo socket(socketPath);
    const QString shown = printable(socketPath);
    if (!socket.exists()) {
        checks.push_back({QStringLiteral("socket"), true,
            QStringLiteral("none at %1: no sentinel runs on its own, and none has to").arg(shown)});
        return;
    }
    const QFileInfo directory(socket.path());
    constexpr auto others = QFile::ReadGroup | QFile::WriteGroup | QFile::ExeGroup
        | QFile::ReadOther | QFile::WriteOther | QFile::ExeOther;
    const bool isPrivate = (directory.permissions() & others) == 0;
    checks.push_back({QStringLiteral("directory"), isPrivate,
        QStringLiteral("%1 is %2")
            .arg(printable(directory.filePath()),
                isPrivate ? QStringLiteral("closed to others")
                          : QStringLiteral("open to others: chmod 700 it"))});
    const auto client = ControlClient::connectTo(socketPath);
    if (!client) {
        checks.push_back({QStringLiteral("socket"), false, client.error()});
        return;
    }
    checks.push_back({QStringLiteral("socket"), true,
        QStringLiteral("%1 at %2").arg((*client)->welcome().product, shown)});
    checks.push_back(eicarCheck(**client));
    const auto status = (*client)->status();
    if (status && status->clamd)
        checks.push_back(
            {QStringLiteral("clamd"), status->clamd->isReachable, describe(*status->clamd)});
    const QString troubles = status ? status->troubles.join(u' ') : status.error();
    checks.push_back({QStringLiteral("status"), troubles.isEmpty(),
        troubles.isEmpty() ? describe((*client)->welcome().rules) : troubles});
}

void print(const std::vector<Check> &checks, Output &output)
{
    for (const Check &check : checks) {
        output.result(QStringLiteral("%1 %2 %3")
                          .arg(check.isGood ? QStringLiteral("ok    ") : QStringLiteral("WRONG "))
                          .arg(check.name, -9)
                          .arg(printable(check.text)));
    }
}

QByteArray jsonOf(const std::vector<Check> &checks, bool isWell)
{
    QJsonArray list;
    for (const Check &check : checks) {
        list.append(QJsonObject{{QStringLiteral("name"), check.name},
            {QStringLiteral("good"), check.isGood}, {QStringLiteral("text"), check.text}});
    }
    return jsonLine({{QStringLiteral("well"), isWell}, {QStringLiteral("checks"), list}});
}

} // namespace

int runDoctor(const QByteArrayList &arguments)
{
    Output output;
    const auto line = parseOrExplain(doctorSpec, arguments, output);
    if (!line)
        return line.error();
    std::vector<Check> checks;
    if (const auto settings = settingsOf(*line)) {
        checks.push_back(settingsCheck(*settings));
        checkSpawned(*settings, checks);
        checkSystem(settings->values().socketPath, checks);
    } else {
        // What they were meant to be, nobody knows: there is nothing else to look at.
        for (const QString &problem : settings.error())
            checks.push_back({QStringLiteral("settings"), false, problem});
    }
    const bool isWell = std::ranges::all_of(checks, &Check::isGood);
    if (line->has("json"))
        output.result(jsonOf(checks, isWell));
    else
        print(checks, output);
    if (!output.flush())
        return exitTrouble;
    return isWell ? exitGood : exitUnwell;
}

} // namespace Sentinel
