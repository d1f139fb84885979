// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/LocalSocket.h"
#include "tests/support/Patience.h"
#include "tests/support/SentinelClient.h"

#include <QProcess>
#include <QTemporaryDir>
#include <QTest>

#include <memory>

namespace Sentinel::Test {

//! \brief A `sentinel serve` of this build that runs on its own, at a socket in a directory of its
//! own (0700).
class ServingSentinel {
public:
    //! Starts one with the rules at \p rulePaths, and waits until it answers. Another place than
    //! its own is \p socketPath; \p more it is told besides.
    explicit ServingSentinel(
        const QStringList &rulePaths, const QString &socketPath = {}, const QStringList &more = {})
        : m_socketPath(
            socketPath.isEmpty() ? m_directory.filePath(QStringLiteral("socket")) : socketPath)
    {
        QStringList arguments{QStringLiteral("serve"), QStringLiteral("--socket"), m_socketPath};
        for (const QString &path : rulePaths)
            arguments << QStringLiteral("--rules") << path;
        arguments += more;
        m_process.setStandardInputFile(QProcess::nullDevice());
        m_process.start(QStringLiteral(SENTINEL_BINARY), arguments);
        const auto isReady = [this] {
            return m_process.state() == QProcess::NotRunning || connectClient() != nullptr;
        };
        if (!QTest::qWaitFor(isReady, patienceMs) || m_process.state() == QProcess::NotRunning)
            qFatal("no sentinel: %s", m_process.readAllStandardError().constData());
    }

    ~ServingSentinel()
    {
        m_process.terminate();
        if (m_process.state() != QProcess::NotRunning && !m_process.waitForFinished(patienceMs))
            qWarning("a sentinel that does not end");
    }
    Q_DISABLE_COPY_MOVE(ServingSentinel)

    QString directory() const { return m_directory.path(); }
    const QString &socketPath() const { return m_socketPath; }
    //! A client that is welcome; null if there is nobody to welcome it.
    std::unique_ptr<SentinelClient> connectClient() const
    {
        auto socket = LocalSocket::connectTo(m_socketPath);
        if (!socket)
            return nullptr;
        auto client = std::make_unique<SentinelClient>(std::move(*socket));
        return client->open(Hello::Role::Control) ? std::move(client) : nullptr;
    }
    //! How it is; all values are empty if it is not any more.
    SentinelStatus status() const
    {
        const auto client = connectClient();
        if (!client || !client->channel.send(StatusRequest{1})
            || !SentinelClient::wait([&client] { return !client->others.empty(); }))
            return {};
        const auto *report = std::get_if<StatusReport>(&client->others.front());
        return report ? report->status : SentinelStatus{};
    }
    qint64 pid() const { return m_process.processId(); }
    //! Its exit code, once it has ended by itself; -1 if it does not, or was killed.
    int exitCode()
    {
        const auto hasEnded = [this] { return m_process.state() == QProcess::NotRunning; };
        return QTest::qWaitFor(hasEnded, patienceMs)
                && m_process.exitStatus() == QProcess::NormalExit
            ? m_process.exitCode()
            : -1;
    }

private:
    QTemporaryDir m_directory; // made with mode 0700
    const QString m_socketPath;
    QProcess m_process;
};

//! \brief What a command is told so that it scans with \p rules in \p isolation; the sentinel that
//! runs has rules of its own.
inline QStringList isolated(
    const QString &isolation, const QStringList &rules, const ServingSentinel &running)
{
    QStringList arguments{QStringLiteral("--isolation"), isolation};
    if (isolation == QStringLiteral("system"))
        return arguments + QStringList{QStringLiteral("--socket"), running.socketPath()};
    for (const QString &path : rules)
        arguments << QStringLiteral("--rules") << path;
    return arguments;
}

} // namespace Sentinel::Test
