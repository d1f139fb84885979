// SPDX-License-Identifier: MIT
#include "Sentinel/sandbox/Sandbox_p.h"

#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include <fcntl.h>
#include <sys/mman.h>

#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
#endif

namespace Sentinel {

namespace {

//! A system call; where an argument is named, only with `argument & mask == value`.
struct AllowedCall {
    const char *name;
    int argument = -1; // -1: any arguments
    quint64 mask = 0;
    quint64 value = 0;
};

constexpr quint64 wholeArgument = ~quint64(0);
constexpr quint64 intArgument = 0xffffffff; // what lies above is not looked at by the kernel

constexpr AllowedCall allowedCalls[] = {
    // Requests in, with descriptors; answers out, to nobody but the other end.
    {"recvmsg"},
    {"sendmsg"},
    {"sendto", 4, wholeArgument, 0},
    // What came is looked at, mapped and closed. fcntl could send signals, too: only these two.
    {"fstat"},
    {"fcntl", 1, intArgument, F_GET_SEALS},
    {"fcntl", 1, intArgument, F_GETFL},
    {"close"},
    // Memory, of which none can be run.
    {"mmap", 2, PROT_EXEC, 0},
    {"mprotect", 2, PROT_EXEC, 0},
    {"mremap"},
    {"munmap"},
    {"madvise"},
    {"brk"},
    // What the C library does by the way: locks, time where the vDSO cannot tell it, seeds of hash
    // tables, a way back from signal handlers, an end.
    {"futex"},
    {"clock_gettime"},
    {"getrandom"},
    {"rt_sigreturn"},
    {"exit_group"},
};

struct ReleaseFilter {
    void operator()(void *filter) const { seccomp_release(filter); }
};

//! 0 or an errno.
int loadFilter()
{
    const std::unique_ptr<void, ReleaseFilter> filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
    if (!filter)
        return ENOMEM;
    // Calls by another architecture's numbers are no way around it.
    int error = seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (error == 0) // the kernel's own error, should it refuse
        error = seccomp_attr_set(filter.get(), SCMP_FLTATR_API_SYSRAWRC, 1);
    for (const AllowedCall &call : allowedCalls) {
        if (error != 0)
            break;
        const int number = seccomp_syscall_resolve_name(call.name);
        const scmp_arg_cmp condition{static_cast<unsigned>(std::max(call.argument, 0)),
            SCMP_CMP_MASKED_EQ, call.mask, call.value};
        error = seccomp_rule_add_array(
            filter.get(), SCMP_ACT_ALLOW, number, call.argument < 0 ? 0 : 1, &condition);
    }
    return error != 0 ? -error : -seccomp_load(filter.get());
}

} // namespace

const std::vector<const char *> &allowedSystemCalls()
{
    static const std::vector<const char *> names = [] {
        std::vector<const char *> out;
        for (const AllowedCall &call : allowedCalls)
            if (out.empty() || qstrcmp(out.back(), call.name) != 0)
                out.push_back(call.name);
        return out;
    }();
    return names;
}

void filterSystemCalls(SandboxReport &report)
{
    if (isSanitizerBuild)
        addFeature(report, "system-call-filter",
            QStringLiteral("off in sanitizer builds, which make calls of their own"));
    else
        addFeature(report, "system-call-filter", loadFilter());
}

} // namespace Sentinel
