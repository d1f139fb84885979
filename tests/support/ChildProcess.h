// SPDX-License-Identifier: MIT
#pragma once

#include <QString>

#include <functional>

#include <sys/wait.h>
#include <unistd.h>

namespace Sentinel::Test {

//! \brief How a child process ended: "exit 0", "signal 31".
inline QString describeEnd(int status)
{
    return WIFSIGNALED(status) ? QStringLiteral("signal %1").arg(WTERMSIG(status))
                               : QStringLiteral("exit %1").arg(WEXITSTATUS(status));
}

//! \brief Runs \p function in a child process, a copy of this one with one thread, and ends it with
//! what the function returns. Not to be used with QVERIFY and its like, which report to the copy.
inline pid_t startChild(const std::function<int()> &function)
{
    constexpr unsigned patienceSeconds = 60; // one that hangs must not keep the test
    const pid_t child = ::fork();
    if (child != 0)
        return child;
    ::alarm(patienceSeconds);
    ::_exit(function());
}

inline QString endOf(pid_t child)
{
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child)
        qFatal("no child process");
    return describeEnd(status);
}

inline QString runInChild(const std::function<int()> &function)
{
    return endOf(startChild(function));
}

} // namespace Sentinel::Test
