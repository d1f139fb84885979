// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/CloseReason.h"
#include "ipc/FileDescriptor.h"
#include "ipc/IpcExport.h"
#include "ipc/Messages.h"
#include "ipc/Outbox.h"

#include <QByteArray>
#include <QObject>
#include <QSocketNotifier>

#include <deque>
#include <memory>

namespace Sentinel {

//! \brief One end of a connection between a client and a sentinel: messages in, messages out.
//!
//! Runs in its thread's event loop and never blocks. Knows no order of messages: which is legal
//! when is the business of the two ends. Whatever breaks the protocol ends the channel, with a
//! reason; nothing of the breach is passed on, and descriptors that came with it are closed.
//!
//! May be destroyed at any time, in its own slots too: that is how its owner closes it.
//!
//! Owner:  the one who made it.
//! Thread: owner (asserted); other threads send by its outbox().
//! Limits: one descriptor of its own and IpcLimits::maxFrameBytes of memory; those of its Outbox.
class SENTINELIPC_EXPORT Channel final : public QObject {
    Q_OBJECT

public:
    //! Takes over \p socket, a connected one as LocalSocket makes them; another ends the channel at
    //! once (SystemError).
    explicit Channel(FileDescriptor socket, QObject *parent = nullptr);
    //! Closes without a signal. What has been handed to the system still arrives; what waits for
    //! the peer to read does not.
    ~Channel() override;

    //! Sends \p message, with \p descriptor exactly if it carriesDescriptor(), after all that was
    //! sent before. False if it cannot go: the channel has ended or the peer has stopped listening
    //! (closed() tells), or \p descriptor does not go with the message. Takes over and closes
    //! \p descriptor in every case.
    bool send(const Message &message, FileDescriptor descriptor = {});
    //! For any thread, also when this is gone.
    const std::shared_ptr<Outbox> &outbox() const { return m_outbox; }

    bool isOpen() const { return m_outbox->isOpen(); }
    //! Messages that wait for the peer to read.
    int unsentMessages() const { return m_outbox->unsentMessages(); }

Q_SIGNALS:
    //! \p message has arrived; \p descriptor, closed at exec, is valid exactly if it
    //! carriesDescriptor(). Who wants the descriptor moves it out; what is left is closed. Only for
    //! slots that are called directly.
    void messageReceived(const Sentinel::Message &message, Sentinel::FileDescriptor &descriptor);
    //! The peer has read so much that no message waits any more: for a sender that paces itself.
    void drained();
    //! The channel has ended, from here on nothing arrives. \p text is for logs. Emitted once, from
    //! the event loop, never within send().
    void closed(Sentinel::CloseReason reason, const QString &text);

private Q_SLOTS:
    void heedOutbox(); // by the Outbox

private:
    void transmitUnsent();
    void receiveSome();
    bool receiveOne();
    void accept(QByteArrayView frame, int messageFlags, std::deque<FileDescriptor> descriptors);
    void end(CloseReason reason, const QString &text);

    const std::shared_ptr<Outbox> m_outbox;
    QSocketNotifier m_readable{QSocketNotifier::Read, this};
    QSocketNotifier m_writable{QSocketNotifier::Write, this};
    QByteArray m_buffer;
    bool m_hasEnded = false;
};

} // namespace Sentinel
