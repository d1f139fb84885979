// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace Sentinel::Test {

// What a file system may lack, as vfat and others do; played by the kernel for this thread alone.
enum class Lack {
    Nothing,
    NamelessFiles,
    NamelessFilesAndLinks,
    Links,
    LinksAndKeepingRenames, // renames that replace nothing
    AllLinksAndRenames,
    Descriptors,
};

// Fails \p call with \p error, if the third argument's \p bits are set (0: always).
inline void refuse(long call, unsigned error, unsigned bits)
{
    constexpr unsigned number = offsetof(seccomp_data, nr);
    constexpr unsigned argument = offsetof(seccomp_data, args) + 2 * sizeof(__u64);
    std::array filter{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 4),
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
        sock_filter BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{filter.size(), filter.data()};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        qFatal("No system call filter");
}

inline void apply(Lack lack)
{
    constexpr unsigned nameless = O_TMPFILE & ~O_DIRECTORY;
    if (lack == Lack::NamelessFiles || lack == Lack::NamelessFilesAndLinks)
        refuse(SYS_openat, EOPNOTSUPP, nameless);
    const bool hasNoKeepingRenames =
        lack == Lack::LinksAndKeepingRenames || lack == Lack::AllLinksAndRenames;
    if (lack == Lack::Links || lack == Lack::NamelessFilesAndLinks || hasNoKeepingRenames)
        refuse(SYS_linkat, EPERM, 0);
    if (hasNoKeepingRenames)
        refuse(SYS_renameat2, EINVAL, 0);
    if (lack == Lack::AllLinksAndRenames) {
#ifdef SYS_renameat
        refuse(SYS_renameat, EPERM, 0);
#endif
    }
    if (lack == Lack::Descriptors) // a link by /proc where there is no /proc
        refuse(SYS_linkat, ENOENT, 0);
}

} // namespace Sentinel::Test
