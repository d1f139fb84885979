// SPDX-License-Identifier: MIT
#include "ipc/Outbox.h"

#include "ipc/Channel.h"
#include "ipc/Codec.h"
#include "ipc/Limits.h"
#include "ipc/LocalSocket_p.h"
#include "ipc/SocketMessage.h"

#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace Sentinel {

Outbox::Outbox(FileDescriptor socket, Channel *channel)
    : m_socket(std::move(socket)), m_channel(channel)
{
}

Outbox::~Outbox() = default;

Outbox::Sending Outbox::send(const Message &message, FileDescriptor descriptor)
{
    if (descriptor.isValid() != carriesDescriptor(message))
        return Sending::Refused;
    Unsent unsent{encode(message), std::move(descriptor)};
    const std::lock_guard lock(m_mutex);
    if (!m_channel || m_ending)
        return Sending::Refused;
    if (m_unsent.empty()) {
        const Sending sending = transmit(unsent);
        if (sending != Sending::Waiting)
            return sending;
    }
    if (int(m_unsent.size()) >= IpcLimits::maxSendQueueMessages
        || m_unsentBytes + unsent.frame.size() > IpcLimits::maxSendQueueBytes) {
        m_ending = Ending{CloseReason::SendQueueFull,
            QStringLiteral("%1 messages of %2 bytes wait for the peer to read")
                .arg(m_unsent.size())
                .arg(m_unsentBytes)};
        dropUnsent();
        callChannel();
        return Sending::Refused;
    }
    m_unsentBytes += unsent.frame.size();
    m_unsent.push_back(std::move(unsent));
    if (m_unsent.size() == 1)
        callChannel();
    return Sending::Waiting;
}

int Outbox::unsentMessages() const
{
    const std::lock_guard lock(m_mutex);
    return int(m_unsent.size());
}

bool Outbox::isOpen() const
{
    const std::lock_guard lock(m_mutex);
    return m_channel && !m_ending;
}

//! True if nothing waits any more.
bool Outbox::transmitUnsent()
{
    const std::lock_guard lock(m_mutex);
    while (!m_unsent.empty()) {
        if (transmit(m_unsent.front()) != Sending::Sent)
            return m_unsent.empty();
        m_unsentBytes -= m_unsent.front().frame.size();
        m_unsent.pop_front();
    }
    return true;
}

std::optional<Outbox::Ending> Outbox::ending() const
{
    const std::lock_guard lock(m_mutex);
    return m_ending;
}

void Outbox::close()
{
    const std::lock_guard lock(m_mutex);
    m_channel = nullptr;
    dropUnsent();
    m_socket = FileDescriptor();
}

Outbox::Sending Outbox::transmit(const Unsent &unsent)
{
    if (SocketMessage::send(m_socket.get(), unsent.frame, unsent.descriptor.get(), MSG_DONTWAIT)
        >= 0)
        return Sending::Sent;
    switch (errno) {
    case EAGAIN:
        return Sending::Waiting;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN: // gone; its last words, a Refusal perhaps, may still be here to be read
        dropUnsent();
        return Sending::Refused;
    default:
        m_ending =
            Ending{CloseReason::SystemError, LocalSocket::systemError(QStringLiteral("send"))};
        dropUnsent();
        callChannel();
        return Sending::Refused;
    }
}

void Outbox::dropUnsent()
{
    m_unsent.clear();
    m_unsentBytes = 0;
}

// Called with the lock held, so that the channel is alive: it closes this before it dies. By name,
// as the thread sanitizer does not see how Qt hands over a functor.
void Outbox::callChannel()
{
    QMetaObject::invokeMethod(m_channel, "heedOutbox", Qt::QueuedConnection);
}

} // namespace Sentinel
