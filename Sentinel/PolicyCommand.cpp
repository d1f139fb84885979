// SPDX-License-Identifier: MIT
#include "Sentinel/PolicyCommand.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/policy/PolicyExceptions.h"
#include "SecurityTap/store/StorePaths.h"
#include "Sentinel/CommandLine.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Output.h"
#include "Sentinel/PolicyExplanation.h"
#include "Sentinel/PolicyReplay.h"
#include "Sentinel/SettingOptions.h"
#include "Sentinel/Subcommand.h"

#include <array>

namespace Sentinel {

namespace {

constexpr std::array explainOptions{
    OptionSpec{"verdict", 0, "VERDICT", false, "Clean, Suspicious, Malicious or NotScanned"},
    OptionSpec{"reason", 0, "REASON", false, "why it was not scanned: QueueFull, TooLarge, ..."},
    OptionSpec{"url", 0, "URL", false, "where it comes from"},
    OptionSpec{"mime", 0, "TYPE", false, "the MIME type that was announced"},
    OptionSpec{"type", 0, "TYPE", false, "the type of its content: archive, executable, ..."},
    OptionSpec{"size", 0, "N[K|M|G]", false, "its bytes (default: 0)"},
    OptionSpec{"sha256", 0, "HASH", false, "of its content, 64 hexadecimal digits"},
    OptionSpec{"rule", 0, "NAME", true, "a rule that matched"},
    OptionSpec{"name", 0, "NAME", false, "the name of the file; no policy asks for it yet"},
    OptionSpec{"clause", 0, "TEXT", true, "a clause to try, before those of the settings"},
    failClosedOption,
    failOpenOption,
    configOption,
    OptionSpec{"json", 0, nullptr, false, "one JSON object"},
};

constexpr CommandSpec explainSpec{
    "policy explain",
    "--verdict VERDICT",
    "Says what would be done with a download of which this is known, which clause, exception or\n"
    "default decides it, and why each other one does not.",
    explainOptions,
    "  0  shown\n"
    "  2  usage or settings error; or the exceptions cannot be read\n",
    0,
    0,
};

constexpr std::array replayOptions{
    OptionSpec{
        "policy", 0, "FILE", false, "settings whose policy is tried (default: those in force)"},
    failClosedOption,
    failOpenOption,
    OptionSpec{"json", 0, nullptr, false, "one JSON object for each difference, and for the end"},
};

constexpr CommandSpec replaySpec{
    "policy replay",
    "AUDITLOG",
    "Decides anew on every decision of an audit log, with the policy in force or another one, and\n"
    "with the exceptions that hold today, and shows what would be different.",
    replayOptions,
    "  0  nothing would be different\n"
    "  1  something would be\n"
    "  2  usage or settings error; or the log or a line of it cannot be read\n",
    1,
    1,
};

//! Exceptions that cannot be read do not hold: what they come to is told, and noted in \p code.
PolicyExceptions::View readExceptions(Output &output, int &code)
{
    auto all = PolicyExceptions(StorePaths::ofUser().data).all();
    if (all)
        return *std::move(all);
    output.message(printable(all.error()));
    code = exitTrouble;
    return std::make_shared<const PolicyExceptions::List>();
}

int explain(const CommandLine &line, Output &output)
{
    const auto facts = factsOf(line);
    const auto tried = clausesOf(line);
    for (const auto &problem :
        {facts ? QString() : facts.error(), tried ? QString() : tried.error()}) {
        if (problem.isEmpty())
            continue;
        output.message(printable(problem));
        return exitTrouble;
    }
    const auto settings = settingsOrExplain(line, output);
    if (!settings)
        return settings.error();
    Policy policy = settings->values().policy();
    policy.clauses.insert(policy.clauses.begin(), tried->begin(), tried->end());
    int code = exitGood;
    const auto exceptions = readExceptions(output, code);
    const PolicyExplanation explanation(
        policy, *facts, *exceptions, QDateTime::currentDateTimeUtc());
    if (line.has("json")) {
        output.result(explanation.toJson());
    } else {
        for (const QString &text : explanation.lines())
            output.result(printable(text));
    }
    return code;
}

int replay(const CommandLine &line, Output &output)
{
    const auto settings = settingsOrExplain(line, output);
    if (!settings)
        return settings.error();
    int code = exitGood;
    const auto exceptions = readExceptions(output, code);
    PolicyReplay replay(settings->values().policy(), exceptions,
        line.has("json") ? PolicyReplay::Form::Json : PolicyReplay::Form::Text, output);
    if (const auto read = replay.read(line.arguments().first()); !read) {
        output.message(printable(read.error()));
        return exitTrouble;
    }
    replay.sum();
    if (replay.brokenLines() > 0 || code != exitGood)
        return exitTrouble;
    return replay.changes() > 0 ? exitChanged : exitGood;
}

constexpr std::array policySubcommands{
    Subcommand{"explain", explainSpec, &explain},
    Subcommand{"replay", replaySpec, &replay},
};

} // namespace

int runPolicy(const QByteArrayList &arguments)
{
    return runSubcommand("policy", policySubcommands, arguments);
}

} // namespace Sentinel
