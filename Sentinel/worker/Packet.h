// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/FileDescriptor.h"

#include <QByteArray>

#include <optional>

namespace Sentinel {

//! \brief One message over a SOCK_SEQPACKET socket, and the descriptor that came with it, if one
//! did.
struct Packet {
    QByteArray bytes;
    FileDescriptor file;
};

//! \brief Sends \p bytes, with \p file if it is one. Blocks. False if the other end is gone.
bool sendPacket(int socket, QByteArrayView bytes, int file = -1);

//! \brief The next message, of at most IpcLimits::maxFrameBytes. Blocks. Nothing if the other end
//! is gone, or sends what is none: too long, empty, with more than one descriptor.
std::optional<Packet> receivePacket(int socket);

} // namespace Sentinel
