// SPDX-License-Identifier: MIT
#include "Sentinel/clamd/ClamdConnection.h"

#include "Sentinel/Limits.h"
#include "ipc/Retried_p.h"
#include "ipc/SocketMessage.h"

#include <QtEndian>

#include <algorithm>
#include <array>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

namespace Sentinel {

namespace {

using Kind = ClamdFault::Kind;
using std::chrono::microseconds;

QString withReason(const QString &what)
{
    const int error = errno;
    return QStringLiteral("%1: %2").arg(what, qt_error_string(error));
}

//! What is left until \p deadline, for system calls: at least a moment, at most an hour.
microseconds leftUntil(Deadline deadline)
{
    constexpr microseconds most = Limits::maxClamdTimeout;
    const Clock::time_point now = Clock::now();
    if (deadline >= now + most)
        return most;
    return std::max(std::chrono::ceil<microseconds>(deadline - now), microseconds(1));
}

} // namespace

std::expected<std::unique_ptr<ClamdConnection>, QString> ClamdConnection::make(ClamdAddress address)
{
    FileDescriptor socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.isValid())
        return std::unexpected(withReason(QStringLiteral("cannot make a socket for clamd")));
    if (!address.isLocalSocket()) {
        const int on = 1; // questions are small, and someone waits
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return std::unique_ptr<ClamdConnection>(
        new ClamdConnection(std::move(address), std::move(socket)));
}

ClamdConnection::ClamdConnection(ClamdAddress address, FileDescriptor socket)
    : m_address(std::move(address)), m_socket(std::move(socket))
{
}

void ClamdConnection::begin(QByteArrayView command)
{
    Q_ASSERT(!m_isBusy);
    m_isBusy = true;
    m_output.clear();
    m_sent = 0;
    if (m_id++ == 0)
        m_output.append("zIDSESSION").append('\0');
    m_output.append('z').append(command).append('\0');
}

void ClamdConnection::ask(QByteArrayView command)
{
    begin(command);
}

void ClamdConnection::scan(int file, qint64 bytes, ClamdWay way)
{
    if (way == ClamdWay::File) {
        begin("FILDES");
        m_output.append('\0'); // what the descriptor comes with
        m_passed = file;
        return;
    }
    begin("INSTREAM");
    m_file = file;
    m_offset = 0;
    m_unread = bytes;
}

std::expected<std::optional<QByteArray>, ClamdFault> ClamdConnection::advance(Deadline until)
{
    Q_ASSERT(m_isBusy);
    if (const auto connected = connect(until); !connected || !*connected) {
        if (!connected)
            return std::unexpected(connected.error());
        return std::nullopt;
    }
    do {
        if (const auto sent = send(until); !sent)
            return std::unexpected(sent.error());
        auto answer = receive();
        if (!answer || *answer)
            return answer;
    } while (await(until));
    return std::nullopt;
}

//! False: not yet.
std::expected<bool, ClamdFault> ClamdConnection::connect(Deadline until)
{
    if (m_isConnected)
        return true;
    // connect() keeps to the time limit of sending, also where a listener's queue is full, which
    // poll() could not wait for; called again, it goes on.
    const microseconds left = std::max(leftUntil(until), microseconds(1000));
    const timeval limit{left.count() / 1'000'000, left.count() % 1'000'000};
    ::setsockopt(m_socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const int result =
        retried([&] { return ::connect(m_socket.get(), m_address.data(), m_address.size()); });
    m_isConnected = result == 0 || errno == EISCONN;
    if (m_isConnected || errno == EAGAIN || errno == EINPROGRESS || errno == EALREADY)
        return m_isConnected;
    return lost(Kind::NoConnection,
        withReason(QStringLiteral("cannot connect to clamd at %1").arg(m_address.text())));
}

//! Sends what can be sent without a wait.
std::expected<void, ClamdFault> ClamdConnection::send(Deadline until)
{
    while (!m_isDeaf && !isAllSent()) {
        const auto hasRoom = sendOutput();
        if (!hasRoom)
            return std::unexpected(hasRoom.error());
        if (!*hasRoom || (m_file >= 0 && Clock::now() >= until))
            return {};
        if (m_sent == m_output.size() && m_unread >= 0) {
            if (auto read = readChunk(); !read)
                return read;
        }
    }
    return {};
}

//! False if no more can be sent now.
std::expected<bool, ClamdFault> ClamdConnection::sendOutput()
{
    while (m_sent < m_output.size()) {
        const ssize_t sent = SocketMessage::send(
            m_socket.get(), QByteArrayView(m_output).sliced(m_sent), m_passed, MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return false;
        if (sent < 0) {
            m_isDeaf = true;
            return false;
        }
        m_sent += sent;
        m_passed = -1;
    }
    return true;
}

//! The next piece of a stream: its length and its bytes, or the length 0, which ends it.
std::expected<void, ClamdFault> ClamdConnection::readChunk()
{
    const qint64 size = std::min<qint64>(m_unread, Limits::clamdChunkBytes);
    constexpr qsizetype headBytes = sizeof(quint32);
    m_output.resize(headBytes + qsizetype(size));
    m_sent = 0;
    qToBigEndian(quint32(size), m_output.data());
    if (size == 0) {
        m_unread = -1;
        return {};
    }
    for (qint64 had = 0; had < size;) {
        const ssize_t read = retried([&] {
            return ::pread(
                m_file, m_output.data() + headBytes + had, size_t(size - had), m_offset + had);
        });
        if (read <= 0) {
            return lost(Kind::Unreadable,
                read < 0 ? withReason(QStringLiteral("the content cannot be read"))
                         : QStringLiteral("The content became shorter while it was scanned."));
        }
        had += read;
    }
    m_offset += size;
    m_unread -= size;
    return {};
}

//! Receives what is there. Nothing: no answer yet.
std::expected<std::optional<QByteArray>, ClamdFault> ClamdConnection::receive()
{
    while (true) {
        std::array<char, 1024> buffer;
        const ssize_t size = retried(
            [&] { return ::recv(m_socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT); });
        if (size < 0 && errno == EAGAIN)
            return std::nullopt;
        if (size <= 0) {
            return lost(Kind::Closed,
                m_input.isEmpty()
                    ? QStringLiteral("clamd has closed the connection")
                    : QStringLiteral("clamd has closed the connection in the middle of: %1")
                          .arg(clamdWords(m_input)));
        }
        m_input.append(buffer.data(), size);
        if (m_input.contains('\0'))
            return takeAnswer();
        if (m_input.size() > Limits::maxClamdReplyBytes)
            return lost(Kind::Nonsense, QStringLiteral("clamd's answer has no end"));
    }
}

//! What has come, which ends the question if it is the answer to it and nothing else.
std::expected<std::optional<QByteArray>, ClamdFault> ClamdConnection::takeAnswer()
{
    const QByteArray id = QByteArray::number(m_id) + ": ";
    const QByteArray input = std::exchange(m_input, {});
    const bool isOne = input.startsWith(id) && input.indexOf('\0') == input.size() - 1;
    // Before it has all of a content, clamd may refuse it, and nothing else.
    if (!isOne || !(isAllSent() || input.endsWith(QByteArrayView(" ERROR\0", 7)))) {
        return lost(Kind::Nonsense,
            QStringLiteral("clamd answered what was not asked: %1").arg(clamdWords(input)));
    }
    if (!isAllSent())
        interrupt(); // the rest would be taken for questions
    m_isBusy = false;
    m_hasAnswered = true;
    m_file = -1;
    m_passed = -1;
    m_unread = -1;
    return input.sliced(id.size()).chopped(1);
}

//! False at \p until.
bool ClamdConnection::await(Deadline until) const
{
    if (Clock::now() >= until)
        return false;
    const bool isSending = !m_isDeaf && !isAllSent();
    pollfd entry{m_socket.get(), short(isSending ? POLLIN | POLLOUT : POLLIN), 0};
    const microseconds left = leftUntil(until);
    const timespec limit{left.count() / 1'000'000, left.count() % 1'000'000 * 1000};
    ::ppoll(&entry, 1, &limit, nullptr);
    return Clock::now() < until || entry.revents != 0;
}

bool ClamdConnection::isQuiet() const
{
    if (m_isBusy || !m_input.isEmpty())
        return false;
    pollfd entry{m_socket.get(), POLLIN | POLLRDHUP, 0};
    return !m_isConnected || ::poll(&entry, 1, 0) == 0;
}

void ClamdConnection::interrupt()
{
    ::shutdown(m_socket.get(), SHUT_RDWR);
}

ClamdConnection::Fault ClamdConnection::lost(Kind kind, const QString &words)
{
    ::shutdown(m_socket.get(), SHUT_RDWR);
    return Fault(ClamdFault{kind, words});
}

} // namespace Sentinel
