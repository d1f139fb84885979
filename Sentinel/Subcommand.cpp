// SPDX-License-Identifier: MIT
#include "Sentinel/Subcommand.h"

#include "Sentinel/ExitCode.h"
#include "Sentinel/Output.h"

namespace Sentinel {

namespace {

//! "check, show or example".
QString namesOf(std::span<const Subcommand> subcommands)
{
    QString names = QLatin1StringView(subcommands.front().name);
    for (const Subcommand &one : subcommands.subspan(1)) {
        const bool isLast = &one == &subcommands.back();
        names +=
            (isLast ? QStringLiteral(" or ") : QStringLiteral(", ")) + QLatin1StringView(one.name);
    }
    return names;
}

} // namespace

int runSubcommand(
    const char *command, std::span<const Subcommand> subcommands, const QByteArrayList &arguments)
{
    Output output;
    const auto written = [&output](int exitCode) {
        if (output.flush())
            return exitCode;
        output.message(QStringLiteral("The results could not be written."));
        return int(exitTrouble);
    };
    for (const Subcommand &one : subcommands) {
        if (arguments.value(0) != one.name)
            continue;
        const auto line = parseOrExplain(one.spec, arguments.sliced(1), output);
        return line ? written(one.run(*line, output)) : line.error();
    }
    if (arguments.contains("--help") || arguments.contains("-h")) {
        for (const Subcommand &one : subcommands)
            output.result(helpText(one.spec));
        return written(exitGood);
    }
    output.message(QStringLiteral("%1 needs to be told what to do: %2 (see: sentinel %1 --help)")
                       .arg(QLatin1StringView(command), namesOf(subcommands)));
    return exitTrouble;
}

} // namespace Sentinel
