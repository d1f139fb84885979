// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>

#include <functional>
#include <vector>

namespace Sentinel::Test {

//! \brief How a process ended whose system calls were counted, and one of them maybe failed.
struct FaultedRun {
    int exitCode = -1; //!< -1: it was killed, by the fault or by itself
    int signal = 0; //!< what it was killed by
    std::vector<QByteArray> calls; //!< the names of its calls, as far as they matter here
    QByteArray faulted; //!< the name of the call that failed; empty: there was none
};

//! \brief Runs functions in child processes of their own and lets the system fail them at one
//! system call, which is chosen by its number: all of them can be tried, one after the other.
//!
//! Only from programs of one thread. Calls of memory and of threads are not counted: a process that
//! has no memory ends, which is what a kill at the next call is.
class SystemCallFaults {
public:
    //! False where processes may not be traced, or on machines that this does not know.
    static bool arePossible();

    //! Runs \p function to its end and with its return value as exit code.
    static FaultedRun count(const std::function<int()> &function);
    //! Kills the child instead of the call number \p index, from 0 on.
    static FaultedRun killAt(int index, const std::function<int()> &function);
    //! Has the call number \p index do nothing and return the error \p errorNumber. A close()
    //! closes all the same, as it does on Linux.
    static FaultedRun failAt(int index, int errorNumber, const std::function<int()> &function);
};

} // namespace Sentinel::Test
