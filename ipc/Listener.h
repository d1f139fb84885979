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
#include <vector>

#include <sys/stat.h>

namespace Sentinel {

//! \brief Who is let in at a socket beside its own user.
struct Admission {
    std::vector<uid_t> users;
    std::optional<gid_t> group; //!< whoever is in it, if only besides others

    //! Only who can enter any directory.
    bool isForRootOnly() const;
};

//! \brief The socket at which clients find a sentinel that runs on its own.
//!
//! Lets in peers of its own user, and whom its Admission names. How many of them may stay is its
//! owner's business.
//!
//! Owner:  the one who made it.
//! Thread: owner.
//! Limits: two descriptors; IpcLimits::maxPendingConnections wait to be let in.
class SENTINELIPC_EXPORT Listener final : public QObject {
    Q_OBJECT

public:
    //! What is said at the socket.
    enum class Kind : quint8 {
        Messages, //!< SOCK_SEQPACKET, for a Channel
        Stream, //!< SOCK_STREAM
    };

    //! A socket at \p path. Its directory is made if only it is missing, and must belong to this
    //! user and be closed to all others (0700), or to their writing if \p admission names any but
    //! root. A socket file that a dead process has left is taken over; one that is listened at, or
    //! any other file, is an error, which says what to do.
    static std::expected<std::unique_ptr<Listener>, QString> listenAt(
        const QString &path, Kind kind = Kind::Messages, Admission admission = {});
    //! A socket that listens already, from systemd for one. Its file stays at the end.
    static std::expected<std::unique_ptr<Listener>, QString> adopt(FileDescriptor listening);

    //! Stops listening, and removes the socket's file if it still is the one that was made.
    ~Listener() override;

    //! The path of listenAt(); empty if adopted.
    const QString &path() const { return m_path; }

Q_SIGNALS:
    //! A peer that may has connected. Who wants \p socket moves it out; else it is closed. Only
    //! for slots that are called directly.
    void connected(
        Sentinel::FileDescriptor &socket, const Sentinel::LocalSocket::PeerCredentials &peer);
    //! A peer was turned away: it belongs to a user who may not.
    void refused(const Sentinel::LocalSocket::PeerCredentials &peer);
    //! No peer can be let in for now; the listener tries again by itself. \p text is for logs.
    void stalled(const QString &text);

private:
    explicit Listener(FileDescriptor socket, Admission admission = {});
    void acceptSome();
    bool acceptOne();
    bool admits(int socket, const LocalSocket::PeerCredentials &peer) const;

    FileDescriptor m_socket;
    const Admission m_admission;
    FileDescriptor m_directory; // where our file is; invalid if adopted
    QString m_path;
    QByteArray m_name; // in the directory
    struct ::stat m_file { }; // the file as we made it
    QSocketNotifier m_waiting{QSocketNotifier::Read, this};
    QTimer m_pause{this};
};

} // namespace Sentinel
