// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QProcess>
#include <QTemporaryDir>
#include <QUrl>

#include <expected>
#include <memory>

class QSslCertificate;

namespace Sentinel::Test {

//! \brief A real nginx of the test's own: on loopback, everything it writes in a temporary
//! directory.
//!
//! What is stored by addFile("x") is served as
//!
//! | path              | how                                                              |
//! |-------------------|------------------------------------------------------------------|
//! | /x                | as a file: Content-Length, ranges, conditional requests           |
//! | /gzip/x           | compressed while it is sent: chunked, no length                   |
//! | /chunked/x        | chunked, not compressed                                           |
//! | /slow/x           | 64 KiB at once, then 64 KiB a second                              |
//! | /cached/x         | with leave to keep it for an hour                                 |
//! | /cookie/x         | with Set-Cookie: tap=1                                            |
//! | /attachment/x     | with Content-Disposition: attachment; filename="named.bin"        |
//! | /private/x        | for user "user" with password "pass"                              |
//! | /redirect/x       | 302 to /x;  /chain/x in three steps                               |
//! | /missing/...      | 404 with the file "missing.html" as the body                      |
//! | /upload/x         | PUT stores it: stored("x");  POST to /post: posted()              |
//!
//! and /loop (302 to itself), /nothing (204), /post (200 "stored").
//!
//! Owner:  the test, which must not fork away from it: the server dies with the thread that made
//! it.
class NginxServer {
public:
    enum class Listener : quint8 {
        Http, //!< HTTP/1.1
        Http2, //!< HTTP/2 in clear text, from the first byte
        Tls, //!< HTTP/1.1 or HTTP/2 over TLS
    };

    static bool isInstalled();
    //! Starts one and waits until it accepts connections. The error is for people.
    static std::expected<std::unique_ptr<NginxServer>, QString> start();
    //! Ends it by its own process id and waits for it.
    ~NginxServer();
    Q_DISABLE_COPY_MOVE(NginxServer)

    void addFile(const QString &name, const QByteArray &content);
    //! What was uploaded to /upload/ \p name; null if nothing was.
    QByteArray stored(const QString &name) const;
    //! The body of the last POST to /post; null if there was none.
    QByteArray posted() const;
    QUrl url(const QString &path, Listener listener = Listener::Http) const;
    //! The certificate of Listener::Tls, which signs itself.
    QSslCertificate certificate() const;

private:
    enum class Attempt : quint8 { Running, PortTaken };

    NginxServer() = default;
    std::expected<void, QString> prepare();
    std::expected<Attempt, QString> attempt();
    bool awaitListener(quint16 port);
    QString path(const QString &name) const { return m_directory.filePath(name); }

    QTemporaryDir m_directory;
    QProcess m_process;
    quint16 m_httpPort = 0;
    quint16 m_http2Port = 0;
    quint16 m_tlsPort = 0;
};

} // namespace Sentinel::Test
