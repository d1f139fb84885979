// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerParent.h"

#include "Sentinel/Limits.h"
#include "ipc/Codec.h"
#include "ipc/LocalSocket.h"

#include <utility>

#include <sys/socket.h>
#include <sys/time.h>

namespace Sentinel {

namespace {

//! Whoever waits at \p socket does so no longer than \p patience.
void limitPatience(int socket, std::chrono::seconds patience)
{
    const timeval time{patience.count(), 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

std::vector<RuleProblem> problem(const QString &message)
{
    return {{RuleProblem::Level::Error, {}, 0, message}};
}

} // namespace

WorkerParent::WorkerParent(FileDescriptor control, std::unique_ptr<ChildProcess> process)
    : m_control(std::move(control)), m_process(std::move(process))
{
}

// Its workers follow it (PR_SET_PDEATHSIG).
WorkerParent::~WorkerParent() = default;

std::expected<std::shared_ptr<WorkerParent>, std::vector<RuleProblem>> WorkerParent::start(
    const QByteArray &program, const WorkerRules &rules, const std::stop_token &stop)
{
    auto child = ChildProcess::start(program, QByteArrayList{"worker-parent"} + rules.arguments());
    if (!child)
        return std::unexpected(problem(child.error()));
    const std::shared_ptr<WorkerParent> parent(
        new WorkerParent(std::move(child->socket), std::move(child->process)));
    const std::stop_callback onStop(stop, [&parent] { parent->m_process->kill(); });
    rules.tell(parent->m_control.get()); // if it has died, it does not answer
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

bool WorkerParent::isAlive()
{
    const std::lock_guard lock(m_mutex);
    return m_isAnswering && !m_process->hasEnded();
}

std::optional<Packet> WorkerParent::ask(QByteArrayView question, int descriptor)
{
    const std::lock_guard lock(m_mutex);
    if (!m_isAnswering) // an answer that came too late would be taken for that to this question
        return std::nullopt;
    const bool isSent = sendPacket(m_control.get(), question, descriptor);
    auto answer = isSent ? receivePacket(m_control.get()) : std::nullopt;
    m_isAnswering = answer.has_value();
    return answer;
}

std::expected<std::unique_ptr<ScanWorker>, QString> WorkerParent::makeWorker()
{
    auto sockets = LocalSocket::connectedPair();
    if (!sockets)
        return std::unexpected(sockets.error());
    auto process = ask("fork", sockets->second.get());
    if (!process)
        return std::unexpected(QStringLiteral("the parent of the scan workers has died"));
    if (!process->file.isValid()) {
        return std::unexpected(QStringLiteral("no process for a scan worker: too many, or too "
                                              "little memory"));
    }
    sockets->second = {}; // so that the worker's end is the end
    limitPatience(sockets->first.get(), Limits::maxWorkerStart);
    const auto packet = receivePacket(sockets->first.get());
    auto ready = packet ? decodeReady(packet->bytes) : std::unexpected(ProtocolError{});
    limitPatience(sockets->first.get(), std::chrono::seconds(0)); // scans end by being killed
    auto worker = std::make_unique<ScanWorker>(std::move(sockets->first), std::move(process->file),
        pid_t(process->bytes.toLongLong()),
        ready ? std::move(ready->sandbox) : std::vector<SandboxFeature>());
    if (!ready) {
        worker->kill();
        // To ask is to find out whether it has died with its parent, which is no fault of its own.
        return std::unexpected(
            QStringLiteral("a scan worker, at its start, %1").arg(endingOf(*worker)));
    }
    return worker;
}

QString WorkerParent::endingOf(const ScanWorker &worker)
{
    const auto answer = ask(QByteArray::number(worker.pid()), -1);
    return answer ? QString::fromUtf8(answer->bytes)
                  : QStringLiteral("has ended, and so has its parent");
}

} // namespace Sentinel
