// SPDX-License-Identifier: MIT
#include "Sentinel/sandbox/Sandbox_p.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Since Linux 6.3; the headers of Debian 12 are older.
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

namespace Sentinel {

namespace {

int control(int option, unsigned long value)
{
    return ::prctl(option, value, 0UL, 0UL, 0UL) == 0 ? 0 : errno;
}

//! Sets both limits of \p resource, so that it cannot be raised again. A lower one stays.
int setLimit(__rlimit_resource resource, rlim_t value)
{
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0)
        return errno;
    limit.rlim_max = std::min(limit.rlim_max, value);
    limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
    return ::setrlimit(resource, &limit) == 0 ? 0 : errno;
}

} // namespace

bool SandboxReport::isComplete() const
{
    return std::ranges::all_of(features, &SandboxFeature::isInForce);
}

void addFeature(SandboxReport &report, const char *name, const QString &whyNot)
{
    report.features.push_back({QString::fromLatin1(name), whyNot.isEmpty(), whyNot});
}

void addFeature(SandboxReport &report, const char *name, int error)
{
    addFeature(report, name, error == 0 ? QString() : QString::fromLocal8Bit(std::strerror(error)));
}

void renouncePrivileges(SandboxReport &report)
{
    addFeature(report, "no-new-privileges", control(PR_SET_NO_NEW_PRIVS, 1));
    // No core dump of somebody's download, and no debugger of the same user.
    addFeature(report, "not-dumpable", control(PR_SET_DUMPABLE, 0));
    const int error = control(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN);
    if (error == EINVAL)
        addFeature(report, "no-new-code", QStringLiteral("needs Linux 6.3"));
    else
        addFeature(report, "no-new-code", error);
}

void limitResources(const SandboxLimits &limits, SandboxReport &report)
{
    const QString tooLittle = QStringLiteral("off in sanitizer builds, which need more");
    if (isSanitizerBuild) {
        addFeature(report, "memory-limit", tooLittle);
        addFeature(report, "address-limit", tooLittle);
    } else {
        addFeature(report, "memory-limit", setLimit(RLIMIT_DATA, rlim_t(limits.memoryBytes)));
        addFeature(report, "address-limit", setLimit(RLIMIT_AS, rlim_t(limits.addressBytes)));
    }
    addFeature(report, "no-core-dumps", setLimit(RLIMIT_CORE, 0));
    addFeature(report, "descriptor-limit", setLimit(RLIMIT_NOFILE, rlim_t(limits.descriptors)));
    addFeature(report, "no-file-growth", setLimit(RLIMIT_FSIZE, 0)); // sockets are no files
    // Does not bind root; the system call filter does.
    addFeature(report, "no-processes", setLimit(RLIMIT_NPROC, 0));
}

SandboxReport enterSandbox(const SandboxLimits &limits)
{
    SandboxReport report;
    renouncePrivileges(report);
    limitResources(limits, report);
    confineByLandlock(landlockAbi(), report);
    filterSystemCalls(report);
    return report;
}

bool statDescriptor(int descriptor, struct stat &status)
{
    return ::syscall(SYS_fstat, descriptor, &status) == 0;
}

} // namespace Sentinel
