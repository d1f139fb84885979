// SPDX-License-Identifier: MIT
#include "Sentinel/clamdserver/ClamdServer.h"

#include "SecurityTap/Logging.h"

#include <QCoreApplication>

#include <algorithm>

namespace Sentinel {

namespace {

// So that they are none of the Broker's own clients.
constexpr quint64 firstClient = quint64(1) << 62;
// How exactly times are kept, in parts of the shortest one.
constexpr int looksInATime = 8;
constexpr std::chrono::milliseconds leastLookInterval{10};
constexpr std::chrono::milliseconds mostLookInterval{1000};

} // namespace

std::expected<std::unique_ptr<Listener>, QString> ClamdServer::listen(
    const ClamdServerSettings &settings)
{
    Admission admission{settings.users, settings.group};
    admission.users.push_back(0);
    return Listener::listenAt(settings.socketPath, Listener::Kind::Stream, std::move(admission));
}

ClamdServer::ClamdServer(
    std::unique_ptr<Listener> listener, LocalBackend &backend, ClamdServerSettings settings)
    : m_settings(std::move(settings))
    , m_budget(std::make_shared<SpoolBudget>(
          std::max(m_settings.maxContentBytes, backend.settings().maxScanBytes)))
    , m_copies(std::make_unique<FileCopies>(
          backend.settings().maxScanBytes, m_budget, Limits::clamdCopyThreads))
    , m_around{backend, *m_copies, m_settings, m_budget, {}}
    , m_listener(std::move(listener))
    , m_lastClient(firstClient)
{
    connect(m_listener.get(), &Listener::connected, this,
        [this](FileDescriptor &socket, const LocalSocket::PeerCredentials &) {
            admit(std::move(socket));
        });
    connect(
        m_listener.get(), &Listener::refused, this, [](const LocalSocket::PeerCredentials &peer) {
            qCWarning(logScan) << "a clamd client of user" << peer.uid << "was turned away";
        });
    connect(m_listener.get(), &Listener::stalled, this,
        [](const QString &text) { qCWarning(logScan).noquote() << text; });
    m_looking.setInterval(
        std::clamp(std::min(m_settings.idleTime, m_settings.contentTime) / looksInATime,
            leastLookInterval, mostLookInterval));
    m_looking.callOnTimeout(this, [this] {
        for (ClamdSession *session : sessions())
            session->look(Clock::now());
    });
}

ClamdServer::~ClamdServer()
{
    qDeleteAll(findChildren<ClamdSession *>(Qt::FindDirectChildrenOnly)); // they use the rest
    FileCopies::end(std::move(m_copies));
}

void ClamdServer::noteRules(const RuleSetSummary &rules)
{
    if (std::exchange(m_rulesDigest, rules.digest) != rules.digest)
        m_around.rulesSince = QDateTime::currentDateTime();
}

void ClamdServer::admit(FileDescriptor socket)
{
    const bool hasRoom = clients() < m_settings.maxClients || makeRoom();
    auto *session = new ClamdSession(std::move(socket), ++m_lastClient, m_around, this);
    connect(session, &ClamdSession::reloadWanted, this, &ClamdServer::reloadWanted);
    connect(session, &ClamdSession::shutDownWanted, this, &ClamdServer::shutDownWanted);
    connect(session, &ClamdSession::ended, this, [this, session] {
        session->deleteLater();
        if (clients() == 0)
            m_looking.stop();
    });
    if (!m_looking.isActive())
        m_looking.start();
    if (!hasRoom)
        session->refuse("too many connections, try again later ERROR");
}

//! Sends away who has waited longest without a reason.
bool ClamdServer::makeRoom()
{
    ClamdSession *longest = nullptr;
    Clock::time_point since = Clock::now();
    for (ClamdSession *session : sessions()) {
        const auto idleSince = session->idleSince();
        if (idleSince && *idleSince <= since) {
            longest = session;
            since = *idleSince;
        }
    }
    if (longest)
        longest->refuse("COMMAND READ TIMED OUT");
    return longest != nullptr;
}

std::vector<ClamdSession *> ClamdServer::sessions() const
{
    std::vector<ClamdSession *> sessions;
    for (ClamdSession *session : findChildren<ClamdSession *>(Qt::FindDirectChildrenOnly)) {
        if (session->isAlive())
            sessions.push_back(session);
    }
    return sessions;
}

void ClamdServer::tellAnswers()
{
    // Every answer is in its session's mailbox, which gives out one at a time.
    for (ClamdSession *session : sessions()) {
        for (int left = session->openScans(); left > 0; --left)
            QCoreApplication::sendPostedEvents(session, QEvent::MetaCall);
    }
}

} // namespace Sentinel
