// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/scan/Deadline.h"
#include "Sentinel/clamd/ClamdAddress.h"
#include "Sentinel/clamd/ClamdReply.h"
#include "ipc/FileDescriptor.h"

#include <QByteArray>

#include <expected>
#include <memory>
#include <optional>

namespace Sentinel {

//! \brief Why a connection to clamd is of no more use.
struct ClamdFault {
    enum class Kind : quint8 {
        NoConnection, //!< there never was one: nobody listens
        Closed, //!< the other end has gone: its time was over, or clamd's
        Nonsense, //!< it said what nobody asked for
        Unreadable, //!< the content cannot be read
    };
    Kind kind = Kind::Closed;
    QString words; //!< for people

    friend bool operator==(const ClamdFault &, const ClamdFault &) = default;
};

//! \brief One connection to a clamd: a session (IDSESSION) that asks one question at a time.
//!
//! A question is put by ask() or scan() and then carried by advance(), piece by piece, until it is
//! answered or the connection is lost. Connects with the first one. Never two questions at a time:
//! clamd answers those out of order, and loses descriptors.
//!
//! Owner:  a ClamdPool, or the watch.
//! Thread: one at a time; interrupt() any, also meanwhile.
//! Limits: Limits::maxClamdReplyBytes of an answer.
class ClamdConnection {
public:
    //! A socket that is not connected yet. The error is for people.
    static std::expected<std::unique_ptr<ClamdConnection>, QString> make(ClamdAddress address);
    Q_DISABLE_COPY_MOVE(ClamdConnection)

    //! Begins to ask \p command ("PING", "VERSION"). Only when !isBusy().
    void ask(QByteArrayView command);
    //! Begins a scan of the \p bytes bytes of \p file, which stays open until it is answered, by
    //! \p way (File: local sockets only). Only when !isBusy().
    void scan(int file, qint64 bytes, ClamdWay way);
    //! Connects, sends and receives until there is an answer, or \p until. Nothing: not yet. The
    //! answer is without its id and its end.
    std::expected<std::optional<QByteArray>, ClamdFault> advance(Deadline until);

    //! True if a question is not answered.
    bool isBusy() const { return m_isBusy; }
    bool isConnected() const { return m_isConnected; }
    //! True if it has answered before: that it is lost now may be its age.
    bool isUsed() const { return m_hasAnswered; }
    //! True if the other end has said nothing that was not asked for, and is still there.
    bool isQuiet() const;
    //! Becomes readable when a quiet connection is lost.
    int descriptor() const { return m_socket.get(); }
    //! Ends a wait in advance(), and the connection.
    void interrupt();

private:
    using Fault = std::unexpected<ClamdFault>;

    ClamdConnection(ClamdAddress address, FileDescriptor socket);
    void begin(QByteArrayView command);
    std::expected<bool, ClamdFault> connect(Deadline until);
    std::expected<void, ClamdFault> send(Deadline until);
    std::expected<bool, ClamdFault> sendOutput();
    std::expected<void, ClamdFault> readChunk();
    std::expected<std::optional<QByteArray>, ClamdFault> receive();
    std::expected<std::optional<QByteArray>, ClamdFault> takeAnswer();
    bool isAllSent() const { return m_sent == m_output.size() && m_unread < 0; }
    bool await(Deadline until) const;
    Fault lost(ClamdFault::Kind kind, const QString &words);

    const ClamdAddress m_address;
    const FileDescriptor m_socket;
    bool m_isConnected = false;
    bool m_hasAnswered = false;
    bool m_isBusy = false;
    bool m_isDeaf = false; // the other end reads no more; it may have said why
    quint32 m_id = 0; // of the question
    QByteArray m_output; // to be sent now; what follows is m_unread
    qsizetype m_sent = 0; // of m_output
    int m_passed = -1; // the descriptor that goes with m_output
    int m_file = -1; // of a stream
    qint64 m_offset = 0; // of a stream: read so far
    qint64 m_unread = -1; // of a stream: bytes to come, and then its end; -1: no stream, or ended
    QByteArray m_input;
};

} // namespace Sentinel
