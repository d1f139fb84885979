// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/FileDescriptor.h"
#include "ipc/SocketMessage.h"

#include <QByteArray>
#include <QObject>
#include <QSocketNotifier>

#include <span>

namespace Sentinel {

//! \brief One client's stream of bytes, in the event loop and never blocking.
//!
//! Owner:  its ClamdSession.
//! Thread: owner.
//! Limits: Limits::maxClamdUnsentBytes that the client does not take.
class ClamdSocket final : public QObject {
    Q_OBJECT

public:
    explicit ClamdSocket(FileDescriptor socket, QObject *parent = nullptr);

    //! What has come by now; of size -1 if nothing has, 0 if nothing will.
    SocketMessage::Received receive(std::span<char> buffer);
    //! False if the client is gone, or takes nothing.
    bool send(const QByteArray &bytes);
    bool hasUnsent() const { return !m_unsent.isEmpty(); }

    //! Whether readable() is to be told.
    void setReading(bool isWanted) { m_readable.setEnabled(isWanted); }
    //! That nobody is there any more to be told anything.
    bool isPeerGone() const;
    bool hasUnread() const;

Q_SIGNALS:
    void readable();
    //! What was unsent has gone.
    void sent();
    void failed();

private:
    void sendMore();
    bool trySend();

    FileDescriptor m_socket;
    QSocketNotifier m_readable;
    QSocketNotifier m_writable;
    QByteArray m_unsent;
};

} // namespace Sentinel
