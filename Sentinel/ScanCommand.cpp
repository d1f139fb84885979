// SPDX-License-Identifier: MIT
#include "Sentinel/ScanCommand.h"

#include "Sentinel/BackendStart.h"
#include "Sentinel/CommandLine.h"
#include "Sentinel/FileScanner.h"
#include "Sentinel/FileWalk.h"
#include "Sentinel/Output.h"
#include "Sentinel/ScanReport.h"
#include "Sentinel/SettingOptions.h"

#include <array>
#include <cstdlib>

namespace Sentinel {

namespace {

constexpr std::array scanOptions{
    configOption,
    rulesOption,
    OptionSpec{"json", 0, nullptr, false, "one JSON object a line for every file"},
    jobsOption,
    timeoutOption,
    maxSizeOption,
    unratedOption,
    isolationOption,
    socketOption,
};

constexpr CommandSpec scanSpec{
    "scan",
    "PATH...",
    "Scans files, and all files below directories. Links are followed only where they are given\n"
    "as a PATH. Prints a line for each file that is not clean, and a summary.",
    scanOptions,
    "  0  every file is clean\n"
    "  1  a threat was found (malicious or suspicious)\n"
    "  2  usage, settings or rule error, or no threat but something could not be scanned\n",
    1,
    -1,
};

//! How long one file may take.
ScanTimeouts timeoutsOf(const SettingsInForce &settings)
{
    ScanTimeouts timeouts = settings.values().scanning.timeouts;
    const qint64 maxBytes = settings.values().scanning.maxScanBytes;
    const bool isUsual =
        settings.originOf("scan.timeout-large").layer == SettingsInForce::Layer::Default;
    // As much time a byte as for what is usual, if nobody has said how much.
    if (isUsual && maxBytes > Limits::maxScanBytes)
        timeouts.most *= maxBytes / Limits::maxScanBytes + 1;
    return timeouts;
}

void scanAll(FileWalk &walk, FileScanner &scanner, ScanReport &report, Output &output)
{
    const auto collect = [&] {
        for (const FileVerdict &verdict : scanner.collect())
            report.add(verdict);
        output.flush(); // who reads a pipe need not wait for the end
        report.showProgress();
    };
    FileWalk::Step step;
    while (walk.next(step)) {
        if (!step.error.isEmpty()) {
            report.addUnreadable(step.place.path, step.error);
            continue;
        }
        while (!scanner.hasRoom())
            collect();
        scanner.submit(std::move(step.place));
    }
    while (!scanner.isIdle())
        collect();
}

} // namespace

int runScan(const QByteArrayList &arguments)
{
    Output output;
    const auto line = parseOrExplain(scanSpec, arguments, output);
    if (!line)
        return line.error();
    const auto settings = scanSettingsOrExplain(*line, output);
    if (!settings)
        return settings.error();
    const ScanTimeouts timeouts = timeoutsOf(*settings);
    const int jobs = settings->values().scanning.workers.maxWorkers;
    const bool asJson = line->has("json");
    auto backend =
        startBackend(*settings, timeouts, FileScanner::requestsPerJob * jobs, asJson, output);
    if (!backend)
        return exitTrouble;

    FileWalk walk(line->arguments());
    FileScanner scanner(
        std::move(backend), {jobs, settings->values().scanning.maxScanBytes, timeouts});
    ScanReport report(output, asJson ? ScanReport::Format::JsonLines : ScanReport::Format::Lines);
    scanAll(walk, scanner, report, output);
    report.summarise();
    int code = report.exitCode();
    if (!output.flush()) {
        output.message(QStringLiteral("The results could not be written."));
        code = code == exitThreat ? code : exitTrouble;
    }
    if (scanner.hasStuckWorker())
        std::_Exit(code); // its thread would run through what we tidy up
    return code;
}

} // namespace Sentinel
