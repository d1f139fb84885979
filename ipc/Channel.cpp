// SPDX-License-Identifier: MIT
#include "ipc/Channel.h"

#include "ipc/Codec.h"
#include "ipc/Limits.h"
#include "ipc/LocalSocket_p.h"
#include "ipc/SocketMessage.h"

#include <QPointer>
#include <QThread>

#include <cerrno>

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
    : QObject(parent), m_socket(std::move(socket))
{
    if (!isSeqPacket(m_socket.get())) {
        end(CloseReason::SystemError, QStringLiteral("not a SEQPACKET socket"));
        return;
    }
    // A frame has to fit into the socket's buffer, whatever the system's default is.
    const int bufferBytes = IpcLimits::maxFrameBytes;
    ::setsockopt(m_socket.get(), SOL_SOCKET, SO_SNDBUF, &bufferBytes, sizeof bufferBytes);
    m_buffer.resize(IpcLimits::maxFrameBytes);
    m_readable.setSocket(m_socket.get());
    m_writable.setSocket(m_socket.get());
    connect(&m_readable, &QSocketNotifier::activated, this, &Channel::receiveSome);
    connect(&m_writable, &QSocketNotifier::activated, this, &Channel::transmitUnsent);
    m_readable.setEnabled(true);
}

Channel::~Channel() = default;

bool Channel::send(const Message &message, FileDescriptor descriptor)
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (!isOpen() || descriptor.isValid() != carriesDescriptor(message))
        return false;
    Unsent unsent{encode(message), std::move(descriptor)};
    if (m_unsent.empty()) {
        const Progress progress = transmit(unsent);
        if (progress != Progress::Blocked)
            return progress == Progress::Done;
    }
    if (int(m_unsent.size()) >= IpcLimits::maxSendQueueMessages
        || m_unsentBytes + unsent.frame.size() > IpcLimits::maxSendQueueBytes) {
        end(CloseReason::SendQueueFull,
            QStringLiteral("%1 messages of %2 bytes wait for the peer to read")
                .arg(m_unsent.size())
                .arg(m_unsentBytes));
        return false;
    }
    m_unsentBytes += unsent.frame.size();
    m_unsent.push_back(std::move(unsent));
    m_writable.setEnabled(true);
    return true;
}

Channel::Progress Channel::transmit(const Unsent &unsent)
{
    if (SocketMessage::send(m_socket.get(), unsent.frame, unsent.descriptor.get(), MSG_DONTWAIT)
        >= 0)
        return Progress::Done;
    switch (errno) {
    case EAGAIN:
        return Progress::Blocked;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN: // gone; its last words, a Refusal perhaps, may still be here to be read
        dropUnsent();
        return Progress::Stopped;
    default:
        end(CloseReason::SystemError, LocalSocket::systemError(QStringLiteral("send")));
        return Progress::Stopped;
    }
}

void Channel::transmitUnsent()
{
    while (!m_unsent.empty()) {
        if (transmit(m_unsent.front()) != Progress::Done)
            return;
        m_unsentBytes -= m_unsent.front().frame.size();
        m_unsent.pop_front();
    }
    m_writable.setEnabled(false);
    Q_EMIT drained(); // nothing of ours may be touched after this
}

void Channel::dropUnsent()
{
    m_writable.setEnabled(false);
    m_unsent.clear();
    m_unsentBytes = 0;
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
        m_socket.get(), {m_buffer.data(), size_t(m_buffer.size())}, MSG_DONTWAIT);
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
    m_readable.setEnabled(false);
    dropUnsent();
    m_socket = FileDescriptor();
    QMetaObject::invokeMethod(
        this, [this, reason, text] { Q_EMIT closed(reason, text); }, Qt::QueuedConnection);
}

} // namespace Sentinel
