// SPDX-License-Identifier: MIT
#include "tests/support/SystemCallFaults.h"

#include <QtCore/qglobal.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace Sentinel::Test {

#ifdef __x86_64__

namespace {

constexpr int kill = -1; // in place of an error's number
constexpr int nothing = -2;
constexpr unsigned patienceSeconds = 60;
constexpr int stoppedAtCall = SIGTRAP | 0x80;

bool matters(unsigned long long call)
{
    switch (call) {
    case SYS_brk:
    case SYS_mmap:
    case SYS_munmap:
    case SYS_mremap:
    case SYS_mprotect:
    case SYS_madvise:
    case SYS_futex:
    case SYS_rt_sigaction:
    case SYS_rt_sigprocmask:
    case SYS_rt_sigreturn:
    case SYS_exit_group:
        return false;
    default:
        return true;
    }
}

QByteArray nameOfCall(unsigned long long call)
{
    constexpr std::array names{std::pair{SYS_openat, "openat"}, std::pair{SYS_close, "close"},
        std::pair{SYS_fsync, "fsync"}, std::pair{SYS_renameat2, "renameat2"},
        std::pair{SYS_unlinkat, "unlinkat"}, std::pair{SYS_mkdirat, "mkdirat"},
        std::pair{SYS_linkat, "linkat"}, std::pair{SYS_pwrite64, "pwrite64"},
        std::pair{SYS_pread64, "pread64"}, std::pair{SYS_flock, "flock"},
        std::pair{SYS_fallocate, "fallocate"}, std::pair{SYS_write, "write"},
        std::pair{SYS_memfd_create, "memfd_create"}, std::pair{SYS_getdents64, "getdents64"}};
    for (const auto &[number, name] : names) {
        if (call == static_cast<unsigned long long>(number))
            return name;
    }
    return "call " + QByteArray::number(qulonglong(call));
}

pid_t startTraced(const std::function<int()> &function)
{
    const pid_t child = ::fork();
    if (child != 0)
        return child;
    ::alarm(patienceSeconds); // one that hangs must not keep the test
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0)
        ::_exit(126);
    ::raise(SIGSTOP);
    ::_exit(function());
}

// Lets the call that has just begun do nothing, and returns \p errorNumber from it; but close(),
// which always closes. False if the child has ended.
bool failCall(pid_t child, user_regs_struct registers, int errorNumber)
{
    if (registers.orig_rax != SYS_close)
        registers.orig_rax = ~0ULL;
    int status = 0;
    const bool isAtEnd = ::ptrace(PTRACE_SETREGS, child, nullptr, &registers) == 0
        && ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0
        && ::waitpid(child, &status, 0) == child && WIFSTOPPED(status)
        && ::ptrace(PTRACE_GETREGS, child, nullptr, &registers) == 0;
    if (!isAtEnd)
        return false;
    registers.rax = static_cast<unsigned long long>(-static_cast<long long>(errorNumber));
    return ::ptrace(PTRACE_SETREGS, child, nullptr, &registers) == 0;
}

FaultedRun runTraced(int index, int fault, const std::function<int()> &function)
{
    FaultedRun run;
    const pid_t child = startTraced(function);
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child)
        qFatal("no child process");
    if (WIFSTOPPED(status))
        ::ptrace(PTRACE_SETOPTIONS, child, nullptr,
            reinterpret_cast<void *>(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    bool isInCall = false;
    int signal = 0;
    while (WIFSTOPPED(status)) {
        if (::ptrace(PTRACE_SYSCALL, child, nullptr, signal) != 0
            || ::waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
            break;
        signal = WSTOPSIG(status) == stoppedAtCall ? 0 : WSTOPSIG(status);
        if (signal != 0)
            continue;
        isInCall = !isInCall;
        user_regs_struct registers{};
        ::ptrace(PTRACE_GETREGS, child, nullptr, &registers);
        if (!isInCall || !matters(registers.orig_rax))
            continue;
        const bool isChosen = int(run.calls.size()) == index;
        run.calls.push_back(nameOfCall(registers.orig_rax));
        if (!isChosen)
            continue;
        run.faulted = run.calls.back();
        if (fault == kill) {
            ::kill(child, SIGKILL);
            ::waitpid(child, &status, 0);
        } else {
            isInCall = !failCall(child, registers, fault);
        }
    }
    if (WIFEXITED(status))
        run.exitCode = WEXITSTATUS(status);
    else if (WIFSIGNALED(status))
        run.signal = WTERMSIG(status);
    return run;
}

} // namespace

bool SystemCallFaults::arePossible()
{
    return runTraced(0, EIO, [] { return ::syscall(SYS_getppid) < 0 && errno == EIO ? 7 : 0; })
               .exitCode
        == 7;
}

FaultedRun SystemCallFaults::count(const std::function<int()> &function)
{
    return runTraced(-1, nothing, function);
}

FaultedRun SystemCallFaults::killAt(int index, const std::function<int()> &function)
{
    return runTraced(index, kill, function);
}

FaultedRun SystemCallFaults::failAt(
    int index, int errorNumber, const std::function<int()> &function)
{
    return runTraced(index, errorNumber, function);
}

#else

bool SystemCallFaults::arePossible()
{
    return false;
}

FaultedRun SystemCallFaults::count(const std::function<int()> &)
{
    return {};
}

FaultedRun SystemCallFaults::killAt(int, const std::function<int()> &)
{
    return {};
}

FaultedRun SystemCallFaults::failAt(int, int, const std::function<int()> &)
{
    return {};
}

#endif

} // namespace Sentinel::Test
