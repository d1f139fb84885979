// SPDX-License-Identifier: MIT
#include "Sentinel/ServeCommand.h"

#include "SecurityTap/content/FileName.h"
#include "Sentinel/ClamdArguments.h"
#include "Sentinel/DescriptorLimit.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Output.h"
#include "Sentinel/RuleLoading.h"
#include "Sentinel/SettingOptions.h"
#include "Sentinel/SignalWatch.h"
#include "Sentinel/StatusText.h"
#include "Sentinel/broker/Broker.h"
#include "Sentinel/broker/ServiceNotify.h"
#include "Sentinel/settings/BrokerSettings.h"
#include "Sentinel/worker/Packet.h"
#include "ipc/ChildProcess.h"
#include "ipc/Codec.h"

#include <QCoreApplication>
#include <QLoggingCategory>
#include <QTimer>

#include <array>
#include <csignal>

#include <sys/stat.h>

namespace Sentinel {

namespace {

constexpr std::array serveOptions{
    configOption,
    socketOption,
    OptionSpec{"systemd", 0, nullptr, false,
        "serve at the socket that systemd has opened, and tell it\nhow things are"},
    OptionSpec{"spawned", 0, nullptr, false,
        "serve one client, whose socket is descriptor 3, and end\nwith it; settings only if "
        "--config names them"},
    OptionSpec{
        "clamd-socket", 0, "PATH", false, "serve there, too, programs that speak clamd's protocol"},
    OptionSpec{"clamd-group", 0, "GROUP", false,
        "its members may connect there (else only this user and root)"},
    OptionSpec{"clamd-user", 0, "USER", true, "and this user may"},
    OptionSpec{"clamd-allow", 0, "WHAT", true,
        "reload, shutdown: obey RELOAD, SHUTDOWN there; paths: SCAN\nand its like, with our right "
        "to read"},
    rulesOption,
    skipBadRulesOption,
    refuseBadRulesOption,
    unratedOption,
    jobsOption,
    maxSizeOption,
    OptionSpec{"archives", 0, nullptr, false,
        "how archives are looked into is told by who has started it, first of all"},
};

constexpr CommandSpec serveSpec{
    "serve",
    "",
    "Scans for browsers and for other commands, in processes that can do nothing else, until it\n"
    "is told to end (SIGTERM, SIGINT). Serves the user that it runs as.",
    serveOptions,
    "  0  was told to end\n"
    "  2  usage, settings, rule or socket error\n",
    0,
    0,
};

//! How clients come.
struct Mode {
    bool isSpawned = false;
    std::unique_ptr<Listener> listener; // if it is not
    ClamdServerSettings clamd;
    std::unique_ptr<Listener> clamdListener; // may be null
};

//! What this program is, also after its file was replaced: its workers speak as it does.
constexpr char ownProgram[] = "/proc/self/exe";

std::expected<std::unique_ptr<Listener>, QString> inheritedListener()
{
    auto socket = ServiceNotify().inheritedListener();
    if (!socket)
        return std::unexpected(socket.error());
    if (!*socket) {
        return std::unexpected(QStringLiteral(
            "systemd has passed no socket: start the .socket unit, or leave out --systemd"));
    }
    return Listener::adopt(std::move(**socket));
}

bool isSocket(int descriptor)
{
    struct stat status { };
    return ::fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode);
}

std::expected<Mode, QString> modeOf(const CommandLine &line, const ProgramSettings &settings)
{
    if (int(line.has("spawned")) + int(line.has("systemd")) + int(line.has("socket")) > 1)
        return std::unexpected(
            QStringLiteral("--socket, --systemd and --spawned exclude each other"));
    if (line.has("spawned")) {
        if (!isSocket(ChildProcess::socketDescriptor)) {
            return std::unexpected(QStringLiteral(
                "--spawned is for programs that leave a socket to this one, as descriptor 3"));
        }
        return Mode{true, nullptr, {}, nullptr};
    }
    auto listener =
        line.has("systemd") ? inheritedListener() : Listener::listenAt(settings.socketPath);
    if (!listener)
        return std::unexpected(listener.error());
    return Mode{false, std::move(*listener), {}, nullptr};
}

//! The mode of \p line, with its sockets open.
std::expected<Mode, QString> openMode(const CommandLine &line, const ProgramSettings &settings)
{
    auto clamd = clamdSettingsOf(line, settings.clamdServer);
    if (!clamd)
        return std::unexpected(clamd.error());
    auto mode = modeOf(line, settings);
    if (!mode || clamd->socketPath.isEmpty())
        return mode;
    auto listener = ClamdServer::listen(*clamd);
    if (!listener)
        return std::unexpected(listener.error());
    mode->clamd = *std::move(clamd);
    mode->clamdListener = *std::move(listener);
    return mode;
}

//! Its client hears it, too.
void refuseClient(const QString &why)
{
    if (isSocket(ChildProcess::socketDescriptor))
        sendPacket(ChildProcess::socketDescriptor, encode(Message(Refusal{why})));
}

//! Says that the event loop runs, twice as often as it has to.
std::unique_ptr<QTimer> keepServiceAlive(ServiceNotify &service)
{
    auto timer = std::make_unique<QTimer>();
    if (const auto interval = service.watchdogInterval(); interval.count() > 0) {
        timer->callOnTimeout([&service] { service.keepAlive(); });
        timer->start(std::chrono::floor<std::chrono::milliseconds>(interval / 2));
    }
    return timer;
}

int serve(Mode mode, const Broker::Settings &settings, Output &output)
{
    // Who starts a sentinel of his own wants these rules, whatever they find.
    RuleLoader::Loaded loaded = RuleLoader::load(
        settings.rules, mode.isSpawned ? RuleLoader::Proof::None : RuleLoader::Proof::Harmless);
    if (!loaded.engine) {
        tellErrors(loaded.problems, output);
        if (mode.isSpawned)
            refuseClient(loaded.refusal());
        return exitTrouble;
    }
    Broker broker(std::move(loaded), settings);
    broker.watchRules();
    ServiceNotify service;
    const auto watchdog = keepServiceAlive(service);
    QObject::connect(&broker, &Broker::rulesLoading, &broker, [&] { service.reloading(); });
    QObject::connect(&broker, &Broker::rulesInForce, &broker,
        [&](const RuleSetSummary &rules) { service.ready(describe(rules)); });
    SignalWatch signalWatch;
    const auto stop = [&] {
        service.stopping();
        broker.shutDown();
        QCoreApplication::exit(exitGood);
    };
    QObject::connect(&signalWatch, &SignalWatch::interrupted, &broker, stop);
    QObject::connect(&broker, &Broker::shutDownWanted, &broker, stop, Qt::QueuedConnection);
    if (mode.isSpawned) {
        std::signal(SIGINT, SIG_IGN); // a terminal's is for the client, whose end is ours
        QObject::connect(
            &broker, &Broker::clientGone, &broker, [] { QCoreApplication::exit(exitGood); });
        broker.addClient(FileDescriptor(ChildProcess::socketDescriptor));
    } else {
        broker.serve(std::move(mode.listener));
    }
    if (mode.clamdListener)
        broker.serveClamd(std::move(mode.clamdListener), mode.clamd);
    service.ready(describe(broker.status().rules));
    return QCoreApplication::exec();
}

} // namespace

