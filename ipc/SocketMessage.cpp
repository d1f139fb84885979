// SPDX-License-Identifier: MIT
#include "ipc/SocketMessage.h"

#include "ipc/Retried_p.h"

#include <array>
#include <cstring>

#include <sys/socket.h>

namespace Sentinel::SocketMessage {

namespace {

// Room for more descriptors than a message may have, so that too many are told from those that
// were lost.
constexpr size_t descriptorRoom = 4;

std::deque<FileDescriptor> descriptorsOf(msghdr &header)
{
    std::deque<FileDescriptor> descriptors;
    for (cmsghdr *part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof descriptor, sizeof descriptor);
            descriptors.emplace_back(descriptor);
        }
    }
    return descriptors;
}

} // namespace

ssize_t send(int socket, QByteArrayView bytes, int descriptor, int flags)
{
    iovec piece{const_cast<char *>(bytes.data()), size_t(bytes.size())};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    if (descriptor >= 0) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr *part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof descriptor);
        std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
    }
    return retried([&] { return ::sendmsg(socket, &header, flags | MSG_NOSIGNAL); });
}

Received receive(int socket, std::span<char> buffer, int flags)
{
    iovec piece{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(descriptorRoom * sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size =
        retried([&] { return ::recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC); });
    if (size < 0)
        return {};
    return {size, header.msg_flags, descriptorsOf(header)};
}

} // namespace Sentinel::SocketMessage
