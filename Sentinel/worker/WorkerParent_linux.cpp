// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerParent.h"

#include "Sentinel/Limits.h"
#include "Sentinel/worker/Packet.h"
#include "Sentinel/worker/WorkerParentLoop.h"
#include "ipc/Codec.h"
#include "ipc/LocalSocket.h"

#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

namespace Sentinel {

namespace {

//! Whoever waits at \p socket does so no longer than \p patience.
void limitPatience(int socket, std::chrono::seconds patience)
{
    const timeval time{patience.count(), 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

//! Starts \p program with \p control as its only descriptor beside the standard ones.
int spawn(const QByteArray &program, QByteArrayList arguments, int control, pid_t &process)
{
    arguments.prepend("worker-parent");
    arguments.prepend(program);
    std::vector<char *> argv;
    for (QByteArray &argument : arguments)
        argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    // To itself, it would keep its mark to be closed: so by way of another number.
    constexpr int away = parentControlDescriptor + 1;
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, control, away);
    ::posix_spawn_file_actions_adddup2(&actions, away, parentControlDescriptor);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, away);
    const int error =
        ::posix_spawn(&process, program.constData(), &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    return error;
}

std::vector<RuleProblem> problem(const QString &message)
{
    return {{RuleProblem::Level::Error, {}, 0, message}};
}

} // namespace

WorkerParent::WorkerParent(FileDescriptor control, pid_t process)
    : m_control(std::move(control)), m_process(process)
{
}

WorkerParent::~WorkerParent()
{
    ::kill(m_process, SIGKILL); // its workers follow it (PR_SET_PDEATHSIG)
    while (::waitpid(m_process, nullptr, 0) < 0 && errno == EINTR) { }
}

std::expected<std::shared_ptr<WorkerParent>, std::vector<RuleProblem>> WorkerParent::start(
    const QByteArray &program, const WorkerRules &rules)
{
    auto sockets = LocalSocket::connectedPair();
    if (!sockets)
        return std::unexpected(problem(sockets.error()));
    pid_t process = -1;
    if (const int error = spawn(program, rules.arguments(), sockets->second.get(), process)) {
        return std::unexpected(
            problem(QStringLiteral("%1 cannot be started: %2")
                        .arg(QString::fromLocal8Bit(program), qt_error_string(error))));
    }
    const std::shared_ptr<WorkerParent> parent(
        new WorkerParent(std::move(sockets->first), process));
    sockets->second = {}; // so that the parent's end is the end
    limitPatience(parent->m_control.get(), Limits::maxRuleCompilation);
    const auto packet = receivePacket(parent->m_control.get());
    const auto message = packet ? decode(packet->bytes) : std::unexpected(ProtocolError{});
    const auto *rulesResult = message ? std::get_if<ReloadResult>(&*message) : nullptr;
    if (!rulesResult) {
        return std::unexpected(problem(
            QStringLiteral("the rules could not be compiled: their process died, or took more "
                           "than %1 s")
                .arg(Limits::maxRuleCompilation.count())));
    }
    if (!rulesResult->isActivated)
        return std::unexpected(rulesResult->problems);
    parent->m_rules = *rulesResult;
    limitPatience(parent->m_control.get(), Limits::maxWorkerStart);
    return parent;
}

std::expected<FileDescriptor, QString> WorkerParent::fork(const FileDescriptor &workersEnd)
{
    const std::lock_guard lock(m_mutex);
    const bool isSent = sendPacket(m_control.get(), "fork", workersEnd.get());
    auto packet = isSent ? receivePacket(m_control.get()) : std::nullopt;
    if (!packet)
        return std::unexpected(QStringLiteral("the parent of the scan workers has died"));
    if (!packet->file.isValid())
        return std::unexpected(QStringLiteral("no process for a scan worker: too many, or too "
                                              "little memory"));
    return std::move(packet->file);
}

std::expected<std::unique_ptr<ScanWorker>, QString> WorkerParent::makeWorker()
{
    auto sockets = LocalSocket::connectedPair();
    if (!sockets)
        return std::unexpected(sockets.error());
    auto process = fork(sockets->second);
    if (!process)
        return std::unexpected(process.error());
    sockets->second = {}; // so that the worker's end is the end
    limitPatience(sockets->first.get(), Limits::maxWorkerStart);
    const auto packet = receivePacket(sockets->first.get());
    auto ready = packet ? decodeReady(packet->bytes) : std::unexpected(ProtocolError{});
    if (!ready)
        return std::unexpected(QStringLiteral("a scan worker died at its start"));
    limitPatience(sockets->first.get(), std::chrono::seconds(0)); // scans end by being killed
    return std::make_unique<ScanWorker>(
        std::move(sockets->first), std::move(*process), std::move(ready->sandbox));
}

} // namespace Sentinel
