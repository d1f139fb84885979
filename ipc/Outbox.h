// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/CloseReason.h"
#include "ipc/FileDescriptor.h"
#include "ipc/IpcExport.h"
#include "ipc/Messages.h"

#include <QByteArray>
#include <QString>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>

namespace Sentinel {

class Channel;

//! \brief The sending half of a Channel, for threads that do not run its event loop: what they send
//! goes out at once, without waking anybody here.
//!
//! Never blocks: what the peer does not read yet waits, and goes out in the channel's event loop.
//!
//! Owner:  shared by its channel and whoever sends; closed once the channel has ended or is gone.
//! Thread: any (locked).
//! Limits: unsent messages up to IpcLimits::maxSendQueueMessages and maxSendQueueBytes.
class SENTINELIPC_EXPORT Outbox {
public:
    enum class Sending : quint8 {
        Sent, //!< it is with the system
        Waiting, //!< for the peer to read; Channel::drained() follows
        Refused, //!< the channel has ended, or the descriptor does not go with the message
    };

    ~Outbox();
    Q_DISABLE_COPY_MOVE(Outbox)

    //! Sends \p message, with \p descriptor exactly if it carriesDescriptor(), after all that was
    //! sent before. Takes over and closes \p descriptor in every case.
    Sending send(const Message &message, FileDescriptor descriptor = {});
    //! Messages that wait for the peer to read.
    int unsentMessages() const;
    bool isOpen() const;

private:
    friend class Channel;
    struct Unsent {
        QByteArray frame;
        FileDescriptor descriptor;
    };
    struct Ending {
        CloseReason reason = CloseReason::SystemError;
        QString text;
    };

    Outbox(FileDescriptor socket, Channel *channel);
    // For the channel, on its thread.
    int socket() const { return m_socket.get(); } // only the channel closes it
    bool transmitUnsent();
    std::optional<Ending> ending() const;
    void close();

    Sending transmit(const Unsent &unsent);
    void dropUnsent();
    void callChannel();

    mutable std::mutex m_mutex; // of all below
    FileDescriptor m_socket;
    Channel *m_channel; // null once it has closed this
    std::deque<Unsent> m_unsent;
    qsizetype m_unsentBytes = 0;
    std::optional<Ending> m_ending; // why the channel has to end
};

} // namespace Sentinel
