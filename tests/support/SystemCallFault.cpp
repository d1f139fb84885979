// SPDX-License-Identifier: MIT
#include "tests/support/SystemCallFault.h"

#include <cerrno>
#include <csignal>
#include <cstddef>

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace Sentinel::Test {

#if defined(__x86_64__)

namespace {

constexpr int traceRefused = 125; // the child's exit code then

long peek(pid_t child, size_t offset)
{
    return ::ptrace(PTRACE_PEEKUSER, child, offset, nullptr);
}

void poke(pid_t child, size_t offset, long value)
{
    ::ptrace(PTRACE_POKEUSER, child, offset, value);
}

// On to the next stop; false at the child's end.
bool goOn(pid_t child, int &status)
{
    int signal = 0;
    if (WIFSTOPPED(status) && WSTOPSIG(status) != (SIGTRAP | 0x80) && WSTOPSIG(status) != SIGSTOP)
        signal = WSTOPSIG(status);
    return ::ptrace(PTRACE_SYSCALL, child, nullptr, signal) == 0
        && ::waitpid(child, &status, 0) == child && WIFSTOPPED(status);
}

bool isCall(int status)
{
    return WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80);
}

} // namespace

std::optional<FaultyEnd> runWithFault(const std::function<void()> &prepare,
    const std::function<int()> &function, SystemCallFault fault)
{
    const pid_t child = ::fork();
    if (child == 0) {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0)
            ::_exit(traceRefused);
        prepare();
        ::raise(SIGSTOP);
        ::_exit(function());
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        return std::nullopt;
    ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);

    FaultyEnd end;
    int calls = 0;
    bool isBefore = false; // of two stops the first is before the call
    while (goOn(child, status)) {
        if (!isCall(status))
            continue;
        isBefore = !isBefore;
        if (!isBefore || ++calls != fault.call)
            continue;
        end.wasReached = true;
        end.number = peek(child, offsetof(user, regs.orig_rax));
        if (fault.error == 0) {
            ::kill(child, SIGKILL);
            ::waitpid(child, &status, 0);
            break;
        }
        poke(child, offsetof(user, regs.orig_rax), -1);
        if (!goOn(child, status))
            break;
        isBefore = false;
        poke(child, offsetof(user, regs.rax), -fault.error);
    }
    end.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return end;
}

#else

std::optional<FaultyEnd> runWithFault(
    const std::function<void()> &, const std::function<int()> &, SystemCallFault)
{
    return std::nullopt;
}

#endif

} // namespace Sentinel::Test
