// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/SentinelLink_p.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/content/ContentFile.h"
#include "ipc/Limits.h"
#include "ipc/LocalSocket.h"
#include "ipc/SocketMessage.h"

#include <QFile>
#include <QLocale>

#include <algorithm>
#include <limits>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds longestNap = std::chrono::hours(24); // within what a QTimer takes

QString describe(const RuleSetSummary &rules)
{
    if (rules.digest.isEmpty())
        return QStringLiteral("without rules, so that nothing can be scanned");
    return QStringLiteral("%1 rules").arg(QLocale(QLocale::English).toString(rules.rules));
}

enum class Told : quint8 { All, Part };

constexpr int withoutEnd = std::numeric_limits<int>::max();

//! Tells the sentinel what it does not know yet, as long as it reads, in \p most messages.
Told tell(RemoteScans &scans, quint64 teller, int most)
{
    for (int told = 0; told < most; ++told) {
        auto telling = scans.next(teller);
        if (!telling)
            return Told::All;
        FileDescriptor file;
        if (carriesDescriptor(telling->message)) {
            auto made =
                telling->file ? duplicated(telling->file->get()) : contentFile(*telling->content);
            if (!made) {
                scans.withdraw(*telling, ScanResult::notScanned(Reason::Unreadable, made.error()));
                continue;
            }
            file = *std::move(made);
        }
        // A connection that has ended refuses: the link learns of it from the channel.
        if (telling->outbox->send(telling->message, std::move(file)) == Outbox::Sending::Waiting)
            return Told::Part;
    }
    return Told::Part;
}

//! At once, then after ever longer pauses.
milliseconds pauseAfter(int failures, const SentinelSettings::Patience &patience)
{
    if (failures <= 1)
        return milliseconds::zero();
    milliseconds pause = patience.leastReconnectPause;
    for (int i = 2; i < failures && pause < patience.mostReconnectPause; ++i)
        pause *= 2;
    return std::min(pause, patience.mostReconnectPause);
}

} // namespace

SentinelLink::SentinelLink(Isolation isolation, const SentinelSettings &settings,
    std::shared_ptr<RemoteScans> scans, Listener listener)
    : m_isolation(isolation)
    , m_settings(settings)
    , m_scans(std::move(scans))
    , m_listener(std::move(listener))
    , m_mailbox(this)
{
    Q_ASSERT(isolation != Isolation::InProcess);
    m_phase.setSingleShot(true);
    connect(&m_phase, &QTimer::timeout, this, &SentinelLink::onPhaseOver);
    m_deadlines.setSingleShot(true);
    m_deadlines.setTimerType(Qt::PreciseTimer);
    connect(&m_deadlines, &QTimer::timeout, this, [this] {
        m_earliest = noDeadline;
        watchDeadlines(m_scans->expire(Clock::now()));
    });
    RemoteScans::Bell bell;
    // Called by any thread, also while this is destroyed: only letters may look at it.
    bell.tell = [scans = m_scans.get(), mailbox = m_mailbox, this](quint64 teller) {
        if (Sentinel::tell(*scans, teller, Limits::maxToldInPassing) == Told::Part)
            mailbox.post([this, teller] { onHandOver(teller); });
        if (scans->callsLink(teller))
            mailbox.post([this] { onWatch(); });
    };
    bell.watch = [mailbox = m_mailbox, this] { mailbox.post([this] { onWatch(); }); };
    bell.call = [mailbox = m_mailbox, this](
                    quint64 teller) { mailbox.post([this, teller] { tell(teller); }); };
    m_scans->setBell(std::make_shared<const RemoteScans::Bell>(std::move(bell)));
}

SentinelLink::~SentinelLink()
{
    // The last acknowledgements.
    Sentinel::tell(*m_scans, m_scans->setBell(nullptr), withoutEnd);
}

void SentinelLink::open()
{
    attempt();
}

void SentinelLink::setState(ScannerState state, const QString &text)
{
    m_state = state;
    m_listener.stateChanged(state, text);
}

//! What this thread, as the teller, has to say.
void SentinelLink::tell(quint64 teller)
{
    if (Sentinel::tell(*m_scans, teller, withoutEnd) == Told::Part)
        m_tellsWhenDrained = teller;
    if (m_scans->callsLink(teller))
        onWatch();
}

//! A teller on another thread has met a sentinel that does not read, or has told enough.
void SentinelLink::onHandOver(quint64 teller)
{
    if (m_channel && m_channel->unsentMessages() > 0)
        m_tellsWhenDrained = teller;
    else
        tell(teller);
}

void SentinelLink::goOnTelling()
{
    if (const auto teller = std::exchange(m_tellsWhenDrained, std::nullopt))
        tell(*teller);
}

void SentinelLink::onWatch()
{
    const RemoteScans::Watch watch = m_scans->watch();
    watchDeadlines(watch.deadline);
    if (watch.owedVerdicts > Limits::maxOwedVerdicts)
        breach(QStringLiteral("no verdicts on what was cancelled"));
    else if (watch.owedVerdicts > 0)
        watchForLife();
}

