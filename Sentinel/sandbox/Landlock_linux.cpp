// SPDX-License-Identifier: MIT
#include "Sentinel/sandbox/Sandbox_p.h"

#include "ipc/FileDescriptor.h"

#include <cerrno>

#include <sys/syscall.h>
#include <unistd.h>

namespace Sentinel {

namespace {

// The kernel's own header is as old as the system that we are built on, not the one we run on: what
// is asked for is written here, after Documentation/userspace-api/landlock.rst.
struct LandlockRuleset {
    quint64 filesystem = 0;
    quint64 network = 0; // since ABI 4
    quint64 scoped = 0; // since ABI 6
};

constexpr const char *filesFeature = "landlock-files";
constexpr const char *networkFeature = "landlock-network";
constexpr const char *scopesFeature = "landlock-scopes";

constexpr quint32 askForVersion = 1;
constexpr int networkAbi = 4;
constexpr int scopeAbi = 6;
constexpr quint64 tcpBindAndConnect = 0b11;
constexpr quint64 abstractSocketsAndSignals = 0b11;

//! Every right that the kernel knows: execute, write, read and list files, remove and make each
//! kind of them, later link, truncate and control devices. A right that it does not know is an
//! error.
constexpr quint64 filesystemRights(int abi)
{
    const int count = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
    return (quint64(1) << count) - 1;
}

int restrictProcess(const LandlockRuleset &ruleset)
{
    // Without one rule in it: nothing of what it handles is allowed. The kernel takes a structure
    // that is longer than the one it knows, if the rest is zero.
    const FileDescriptor set(
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0U)));
    if (!set.isValid())
        return errno;
    return ::syscall(SYS_landlock_restrict_self, set.get(), 0U) == 0 ? 0 : errno;
}

void report(SandboxReport &to, const char *name, int abi, int neededAbi, int error)
{
    if (abi < neededAbi)
        addFeature(to, name,
            QStringLiteral("the kernel's Landlock is of version %1, this needs %2")
                .arg(abi)
                .arg(neededAbi));
    else
        addFeature(to, name, error);
}

} // namespace

int landlockAbi()
{
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0UL, askForVersion);
    return abi < 0 ? -errno : static_cast<int>(abi); // ENOSYS: not built in; EOPNOTSUPP: off
}

void confineByLandlock(int abi, SandboxReport &to)
{
    if (abi <= 0) {
        for (const char *name : {filesFeature, networkFeature, scopesFeature})
            addFeature(to, name, abi == 0 ? ENOSYS : -abi);
        return;
    }
    LandlockRuleset ruleset;
    ruleset.filesystem = filesystemRights(abi);
    ruleset.network = abi >= networkAbi ? tcpBindAndConnect : 0;
    ruleset.scoped = abi >= scopeAbi ? abstractSocketsAndSignals : 0;
    const int error = restrictProcess(ruleset);
    report(to, filesFeature, abi, 1, error);
    report(to, networkFeature, abi, networkAbi, error);
    report(to, scopesFeature, abi, scopeAbi, error);
}

} // namespace Sentinel
