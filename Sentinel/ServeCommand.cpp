// SPDX-License-Identifier: MIT
#include "Sentinel/ServeCommand.h"

#include "SecurityTap/backend/SentinelSettings.h"
#include "SecurityTap/content/FileName.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Output.h"
#include "Sentinel/ScanArguments.h"
#include "Sentinel/SignalWatch.h"
#include "Sentinel/broker/Broker.h"
#include "ipc/ChildProcess.h"

#include <QCoreApplication>
#include <QFile>
#include <QLoggingCategory>

#include <array>
#include <csignal>

#include <sys/resource.h>

namespace Sentinel {

namespace {

constexpr std::array serveOptions{
    OptionSpec{"socket", 0, "PATH", false,
        "where clients find it (default: SENTINEL_SOCKET, else\nsentinel/socket in the runtime "
        "directory)"},
    OptionSpec{"spawned", 0, nullptr, false,
        "serve one client, whose socket is descriptor 3, and end\nwith it"},
    rulesOption,
    skipBadRulesOption,
    unratedOption,
    jobsOption,
    maxSizeOption,
};

constexpr CommandSpec serveSpec{
    "serve",
    "",
    "Scans for browsers and for other commands, in processes that can do nothing else, until it\n"
    "is told to end (SIGTERM, SIGINT). Serves the user that it runs as.",
    serveOptions,
    "  0  was told to end\n"
    "  2  usage, rule or socket error\n",
    0,
    0,
};

struct Mode {
    bool isSpawned = false;
    std::unique_ptr<Listener> listener; // if it is not
};

//! What this program is, also after its file was replaced: its workers speak as it does.
constexpr char ownProgram[] = "/proc/self/exe";

//! Each scan that waits for its content holds it open.
void raiseDescriptorLimit()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::expected<Mode, QString> modeOf(const CommandLine &line)
{
    Mode mode{line.has("spawned"), nullptr};
    if (mode.isSpawned) {
        if (line.has("socket"))
            return std::unexpected(
                QStringLiteral("--spawned has its socket: --socket is not for it"));
        return mode;
    }
    const QString path =
        line.has("socket") ? line.paths("socket").constLast() : defaultSentinelSocket();
    auto listener = Listener::listenAt(path);
    if (!listener)
        return std::unexpected(listener.error());
    mode.listener = std::move(*listener);
    return mode;
}

Broker::Settings settingsOf(const ScanArguments &arguments)
{
    Broker::Settings settings;
    settings.rules.fleet = {ownProgram, {arguments.rulePaths, arguments.rules},
        std::max(Limits::maxScanWorkers, 2 * arguments.jobs)};
    settings.rules.maxScanBytes = arguments.maxBytes;
    settings.scanning.maxScanBytes = arguments.maxBytes;
    settings.scanning.timeouts.largestBytes = arguments.maxBytes;
    settings.scanning.workers.maxWorkers = arguments.jobs;
    return settings;
}

int serve(Mode mode, const ScanArguments &arguments, Output &output)
{
    const Broker::Settings settings = settingsOf(arguments);
    const RuleLoader::Loaded loaded = RuleLoader::load(settings.rules);
    if (!loaded.engine) {
        for (const RuleProblem &problem : loaded.problems) {
            if (problem.level == RuleProblem::Level::Error)
                output.message(printable(describe(problem)));
        }
        return exitTrouble;
    }
    Broker broker(loaded.engine, settings);
    SignalWatch signalWatch;
    QObject::connect(&signalWatch, &SignalWatch::interrupted, &broker, [&broker] {
        broker.shutDown();
        QCoreApplication::exit(exitGood);
    });
    if (mode.isSpawned) {
        QObject::connect(
            &broker, &Broker::clientGone, &broker, [] { QCoreApplication::exit(exitGood); });
        broker.addClient(FileDescriptor(ChildProcess::socketDescriptor));
    } else {
        broker.serve(std::move(mode.listener));
    }
    return QCoreApplication::exec();
}

} // namespace

int runServe(const QByteArrayList &arguments)
{
    Output output;
    const auto line = CommandLine::parse(serveSpec, arguments);
    if (!line) {
        output.message(line.error());
        return exitTrouble;
    }
    if (line->wantsHelp()) {
        output.result(helpText(serveSpec).trimmed());
        return exitGood;
    }
    const auto scanning = ScanArguments::of(*line);
    auto mode = scanning ? modeOf(*line) : std::unexpected(scanning.error());
    if (!mode) {
        output.message(mode.error());
        return exitTrouble;
    }
    // Nobody else says what happens here.
    QLoggingCategory::setFilterRules(
        QStringLiteral("sentinel.*.debug=false\nsentinel.*.info=false"));
    raiseDescriptorLimit();
    return serve(std::move(*mode), *scanning, output);
}

} // namespace Sentinel
