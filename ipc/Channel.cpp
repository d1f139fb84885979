// SPDX-License-Identifier: MIT
#include "ipc/Channel.h"

#include "ipc/Codec.h"
#include "ipc/Limits.h"
#include "ipc/LocalSocket_p.h"
#include "ipc/SocketMessage.h"

#include <QPointer>
#include <QThread>

#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace Sentinel {

namespace {

bool isSeqPacket(int socket)
{
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

} // namespace

Channel::Channel(FileDescriptor socket, QObject *parent)
    : QObject(parent), m_outbox(new Outbox(std::move(socket), this))
{
    if (!isSeqPacket(m_outbox->socket())) {
        end(CloseReason::SystemError, QStringLiteral("not a SEQPACKET socket"));
        return;
    }
    // A frame has to fit into the socket's buffer, whatever the system's default is.
    const int bufferBytes = IpcLimits::maxFrameBytes;
    ::setsockopt(m_outbox->socket(), SOL_SOCKET, SO_SNDBUF, &bufferBytes, sizeof bufferBytes);
    m_buffer.resize(IpcLimits::maxFrameBytes);
    m_readable.setSocket(m_outbox->socket());
    m_writable.setSocket(m_outbox->socket());
    connect(&m_readable, &QSocketNotifier::activated, this, &Channel::receiveSome);
    connect(&m_writable, &QSocketNotifier::activated, this, &Channel::transmitUnsent);
    m_readable.setEnabled(true);
}

Channel::~Channel()
{
    m_outbox->close();
}

bool Channel::send(const Message &message, FileDescriptor descriptor)
{
    Q_ASSERT(thread() == QThread::currentThread());
    return m_outbox->send(message, std::move(descriptor)) != Outbox::Sending::Refused;
}

//! Something waits, or the outbox has found a reason to end.
void Channel::heedOutbox()
{
    if (const auto ending = m_outbox->ending())
        end(ending->reason, ending->text);
    else if (!m_hasEnded)
        m_writable.setEnabled(true);
}

void Channel::transmitUnsent()
{
    if (!m_outbox->transmitUnsent())
        return;
    m_writable.setEnabled(false);
    Q_EMIT drained(); // nothing of ours may be touched after this
}

void Channel::receiveSome()
{
    const QPointer<Channel> self(this);
    for (int i = 0; i < IpcLimits::messagesPerTurn && self && isOpen(); ++i) {
        if (!receiveOne())
            return;
    }
}

// True if there may be more; the channel may be gone by then.
bool Channel::receiveOne()
{
    auto received = SocketMessage::receive(
        m_outbox->socket(), {m_buffer.data(), size_t(m_buffer.size())}, MSG_DONTWAIT);
    if (received.size < 0) {
        // A peer that closes without having read everything resets the connection: said once,
        // before the messages that it had sent.
        if (errno == ECONNRESET)
            return true;
        if (errno != EAGAIN)
            end(CloseReason::SystemError, LocalSocket::systemError(QStringLiteral("receive")));
        return false;
    }
    accept(QByteArrayView(m_buffer.constData(), received.size), received.flags,
        std::move(received.descriptors));
    return true;
}

void Channel::accept(QByteArrayView frame, int messageFlags, std::deque<FileDescriptor> descriptors)
{
    if (descriptors.size() > 1)
        return end(CloseReason::TooManyDescriptors,
            QStringLiteral("%1 or more descriptors with a message").arg(descriptors.size()));
    if (messageFlags & MSG_CTRUNC)
        return end(CloseReason::DescriptorsLost,
            QStringLiteral("no room for a descriptor: see the limit of open files"));
    if (frame.isEmpty()) // an empty frame, which no peer of ours sends, looks the same
        return end(CloseReason::PeerGone, QStringLiteral("the other end was closed"));
    if (messageFlags & MSG_TRUNC)
        return end(CloseReason::FrameTooLarge,
            QStringLiteral("a frame over %1 bytes").arg(IpcLimits::maxFrameBytes));
    auto message = decode(frame);
    if (!message)
        return end(CloseReason::Malformed,
            QStringLiteral("%1: %2").arg(nameOf(message.error().code), message.error().detail));
    if (descriptors.empty() && carriesDescriptor(*message))
        return end(CloseReason::MissingDescriptor, nameOf(*message));
    if (!descriptors.empty() && !carriesDescriptor(*message))
        return end(CloseReason::UnexpectedDescriptor, nameOf(*message));
    FileDescriptor descriptor;
    if (!descriptors.empty())
        descriptor = std::move(descriptors.front());
    Q_EMIT messageReceived(*message, descriptor); // nothing of ours may be touched after this
}

void Channel::end(CloseReason reason, const QString &text)
{
    if (std::exchange(m_hasEnded, true))
        return;
    m_readable.setEnabled(false);
    m_writable.setEnabled(false);
    m_outbox->close();
    QMetaObject::invokeMethod(
        this, [this, reason, text] { Q_EMIT closed(reason, text); }, Qt::QueuedConnection);
}

} // namespace Sentinel
