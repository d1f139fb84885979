// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerParentLoop.h"

#include "SecurityTap/content/Sha256.h"
#include "SecurityTap/engine/YaraEngine.h"
#include "Sentinel/worker/Packet.h"
#include "Sentinel/worker/WorkerLoop.h"
#include "Sentinel/worker/WorkerRules.h"
#include "ipc/Codec.h"

#include <csignal>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace Sentinel {

namespace {

//! What a worker needs files or system calls for at its first time happens here, outside of the
//! sandbox; and its memory is shared by all workers.
void warmUp(const std::shared_ptr<const RuleSet> &ruleSet)
{
    Sha256 hash;
    hash.add({});
    hash.result();
    for (const QByteArray &beginning : {QByteArray("MZ"), QByteArray("..")}) {
        const auto content = Content::fromByteArray(beginning + QByteArray(1000, ' '));
        const auto task = YaraEngine::begin(ruleSet, {}, content);
        while (task->step({}) != ScanTask::Progress::Done) { }
    }
}

//! The child's side of a fork.
[[noreturn]] void becomeWorker(
    FileDescriptor socket, const std::shared_ptr<const RuleSet> &ruleSet, pid_t parent)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0UL, 0UL, 0UL);
    if (::getppid() != parent) // it died before it could have told us
        ::_exit(0);
    const auto own = unsigned(socket.get());
    ::syscall(SYS_close_range, unsigned(parentControlDescriptor), own - 1, 0U);
    ::syscall(SYS_close_range, own + 1, ~0U, 0U);
    runWorkerLoop(std::move(socket), ruleSet);
}

bool forkWorker(int control, FileDescriptor socket, const std::shared_ptr<const RuleSet> &ruleSet)
{
    const pid_t self = ::getpid();
    const pid_t child = ::fork();
    if (child == 0)
        becomeWorker(std::move(socket), ruleSet, self);
    // Nobody reaps it before we have this: children are not reaped at all while SIGCHLD is ours.
    const FileDescriptor process(child < 0 ? -1 : int(::syscall(SYS_pidfd_open, child, 0U)));
    return sendPacket(control, "worker", process.isValid() ? process.get() : -1);
}

} // namespace

int runWorkerParent(const QByteArrayList &arguments)
{
    const FileDescriptor control(parentControlDescriptor);
    std::signal(SIGCHLD, SIG_IGN); // the kernel reaps; a pidfd stays what it was
    std::signal(SIGINT, SIG_IGN); // Ctrl-C is the broker's, and our end follows from its own
    std::signal(SIGPIPE, SIG_IGN);
    const WorkerRules rules = WorkerRules::fromArguments(arguments);
    auto compiled = compileRules(rules.paths, rules.options);
    ReloadResult result;
    result.isActivated = compiled.has_value();
    result.problems = compiled ? compiled->problems : compiled.error();
    if (compiled) {
        result.rules = {compiled->ruleSet->digest(), compiled->ruleSet->ruleCount(),
            compiled->ruleSet->fileCount()};
        warmUp(compiled->ruleSet);
    }
    if (!sendPacket(control.get(), encode(Message(result))) || !compiled)
        return 1;
    while (auto packet = receivePacket(control.get())) {
        if (!packet->file.isValid()
            || !forkWorker(control.get(), std::move(packet->file), compiled->ruleSet))
            return 1;
    }
    return 0;
}

} // namespace Sentinel