void SentinelLink::onPhaseOver()
{
    switch (m_state) {
    case ScannerState::Connecting:
        lose(QStringLiteral("the sentinel does not answer"));
        break;
    case ScannerState::BackingOff:
        attempt();
        break;
    case ScannerState::Open:
        beat();
        break;
    case ScannerState::Stopped:
        break;
    }
}

void SentinelLink::attempt()
{
    setState(ScannerState::Connecting,
        m_isolation == Isolation::Spawned
            ? QStringLiteral("starting %1").arg(m_settings.program)
            : QStringLiteral("looking for a sentinel at %1").arg(m_settings.socketPath));
    auto socket = reach();
    if (!socket) {
        lose(socket.error());
        return;
    }
    m_channel = std::make_unique<Channel>(*std::move(socket));
    connect(m_channel.get(), &Channel::messageReceived, this,
        [this](const Message &message, const FileDescriptor &) { receive(message); });
    connect(m_channel.get(), &Channel::drained, this, &SentinelLink::goOnTelling);
    connect(
        m_channel.get(), &Channel::closed, this, [this](CloseReason reason, const QString &text) {
            if (reason == CloseReason::PeerGone && m_child)
                lose(QStringLiteral("the sentinel %1").arg(childsEnding()));
            else if (reason == CloseReason::PeerGone)
                lose(QStringLiteral("the sentinel has closed the connection"));
            else
                lose(QStringLiteral("%1: %2").arg(nameOf(reason), text));
        });
    m_channel->send(Hello{IpcLimits::oldestProtocolVersion, IpcLimits::protocolVersion,
        Hello::Role::Tap, QStringLiteral("SecurityTap")});
    m_phase.start(m_child ? m_settings.patience.spawnedWelcome : m_settings.patience.systemWelcome);
}

//! The socket of a connection; m_child is the process behind it if it was started here.
std::expected<FileDescriptor, QString> SentinelLink::reach()
{
    if (m_isolation == Isolation::Spawned)
        return spawn();
    std::expected<FileDescriptor, QString> found = std::unexpected(std::exchange(m_turnedAway, {}));
    if (found.error().isEmpty())
        found = LocalSocket::connectTo(m_settings.socketPath);
    if (found || m_isolation == Isolation::System)
        return found;
    auto spawned = spawn();
    if (spawned)
        return spawned;
    return std::unexpected(QStringLiteral("%1; %2").arg(found.error(), spawned.error()));
}

std::expected<FileDescriptor, QString> SentinelLink::spawn()
{
    auto child = ChildProcess::start(QFile::encodeName(m_settings.program), arguments());
    if (!child)
        return std::unexpected(child.error());
    // As the first packet: everybody can read the arguments of a process.
    if (m_settings.archives != ArchiveSettings()
        && SocketMessage::send(
               child->socket.get(), toArgument(m_settings.archives), -1, MSG_DONTWAIT)
            < 0)
        return std::unexpected(QStringLiteral("the sentinel takes no settings for archives"));
    m_child = std::move(child->process);
    return std::move(child->socket);
}

QByteArrayList SentinelLink::arguments() const
{
    // What is not said here a file may say: so all is said, also what is usual.
    QByteArrayList arguments{"serve", "--spawned"};
    if (!m_settings.settingsFile.isEmpty())
        arguments << "--config" << QFile::encodeName(m_settings.settingsFile);
    for (const QString &path : m_settings.rulePaths)
        arguments << "--rules" << QFile::encodeName(path);
    const bool skips = m_settings.rules.badFiles == BadRuleFiles::Skip;
    arguments << (skips ? "--skip-bad-rules" : "--refuse-bad-rules");
    arguments << "--unrated" << nameOf(m_settings.rules.unratedSeverity).toUtf8();
    if (m_settings.archives != ArchiveSettings())
        arguments << "--archives"; // as spawn() tells it
    if (m_settings.jobs)
        arguments << "--jobs" << QByteArray::number(*m_settings.jobs);
    return arguments << "--max-size" << QByteArray::number(m_settings.maxScanBytes);
}

void SentinelLink::receive(const Message &message)
{
    if (m_state == ScannerState::Connecting) {
        if (const auto *granted = std::get_if<Welcome>(&message))
            welcome(*granted);
        else if (const auto *refusal = std::get_if<Refusal>(&message))
            lose(QStringLiteral("the sentinel refuses: %1").arg(refusal->text));
        else
            breach(QStringLiteral("%1 instead of a Welcome").arg(nameOf(message)));
        return;
    }
    noteLife();
    if (const auto *verdict = std::get_if<ScanVerdict>(&message))
        takeVerdict(*verdict);
    else if (const auto *ping = std::get_if<Ping>(&message))
        m_channel->send(Pong{ping->number});
    else if (std::holds_alternative<Pong>(message))
        return; // that it came is all that it says
    else if (const auto *changed = std::get_if<RuleSetChanged>(&message))
        m_listener.rulesChanged(changed->rules);
    else if (const auto *result = std::get_if<ReloadResult>(&message))
        reloaded(*result);
    else
        breach(QStringLiteral("%1, which a sentinel does not say now").arg(nameOf(message)));
}

