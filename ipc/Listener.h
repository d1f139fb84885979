// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/FileDescriptor.h"
#include "ipc/IpcExport.h"
#include "ipc/LocalSocket.h"

#include <QObject>
#include <QSocketNotifier>
#include <QString>
#include <QTimer>

#include <expected>
#include <memory>
#include <optional>

#include <sys/stat.h>

namespace Sentinel {

//! \brief The socket at which clients find a sentinel that runs on its own.
//!
//! Lets in peers of its own user only. How many of them may stay is its owner's business.
//!
//! Owner:  the one who made it.
//! Thread: owner.
//! Limits: two descriptors; IpcLimits::maxPendingConnections wait to be let in.
class SENTINELIPC_EXPORT Listener final : public QObject {
    Q_OBJECT

public:
    //! A socket at \p path. Its directory is made if only it is missing, and must belong to this
    //! user and be closed to all others (0700). A socket file that a dead process has left is taken
    //! over; one that is listened at, or any other file, is an error, which says what to do.
    static std::expected<std::unique_ptr<Listener>, QString> listenAt(const QString &path);
    //! A socket that listens already, from systemd for one. Its file stays at the end.
    static std::expected<std::unique_ptr<Listener>, QString> adopt(FileDescriptor listening);

    //! Stops listening, and removes the socket's file if it still is the one that was made.
    ~Listener() override;

    //! The path of listenAt(); empty if adopted.
    const QString &path() const { return m_path; }

Q_SIGNALS:
    //! A peer of this user has connected. Who wants \p socket moves it out; else it is closed. Only
    //! for slots that are called directly.
    void connected(
        Sentinel::FileDescriptor &socket, const Sentinel::LocalSocket::PeerCredentials &peer);
    //! A peer was turned away: it belongs to another user.
    void refused(const Sentinel::LocalSocket::PeerCredentials &peer);
    //! No peer can be let in for now; the listener tries again by itself. \p text is for logs.
    void stalled(const QString &text);

private:
    explicit Listener(FileDescriptor socket);
    void acceptSome();
    bool acceptOne();

    FileDescriptor m_socket;
    FileDescriptor m_directory; // where our file is; invalid if adopted
    QString m_path;
    QByteArray m_name; // in the directory
    struct ::stat m_file { }; // the file as we made it
    QSocketNotifier m_waiting{QSocketNotifier::Read, this};
    QTimer m_pause{this};
};

} // namespace Sentinel
