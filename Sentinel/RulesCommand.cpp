// SPDX-License-Identifier: MIT
#include "Sentinel/RulesCommand.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "SecurityTap/inspection/TapSettings.h"
#include "Sentinel/CommandLine.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Output.h"
#include "Sentinel/ResultJson.h"

#include <QFile>
#include <QJsonArray>

#include <algorithm>
#include <array>

namespace Sentinel {

namespace {

constexpr std::array rulesCheckOptions{
    OptionSpec{"rules", 0, "PATH", true, "the same as a PATH"},
    OptionSpec{"json", 0, nullptr, false, "one JSON object instead of lines"},
};

constexpr CommandSpec rulesCheckSpec{
    "rules check",
    "[PATH...]",
    "Compiles rule files, and all *.yar and *.yara files below directories (default: the rules\n"
    "shipped). Prints what the compiler says of them, as FILE:LINE: LEVEL: MESSAGE.",
    rulesCheckOptions,
    "  0  the rules compile\n"
    "  1  they do not\n"
    "  2  usage error\n",
    0,
    -1,
};

QJsonObject toJson(const RuleProblem &problem)
{
    const bool isError = problem.level == RuleProblem::Level::Error;
    return {
        {QStringLiteral("file"), problem.file},
        {QStringLiteral("line"), problem.line},
        {QStringLiteral("level"), isError ? QStringLiteral("error") : QStringLiteral("warning")},
        {QStringLiteral("message"), problem.message},
    };
}

QByteArray jsonOf(const RuleSet *ruleSet, const std::vector<RuleProblem> &problems)
{
    QJsonArray list;
    for (const RuleProblem &problem : problems)
        list.append(toJson(problem));
    return jsonLine({
        {QStringLiteral("compiles"), ruleSet != nullptr},
        {QStringLiteral("files"), ruleSet ? QJsonValue(ruleSet->fileCount()) : QJsonValue()},
        {QStringLiteral("rules"), ruleSet ? QJsonValue(ruleSet->ruleCount()) : QJsonValue()},
        {QStringLiteral("digest"),
            ruleSet ? QJsonValue(QString::fromLatin1(ruleSet->digest().toHex())) : QJsonValue()},
        {QStringLiteral("problems"), list},
    });
}

void printLines(const RuleSet *ruleSet, const std::vector<RuleProblem> &problems, Output &output)
{
    for (const RuleProblem &problem : problems)
        output.result(printable(describe(problem)));
    if (ruleSet) {
        output.result(QStringLiteral("%1 rules in %2 files, digest %3")
                          .arg(ruleSet->ruleCount())
                          .arg(ruleSet->fileCount())
                          .arg(QString::fromLatin1(ruleSet->digest().toHex())));
        return;
    }
    const auto errors =
        std::ranges::count(problems, RuleProblem::Level::Error, &RuleProblem::level);
    output.message(QStringLiteral("The rules do not compile (errors: %1).").arg(errors));
}

int check(const QByteArrayList &arguments, Output &output)
{
    const auto line = parseOrExplain(rulesCheckSpec, arguments, output);
    if (!line)
        return line.error();
    QStringList paths = line->paths("rules");
    for (const QByteArray &path : line->arguments())
        paths.append(QFile::decodeName(path));
    if (paths.isEmpty())
        paths.append(defaultRulesDirectory());

    const auto compiled = compileRules(paths);
    const RuleSet *ruleSet = compiled ? compiled->ruleSet.get() : nullptr;
    const std::vector<RuleProblem> &problems = compiled ? compiled->problems : compiled.error();
    if (line->has("json"))
        output.result(jsonOf(ruleSet, problems));
    else
        printLines(ruleSet, problems, output);
    if (!output.flush()) {
        output.message(QStringLiteral("The results could not be written."));
        return exitTrouble;
    }
    return ruleSet ? exitGood : exitBadRules;
}

} // namespace

int runRules(const QByteArrayList &arguments)
{
    Output output;
    if (!arguments.isEmpty() && arguments.first() == "check")
        return check(arguments.sliced(1), output);
    const bool wantsHelp = arguments.contains("--help") || arguments.contains("-h");
    if (wantsHelp) {
        output.result(helpText(rulesCheckSpec).trimmed());
        return exitGood;
    }
    output.message(
        QStringLiteral("rules needs to be told what to do: check (see: sentinel rules --help)"));
    return exitTrouble;
}

} // namespace Sentinel
