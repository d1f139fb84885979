// SPDX-License-Identifier: MIT
#include "Sentinel/clamdserver/ClamdSocket.h"

#include "Sentinel/Limits.h"

#include <cerrno>

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace Sentinel {

ClamdSocket::ClamdSocket(FileDescriptor socket, QObject *parent)
    : QObject(parent)
    , m_socket(std::move(socket))
    , m_readable(m_socket.get(), QSocketNotifier::Read)
    , m_writable(m_socket.get(), QSocketNotifier::Write)
{
    m_writable.setEnabled(false);
    connect(&m_readable, &QSocketNotifier::activated, this, [this] { Q_EMIT readable(); });
    connect(&m_writable, &QSocketNotifier::activated, this, &ClamdSocket::sendMore);
}

SocketMessage::Received ClamdSocket::receive(std::span<char> buffer)
{
    auto received = SocketMessage::receive(m_socket.get(), buffer, MSG_DONTWAIT);
    if (received.size < 0 && errno != EAGAIN)
        received.size = 0; // nothing will come of it
    return received;
}

bool ClamdSocket::send(const QByteArray &bytes)
{
    if (m_unsent.size() + bytes.size() > Limits::maxClamdUnsentBytes)
        return false;
    m_unsent += bytes;
    return m_writable.isEnabled() || trySend();
}

//! False if the client is gone.
bool ClamdSocket::trySend()
{
    while (!m_unsent.isEmpty()) {
        const ssize_t sent = SocketMessage::send(m_socket.get(), m_unsent, -1, MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0)
            break;
        m_unsent.remove(0, sent);
    }
    m_writable.setEnabled(hasUnsent());
    return true;
}

void ClamdSocket::sendMore()
{
    if (!trySend()) {
        m_writable.setEnabled(false);
        Q_EMIT failed();
    } else if (!hasUnsent()) {
        Q_EMIT sent();
    }
}

bool ClamdSocket::isPeerGone() const
{
    pollfd state{m_socket.get(), 0, 0};
    return ::poll(&state, 1, 0) != 0; // POLLHUP or POLLERR: both of its directions are shut
}

bool ClamdSocket::hasUnread() const
{
    int bytes = 0;
    return ::ioctl(m_socket.get(), FIONREAD, &bytes) == 0 && bytes > 0;
}

} // namespace Sentinel
