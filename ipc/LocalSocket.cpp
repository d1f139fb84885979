// SPDX-License-Identifier: MIT
#include "ipc/LocalSocket.h"

#include "ipc/LocalSocket_p.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include <unistd.h>

namespace Sentinel::LocalSocket {

QString systemError(const QString &what)
{
    const int error = errno;
    return QStringLiteral("cannot %1: %2").arg(what, qt_error_string(error));
}

std::expected<std::pair<FileDescriptor, FileDescriptor>, QString> connectedPair()
{
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return std::unexpected(systemError(QStringLiteral("make a pair of sockets")));
    return std::pair(FileDescriptor(ends[0]), FileDescriptor(ends[1]));
}

std::expected<FileDescriptor, QString> connectTo(const QString &path)
{
    const std::optional<sockaddr_un> address = addressOf(path);
    if (!address)
        return std::unexpected(QStringLiteral("no path of a socket: '%1'").arg(path));
    FileDescriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto *generic = reinterpret_cast<const sockaddr *>(&*address);
    if (!socket.isValid() || ::connect(socket.get(), generic, sizeof *address) != 0)
        return std::unexpected(systemError(QStringLiteral("connect to '%1'").arg(path)));
    const auto peer = peerCredentials(socket.get());
    if (!peer)
        return std::unexpected(peer.error());
    if (peer->uid != ::geteuid() && peer->uid != 0) {
        return std::unexpected(
            QStringLiteral("'%1' belongs to another user (%2)").arg(path).arg(peer->uid));
    }
    return socket;
}

std::expected<PeerCredentials, QString> peerCredentials(int socket)
{
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return std::unexpected(systemError(QStringLiteral("ask who is at the other end")));
    return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

bool isPeerIn(int socket, gid_t group)
{
    const auto peer = peerCredentials(socket);
    if (!peer || peer->gid == group)
        return peer.has_value();
    socklen_t size = 0; // told by the first call, which fails if there is anything to tell
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &size) == 0)
        return false;
    std::vector<gid_t> groups(size / sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0)
        return false;
    return std::ranges::find(groups, group) != groups.end();
}

} // namespace Sentinel::LocalSocket
