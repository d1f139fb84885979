// SPDX-License-Identifier: MIT
#include "Sentinel/StatusCommand.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/custody/CustodySettings.h"
#include "SecurityTap/jobs/JobRuns.h"
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
    "Says how a sentinel that runs is: its rules, its queue, its workers, their sandbox;\n"
    "and which periodic jobs of this user have run, and with what result.",
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
    const auto jobs = JobRuns::readAll(CustodySettings().historyPath());
    if (!jobs)
        output.message(printable(jobs.error()));
    const std::vector<JobRun> runs = jobs.value_or(std::vector<JobRun>());
    if (line->has("json")) {
        QJsonObject object = status ? toJson(*status) : QJsonObject();
        if (status || !runs.empty()) {
            object.insert(QStringLiteral("jobs"), toJson(runs));
            output.result(jsonLine(object));
        }
    } else {
        for (const QString &text : (status ? describe(*status) : QStringList()) + describe(runs))
            output.result(text);
    }
    if (!status)
        output.message(printable(status.error()));
    if (!output.flush() || !status)
        return exitTrouble;
    return status->troubles.isEmpty() ? exitGood : exitUnwell;
}

} // namespace Sentinel
