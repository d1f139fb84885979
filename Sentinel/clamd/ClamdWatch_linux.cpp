// SPDX-License-Identifier: MIT
#include "Sentinel/clamd/ClamdWatch.h"

#include "SecurityTap/Logging.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

constexpr char silentLimits[] =
    "clamd does not tell when one of its limits cuts a scan short: what is larger than %1 MiB "
    "counts "
    "as not scanned by it. Set AlertExceedsMax to yes in its settings, if it listens at a local "
    "socket.";

//! True if the other end of \p socket has gone, whatever it has said before.
bool isAtItsEnd(int socket)
{
    pollfd entry{socket, POLLRDHUP, 0};
    return ::poll(&entry, 1, 0) != 0;
}

} // namespace

ClamdWatch::ClamdWatch(ClamdSettings settings)
    : m_settings(std::move(settings))
    , m_pool(m_settings)
    , m_stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
    , m_trouble(QStringLiteral("clamd was not asked yet."))
{
}

ClamdWatch::~ClamdWatch()
{
    m_isStopping = true;
    ::eventfd_write(m_stop.get(), 1);
    if (m_thread.joinable())
        m_thread.join();
    m_pool.close();
}

void ClamdWatch::start(Deadline deadline, Listener onChange)
{
    Q_ASSERT(!m_thread.joinable());
    m_onChange = std::move(onChange);
    m_thread = std::thread([this] { run(); });
    std::unique_lock lock(m_mutex);
    m_looked.wait_until(lock, deadline, [this] { return m_hasLooked; });
}

std::optional<ClamdVersion> ClamdWatch::version() const
{
    const std::lock_guard lock(m_mutex);
    return m_version;
}

//! Looks at the connection itself: behind a socket that outlives clamd (systemd's), another one,
//! with other settings, answers scans before our thread knows.
qint64 ClamdWatch::trustedBytes() const
{
    const std::lock_guard lock(m_mutex);
    const bool isTheSame = m_probed.isValid() && !isAtItsEnd(m_probed.get());
    return isTheSame ? m_trustedBytes : Limits::maxUntoldClamdBytes;
}

QString ClamdWatch::trouble() const
{
    const std::lock_guard lock(m_mutex);
    return m_trouble;
}

ClamdStatus ClamdWatch::status() const
{
    ClamdStatus status;
    status.address = m_settings.address.text();
    status.isReachable = isReachable();
    const PoolCounts counts = m_pool.counts();
    status.connections = counts.idle + counts.inUse;
    status.connectionsInUse = counts.inUse;
    status.scans = qint64(counts.acquires);
    status.scansOnUsedConnections = qint64(counts.reuses);
    const std::lock_guard lock(m_mutex);
    status.trouble = m_trouble;
    if (m_version) {
        status.version = m_version->program;
        status.signatures = m_version->signatures;
        if (m_version->signaturesOf.isValid()) {
            status.signaturesMadeAt = std::max(0LL, m_version->signaturesOf.toSecsSinceEpoch());
        }
    }
    return status;
}

void ClamdWatch::run()
{
    milliseconds pause = Limits::leastClamdPause;
    while (!m_isStopping) {
        if (look()) {
            pause = Limits::leastClamdPause;
            m_pool.keepAlive(Clock::now() + Limits::clamdKeepAlivePatience);
            const Deadline next = Clock::now() + m_settings.pingInterval;
            waitUntil(isLimitKnown() ? next : std::min(next, m_nextProbe));
        } else {
            waitUntil(Clock::now() + pause);
            pause = std::min(2 * pause, Limits::mostClamdPause);
        }
    }
    letGo();
}

//! True if clamd is there.
bool ClamdWatch::look()
{
    const auto answer = ask([](ClamdConnection &connection) { connection.ask("VERSION"); });
    const auto version = answer ? ClamdVersion::parse(*answer) : std::nullopt;
    if (version)
        found(*version);
    else
        lost(answer ? QStringLiteral("what answers as clamd is none: %1").arg(clamdWords(*answer))
                    : answer.error());
    const std::lock_guard lock(m_mutex);
    m_hasLooked = true;
    m_looked.notify_all();
    return version.has_value();
}

