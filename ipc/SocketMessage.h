// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/FileDescriptor.h"
#include "ipc/IpcExport.h"

#include <QByteArray>

#include <deque>
#include <span>

#include <sys/types.h>

//! \brief Messages over a SEQPACKET socket, with descriptors beside their bytes (SCM_RIGHTS).
//!
//! Thread: any. Signals do not interrupt.
namespace Sentinel::SocketMessage {

//! \brief What came with one message.
struct Received {
    ssize_t size = -1; //!< of its bytes; 0: the other end is closed; -1: see errno
    int flags = 0; //!< MSG_TRUNC, MSG_CTRUNC
    std::deque<FileDescriptor> descriptors; //!< closed at exec; never left to nobody
};

//! Sends \p bytes, with \p descriptor unless it is -1; \p flags as sendmsg(2), which also says what
//! is returned. No SIGPIPE.
SENTINELIPC_EXPORT ssize_t send(int socket, QByteArrayView bytes, int descriptor, int flags = 0);

//! Receives the next message into \p buffer; \p flags as recvmsg(2).
SENTINELIPC_EXPORT Received receive(int socket, std::span<char> buffer, int flags = 0);

} // namespace Sentinel::SocketMessage
