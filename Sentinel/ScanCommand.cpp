// SPDX-License-Identifier: MIT
#include "Sentinel/ScanCommand.h"

#include "Sentinel/CommandLine.h"
#include "Sentinel/FileScanner.h"
#include "Sentinel/FileWalk.h"
#include "Sentinel/Output.h"
#include "Sentinel/RuleLoading.h"
#include "Sentinel/ScanReport.h"

#include <QThread>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace Sentinel {

namespace {

constexpr int maxJobs = 256;
constexpr qint64 maxTimeoutSeconds = 24 * 60 * 60;

constexpr std::array scanOptions{
    OptionSpec{"rules", 0, "PATH", true,
        "a rule file, or a directory of *.yar and *.yara files\n(default: the rules shipped)"},
    OptionSpec{"json", 0, nullptr, false, "one JSON object a line for every file"},
    OptionSpec{"jobs", 'j', "N", false, "files scanned at the same time (default: one a core)"},
    OptionSpec{"timeout", 0, "SECONDS", false,
        "the longest scan of one file (default: 10 to 60, by size)"},
    OptionSpec{
        "max-size", 0, "N[K|M|G]", false, "files that are larger are not scanned (default: 100M)"},
    OptionSpec{"unrated", 0, "SEVERITY", false,
        "info, suspicious or malicious: what a rule that names\nno severity says (default: "
        "malicious)"},
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

struct ScanOptions {
    FileScanner::Settings scanner;
    RuleOptions rules;
    ScanReport::Format format = ScanReport::Format::Lines;
};

std::optional<Severity> severityOf(const QByteArray &name)
{
    for (const Severity severity : {Severity::Info, Severity::Suspicious, Severity::Malicious}) {
        if (nameOf(severity).toLatin1() == name)
            return severity;
    }
    return std::nullopt;
}

std::expected<ScanOptions, QString> optionsOf(const CommandLine &line)
{
    ScanOptions options;
    options.scanner.jobs = std::clamp(QThread::idealThreadCount(), 1, maxJobs);
    if (const auto text = line.value("jobs")) {
        const auto jobs = numberOf(*text, 1, maxJobs);
        if (!jobs)
            return std::unexpected(
                QStringLiteral("--jobs takes a number from 1 to %1").arg(maxJobs));
        options.scanner.jobs = int(*jobs);
    }
    if (const auto text = line.value("timeout")) {
        const auto seconds = numberOf(*text, 1, maxTimeoutSeconds);
        if (!seconds)
            return std::unexpected(
                QStringLiteral("--timeout takes a number of seconds from 1 to %1")
                    .arg(maxTimeoutSeconds));
        options.scanner.timeout = std::chrono::seconds(*seconds);
    }
    if (const auto text = line.value("max-size")) {
        const auto size = sizeOf(*text, Limits::maxSpoolBytes);
        if (!size)
            return std::unexpected(
                QStringLiteral("--max-size takes a number of bytes such as 300, 64K, 100M or 2G, "
                               "up to %1G")
                    .arg(Limits::maxSpoolBytes / Limits::gib));
        options.scanner.maxBytes = *size;
    }
    if (const auto text = line.value("unrated")) {
        const auto severity = severityOf(*text);
        if (!severity)
            return std::unexpected(QStringLiteral("--unrated takes info, suspicious or malicious"));
        options.rules.unratedSeverity = *severity;
    }
    if (line.has("json")) {
        options.format = ScanReport::Format::JsonLines;
        options.scanner.hashContent = true;
    }
    return options;
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
    const auto line = CommandLine::parse(scanSpec, arguments);
    if (!line) {
        output.message(line.error());
        return exitTrouble;
    }
    if (line->wantsHelp()) {
        output.result(helpText(scanSpec).trimmed());
        return exitGood;
    }
    const auto options = optionsOf(*line);
    if (!options) {
        output.message(options.error());
        return exitTrouble;
    }
    auto ruleSet = loadRules(line->paths("rules"), options->rules, output);
    if (!ruleSet)
        return exitTrouble;

    FileWalk walk(line->arguments());
    FileScanner scanner(std::move(ruleSet), options->scanner);
    ScanReport report(output, options->format);
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
