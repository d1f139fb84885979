// SPDX-License-Identifier: MIT
#include "Sentinel/ControlClient.h"

#include "SecurityTap/content/ContentFile.h"
#include "SecurityTap/content/FileName.h"
#include "Sentinel/Limits.h"
#include "ipc/Limits.h"
#include "ipc/LocalSocket.h"

#include <QEventLoop>
#include <QTimer>

#include <optional>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

//! To all that needs no rules to be read.
constexpr milliseconds answerPatience = std::chrono::seconds(15);

} // namespace

template <typename Answer>
std::expected<Answer, QString> ControlClient::ask(
    const Message &question, FileDescriptor file, milliseconds patience)
{
    std::optional<Answer> answer;
    QString error;
    QEventLoop loop;
    QObject context;
    QObject::connect(&m_channel, &Channel::messageReceived, &context,
        [&](const Message &message, FileDescriptor &) {
            if (const auto *wanted = std::get_if<Answer>(&message))
                answer = *wanted;
            else if (const auto *no = std::get_if<Refusal>(&message))
                error = printable(no->text);
            else
                return;
            loop.quit();
        });
    QObject::connect(
        &m_channel, &Channel::closed, &context, [&](CloseReason reason, const QString &) {
            error = QStringLiteral("the connection ended (%1)").arg(nameOf(reason));
            loop.quit();
        });
    QTimer::singleShot(patience, &context, [&] {
        error = QStringLiteral("no answer within %1 s")
                    .arg(std::chrono::ceil<std::chrono::seconds>(patience).count());
        loop.quit();
    });
    // Where nobody reads any more, a word why not may still have come.
    if (!m_channel.send(question, std::move(file)) && !m_channel.isOpen())
        return std::unexpected(QStringLiteral("the connection has ended"));
    loop.exec();
    if (!answer)
        return std::unexpected(error);
    return std::move(*answer);
}

std::expected<std::unique_ptr<ControlClient>, QString> ControlClient::greet(
    FileDescriptor socket, milliseconds patience)
{
    std::unique_ptr<ControlClient> client(new ControlClient(std::move(socket)));
    auto welcome =
        client->ask<Welcome>(Hello{IpcLimits::oldestProtocolVersion, IpcLimits::protocolVersion,
                                 Hello::Role::Tap, QStringLiteral("sentinel " SENTINEL_VERSION)},
            {}, patience);
    if (!welcome)
        return std::unexpected(welcome.error());
    client->m_welcome = std::move(*welcome);
    return client;
}

std::expected<std::unique_ptr<ControlClient>, QString> ControlClient::connectTo(
    const QString &socketPath)
{
    auto socket = LocalSocket::connectTo(socketPath);
    if (!socket)
        return std::unexpected(socket.error());
    auto client = greet(std::move(*socket), answerPatience);
    if (!client)
        return std::unexpected(QStringLiteral("%1: %2").arg(socketPath, client.error()));
    return client;
}

std::expected<SentinelStatus, QString> ControlClient::status()
{
    auto report = ask<StatusReport>(StatusRequest{++m_lastId}, {}, answerPatience);
    if (!report)
        return std::unexpected(report.error());
    return std::move(report->status);
}

std::expected<ReloadResult, QString> ControlClient::reload()
{
    return ask<ReloadResult>(ReloadRequest{++m_lastId}, {}, 2 * Limits::maxRuleCompilation);
}

std::expected<ScanResult, QString> ControlClient::scan(
    const QByteArray &name, const QByteArray &bytes)
{
    auto file = contentFile(*Content::fromByteArray(bytes));
    if (!file)
        return std::unexpected(file.error());
    ScanBegin begin;
    begin.id = ++m_lastId;
    begin.metadata.filename = QString::fromUtf8(name);
    begin.sizeBytes = bytes.size();
    begin.isComplete = true;
    begin.timeout = answerPatience / 2;
    auto verdict = ask<ScanVerdict>(begin, std::move(*file), answerPatience);
    if (!verdict)
        return std::unexpected(verdict.error());
    return std::move(verdict->result);
}

} // namespace Sentinel
