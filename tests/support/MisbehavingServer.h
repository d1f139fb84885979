// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QHash>
#include <QTcpServer>

class QTcpSocket;

namespace Sentinel::Test {

//! \brief A server that answers byte for byte what it is told, for what no real server does.
//!
//! Owner:  the test.
//! Thread: the test's, from its event loop.
class MisbehavingServer final : public QTcpServer {
    Q_OBJECT

public:
    //! What follows the bytes of an answer.
    enum class Then : quint8 {
        Close, //!< the end of the connection
        Hang, //!< nothing; continueWith() or a next request may follow
        Endless, //!< more and more bytes, as fast as they are taken
    };
    struct Answer {
        QByteArray bytes; //!< status line, headers and body, as they go over the wire
        Then then = Then::Close;
    };

    MisbehavingServer();

    //! Answers every request for \p path with \p answer.
    void answer(const QString &path, Answer answer);
    //! Sends \p bytes to every connection that hangs at \p path.
    void continueWith(const QString &path, const QByteArray &bytes);
    //! Closes every connection that hangs at \p path.
    void closeHanging(const QString &path);
    QUrl url(const QString &path) const;
    //! Bytes that the kernel took of all answers.
    qint64 sentBytes() const { return m_sentBytes; }
    //! Connections that are open.
    int connections() const;
    //! Those of them that asked for \p path.
    int connections(const QString &path) const;

    //! A status line and headers that promise \p length bytes (none: no length), and \p body.
    static QByteArray response(const QByteArray &body, qint64 length,
        const QByteArray &headers = {}, const QByteArray &status = "200 OK");
    static constexpr qint64 noLength = -1;

private:
    void onConnection();
    void onRequest(QTcpSocket *socket);
    static void sendMore(QTcpSocket *socket);

    QHash<QString, Answer> m_answers;
    QHash<QTcpSocket *, QString> m_paths; // open connections, by what they asked for
    qint64 m_sentBytes = 0;
};

} // namespace Sentinel::Test
