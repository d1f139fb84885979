// SPDX-License-Identifier: MIT
#include "tests/support/MisbehavingServer.h"

#include <QTcpSocket>
#include <QUrl>

namespace Sentinel::Test {

namespace {

constexpr qint64 endlessPieceBytes = 256 * 1024;

} // namespace

MisbehavingServer::MisbehavingServer()
{
    connect(this, &QTcpServer::newConnection, this, &MisbehavingServer::onConnection);
    if (!listen(QHostAddress::LocalHost))
        qFatal("no port to listen on");
}

void MisbehavingServer::answer(const QString &path, Answer answer)
{
    m_answers.insert(path, std::move(answer));
}

void MisbehavingServer::continueWith(const QString &path, const QByteArray &bytes)
{
    for (QTcpSocket *socket : m_paths.keys(path))
        socket->write(bytes);
}

void MisbehavingServer::closeHanging(const QString &path)
{
    for (QTcpSocket *socket : m_paths.keys(path))
        socket->disconnectFromHost();
}

QUrl MisbehavingServer::url(const QString &path) const
{
    return QUrl(QStringLiteral("http://127.0.0.1:%1%2").arg(serverPort()).arg(path));
}

int MisbehavingServer::connections() const
{
    return int(m_paths.size());
}

int MisbehavingServer::connections(const QString &path) const
{
    return int(m_paths.keys(path).size());
}

QByteArray MisbehavingServer::response(
    const QByteArray &body, qint64 length, const QByteArray &headers, const QByteArray &status)
{
    QByteArray bytes = "HTTP/1.1 " + status + "\r\n" + headers;
    if (length != noLength)
        bytes += "Content-Length: " + QByteArray::number(length) + "\r\n";
    return bytes + "\r\n" + body;
}

void MisbehavingServer::onConnection()
{
    while (QTcpSocket *socket = nextPendingConnection()) {
        m_paths.insert(socket, QString());
        connect(socket, &QTcpSocket::readyRead, this, [this, socket] { onRequest(socket); });
        connect(socket, &QTcpSocket::bytesWritten, this,
            [this](qint64 bytes) { m_sentBytes += bytes; });
        connect(socket, &QTcpSocket::disconnected, socket, &QObject::deleteLater);
        connect(socket, &QObject::destroyed, this, [this, socket] { m_paths.remove(socket); });
    }
}

void MisbehavingServer::onRequest(QTcpSocket *socket)
{
    const bool isFirst = m_paths.value(socket).isEmpty();
    if (!isFirst && !socket->peek(4).startsWith("GET ")) {
        socket->readAll(); // the body of an upload
        return;
    }
    if (!socket->peek(64 * 1024).contains("\r\n\r\n"))
        return;
    const QByteArray request = socket->readAll();
    const QString path = QString::fromLatin1(request.split(' ').value(1));
    m_paths.insert(socket, path);
    const Answer answer = m_answers.value(path);
    socket->write(answer.bytes);
    switch (answer.then) {
    case Then::Close:
        socket->disconnectFromHost();
        break;
    case Then::Hang:
        break;
    case Then::Endless:
        connect(socket, &QTcpSocket::bytesWritten, socket, [socket] { sendMore(socket); });
        sendMore(socket);
        break;
    }
}

void MisbehavingServer::sendMore(QTcpSocket *socket)
{
    if (socket->bytesToWrite() < endlessPieceBytes)
        socket->write(QByteArray(endlessPieceBytes, 'e'));
}

} // namespace Sentinel::Test