int runServe(const QByteArrayList &arguments)
{
    Output output;
    const auto line = parseOrExplain(serveSpec, arguments, output);
    if (!line)
        return line.error();
    const auto settings = settingsOf(*line);
    if (!settings) {
        for (const QString &problem : settings.error())
            output.message(printable(problem));
        if (line->has("spawned"))
            refuseClient(settings.error().first());
        return exitTrouble;
    }
    ProgramSettings values = settings->values();
    // Not as an argument, which everybody can read: there are passwords among it.
    if (line->has("spawned") && line->has("archives") && isSocket(ChildProcess::socketDescriptor)) {
        if (const auto told = receivePacket(ChildProcess::socketDescriptor))
            values.archives = archiveSettingsOf(told->bytes);
    }
    auto mode = openMode(*line, values);
    if (!mode) {
        output.message(printable(mode.error()));
        return exitTrouble;
    }
    // Nobody else says what happens here.
    QLoggingCategory::setFilterRules(
        QStringLiteral("sentinel.*.debug=false\nsentinel.*.info=false"));
    raiseDescriptorLimit();
    std::signal(SIGPIPE, SIG_IGN); // who reads what we say may end before us
    return serve(std::move(*mode), brokerSettings(values, ownProgram), output);
}

} // namespace Sentinel
