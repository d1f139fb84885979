// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/FileDescriptor.h"
#include "ipc/IpcExport.h"

#include <QString>

#include <expected>
#include <utility>

#include <sys/types.h>

//! \brief Sockets of the kind that a Channel runs over: AF_UNIX, SOCK_SEQPACKET, closed at exec.
//!
//! Errors: sentences for people: what was tried and what the system said.
//! Thread: any.
namespace Sentinel::LocalSocket {

//! \brief The process at the other end of a socket, as the kernel knows it: of the moment in which
//! it connected, listened, or made the pair.
struct PeerCredentials {
    pid_t pid = 0;
    uid_t uid = uid_t(-1);
    gid_t gid = gid_t(-1);
};

//! Two ends that are connected with each other, of which one may be left to a child.
SENTINELIPC_EXPORT std::expected<std::pair<FileDescriptor, FileDescriptor>, QString>
connectedPair();

//! Connects to the socket at \p path without ever blocking: a listener that is full is an error.
//! The listener has to belong to the user of this process or to root; nobody else is told anything.
SENTINELIPC_EXPORT std::expected<FileDescriptor, QString> connectTo(const QString &path);

//! Who is at the other end of \p socket.
SENTINELIPC_EXPORT std::expected<PeerCredentials, QString> peerCredentials(int socket);

//! Whether the process at the other end of \p socket is in \p group, if only besides others.
SENTINELIPC_EXPORT bool isPeerIn(int socket, gid_t group);

} // namespace Sentinel::LocalSocket
