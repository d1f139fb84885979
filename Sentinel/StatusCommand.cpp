// SPDX-License-Identifier: MIT
#include "Sentinel/StatusCommand.h"

#include "SecurityTap/content/FileName.h"
#include "Sentinel/ControlClient.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Output.h"
#include "Sentinel/ResultJson.h"
#include "Sentinel/SettingOptions.h"
#include "Sentinel/StatusText.h"

#include <array>

namespace Sentinel {

namespace {

constexpr std::array statusOptions{
    configOption,
    socketOption,
    OptionSpec{"json", 0, nullptr, false, "one JSON object"},
};

constexpr CommandSpec statusSpec{
    "status",
    "",
    "Says how a sentinel that runs is: its rules, its queue, its workers, their sandbox.",
    statusOptions,
    "  0  it runs, and nothing is wrong with it\n"
    "  1  it runs, and says what is wrong\n"
    "  2  usage or settings error, or none runs\n",
    0,
    0,
};

} // namespace

int runStatus(const QByteArrayList &arguments)
{
    Output output;
    const auto line = parseOrExplain(statusSpec, arguments, output);
    if (!line)
        return line.error();
    const auto settings = settingsOrExplain(*line, output);
    if (!settings)
        return settings.error();
    const auto client = ControlClient::connectTo(settings->values().socketPath);
    const auto status = client ? (*client)->status() : std::unexpected(client.error());
    if (!status) {
        output.message(printable(status.error()));
        return exitTrouble;
    }
    if (line->has("json")) {
        output.result(jsonLine(toJson(*status)));
    } else {
        for (const QString &text : describe(*status))
            output.result(text);
    }
    if (!output.flush())
        return exitTrouble;
    return status->troubles.isEmpty() ? exitGood : exitUnwell;
}

} // namespace Sentinel
