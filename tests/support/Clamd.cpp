// SPDX-License-Identifier: MIT
#include "tests/support/Clamd.h"

#include "tests/support/Patience.h"
#include "tests/support/ProcessFigures.h"

#include <QFile>
#include <QFileInfo>
#include <QLocalSocket>
#include <QTcpServer>

#include <signal.h>
#include <sys/prctl.h>

namespace Sentinel::Test {

namespace {

const QString clamd = QStringLiteral("/usr/sbin/clamd");

constexpr char configuration[] = R"(
Foreground yes
LocalSocket @DIR@/socket
TCPSocket @PORT@
TCPAddr 127.0.0.1
DatabaseDirectory @DIR@/signatures
TemporaryDirectory @DIR@/scratch
LogFile @DIR@/log
SelfCheck 86400
)";

void write(const QString &path, const QByteArray &content)
{
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(content) != content.size())
        qFatal("cannot write %s", qPrintable(path));
}

} // namespace

bool Clamd::isInstalled()
{
    return QFileInfo(clamd).isExecutable();
}

std::expected<std::unique_ptr<Clamd>, QString> Clamd::start(const QByteArray &settings)
{
    std::unique_ptr<Clamd> server(new Clamd);
    const QString directory = server->m_directory.path();
    for (const char *name : {"signatures", "scratch"})
        QDir(directory).mkdir(QString::fromLatin1(name));
    {
        QTcpServer probe; // free at this moment
        probe.listen(QHostAddress::LocalHost);
        server->m_port = probe.serverPort();
    }
    QByteArray config(configuration);
    config.replace("@DIR@", QFile::encodeName(directory));
    config.replace("@PORT@", QByteArray::number(server->m_port));
    write(server->m_directory.filePath(QStringLiteral("clamd.conf")), config + settings);
    server->writeSignatures("Mark");
    server->m_process.setChildProcessModifier([] { ::prctl(PR_SET_PDEATHSIG, SIGKILL); });
    server->m_process.setStandardOutputFile(QProcess::nullDevice());
    server->m_process.setStandardErrorFile(
        server->m_directory.filePath(QStringLiteral("stderr.log")));
    if (const auto started = server->restart(); !started)
        return std::unexpected(started.error());
    return server;
}

Clamd::~Clamd()
{
    kill();
}

void Clamd::kill()
{
    if (m_process.state() == QProcess::NotRunning)
        return;
    m_process.kill();
    m_process.waitForFinished(patienceMs);
}

std::expected<void, QString> Clamd::restart()
{
    constexpr int pauseMs = 10;
    QFile::remove(socketPath());
    m_process.start(
        clamd, {QStringLiteral("-c"), m_directory.filePath(QStringLiteral("clamd.conf"))});
    for (int waited = 0; waited < patienceMs; waited += pauseMs) {
        if (isAnswering())
            return {};
        if (m_process.waitForFinished(pauseMs) || m_process.state() == QProcess::NotRunning)
            break;
    }
    QFile log(m_directory.filePath(QStringLiteral("stderr.log")));
    return std::unexpected(
        QStringLiteral("clamd does not start: %1")
            .arg(
                log.open(QIODevice::ReadOnly) ? QString::fromLocal8Bit(log.readAll()) : QString()));
}

namespace {

QByteArray answerTo(const QByteArray &command, const QString &socketPath)
{
    QLocalSocket socket;
    socket.connectToServer(socketPath);
    if (!socket.waitForConnected(patienceMs))
        return {};
    socket.write('z' + command + '\0');
    QByteArray answer;
    while (!answer.endsWith('\0') && socket.waitForReadyRead(patienceMs))
        answer += socket.readAll();
    return answer.chopped(answer.endsWith('\0') ? 1 : 0);
}

} // namespace

bool Clamd::isAnswering() const
{
    return answerTo("PING", socketPath()) == "PONG";
}

bool Clamd::reload() const
{
    return answerTo("RELOAD", socketPath()) == "RELOADING";
}

QString Clamd::tcpAddress() const
{
    return QStringLiteral("127.0.0.1:%1").arg(m_port);
}

int Clamd::descriptorCount() const
{
    return entriesIn(QStringLiteral("/proc/%1/fd").arg(pid()));
}

void Clamd::sendSignal(int number) const
{
    ::kill(pid_t(pid()), number);
}

void Clamd::writeSignatures(const QByteArray &name)
{
    write(m_directory.filePath(QStringLiteral("signatures/test.hdb")),
        "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test\n");
    write(m_directory.filePath(QStringLiteral("signatures/test.ndb")),
        name.isEmpty() ? QByteArray("no signature at all\n")
                       : name + ":0:*:" + QByteArray(mark).toHex() + '\n');
}

} // namespace Sentinel::Test
