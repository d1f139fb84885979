// SPDX-License-Identifier: MIT
#include "ipc/Listener.h"

#include "ipc/Limits.h"
#include "ipc/LocalSocket_p.h"

#include <QFile>
#include <QFileInfo>
#include <QPointer>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

namespace Sentinel {

namespace {

using LocalSocket::systemError;

constexpr mode_t othersWriting = S_IWGRP | S_IWOTH;
constexpr mode_t othersAnything = S_IRWXG | S_IRWXO;

bool isOption(int socket, int option, int value)
{
    int actual = 0;
    socklen_t size = sizeof actual;
    return ::getsockopt(socket, SOL_SOCKET, option, &actual, &size) == 0 && actual == value;
}

// The directory at \p path, made if it is missing, if nobody else can reach into it by \p forbidden
// ways.
std::expected<FileDescriptor, QString> openOwnDirectory(const QString &path, mode_t forbidden)
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
    if ((status.st_mode & forbidden) != 0) {
        return std::unexpected(forbidden == othersWriting
                ? QStringLiteral("others can write into '%1': chmod 755 it").arg(path)
                : QStringLiteral("'%1' is open to others: chmod 700 it").arg(path));
    }
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

// A new socket at \p address, which is \p name in \p directory, for those who are to be let in.
std::expected<FileDescriptor, int> boundSocket(const sockaddr_un &address, int type,
    const Admission &admission, int directory, const QByteArray &name)
{
    constexpr mode_t own = S_IRUSR | S_IWUSR;
    constexpr mode_t ofGroup = S_IRGRP | S_IWGRP;
    constexpr mode_t ofOthers = S_IROTH | S_IWOTH;
    FileDescriptor socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto *generic = reinterpret_cast<const sockaddr *>(&address);
    // Before it has a name: nobody is to come through the gap.
    if (!socket.isValid() || ::fchmod(socket.get(), own) != 0
        || ::bind(socket.get(), generic, sizeof address) != 0)
        return std::unexpected(errno);
    if (admission.isForRootOnly())
        return socket;
    // Other users cannot be told by a file's mode: each is asked who he is.
    const bool hasOthers = !Admission{admission.users, {}}.isForRootOnly();
    const mode_t mode =
        own | (admission.group ? ofGroup : 0) | (hasOthers ? ofGroup | ofOthers : 0);
    const bool isOpen = (!admission.group
                            || ::fchownat(directory, name.constData(), uid_t(-1), *admission.group,
                                   AT_SYMLINK_NOFOLLOW)
                                == 0)
        && ::fchmodat(directory, name.constData(), mode, 0) == 0;
    if (isOpen)
        return socket;
    const int error = errno;
    ::unlinkat(directory, name.constData(), 0);
    return std::unexpected(error);
}

} // namespace

bool Admission::isForRootOnly() const
{
    return !group && std::ranges::all_of(users, [](uid_t user) { return user == 0; });
}

std::expected<std::unique_ptr<Listener>, QString> Listener::listenAt(
    const QString &path, Kind kind, Admission admission)
{
    const auto address = LocalSocket::addressOf(path);
    const QFileInfo file(path);
    if (!address || !file.isAbsolute() || file.fileName().isEmpty())
        return std::unexpected(QStringLiteral("no absolute path of a socket: '%1'").arg(path));
    auto directory =
        openOwnDirectory(file.path(), admission.isForRootOnly() ? othersAnything : othersWriting);
    if (!directory)
        return std::unexpected(directory.error());
    // Two that start at once must not take the other's new socket for a stale one.
    const FileDescriptor lock(::openat(directory->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock.isValid() || ::flock(lock.get(), LOCK_EX) != 0)
        return std::unexpected(systemError(QStringLiteral("lock the directory of '%1'").arg(path)));
    if (const auto isFree = removeStaleSocket(directory->get(), path); !isFree)
        return std::unexpected(isFree.error());

    const QByteArray name = QFile::encodeName(file.fileName());
    const int type = kind == Kind::Messages ? SOCK_SEQPACKET : SOCK_STREAM;
    auto socket = boundSocket(*address, type, admission, directory->get(), name);
    if (!socket) {
        errno = socket.error();
        return std::unexpected(systemError(QStringLiteral("make the socket '%1'").arg(path)));
    }
    const int listening = socket->get();
    std::unique_ptr<Listener> listener(new Listener(*std::move(socket), std::move(admission)));
    listener->m_path = path;
    listener->m_name = name;
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

Listener::Listener(FileDescriptor socket, Admission admission)
    : m_socket(std::move(socket)), m_admission(std::move(admission))
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
    if (!admits(socket.get(), *peer)) {
        Q_EMIT refused(*peer);
        return true;
    }
    Q_EMIT connected(socket, *peer);
    return true;
}

bool Listener::admits(int socket, const LocalSocket::PeerCredentials &peer) const
{
    return peer.uid == ::geteuid()
        || std::ranges::find(m_admission.users, peer.uid) != m_admission.users.end()
        || (m_admission.group && LocalSocket::isPeerIn(socket, *m_admission.group));
}

} // namespace Sentinel
