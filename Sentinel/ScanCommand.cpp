// SPDX-License-Identifier: MIT
#include "Sentinel/ScanCommand.h"

#include "Sentinel/BackendStart.h"
#include "Sentinel/CommandLine.h"
#include "Sentinel/FileScanner.h"
#include "Sentinel/FileWalk.h"
#include "Sentinel/Output.h"
#include "Sentinel/ScanArguments.h"
#include "Sentinel/ScanReport.h"

#include <array>
#include <cstdlib>

namespace Sentinel {

namespace {

constexpr qint64 maxTimeoutSeconds = 24 * 60 * 60;

constexpr std::array scanOptions{
    rulesOption,
    OptionSpec{"json", 0, nullptr, false, "one JSON object a line for every file"},
    jobsOption,
    OptionSpec{"timeout", 0, "SECONDS", false,
        "the longest scan of one file (default: 10 to 60, by size)"},
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
    "  2  usage or rule error, or no threat but something could not be scanned\n",
    1,
    -1,
};

//! How long one file may take.
std::expected<ScanTimeouts, QString> timeoutsOf(const CommandLine &line, qint64 maxBytes)
{
    ScanTimeouts timeouts;
    if (const auto text = line.value("timeout")) {
        const auto seconds = numberOf(*text, 1, maxTimeoutSeconds);
        if (!seconds)
            return std::unexpected(
                QStringLiteral("--timeout takes a number of seconds from 1 to %1")
                    .arg(maxTimeoutSeconds));
        timeouts.least = timeouts.most = std::chrono::seconds(*seconds);
    } else if (maxBytes > Limits::maxScanBytes) {
        // As much time a byte as for what is usual.
        timeouts.most *= maxBytes / Limits::maxScanBytes + 1;
        timeouts.largestBytes = maxBytes;
    }
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
    const auto scanning = ScanArguments::of(*line);
    const auto timeouts =
        scanning ? timeoutsOf(*line, scanning->maxBytes) : std::unexpected(scanning.error());
    if (!timeouts) {
        output.message(timeouts.error());
        return exitTrouble;
    }
    const bool asJson = line->has("json");
    auto backend = startBackend(
        *scanning, *timeouts, FileScanner::requestsPerJob * scanning->jobs, asJson, output);
    if (!backend)
        return exitTrouble;

    FileWalk walk(line->arguments());
    FileScanner scanner(std::move(backend), {scanning->jobs, scanning->maxBytes, *timeouts});
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
