// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/Limits.h"
#include "ipc/SentinelStatus.h"

#include <vector>

struct stat;

namespace Sentinel {

//! \brief What a sandboxed process may take of the machine.
struct SandboxLimits {
    qint64 memoryBytes = Limits::maxWorkerMemoryBytes; //!< what it can write to: heap, own mappings
    qint64 addressBytes = Limits::maxWorkerAddressBytes; //!< all mappings, today's included
    int descriptors = Limits::maxWorkerDescriptors; //!< numbers below this; open ones stay open
};

//! \brief All walls that there should be, each said to stand or not.
struct SandboxReport {
    std::vector<SandboxFeature> features;

    bool isComplete() const;
};

//! \brief Takes from the calling process, for good, all that a scan does not need: files, network,
//! other processes, new code, memory without end. Before the first hostile byte is seen.
//!
//! What is left are the descriptors that are open, memory up to \p limits, and the system calls of
//! allowedSystemCalls(); any other call ends the process by SIGSYS. A wall that the kernel does not
//! have, or that a sanitizer cannot live behind, is left out and reported; the others stand.
//!
//! Whatever wants a file or a call of its own must have happened before: rules compiled, libraries
//! initialised (OpenSSL reads its configuration at first use), a first scan done. Logging to a
//! file or a terminal ends the process; it has its sockets to say what there is to say.
//!
//! Thread: the only one of its process, as after fork(). Allocates.
SandboxReport enterSandbox(const SandboxLimits &limits = {});

//! \brief The names of the system calls that are left to a sandboxed process.
const std::vector<const char *> &allowedSystemCalls();

//! \brief fstat(2), as the sandbox allows it: the C library's goes through newfstatat(2), which
//! would also tell of files by their path. False with errno on failure.
//!
//! Thread: any.
bool statDescriptor(int descriptor, struct stat &status);

} // namespace Sentinel
