// SPDX-License-Identifier: MIT
#include "Sentinel/broker/Session.h"

#include "SecurityTap/Logging.h"
#include "Sentinel/broker/ContentCheck.h"

#include <algorithm>
#include <array>
#include <utility>

namespace Sentinel {

namespace {

// Verdicts that a client owes an answer to; who never gives one costs no more than this.
constexpr size_t maxUnacknowledged = 4096;

template <typename... T>
bool isAnyOf(const Message &message)
{
    return (std::holds_alternative<T>(message) || ...);
}

} // namespace

Session::Session(FileDescriptor socket, quint64 client, LocalBackend &backend, QObject *parent)
    : QObject(parent), m_client(client), m_backend(backend), m_channel(std::move(socket))
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
    m_state = State::Ended; // what is answered from here on is for nobody
    for (const auto &[id, scan] : m_scans)
        m_backend.cancel(scan.request, ScanResult::notScanned(Reason::Cancelled));
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
    Scan &scan = m_scans[message.id];
    scan.wantsSha256 = message.wantsSha256;
    if (int(m_scans.size()) > Limits::maxScansOfClient)
        return answer(message.id, ScanResult::notScanned(Reason::QueueFull));
    auto problem = contentProblem(file.get());
    if (!problem)
        problem = sizeProblem(file.get(), message.sizeBytes, message.isComplete);
    if (problem)
        return answer(message.id, ScanResult::notScanned(Reason::Unreadable, *problem));
    if (message.sizeBytes > m_backend.settings().maxScanBytes)
        return answer(message.id, ScanResult::notScanned(Reason::TooLarge));

    auto reader = readOnly(std::move(file));
    if (!reader)
        return answer(message.id, ScanResult::notScanned(Reason::Unreadable, reader.error()));
    scan.content = std::make_shared<Content>(std::move(*reader));
    scan.content->grow(message.sizeBytes);
    if (message.isComplete) {
        scan.content->complete();
        scan.state = Scan::State::Ended;
    }
    ScanSubject subject;
    subject.metadata = message.metadata;
    subject.filePath = message.filePath;
    subject.fileType = message.fileType;
    subject.client = m_client;
    subject.content = scan.content;
    subject.timeout = allowed(message.timeout);
    subject.sizeBytes = message.isComplete
        ? message.sizeBytes
        : std::max(message.sizeBytes, message.metadata.sizeBytes.value_or(0));
    auto request = std::make_shared<ScanRequest>(
        std::move(subject), [mailbox = m_mailbox, this, id = message.id](ScanResult result) {
            mailbox.post([this, id, result = std::move(result)]() mutable {
                answer(id, std::move(result));
            });
        });
    scan.request = request->id();
    if (const auto refusal = m_backend.submit(std::move(request))) {
        scan.request = 0;
        answer(message.id, ScanResult::notScanned(*refusal));
    }
}

void Session::on(const ScanGrow &message)
{
    const auto scan = find(message.id);
    if (scan != m_scans.end() && advance(scan, message.sizeBytes, false))
        m_backend.growContent(scan->second.request, message.sizeBytes);
}

void Session::on(const ScanEnd &message)
{
    const auto scan = find(message.id);
    if (scan == m_scans.end() || !advance(scan, message.sizeBytes, true))
        return;
    scan->second.content->complete();
    m_backend.completeContent(scan->second.request, message.sizeBytes, allowed(message.timeout));
}

//! More of a scan's content is there. False if that is the end of it, or of the session.
bool Session::advance(Scans::iterator scan, qint64 sizeBytes, bool isComplete)
{
    Scan &growing = scan->second;
    if (growing.state != Scan::State::Growing) {
        end(CloseReason::OutOfOrder, QStringLiteral("more of a content that has ended"));
        return false;
    }
    if (sizeBytes < growing.content->extent().sizeBytes) {
        end(CloseReason::OutOfOrder, QStringLiteral("a content that shrinks"));
        return false;
    }
    if (isComplete)
        growing.state = Scan::State::Ended;
    if (sizeBytes > m_backend.settings().maxScanBytes) {
        giveUp(growing, Reason::TooLarge);
        return false;
    }
    if (const auto problem = sizeProblem(growing.content->file(), sizeBytes, isComplete)) {
        giveUp(growing, Reason::Unreadable, *problem);
        return false;
    }
    growing.content->grow(sizeBytes);
    return true;
}

void Session::on(const ScanCancel &message)
{
    const auto scan = find(message.id);
    if (scan == m_scans.end())
        return;
    if (scan->second.state == Scan::State::Cancelled)
        return end(CloseReason::OutOfOrder, QStringLiteral("cancelled twice"));
    scan->second.state = Scan::State::Cancelled;
    giveUp(scan->second, message.reason);
}

void Session::on(const VerdictAck &message)
{
    if (message.id > m_lastId || m_scans.contains(message.id))
        return end(CloseReason::OutOfOrder, QStringLiteral("an outcome before its verdict"));
    const auto verdict = m_unacknowledged.find(message.id);
    if (verdict == m_unacknowledged.end())
        return;
    if (message.disposition == Disposition::Release && verdict->second != Verdict::Clean) {
        qCWarning(logScan).noquote()
            << "client" << m_client
            << "released without a clean verdict:" << nameOf(verdict->second);
    }
    m_unacknowledged.erase(verdict);
}

//! The scan \p id. None if its verdict has crossed the message; never begun is a breach.
Session::Scans::iterator Session::find(quint64 id)
{
    if (id > m_lastId)
        end(CloseReason::OutOfOrder, QStringLiteral("a scan that was not begun"));
    return m_scans.find(id);
}

//! Who shares the workers with others does not hold one for as long as it likes.
Session::Timeout Session::allowed(Timeout wanted) const
{
    if (wanted && m_client != 0)
        return std::min<std::chrono::milliseconds>(*wanted, Limits::maxTimeoutOfClient);
    return wanted;
}

//! Has the backend answer \p scan, if it has not done so already.
void Session::giveUp(Scan &scan, Reason reason, const QString &detail)
{
    m_backend.cancel(scan.request, ScanResult::notScanned(reason, detail));
}

void Session::answer(quint64 id, ScanResult result)
{
    const auto scan = m_scans.find(id);
    if (m_state == State::Ended || scan == m_scans.end())
        return;
    if (!scan->second.wantsSha256)
        result = result.withSha256({});
    if (scan->second.request == 0)
        m_backend.countRefusal(result);
    const auto duration =
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - scan->second.beganAt);
    m_scans.erase(scan);
    m_unacknowledged.emplace(id, result.verdict());
    if (m_unacknowledged.size() > maxUnacknowledged)
        m_unacknowledged.erase(m_unacknowledged.begin());
    send(ScanVerdict{id, std::move(result), duration});
}

void Session::end(CloseReason reason, const QString &text)
{
    if (std::exchange(m_state, State::Ended) == State::Ended)
        return;
    m_helloWait.stop();
    Q_EMIT ended(reason, text);
}

} // namespace Sentinel
