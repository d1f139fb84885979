// SPDX-License-Identifier: MIT
#include "Sentinel/ReloadCommand.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "Sentinel/ControlClient.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Output.h"
#include "Sentinel/SettingOptions.h"
#include "Sentinel/StatusText.h"

#include <array>

namespace Sentinel {

namespace {

constexpr std::array reloadOptions{configOption, socketOption};

constexpr CommandSpec reloadSpec{
    "reload",
    "",
    "Has a running sentinel read its rules again. They come into force if they compile and prove\n"
    "themselves; if not, nothing changes.",
    reloadOptions,
    "  0  the rules on disk are in force\n"
    "  1  they are not: the messages say why\n"
    "  2  usage or settings error, or no sentinel runs\n",
    0,
    0,
};

} // namespace

int runReload(const QByteArrayList &arguments)
{
    Output output;
    const auto line = parseOrExplain(reloadSpec, arguments, output);
    if (!line)
        return line.error();
    const auto settings = settingsOrExplain(*line, output);
    if (!settings)
        return settings.error();
    const auto client = ControlClient::connectTo(settings->values().socketPath);
    const auto result = client ? (*client)->reload() : std::unexpected(client.error());
    if (!result) {
        output.message(printable(result.error()));
        return exitTrouble;
    }
    for (const RuleProblem &problem : result->problems) {
        if (!result->isActivated || problem.level == RuleProblem::Level::Error)
            output.message(printable(describe(problem)));
    }
    if (result->problemsOmitted > 0)
        output.message(QStringLiteral("... and %1 more").arg(result->problemsOmitted));
    output.result(
        (result->isActivated ? QStringLiteral("In force: ") : QStringLiteral("Still in force: "))
        + describe(result->rules));
    if (!output.flush())
        return exitTrouble;
    return result->isActivated ? exitGood : exitBadRules;
}

} // namespace Sentinel
