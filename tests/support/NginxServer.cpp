// SPDX-License-Identifier: MIT
#include "tests/support/NginxServer.h"

#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QFileInfo>
#include <QSslCertificate>
#include <QTcpServer>
#include <QTcpSocket>

#include <array>

#include <signal.h>
#include <sys/prctl.h>

namespace Sentinel::Test {

namespace {

const QString nginx = QStringLiteral("/usr/sbin/nginx");
constexpr int patienceMs = 30'000;
constexpr int attempts = 10;

//! @NAME@ is replaced. One process, as children would outlive a test that is killed.
constexpr char configuration[] = R"(
daemon off;
master_process off;
pid @DIR@/nginx.pid;
error_log @DIR@/error.log info;
events { worker_connections 2048; }
http {
    access_log off;
    server_tokens off;
    default_type application/octet-stream;
    types { text/html html; text/plain txt; application/pdf pdf; }
    client_body_temp_path @DIR@/body;
    proxy_temp_path @DIR@/proxy;
    fastcgi_temp_path @DIR@/fastcgi;
    uwsgi_temp_path @DIR@/uwsgi;
    scgi_temp_path @DIR@/scgi;
    client_max_body_size 1g;
    keepalive_requests 100000;

    server {
        listen 127.0.0.1:@HTTP@ backlog=1024;
        listen 127.0.0.1:@HTTP2@ http2;
        listen 127.0.0.1:@TLS@ ssl http2;
        ssl_certificate @DIR@/certificate.pem;
        ssl_certificate_key @DIR@/key.pem;
        root @DIR@/files;
        if_modified_since before;

        location /gzip/ {
            alias @DIR@/files/;
            gzip on; gzip_types *; gzip_min_length 1;
        }
        location /chunked/ {
            # The filter changes nothing, but does not know that the length stays.
            alias @DIR@/files/;
            sub_filter "<no such text in any test>" ""; sub_filter_types *;
        }
        location /slow/ {
            alias @DIR@/files/;
            limit_rate_after 64k; limit_rate 64k;
        }
        location /cached/ { alias @DIR@/files/; expires 1h; }
        location /cookie/ { alias @DIR@/files/; add_header Set-Cookie "tap=1; Path=/"; }
        location /attachment/ {
            alias @DIR@/files/;
            add_header Content-Disposition "attachment; filename=\"named.bin\"";
        }
        location /private/ {
            alias @DIR@/files/;
            auth_basic "private"; auth_basic_user_file @DIR@/users;
        }
        location /redirect/ { rewrite ^/redirect/(.*)$ /$1 redirect; }
        location /chain/ { rewrite ^/chain/(.*)$ /chain2/$1 redirect; }
        location /chain2/ { rewrite ^/chain2/(.*)$ /redirect/$1 redirect; }
        location = /loop { return 302 /loop; }
        location = /nothing { return 204; }
        location /missing/ { return 404; }
        error_page 404 /missing.html;
        location /upload/ {
            alias @DIR@/uploads/;
            dav_methods PUT DELETE;
        }
        location = /post {
            # A body is only stored when somebody is to get it.
            client_body_in_file_only on; client_body_buffer_size 16k;
            proxy_pass http://127.0.0.1:@HTTP@/accept;
        }
        location = /accept { return 200 "stored"; }
    }
}
)";

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

void write(const QString &path, const QByteArray &content)
{
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(content) != content.size())
        qFatal("cannot write %s", qPrintable(path));
}

} // namespace

bool NginxServer::isInstalled()
{
    return QFileInfo(nginx).isExecutable();
}

std::expected<std::unique_ptr<NginxServer>, QString> NginxServer::start()
{
    std::unique_ptr<NginxServer> server(new NginxServer);
    if (const auto prepared = server->prepare(); !prepared)
        return std::unexpected(prepared.error());
    for (int i = 0; i < attempts; ++i) {
        const auto attempt = server->attempt();
        if (!attempt)
            return std::unexpected(attempt.error());
        if (*attempt == Attempt::Running)
            return server;
    }
    return std::unexpected(QStringLiteral("nginx found no free port"));
}

NginxServer::~NginxServer()
{
    if (m_process.state() == QProcess::NotRunning)
        return;
    m_process.kill();
    m_process.waitForFinished(patienceMs);
}

