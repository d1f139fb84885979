// SPDX-License-Identifier: MIT
#include "tests/support/FakeSentinel.h"

#include "ipc/ChildProcess.h"
#include "ipc/Limits.h"

#include <QCoreApplication>
#include <QCryptographicHash>

#include <cstdlib>

#include <unistd.h>

namespace Sentinel::Test {

namespace {

Coverage coverageOf(qint64 bytes)
{
    Coverage coverage;
    coverage.bytesTotal = bytes;
    coverage.bytesScanned = bytes;
    coverage.engines = QStringList{QStringLiteral("fake")};
    coverage.ruleSetDigest = fakeRules().digest;
    coverage.wholeEvaluated = true;
    return coverage;
}

} // namespace

RuleSetSummary fakeRules()
{
    return {QByteArray(32, 'r'), 1204, 3};
}

ScanResult cleanResult(qint64 bytes)
{
    return ScanResult::judge(coverageOf(bytes), {}, {});
}

ScanResult maliciousResult(qint64 bytes)
{
    Finding finding;
    finding.engine = QStringLiteral("fake");
    finding.rule = QStringLiteral("marked");
    return ScanResult::judge(coverageOf(bytes), {finding}, {});
}

FakePeer::FakePeer(FileDescriptor socket) : channel(std::make_unique<Channel>(std::move(socket)))
{
    QObject::connect(channel.get(), &Channel::messageReceived, channel.get(),
        [this](const Message &message, FileDescriptor &descriptor) {
            received.push_back(message);
            if (const auto *begin = std::get_if<ScanBegin>(&message))
                files[begin->id] = std::move(descriptor);
            if (onMessage)
                onMessage(message);
        });
    QObject::connect(channel.get(), &Channel::closed, channel.get(), [this] { isClosed = true; });
}

QByteArray FakePeer::content(quint64 id, qint64 sizeBytes) const
{
    QByteArray bytes(sizeBytes, Qt::Uninitialized);
    const auto file = files.find(id);
    if (file == files.end()
        || ::pread(file->second.get(), bytes.data(), size_t(sizeBytes), 0) != sizeBytes)
        return "unreadable";
    return bytes;
}

void FakePeer::scanWhenComplete(const Message &message)
{
    quint64 id = 0;
    qint64 size = 0;
    if (const auto *begin = std::get_if<ScanBegin>(&message); begin && begin->isComplete) {
        id = begin->id;
        size = begin->sizeBytes;
    } else if (const auto *end = std::get_if<ScanEnd>(&message)) {
        id = end->id;
        size = end->sizeBytes;
    } else if (const auto *cancel = std::get_if<ScanCancel>(&message)) {
        if (files.erase(cancel->id) == 0)
            return; // has crossed its verdict
        send(ScanVerdict{cancel->id, ScanResult::notScanned(cancel->reason), {}});
        return;
    } else {
        return;
    }
    const QByteArray bytes = content(id, size);
    const ScanResult result =
        bytes.contains(threatMark) ? maliciousResult(size) : cleanResult(size);
    send(ScanVerdict{
        id, result.withSha256(QCryptographicHash::hash(bytes, QCryptographicHash::Sha256)), {}});
    files.erase(id);
}

FakeSentinel::FakeSentinel()
{
    listen();
}

void FakeSentinel::listen()
{
    auto listener = Listener::listenAt(path());
    if (!listener)
        qFatal("%s", qPrintable(listener.error()));
    m_listener = *std::move(listener);
    QObject::connect(m_listener.get(), &Listener::connected, m_listener.get(),
        [this](FileDescriptor &socket, const LocalSocket::PeerCredentials &) {
            ++m_connections;
            if (keepsSocketsRaw) {
                raw.push_back(std::move(socket));
                return;
            }
            peers.push_back(std::make_unique<FakePeer>(std::move(socket)));
            FakePeer *peer = peers.back().get();
            peer->onMessage = [this, peer](const Message &message) { script(*peer, message); };
        });
}

void FakeSentinel::welcome(FakePeer &peer, const Message &message)
{
    if (std::holds_alternative<Hello>(message))
        peer.send(Welcome{IpcLimits::protocolVersion, QStringLiteral("fake"), fakeRules()});
    else if (const auto *ping = std::get_if<Ping>(&message))
        peer.send(Pong{ping->number});
}

void FakeSentinel::scan(FakePeer &peer, const Message &message)
{
    welcome(peer, message);
    peer.scanWhenComplete(message);
}

bool isSpawnedSentinel(int argc, char **argv)
{
    return argc > 2 && QByteArray(argv[1]) == "serve" && QByteArray(argv[2]) == "--spawned";
}

int runSpawnedSentinel(int argc, char **argv)
{
    constexpr int exitCode = 3;
    QCoreApplication application(argc, argv);
    const QStringList arguments = QCoreApplication::arguments();
    const QString behaviour =
        arguments.value(arguments.indexOf(QStringLiteral("--rules")) + 1).section(u'/', -1);
    if (behaviour == QStringLiteral("exits"))
        return exitCode;
    FakePeer peer{FileDescriptor(ChildProcess::socketDescriptor)};
    QObject::connect(peer.channel.get(), &Channel::closed, &application, &QCoreApplication::quit);
    peer.onMessage = [&](const Message &message) {
        if (behaviour == QStringLiteral("is silent"))
            return;
        if (behaviour == QStringLiteral("dies") && std::holds_alternative<ScanBegin>(message))
            std::_Exit(exitCode);
        if (behaviour == QStringLiteral("lists") && std::holds_alternative<Hello>(message))
            peer.send(Refusal{arguments.sliced(1).join(u' ')});
        else
            FakeSentinel::scan(peer, message);
    };
    return QCoreApplication::exec();
}

} // namespace Sentinel::Test