void SentinelLink::welcome(const Welcome &welcome)
{
    if (welcome.version < IpcLimits::oldestProtocolVersion
        || welcome.version > IpcLimits::protocolVersion) {
        breach(QStringLiteral("version %1 of the protocol").arg(welcome.version));
        return;
    }
    m_phase.stop();
    m_openedAt = Clock::now();
    m_scans->admit();
    m_listener.rulesChanged(welcome.rules);
    setState(ScannerState::Open,
        QStringLiteral("the sentinel is running, %1").arg(describe(welcome.rules)));
    m_scans->connected(m_channel->outbox());
}

void SentinelLink::takeVerdict(const ScanVerdict &verdict)
{
    const quint64 id = verdict.id;
    switch (m_scans->take(verdict)) {
    case RemoteScans::Arrival::Answer:
        m_hasProvenItself = true;
        break;
    case RemoteScans::Arrival::Late:
        break;
    case RemoteScans::Arrival::Breach:
        breach(QStringLiteral("a verdict on %1, which it does not owe").arg(id));
        break;
    }
}

void SentinelLink::watchDeadlines(Deadline earliest)
{
    if (earliest >= m_earliest)
        return;
    m_earliest = earliest;
    const auto left = std::chrono::ceil<milliseconds>(earliest - Clock::now());
    m_deadlines.start(std::clamp(left, milliseconds::zero(), longestNap));
}

//! Whatever is said, somebody has said it: the Pong may stand in line behind many verdicts.
void SentinelLink::noteLife()
{
    if (!std::exchange(m_isPongDue, false))
        return;
    m_phase.stop();
    watchForLife();
}

//! From the first scan that is owed, until there was none for a while.
void SentinelLink::watchForLife()
{
    if (!m_phase.isActive())
        m_phase.start(m_settings.patience.pingInterval);
}

void SentinelLink::beat()
{
    if (m_isPongDue) {
        lose(QStringLiteral("the sentinel does not react"));
        return;
    }
    if (!m_scans->needsLife())
        return;
    if (m_scans->owedVerdicts() == 0) {
        m_phase.start(m_settings.patience.pingInterval);
        return;
    }
    m_isPongDue = true;
    m_phase.start(m_settings.patience.pong);
    m_channel->send(Ping{++m_lastPing});
}

void SentinelLink::reload(Reloaded reloaded)
{
    if (m_state != ScannerState::Open) {
        reloaded(notReloaded(
            QStringLiteral("the sentinel is not running; it reads its rules when it starts")));
        return;
    }
    m_reloads.emplace(++m_lastReload, std::move(reloaded));
    m_channel->send(ReloadRequest{m_lastReload});
}

void SentinelLink::reloaded(const ReloadResult &result)
{
    const auto at = m_reloads.find(result.id);
    if (at == m_reloads.end()) {
        breach(QStringLiteral("the result of a reload that was not asked for"));
        return;
    }
    const Reloaded tell = std::move(at->second);
    m_reloads.erase(at);
    m_listener.rulesChanged(result.rules);
    tell(result);
}

ReloadResult SentinelLink::notReloaded(const QString &why)
{
    ReloadResult result;
    result.problems.push_back({RuleProblem::Level::Error, {}, 0, why});
    return result;
}

void SentinelLink::breach(const QString &what)
{
    lose(QStringLiteral("the sentinel breaks the protocol: %1").arg(what));
}

void SentinelLink::lose(const QString &why)
{
    qCWarning(logScan).noquote() << "no sentinel:" << why;
    const bool wasOpen = m_state == ScannerState::Open;
    if (wasOpen && Clock::now() - m_openedAt >= Limits::provenConnection)
        m_failures = 0;
    else if (wasOpen && m_hasProvenItself) // it works, and may be what the next scan ends again
        m_failures = std::min(m_failures, 1);
    m_hasProvenItself = false;
    m_isPongDue = false;
    const bool isTurnedAway = !wasOpen && m_channel && !m_child;
    m_channel.reset();
    m_child.reset();
    if (isTurnedAway && m_isolation == Isolation::Auto) {
        m_turnedAway = why; // it hangs or is of another version, and will be so the next time
        return attempt();
    }

    const milliseconds pause = pauseAfter(++m_failures, m_settings.patience);
    m_phase.start(pause);
    setState(ScannerState::BackingOff, why);
    m_scans->disconnected(why);
    goOnTelling(); // there is nothing to be told; another may be the teller next
    if (pause > Limits::waitableReconnectPause)
        m_scans->turnAway(why);
    for (const auto &[id, reloaded] : std::exchange(m_reloads, {}))
        reloaded(notReloaded(why));
}

//! How the process at the other end has ended; it closes its socket a moment before.
QString SentinelLink::childsEnding()
{
    pollfd end{m_child->endDescriptor(), POLLIN, 0};
    ::poll(&end, 1, int(Limits::endingPatience.count()));
    return m_child->hasEnded() ? m_child->ending() : QStringLiteral("has closed the connection");
}

} // namespace Sentinel