std::expected<void, QString> NginxServer::prepare()
{
    for (const char *name : {"files", "uploads"})
        QDir(m_directory.path()).mkdir(QString::fromLatin1(name));
    write(path(QStringLiteral("users")), "user:{PLAIN}pass\n");
    write(path(QStringLiteral("files/missing.html")), "<p>there is no such page</p>");

    QProcess openssl;
    openssl.start(QStringLiteral("openssl"),
        {QStringLiteral("req"), QStringLiteral("-x509"), QStringLiteral("-newkey"),
            QStringLiteral("ec"), QStringLiteral("-pkeyopt"),
            QStringLiteral("ec_paramgen_curve:prime256v1"), QStringLiteral("-nodes"),
            QStringLiteral("-days"), QStringLiteral("2"), QStringLiteral("-subj"),
            QStringLiteral("/CN=localhost"), QStringLiteral("-keyout"),
            path(QStringLiteral("key.pem")), QStringLiteral("-out"),
            path(QStringLiteral("certificate.pem"))});
    if (!openssl.waitForFinished(patienceMs) || openssl.exitCode() != 0)
        return std::unexpected(QStringLiteral("openssl makes no certificate: %1")
                                   .arg(QString::fromLocal8Bit(openssl.readAllStandardError())));
    return {};
}

std::expected<NginxServer::Attempt, QString> NginxServer::attempt()
{
    {
        // Free at this moment; somebody may be faster, then we try again.
        std::array<QTcpServer, 3> probes;
        for (QTcpServer &probe : probes)
            probe.listen(QHostAddress::LocalHost);
        m_httpPort = probes[0].serverPort();
        m_http2Port = probes[1].serverPort();
        m_tlsPort = probes[2].serverPort();
    }
    QByteArray config(configuration);
    config.replace("@DIR@", QFile::encodeName(m_directory.path()));
    config.replace("@HTTP@", QByteArray::number(m_httpPort));
    config.replace("@HTTP2@", QByteArray::number(m_http2Port));
    config.replace("@TLS@", QByteArray::number(m_tlsPort));
    write(path(QStringLiteral("nginx.conf")), config);

    m_process.setChildProcessModifier([] { ::prctl(PR_SET_PDEATHSIG, SIGKILL); });
    m_process.setStandardOutputFile(QProcess::nullDevice());
    m_process.setStandardErrorFile(path(QStringLiteral("stderr.log")));
    m_process.start(nginx,
        {QStringLiteral("-p"), m_directory.path(), QStringLiteral("-c"),
            path(QStringLiteral("nginx.conf")), QStringLiteral("-e"),
            path(QStringLiteral("error.log"))});
    if (awaitListener(m_httpPort) && awaitListener(m_http2Port) && awaitListener(m_tlsPort))
        return Attempt::Running;
    const QByteArray said = contentOf(path(QStringLiteral("error.log")));
    if (said.contains("Address already in use"))
        return Attempt::PortTaken;
    return std::unexpected(
        QStringLiteral("nginx does not start: %1 %2")
            .arg(QString::fromLocal8Bit(said),
                QString::fromLocal8Bit(contentOf(path(QStringLiteral("stderr.log"))))));
}

//! True when the port accepts connections; false if the server ends before it does.
bool NginxServer::awaitListener(quint16 port)
{
    QElapsedTimer elapsed;
    elapsed.start();
    while (elapsed.elapsed() < patienceMs) {
        QTcpSocket socket;
        socket.connectToHost(QHostAddress::LocalHost, port);
        if (socket.waitForConnected(patienceMs))
            return m_process.state() != QProcess::NotRunning;
        // Refused: not yet, or never. Its end wakes us at once.
        if (m_process.waitForFinished(10) || m_process.state() == QProcess::NotRunning)
            return false;
    }
    return false;
}

void NginxServer::addFile(const QString &name, const QByteArray &content)
{
    write(path(QStringLiteral("files/") + name), content);
}

QByteArray NginxServer::stored(const QString &name) const
{
    return contentOf(path(QStringLiteral("uploads/") + name));
}

QByteArray NginxServer::posted() const
{
    const QDir bodies(path(QStringLiteral("body")));
    const QStringList files = bodies.entryList(QDir::Files, QDir::Name); // numbered
    return files.isEmpty() ? QByteArray() : contentOf(bodies.filePath(files.last()));
}

QUrl NginxServer::url(const QString &path, Listener listener) const
{
    QUrl url;
    const bool isTls = listener == Listener::Tls;
    url.setScheme(isTls ? QStringLiteral("https") : QStringLiteral("http"));
    url.setHost(QStringLiteral("127.0.0.1"));
    url.setPort(isTls ? m_tlsPort : listener == Listener::Http2 ? m_http2Port : m_httpPort);
    url.setPath(path);
    return url;
}

QSslCertificate NginxServer::certificate() const
{
    return QSslCertificate(contentOf(path(QStringLiteral("certificate.pem"))));
}

} // namespace Sentinel::Test
