// SPDX-License-Identifier: MIT
#include "Sentinel/broker/Session.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/inspection/ShareKey.h"
#include "Sentinel/broker/ContentCheck.h"

#include <algorithm>
#include <array>
#include <utility>

namespace Sentinel {

namespace {

template <typename... T>
bool isAnyOf(const Message &message)
{
    return (std::holds_alternative<T>(message) || ...);
}

} // namespace

Session::Session(FileDescriptor socket, quint64 client, LocalBackend &backend, QObject *parent)
    : QObject(parent)
    , m_client(client)
    , m_backend(backend)
    , m_channel(std::move(socket))
    , m_scans(std::make_shared<ClientScans>(m_channel.outbox()))
{
    connect(&m_channel, &Channel::messageReceived, this, &Session::receive);
    connect(&m_channel, &Channel::closed, this, &Session::end);
    m_helloWait.setSingleShot(true);
    m_helloWait.callOnTimeout(
        this, [this] { end(CloseReason::OutOfOrder, QStringLiteral("no Hello")); });
    m_helloWait.start(Limits::maxHelloWait);
}

Session::~Session()
{
    for (const quint64 request : m_scans->close())
        m_backend.cancel(request, ScanResult::notScanned(Reason::Cancelled));
}

//! Which message may come in which state of the connection; of its scan, see on().
bool Session::isLegal(const Message &message) const
{
    switch (m_state) {
    case State::New:
        return isAnyOf<Hello>(message);
    case State::Tap:
        return isAnyOf<ScanBegin, ScanGrow, ScanEnd, ScanCancel, VerdictAck, Ping, Pong,
            StatusRequest, ReloadRequest>(message);
    case State::Control:
        return isAnyOf<Ping, Pong, StatusRequest, ReloadRequest>(message);
    case State::Ended:
        break;
    }
    return false;
}

void Session::receive(const Message &message, FileDescriptor &descriptor)
{
    if (m_state == State::Ended)
        return;
    if (!isLegal(message))
        return end(CloseReason::OutOfOrder, nameOf(message));
    if (const auto *hello = std::get_if<Hello>(&message))
        on(*hello);
    else if (const auto *scanBegin = std::get_if<ScanBegin>(&message))
        begin(*scanBegin, std::move(descriptor));
    else if (const auto *grow = std::get_if<ScanGrow>(&message))
        on(*grow);
    else if (const auto *scanEnd = std::get_if<ScanEnd>(&message))
        on(*scanEnd);
    else if (const auto *cancel = std::get_if<ScanCancel>(&message))
        on(*cancel);
    else if (const auto *ack = std::get_if<VerdictAck>(&message))
        on(*ack);
    else if (const auto *ping = std::get_if<Ping>(&message))
        send(Pong{ping->number});
    else if (const auto *status = std::get_if<StatusRequest>(&message))
        Q_EMIT statusWanted(status->id);
    else if (const auto *reload = std::get_if<ReloadRequest>(&message))
        Q_EMIT reloadWanted(reload->id);
}

void Session::on(const Hello &message)
{
    const bool isSpoken = message.oldestVersion <= IpcLimits::protocolVersion
        && message.newestVersion >= IpcLimits::oldestProtocolVersion;
    if (!isSpoken) {
        return refuse(QStringLiteral("this sentinel (%1) speaks version %2 of the protocol, and "
                                     "you speak %3 to %4: update the older one")
                          .arg(QStringLiteral(SENTINEL_VERSION))
                          .arg(IpcLimits::protocolVersion)
                          .arg(message.oldestVersion)
                          .arg(message.newestVersion));
    }
    m_helloWait.stop();
    m_state = message.role == Hello::Role::Tap ? State::Tap : State::Control;
    send(Welcome{std::min<quint16>(message.newestVersion, IpcLimits::protocolVersion),
        QStringLiteral("sentinel " SENTINEL_VERSION), m_backend.engine()->rules()});
}

void Session::refuse(const QString &text)
{
    send(Refusal{text});
    end(CloseReason::OutOfOrder, text);
}

void Session::begin(const ScanBegin &message, FileDescriptor file)
{
    if (message.id <= m_lastId)
        return end(CloseReason::OutOfOrder, QStringLiteral("an id that does not grow"));
    m_lastId = message.id;
    ClientScans::Scan scan;
    scan.wantsSha256 = message.wantsSha256;
    m_scans->add(message.id, scan);
    if (m_scans->size() > Limits::maxScansOfClient)
        return refuseScan(message.id, Reason::QueueFull);
    auto problem = contentProblem(file.get());
    if (!problem)
        problem = sizeProblem(file.get(), message.sizeBytes, message.isComplete);
    if (problem)
        return refuseScan(message.id, Reason::Unreadable, *problem);
    if (message.sizeBytes > m_backend.settings().maxScanBytes)
        return refuseScan(message.id, Reason::TooLarge);

    auto reader = readOnly(std::move(file));
    if (!reader)
        return refuseScan(message.id, Reason::Unreadable, reader.error());
    scan.content = std::make_shared<Content>(std::move(*reader));
    scan.content->grow(message.sizeBytes);
    if (message.isComplete) {
        scan.content->complete();
        scan.stage = ClientScans::Stage::Ended;
    }
    if (const auto refusal = submit(message, std::move(scan)))
        refuseScan(message.id, *refusal);
}

std::optional<Reason> Session::submit(const ScanBegin &message, ClientScans::Scan scan)
{
    ScanSubject subject;
    subject.metadata = message.metadata;
    subject.filePath = message.filePath;
    subject.fileType = message.fileType;
    subject.client = m_client;
    subject.origin = shareKeyOf(message.metadata.url);
    subject.mayWait = message.mayWait;
    subject.content = scan.content;
    subject.timeout = allowed(message.timeout);
    subject.sizeBytes = message.isComplete
        ? message.sizeBytes
        : std::max(message.sizeBytes, message.metadata.sizeBytes.value_or(0));
    auto request = std::make_shared<ScanRequest>(
        std::move(subject), [scans = m_scans, id = message.id](ScanResult result) {
            scans->answer(id, std::move(result));
        });
    scan.request = request->id();
    m_scans->add(message.id, std::move(scan)); // before it can be answered
    return m_backend.submit(std::move(request));
}

void Session::on(const ScanGrow &message)
{
    if (const auto scan = advance(message.id, message.sizeBytes, ClientScans::Stage::Growing))
        m_backend.growContent(scan->request, message.sizeBytes);
}

void Session::on(const ScanEnd &message)
{
    const auto scan = advance(message.id, message.sizeBytes, ClientScans::Stage::Ended);
    if (!scan)
        return;
    scan->content->complete();
    m_backend.completeContent(scan->request, message.sizeBytes, allowed(message.timeout));
}

//! More of a scan's content is there, all if it is then Ended. Nothing if that is the end of the
//! scan, or of the session.
std::optional<ClientScans::Scan> Session::advance(
    quint64 id, qint64 sizeBytes, ClientScans::Stage stage)
{
    const auto scan = find(id);
    if (!scan)
        return std::nullopt;
    if (scan->stage != ClientScans::Stage::Growing) {
        end(CloseReason::OutOfOrder, QStringLiteral("more of a content that has ended"));
        return std::nullopt;
    }
    if (sizeBytes < scan->content->extent().sizeBytes) {
        end(CloseReason::OutOfOrder, QStringLiteral("a content that shrinks"));
        return std::nullopt;
    }
    if (stage == ClientScans::Stage::Ended)
        m_scans->end(id);
    if (sizeBytes > m_backend.settings().maxScanBytes) {
        giveUp(*scan, Reason::TooLarge);
        return std::nullopt;
    }
    const bool isComplete = stage == ClientScans::Stage::Ended;
    if (const auto problem = sizeProblem(scan->content->file(), sizeBytes, isComplete)) {
        giveUp(*scan, Reason::Unreadable, *problem);
        return std::nullopt;
    }
    scan->content->grow(sizeBytes);
    return scan;
}

void Session::on(const ScanCancel &message)
{
    if (const auto scan = find(message.id))
        giveUp(*scan, message.reason);
}

void Session::on(const VerdictAck &message)
{
    if (message.id > m_lastId || m_scans->find(message.id))
        return end(CloseReason::OutOfOrder, QStringLiteral("an outcome before its verdict"));
    const auto verdict = m_scans->acknowledge(message.id);
    if (verdict && *verdict != Verdict::Clean && message.disposition == Disposition::Release) {
        qCWarning(logScan).noquote()
            << "client" << m_client << "released without a clean verdict:" << nameOf(*verdict);
    }
}

//! The scan \p id. None if its verdict has crossed the message; never begun is a breach.
std::optional<ClientScans::Scan> Session::find(quint64 id)
{
    if (id > m_lastId)
        end(CloseReason::OutOfOrder, QStringLiteral("a scan that was not begun"));
    return m_scans->find(id);
}

//! Who shares the workers with others does not hold one for as long as it likes.
Session::Timeout Session::allowed(Timeout wanted) const
{
    if (wanted && m_client != 0)
        return std::min<std::chrono::milliseconds>(*wanted, Limits::maxTimeoutOfClient);
    return wanted;
}

//! Has the backend answer \p scan, if it has not done so already.
void Session::giveUp(const ClientScans::Scan &scan, Reason reason, const QString &detail)
{
    m_backend.cancel(scan.request, ScanResult::notScanned(reason, detail));
}

//! Answers a scan that the backend has not been told of.
void Session::refuseScan(quint64 id, Reason reason, const QString &detail)
{
    const ScanResult result = ScanResult::notScanned(reason, detail);
    m_backend.countRefusal(result);
    m_scans->answer(id, result);
}

void Session::end(CloseReason reason, const QString &text)
{
    if (std::exchange(m_state, State::Ended) == State::Ended)
        return;
    m_helloWait.stop();
    m_scans->close();
    Q_EMIT ended(reason, text);
}

} // namespace Sentinel
