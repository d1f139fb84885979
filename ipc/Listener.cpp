// SPDX-License-Identifier: MIT
#include "ipc/Listener.h"

#include "ipc/Limits.h"
#include "ipc/LocalSocket_p.h"

#include <QFile>
#include <QFileInfo>
#include <QPointer>

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

namespace Sentinel {

namespace {

using LocalSocket::systemError;

bool isOption(int socket, int option, int value)
{
    int actual = 0;
    socklen_t size = sizeof actual;
    return ::getsockopt(socket, SOL_SOCKET, option, &actual, &size) == 0 && actual == value;
}

// The directory at \p path, made if it is missing, if nobody else can reach into it.
std::expected<FileDescriptor, QString> openPrivateDirectory(const QString &path)
{
    const QByteArray name = QFile::encodeName(path);
    if (::mkdir(name.constData(), S_IRWXU) != 0 && errno != EEXIST)
        return std::unexpected(systemError(QStringLiteral("make the directory '%1'").arg(path)));
    FileDescriptor directory(
        ::open(name.constData(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status { };
    if (!directory.isValid() || ::fstat(directory.get(), &status) != 0)
        return std::unexpected(systemError(QStringLiteral("open the directory '%1'").arg(path)));
    if (status.st_uid != ::geteuid()) {
        return std::unexpected(
            QStringLiteral("'%1' belongs to another user: choose a directory of your own")
                .arg(path));
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return std::unexpected(QStringLiteral("'%1' is open to others: chmod 700 it").arg(path));
    return directory;
}

// Makes room for a new socket at \p path, called by the one who holds the directory's lock.
std::expected<void, QString> removeStaleSocket(int directory, const QString &path)
{
    const QByteArray name = QFile::encodeName(QFileInfo(path).fileName());
    struct stat status { };
    if (::fstatat(directory, name.constData(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return {};
        return std::unexpected(systemError(QStringLiteral("look at '%1'").arg(path)));
    }
    if (!S_ISSOCK(status.st_mode))
        return std::unexpected(QStringLiteral("'%1' is there and no socket: remove it").arg(path));
    const FileDescriptor probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto address = LocalSocket::addressOf(path);
    const auto *generic = reinterpret_cast<const sockaddr *>(&*address);
    if (::connect(probe.get(), generic, sizeof *address) == 0 || errno != ECONNREFUSED)
        return std::unexpected(QStringLiteral("another process listens at '%1'").arg(path));
    if (::unlinkat(directory, name.constData(), 0) != 0)
        return std::unexpected(systemError(QStringLiteral("remove '%1'").arg(path)));
    return {};
}

} // namespace

std::expected<std::unique_ptr<Listener>, QString> Listener::listenAt(const QString &path)
{
    const auto address = LocalSocket::addressOf(path);
    const QFileInfo file(path);
    if (!address || !file.isAbsolute() || file.fileName().isEmpty())
        return std::unexpected(QStringLiteral("no absolute path of a socket: '%1'").arg(path));
    auto directory = openPrivateDirectory(file.path());
    if (!directory)
        return std::unexpected(directory.error());
    // Two that start at once must not take the other's new socket for a stale one.
    const FileDescriptor lock(::openat(directory->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock.isValid() || ::flock(lock.get(), LOCK_EX) != 0)
        return std::unexpected(systemError(QStringLiteral("lock the directory of '%1'").arg(path)));
    if (const auto isFree = removeStaleSocket(directory->get(), path); !isFree)
        return std::unexpected(isFree.error());

    FileDescriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto *generic = reinterpret_cast<const sockaddr *>(&*address);
    if (!socket.isValid() || ::bind(socket.get(), generic, sizeof *address) != 0)
        return std::unexpected(systemError(QStringLiteral("make the socket '%1'").arg(path)));
    const int listening = socket.get();
    std::unique_ptr<Listener> listener(new Listener(std::move(socket)));
    listener->m_path = path;
    listener->m_name = QFile::encodeName(file.fileName());
    listener->m_directory = *std::move(directory);
    if (::fstatat(listener->m_directory.get(), listener->m_name.constData(), &listener->m_file,
            AT_SYMLINK_NOFOLLOW)
            != 0
        || ::listen(listening, IpcLimits::maxPendingConnections) != 0)
        return std::unexpected(systemError(QStringLiteral("listen at '%1'").arg(path)));
    return listener;
}

std::expected<std::unique_ptr<Listener>, QString> Listener::adopt(FileDescriptor listening)
{
    const int socket = listening.get();
    if (!isOption(socket, SO_DOMAIN, AF_UNIX) || !isOption(socket, SO_TYPE, SOCK_SEQPACKET)
        || !isOption(socket, SO_ACCEPTCONN, 1)) {
        return std::unexpected(QStringLiteral("not a local SEQPACKET socket that listens "
                                              "(systemd: ListenSequentialPacket=)"));
    }
    const int flags = ::fcntl(socket, F_GETFL);
    if (flags < 0 || ::fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0
        || ::fcntl(socket, F_SETFD, FD_CLOEXEC) != 0)
        return std::unexpected(systemError(QStringLiteral("take over the socket")));
    return std::unique_ptr<Listener>(new Listener(std::move(listening)));
}

Listener::Listener(FileDescriptor socket) : m_socket(std::move(socket))
{
    m_waiting.setSocket(m_socket.get());
    connect(&m_waiting, &QSocketNotifier::activated, this, &Listener::acceptSome);
    m_waiting.setEnabled(true);
    m_pause.setSingleShot(true);
    m_pause.setInterval(IpcLimits::acceptPause);
    connect(&m_pause, &QTimer::timeout, this, [this] { m_waiting.setEnabled(true); });
}

Listener::~Listener()
{
    m_waiting.setEnabled(false);
    if (!m_directory.isValid())
        return;
    // As long as we listen nobody takes the file for a stale one: it is ours, or was replaced by
    // hand.
    struct stat status { };
    if (::fstatat(m_directory.get(), m_name.constData(), &status, AT_SYMLINK_NOFOLLOW) == 0
        && status.st_ino == m_file.st_ino && status.st_dev == m_file.st_dev)
        ::unlinkat(m_directory.get(), m_name.constData(), 0);
}

void Listener::acceptSome()
{
    const QPointer<Listener> self(this);
    for (int i = 0; i < IpcLimits::messagesPerTurn && self; ++i) {
        if (!acceptOne())
            return;
    }
}

// True if more may wait; the listener may be gone by then.
bool Listener::acceptOne()
{
    FileDescriptor socket(
        ::accept4(m_socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.isValid()) {
        if (errno == EINTR || errno == ECONNABORTED)
            return true;
        if (errno == EAGAIN)
            return false;
        // Out of descriptors or memory. Whoever waits still does, so that the notifier would fire
        // without end.
        m_waiting.setEnabled(false);
        m_pause.start();
        Q_EMIT stalled(systemError(QStringLiteral("let a client in")));
        return false;
    }
    const auto peer = LocalSocket::peerCredentials(socket.get());
    if (!peer)
        return true;
    if (peer->uid != ::geteuid()) {
        Q_EMIT refused(*peer);
        return true;
    }
    Q_EMIT connected(socket, *peer);
    return true;
}

} // namespace Sentinel
