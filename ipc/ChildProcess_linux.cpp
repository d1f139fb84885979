// SPDX-License-Identifier: MIT
#include "ipc/ChildProcess.h"

#include "ipc/LocalSocket.h"
#include "ipc/Retried_p.h"

#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace Sentinel {

namespace {

//! What the child gets: its socket as its only descriptor beside the standard ones, of which only
//! the error is ours; no signal blocked or ignored, whatever the starting thread thinks of them.
class SpawnTerms {
public:
    explicit SpawnTerms(int socket)
    {
        ::posix_spawn_file_actions_init(&m_actions);
        // To itself, it would keep its mark to be closed: so by way of another number. And before
        // all else, as it is among the standard ones where we have none.
        constexpr int target = ChildProcess::socketDescriptor;
        constexpr int away = target + 1;
        ::posix_spawn_file_actions_adddup2(&m_actions, socket, away);
        ::posix_spawn_file_actions_adddup2(&m_actions, away, target);
        ::posix_spawn_file_actions_addopen(&m_actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_addopen(&m_actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        // Else its errors would be written to whatever it opens first.
        const int error = ::fcntl(STDERR_FILENO, F_GETFD);
        if (error < 0 || (error & FD_CLOEXEC) != 0)
            ::posix_spawn_file_actions_addopen(&m_actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        ::posix_spawn_file_actions_addclosefrom_np(&m_actions, away);

        ::posix_spawnattr_init(&m_attributes);
        sigset_t none;
        sigset_t all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&m_attributes, &none);
        ::posix_spawnattr_setsigdefault(&m_attributes, &all);
        ::posix_spawnattr_setflags(&m_attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    ~SpawnTerms()
    {
        ::posix_spawn_file_actions_destroy(&m_actions);
        ::posix_spawnattr_destroy(&m_attributes);
    }
    Q_DISABLE_COPY_MOVE(SpawnTerms)

    //! 0 or the error's number.
    int spawn(pid_t &process, const char *program, char *const *arguments) const
    {
        return ::posix_spawn(&process, program, &m_actions, &m_attributes, arguments, environ);
    }

private:
    posix_spawn_file_actions_t m_actions{};
    posix_spawnattr_t m_attributes{};
};

} // namespace

std::expected<ChildProcess::Started, QString> ChildProcess::start(
    QByteArray program, QByteArrayList arguments)
{
    auto ends = LocalSocket::connectedPair();
    if (!ends)
        return std::unexpected(ends.error());
    std::vector<char *> argv{program.data()};
    for (QByteArray &argument : arguments)
        argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_t pid = -1;
    if (const int error =
            SpawnTerms(ends->second.get()).spawn(pid, program.constData(), argv.data())) {
        return std::unexpected(QStringLiteral("%1 cannot be started: %2")
                                   .arg(QString::fromLocal8Bit(program), qt_error_string(error)));
    }
    // If somebody else has reaped it by now, there is none (ESRCH).
    FileDescriptor process(int(::syscall(SYS_pidfd_open, pid, 0U)));
    return Started{std::unique_ptr<ChildProcess>(new ChildProcess(pid, std::move(process))),
        std::move(ends->first)};
}

ChildProcess::~ChildProcess()
{
    kill();
    reap(0);
}

bool ChildProcess::hasEnded()
{
    return reap(WNOHANG);
}

void ChildProcess::kill()
{
    if (m_process.isValid()) {
        ::syscall(SYS_pidfd_send_signal, m_process.get(), SIGKILL, nullptr, 0U);
        return;
    }
    // By its number where there is no pidfd. That is not used again before it is reaped, which
    // nobody but us does, unless SIGCHLD is ignored or somebody waits for all children.
    siginfo_t end{};
    if (!m_hasEnded && ::waitid(P_PID, id_t(m_pid), &end, WEXITED | WNOHANG | WNOWAIT) == 0)
        ::kill(m_pid, SIGKILL);
}

bool ChildProcess::reap(int options)
{
    if (m_hasEnded)
        return true;
    int status = 0;
    const pid_t reaped = retried([&] { return ::waitpid(m_pid, &status, options); });
    if (reaped == 0)
        return false;
    m_hasEnded = true;
    if (reaped < 0) // somebody ignores SIGCHLD, and with it how children end
        m_ending = QStringLiteral("has ended");
    else if (WIFSIGNALED(status))
        m_ending = QStringLiteral("was ended by signal %1").arg(WTERMSIG(status));
    else
        m_ending = QStringLiteral("exited with code %1").arg(WEXITSTATUS(status));
    return true;
}

} // namespace Sentinel
