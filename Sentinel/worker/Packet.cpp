// SPDX-License-Identifier: MIT
#include "Sentinel/worker/Packet.h"

#include "ipc/Limits.h"
#include "ipc/SocketMessage.h"

#include <sys/socket.h>

namespace Sentinel {

bool sendPacket(int socket, QByteArrayView bytes, int file)
{
    return SocketMessage::send(socket, bytes, file) == bytes.size();
}

std::optional<Packet> receivePacket(int socket)
{
    Packet packet{QByteArray(IpcLimits::maxFrameBytes, Qt::Uninitialized), {}};
    auto received =
        SocketMessage::receive(socket, {packet.bytes.data(), size_t(packet.bytes.size())});
    if (received.size <= 0 || received.descriptors.size() > 1
        || (received.flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        return std::nullopt;
    packet.bytes.truncate(received.size);
    if (!received.descriptors.empty())
        packet.file = std::move(received.descriptors.front());
    return packet;
}

} // namespace Sentinel
