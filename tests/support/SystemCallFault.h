// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>

namespace Sentinel::Test {

//! \brief What happens to one system call of a child process.
struct SystemCallFault {
    int call = 0; //!< which one, counted from 1
    int error = 0; //!< it is not made and fails so; 0: the process is killed instead
};

//! \brief How a child process with a fault ended.
struct FaultyEnd {
    bool wasReached = false; //!< there was such a call
    long number = -1; //!< of it (SYS_...)
    int exitCode = -1; //!< -1: by a signal
};

//! \brief Runs \p function in a copy of this process, by ptrace(2), as if by strace's injection,
//! and has \p fault happen to it. Nothing where this process may not trace another, or on a
//! processor whose registers are not known here.
std::optional<FaultyEnd> runWithFault(const std::function<void()> &prepare,
    const std::function<int()> &function, SystemCallFault fault);

} // namespace Sentinel::Test
