// SPDX-License-Identifier: MIT
#include "Sentinel/ConfigCommand.h"

#include "SecurityTap/content/FileName.h"
#include "Sentinel/CommandLine.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Output.h"
#include "Sentinel/ResultJson.h"
#include "Sentinel/SettingOptions.h"
#include "Sentinel/Subcommand.h"
#include "Sentinel/settings/SettingKeys.h"

#include <QFile>
#include <QJsonArray>

#include <array>

namespace Sentinel {

namespace {

constexpr OptionSpec jsonOption{"json", 0, nullptr, false, "one JSON object"};

constexpr std::array checkOptions{jsonOption};

constexpr CommandSpec checkSpec{
    "config check",
    "[FILE]",
    "Says all that is wrong with a file of settings (default: the one that the other commands\n"
    "would take), as FILE:LINE:COLUMN: KEY: WHAT.",
    checkOptions,
    "  0  it is good, or there is none and none was named\n"
    "  1  it is not, or cannot be read: the lines say why\n"
    "  2  usage error\n",
    0,
    1,
};

constexpr std::array showOptions{configOption, jsonOption, rulesOption, skipBadRulesOption,
    refuseBadRulesOption, unratedOption, isolationOption, jobsOption, timeoutOption, maxSizeOption,
    failClosedOption, failOpenOption, socketOption};

constexpr CommandSpec showSpec{
    "config show",
    "",
    "Shows the settings in force, and where each comes from: default, preset, FILE:LINE,\n"
    "environment, or the options given here, which are those of other commands. What it prints is\n"
    "a file of settings.",
    showOptions,
    "  0  shown\n"
    "  2  usage or settings error\n",
    0,
    0,
};

constexpr CommandSpec exampleSpec{
    "config example",
    "",
    "Prints a file of settings to begin with: every key with its default, commented out.",
    {},
    "  0  printed\n"
    "  2  usage error\n",
    0,
    0,
};

//! What a file came to.
struct Checked {
    QString file; //!< empty: there is none
    SettingsProblems problems;
};

Checked checkFile(const CommandLine &line)
{
    const auto fail = [](const SettingsProblem &problem) {
        return Checked{problem.file, {problem}};
    };
    std::optional<SettingsFile> file;
    if (const QByteArray named = line.arguments().value(0); !line.arguments().isEmpty()) {
        auto read = SettingsFile::read(QFile::decodeName(named));
        if (!read)
            return fail(read.error());
        file = *std::move(read);
        file->path = QFile::decodeName(named); // as the user knows it
    } else {
        auto found = findSettingsFile();
        if (!found)
            return fail(found.error());
        file = *std::move(found);
    }
    if (!file)
        return {};
    SettingsInForce settings;
    auto good = settings.addFile(*file);
    if (good)
        good = settings.settle();
    return {file->path, good ? SettingsProblems() : good.error()};
}

QByteArray jsonOf(const Checked &checked)
{
    QJsonArray list;
    for (const SettingsProblem &problem : checked.problems) {
        list.append(QJsonObject{
            {QStringLiteral("line"), problem.line > 0 ? QJsonValue(problem.line) : QJsonValue()},
            {QStringLiteral("column"),
                problem.column > 0 ? QJsonValue(problem.column) : QJsonValue()},
            {QStringLiteral("key"), problem.key.isEmpty() ? QJsonValue() : QJsonValue(problem.key)},
            {QStringLiteral("message"), problem.text},
        });
    }
    return jsonLine({
        {QStringLiteral("good"), checked.problems.empty()},
        {QStringLiteral("file"), checked.file.isEmpty() ? QJsonValue() : QJsonValue(checked.file)},
        {QStringLiteral("problems"), list},
    });
}

int check(const CommandLine &line, Output &output)
{
    const Checked checked = checkFile(line);
    if (line.has("json")) {
        output.result(jsonOf(checked));
    } else if (checked.file.isEmpty() && checked.problems.empty()) {
        output.result(QStringLiteral("There is no file of settings: the defaults hold."));
    } else if (checked.problems.empty()) {
        output.result(QStringLiteral("%1 is good").arg(printable(checked.file)));
    } else {
        for (const SettingsProblem &problem : checked.problems)
            output.result(printable(describe(problem)));
    }
    return checked.problems.empty() ? exitGood : exitBadSettings;
}

QByteArray jsonOf(const SettingsInForce &settings)
{
    QJsonArray list;
    for (const SettingKey *key : settingKeys()) {
        const auto [layer, line] = settings.originOf(*key);
        list.append(QJsonObject{
            {QStringLiteral("key"), QString::fromLatin1(key->name)},
            {QStringLiteral("value"), key->toJson(key->valueIn(settings.values()))},
            {QStringLiteral("origin"), nameOf(layer)},
            {QStringLiteral("line"),
                layer == SettingsInForce::Layer::File ? QJsonValue(line) : QJsonValue()},
        });
    }
    const QString &file = settings.filePath();
    return jsonLine({{QStringLiteral("file"), file.isEmpty() ? QJsonValue() : QJsonValue(file)},
        {QStringLiteral("settings"), list}});
}

int show(const CommandLine &line, Output &output)
{
    const auto settings = settingsOrExplain(line, output);
    if (!settings)
        return settings.error();
    if (line.has("json"))
        output.result(jsonOf(*settings));
    else
        output.result(settings->toToml().trimmed());
    return exitGood;
}

int example(const CommandLine &, Output &output)
{
    output.result(exampleSettings().trimmed());
    return exitGood;
}

constexpr std::array configSubcommands{
    Subcommand{"check", checkSpec, &check},
    Subcommand{"show", showSpec, &show},
    Subcommand{"example", exampleSpec, &example},
};

} // namespace

int runConfig(const QByteArrayList &arguments)
{
    return runSubcommand("config", configSubcommands, arguments);
}

} // namespace Sentinel
