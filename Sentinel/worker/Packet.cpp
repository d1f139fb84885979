// SPDX-License-Identifier: MIT
#include "Sentinel/worker/Packet.h"

#include "ipc/Limits.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace Sentinel {

namespace {

// Room for two, so that one too many is noticed, and closed with its message.
using Control = std::array<char, CMSG_SPACE(2 * sizeof(int))>;

template <typename Call>
ssize_t retried(Call call)
{
    ssize_t result = call();
    while (result < 0 && errno == EINTR)
        result = call();
    return result;
}

//! Takes over the descriptors of \p message; false if there is more than one.
bool takeDescriptor(msghdr &message, FileDescriptor &file)
{
    int count = 0;
    for (cmsghdr *header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t bytes = header->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(header) + at, sizeof number);
            file = FileDescriptor(number);
            ++count;
        }
    }
    return count <= 1;
}

} // namespace

bool sendPacket(int socket, QByteArrayView bytes, int file)
{
    iovec piece{const_cast<char *>(bytes.data()), size_t(bytes.size())};
    alignas(cmsghdr) Control control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (file >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(sizeof file);
        cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof file);
        std::memcpy(CMSG_DATA(header), &file, sizeof file);
    }
    return retried([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL); }) == bytes.size();
}

std::optional<Packet> receivePacket(int socket)
{
    Packet packet{QByteArray(IpcLimits::maxFrameBytes, Qt::Uninitialized), {}};
    iovec piece{packet.bytes.data(), size_t(packet.bytes.size())};
    alignas(cmsghdr) Control control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = retried([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
    const bool isOne = takeDescriptor(message, packet.file);
    if (size <= 0 || !isOne || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        return std::nullopt;
    packet.bytes.truncate(size);
    return packet;
}

} // namespace Sentinel