//! Asks on the connection that is held, and if that is at its end, on a new one.
std::expected<QByteArray, QString> ClamdWatch::ask(
    const std::function<void(ClamdConnection &)> &put)
{
    const bool isHeld = m_connection && m_connection->isQuiet();
    if (!isHeld)
        letGo();
    auto answer = askOnce(put);
    if (!answer && isHeld && !m_isStopping)
        answer = askOnce(put);
    return answer;
}

std::expected<QByteArray, QString> ClamdWatch::askOnce(
    const std::function<void(ClamdConnection &)> &put)
{
    if (!m_connection) {
        auto made = ClamdConnection::make(m_settings.address);
        if (!made)
            return std::unexpected(made.error());
        m_connection = std::move(*made);
    }
    put(*m_connection);
    const Deadline deadline = Clock::now() + m_settings.pingPatience;
    while (!m_isStopping && Clock::now() < deadline) {
        auto answer =
            m_connection->advance(std::min(deadline, Clock::now() + Limits::clamdWaitSlice));
        if (!answer) {
            letGo();
            return std::unexpected(answer.error().words);
        }
        if (*answer)
            return std::move(**answer);
    }
    letGo();
    return std::unexpected(
        QStringLiteral("clamd at %1 does not answer").arg(m_settings.address.text()));
}

//! Who answers on the next connection may be another clamd: the limits are this one's.
void ClamdWatch::letGo()
{
    m_connection.reset();
    const std::lock_guard lock(m_mutex);
    m_probed = FileDescriptor();
}

bool ClamdWatch::isLimitKnown() const
{
    const std::lock_guard lock(m_mutex);
    return m_probed.isValid() || !m_settings.address.isLocalSocket(); // there it is never asked
}

//! True if clamd calls a content that is beyond all its limits so, and not OK.
bool ClamdWatch::tellsItsLimits()
{
    if (!m_settings.address.isLocalSocket())
        return false;
    const FileDescriptor huge(::memfd_create("clamd limits", MFD_CLOEXEC)); // takes no memory
    if (!huge.isValid() || ::ftruncate(huge.get(), Limits::clamdLimitProbeBytes) != 0)
        return false;
    const auto answer = ask([&huge](ClamdConnection &connection) {
        connection.scan(huge.get(), Limits::clamdLimitProbeBytes, ClamdWay::File);
    });
    return answer && ClamdReply::parse(*answer, ClamdWay::File).tellsOfLimit();
}

void ClamdWatch::found(const ClamdVersion &version)
{
    const bool isNews = !isReachable() || this->version() != version;
    // Who ends the connection after each look at its limits is not asked for them all the time.
    if (!isNews && (isLimitKnown() || Clock::now() < m_nextProbe))
        return;
    const bool isTold = tellsItsLimits();
    m_nextProbe = Clock::now() + Limits::mostClamdPause;
    if (!isNews && !m_connection)
        return; // it has gone meanwhile
    const QString trouble = isTold
        ? QString()
        : QString::fromLatin1(silentLimits).arg(Limits::maxUntoldClamdBytes / Limits::mib);
    {
        const std::lock_guard lock(m_mutex);
        m_trustedBytes = isTold ? Limits::maxClamdBytes : Limits::maxUntoldClamdBytes;
        if (m_connection)
            m_probed = FileDescriptor(::fcntl(m_connection->descriptor(), F_DUPFD_CLOEXEC, 0));
        if (!isNews && m_trouble == trouble)
            return;
        m_version = version;
        m_trouble = trouble;
    }
    m_isReachable = true;
    qCInfo(logScan).noquote() << "clamd is there:" << version.text();
    if (m_onChange)
        m_onChange();
}

void ClamdWatch::lost(const QString &why)
{
    if (m_isStopping)
        return;
    const bool wasReachable = m_isReachable.exchange(false);
    {
        const std::lock_guard lock(m_mutex);
        if (!wasReachable && m_trouble == why)
            return;
        m_trouble = why;
    }
    qCWarning(logScan).noquote() << "clamd is gone:" << why;
    if (m_onChange)
        m_onChange();
}

//! Also until the connection that is held ends, or this does.
void ClamdWatch::waitUntil(Deadline deadline)
{
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    std::array<pollfd, 2> entries{{{m_stop.get(), POLLIN, 0},
        {m_connection ? m_connection->descriptor() : -1, POLLIN | POLLRDHUP, 0}}};
    ::poll(entries.data(), entries.size(), int(std::max<milliseconds::rep>(left.count(), 0)));
}

} // namespace Sentinel
