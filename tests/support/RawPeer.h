// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/FileDescriptor.h"
#include "ipc/Limits.h"
#include "ipc/LocalSocket.h"

#include <QByteArray>

#include <cerrno>
#include <cstring>
#include <vector>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace Sentinel::Test {

//! \brief A socket that listens at \p path, as another program would have made it. Its file stays
//! when it is closed.
inline FileDescriptor listeningSocket(const QByteArray &path, int type = SOCK_SEQPACKET)
{
    FileDescriptor socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.constData(), size_t(path.size()));
    if (::bind(socket.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) != 0
        || ::listen(socket.get(), 5) != 0)
        qFatal("no socket at %s", path.constData());
    return socket;
}

//! \brief A socket's end that sends whatever it is told, as no Channel would.
class RawPeer {
public:
    explicit RawPeer(FileDescriptor socket) : m_socket(std::move(socket))
    {
        const int bufferBytes = 1024 * 1024;
        ::setsockopt(m_socket.get(), SOL_SOCKET, SO_SNDBUF, &bufferBytes, sizeof bufferBytes);
    }

    //! One message of \p bytes with \p descriptors descriptors of a small file. False if the system
    //! does not take it.
    bool send(const QByteArray &bytes, int descriptors = 0)
    {
        const FileDescriptor file(::memfd_create("sent", MFD_CLOEXEC));
        return sendWith(bytes, std::vector<int>(size_t(descriptors), file.get()));
    }
    //! The same with the descriptors \p sent.
    bool sendWith(const QByteArray &bytes, const std::vector<int> &sent)
    {
        const size_t descriptors = sent.size();
        std::vector<char> control(descriptors > 0 ? CMSG_SPACE(sizeof(int) * sent.size()) : 0);
        iovec content{const_cast<char *>(bytes.constData()), size_t(bytes.size())};
        msghdr header{};
        header.msg_iov = &content;
        header.msg_iovlen = 1;
        if (descriptors > 0) {
            header.msg_control = control.data();
            header.msg_controllen = control.size();
            cmsghdr *part = CMSG_FIRSTHDR(&header);
            part->cmsg_level = SOL_SOCKET;
            part->cmsg_type = SCM_RIGHTS;
            part->cmsg_len = CMSG_LEN(sizeof(int) * sent.size());
            std::memcpy(CMSG_DATA(part), sent.data(), sizeof(int) * sent.size());
        }
        return ::sendmsg(m_socket.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
    }

    //! Reads what has come, and forgets it. False once the other end is closed.
    bool drain()
    {
        std::vector<char> buffer(IpcLimits::maxFrameBytes);
        ssize_t size = 0;
        do
            size = ::recv(m_socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        while (size > 0);
        return size < 0 && errno == EAGAIN;
    }

    void close() { m_socket = FileDescriptor(); }

private:
    FileDescriptor m_socket;
};

//! \brief For its life, this process can open no descriptor beyond those it has.
class NoMoreDescriptors {
public:
    NoMoreDescriptors()
    {
        ::getrlimit(RLIMIT_NOFILE, &m_before);
        const FileDescriptor next(::memfd_create("next", MFD_CLOEXEC)); // the lowest that is free
        const rlimit none{rlim_t(next.get()), m_before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &m_before); }
    Q_DISABLE_COPY_MOVE(NoMoreDescriptors)

private:
    rlimit m_before{};
};

} // namespace Sentinel::Test
