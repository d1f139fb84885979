// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerParentLoop.h"

#include "SecurityTap/archive/ArchiveEngine.h"
#include "SecurityTap/archive/ArchiveReader.h"
#include "SecurityTap/content/Sha256.h"
#include "SecurityTap/engine/YaraEngine.h"
#include "Sentinel/Limits.h"
#include "Sentinel/worker/Packet.h"
#include "Sentinel/worker/WorkerLoop.h"
#include "Sentinel/worker/WorkerRules.h"
#include "ipc/ChildProcess.h"
#include "ipc/Codec.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <thread>
#include <utility>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace Sentinel {

namespace {

//! Compiles in a thread, which has gone when this returns: a heap of its own keeps the holes that
//! compiling leaves. Workers that put what they allocate into them take twice as long for a small
//! file, as it lies all over the memory (docs/performance.md).
auto compileApart(const WorkerRules &rules)
{
    std::expected<CompiledRules, std::vector<RuleProblem>> compiled;
    std::thread([&] { compiled = compileRules(rules.paths, rules.options); }).join();
    return compiled;
}

//! What a worker needs files or system calls for at its first time happens here, outside of the
//! sandbox; and its memory is shared by all workers.
void warmUp(const ScanEngine &engine)
{
    // Members have dates: the C library would look for its zone files at each of them.
    ::setenv("TZ", "UTC0", 1);
    ::tzset();
    prepareArchiveReading();
    Sha256 hash;
    hash.add({});
    hash.result();
    for (const QByteArray &beginning : {QByteArray("MZ"), QByteArray("..")}) {
        const auto content = Content::fromByteArray(beginning + QByteArray(1000, ' '));
        const auto task = engine.begin({}, content);
        while (task->step({}) != ScanTask::Progress::Done) { }
    }
}

//! The child's side of a fork.
[[noreturn]] void becomeWorker(FileDescriptor socket,
    const std::shared_ptr<const ScanEngine> &engine, qint64 maxScanBytes, pid_t parent)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0UL, 0UL, 0UL);
    if (::getppid() != parent) // it died before it could have told us
        ::_exit(0);
    const auto own = unsigned(socket.get());
    ::syscall(SYS_close_range, unsigned(ChildProcess::socketDescriptor), own - 1, 0U);
    ::syscall(SYS_close_range, own + 1, ~0U, 0U);
    runWorkerLoop(std::move(socket), engine, maxScanBytes);
}

//! The workers that were forked here, and how the last of them have ended.
class Children {
public:
    Children(std::shared_ptr<const ScanEngine> engine, qint64 maxScanBytes)
        : m_engine(std::move(engine)), m_maxScanBytes(maxScanBytes)
    {
    }

    bool fork(int control, FileDescriptor socket)
    {
        const pid_t self = ::getpid();
        const pid_t child = ::fork();
        if (child == 0)
            becomeWorker(std::move(socket), m_engine, m_maxScanBytes, self);
        const FileDescriptor process(child < 0 ? -1 : int(::syscall(SYS_pidfd_open, child, 0U)));
        reapEnded(); // after it: until then, nobody reaps the new one
        return sendPacket(
            control, QByteArray::number(child), process.isValid() ? process.get() : -1);
    }

    bool tellEnding(int control, QByteArrayView worker)
    {
        const pid_t child = worker.toByteArray().toInt();
        const auto known = std::ranges::find(m_endings, child, &Ending::child);
        int status = 0;
        if (known != m_endings.end())
            status = known->status;
        else if (child <= 0 || ::waitpid(child, &status, 0) != child)
            return sendPacket(control, "has ended");
        return sendPacket(control, describe(status));
    }

private:
    struct Ending {
        pid_t child = 0;
        int status = 0;
    };
    //! Who wants to know asks soon.
    static constexpr size_t maxEndings = 64;

    void reapEnded()
    {
        int status = 0;
        for (pid_t child = 0; (child = ::waitpid(-1, &status, WNOHANG)) > 0;) {
            if (m_endings.size() == maxEndings)
                m_endings.pop_front();
            m_endings.push_back({child, status});
        }
    }

    static QByteArray describe(int status)
    {
        if (!WIFSIGNALED(status))
            return "exited with code " + QByteArray::number(WEXITSTATUS(status));
        return "was ended by signal " + QByteArray::number(WTERMSIG(status)) + " ("
            + ::strsignal(WTERMSIG(status)) + ')';
    }

    const std::shared_ptr<const ScanEngine> m_engine;
    const qint64 m_maxScanBytes;
    std::deque<Ending> m_endings;
};

} // namespace

int runWorkerParent(const QByteArrayList &arguments)
{
    const FileDescriptor control(ChildProcess::socketDescriptor);
    // What ends a whole process group is for the broker, and our end follows from its own.
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGTERM, SIG_IGN);
    std::signal(SIGPIPE, SIG_IGN);
    WorkerRules rules = WorkerRules::fromArguments(arguments);
    if (!rules.hear(control.get()))
        return 1;
    ::alarm(unsigned(Limits::maxRuleCompilation.count())); // also if nobody waits any more
    auto compiled = compileApart(rules);
    ReloadResult result;
    result.isActivated = compiled.has_value();
    result.problems = compiled ? compiled->problems : compiled.error();
    std::shared_ptr<const ScanEngine> engine;
    if (compiled) {
        result.rules = summaryOf(*compiled->ruleSet);
        engine = std::make_shared<ArchiveEngine>(
            std::make_shared<YaraEngine>(compiled->ruleSet), rules.archives);
        ::alarm(unsigned(Limits::maxWarmUp.count())); // some rules would never come to an end
        warmUp(*engine);
    }
    ::alarm(0);
    if (!sendPacket(control.get(), encode(Message(result))) || !compiled)
        return 1;
    Children children(std::move(engine), rules.maxScanBytes);
    while (auto packet = receivePacket(control.get())) {
        const bool isAnswered = packet->file.isValid()
            ? children.fork(control.get(), std::move(packet->file))
            : children.tellEnding(control.get(), packet->bytes);
        if (!isAnswered)
            return 1;
    }
    return 0;
}

} // namespace Sentinel
