// SPDX-License-Identifier: MIT
#include "Sentinel/broker/Broker.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "Sentinel/clamd/ClamdEngine.h"
#include "Sentinel/clamd/ClamdWatch.h"

#include <QCoreApplication>

#include <algorithm>
#include <utility>

namespace Sentinel {

namespace {

constexpr std::chrono::seconds pruningInterval{30};

//! A clamd that is known to be there when the first scan comes is asked about it.
std::shared_ptr<ClamdWatch> watchOf(const ClamdUse &use, ClamdWatch::Listener onChange)
{
    if (!use.clamd)
        return nullptr;
    auto watch = std::make_shared<ClamdWatch>(*use.clamd);
    watch->start(Clock::now() + Limits::clamdPatienceAtStart, std::move(onChange));
    return watch;
}

} // namespace

Broker::Broker(RuleLoader::Loaded rules, Settings settings)
    : m_settings(std::move(settings))
    , m_engine(std::move(rules.engine))
    , m_clamd(watchOf(m_settings.clamd,
          [this, mailbox = m_mailbox] { mailbox.post([this] { m_backend.use(allEngines()); }); }))
    , m_backend(allEngines(), m_settings.scanning)
    , m_loader(m_settings.rules)
    , m_findsEicar(rules.findsEicar)
{
    m_backend.start();
    connect(&m_loader, &RuleLoader::loaded, this, &Broker::onLoaded);
    m_pruning.callOnTimeout(this, [this] { m_engine->fleet().prune(); });
    m_pruning.start(pruningInterval);
}

Broker::~Broker()
{
    qDeleteAll(findChildren<Session *>(Qt::FindDirectChildrenOnly)); // they use the backend
}

//! What scans begin with. clamd waits for its answers while the workers compute.
std::shared_ptr<const ScanEngine> Broker::allEngines() const
{
    if (!m_clamd)
        return m_engine;
    const ClamdUse &use = m_settings.clamd;
    return std::make_shared<EngineSet>(std::vector<EngineSet::Member>{
        {QStringLiteral("clamd"), std::make_shared<ClamdEngine>(m_clamd), use.need, use.types},
        {QStringLiteral("yara"), m_engine}});
}

void Broker::serve(std::unique_ptr<Listener> listener)
{
    m_listener = std::move(listener);
    connect(m_listener.get(), &Listener::connected, this,
        [this](FileDescriptor &socket, const LocalSocket::PeerCredentials &) {
            addSession(std::move(socket), ++m_lastClient);
        });
    connect(
        m_listener.get(), &Listener::refused, this, [](const LocalSocket::PeerCredentials &peer) {
            qCWarning(logScan) << "a client of user" << peer.uid << "was turned away";
        });
    connect(m_listener.get(), &Listener::stalled, this,
        [](const QString &text) { qCWarning(logScan).noquote() << text; });
}

void Broker::serveClamd(std::unique_ptr<Listener> listener, const ClamdServerSettings &settings)
{
    m_clamdServer = std::make_unique<ClamdServer>(std::move(listener), m_backend, settings);
    m_clamdServer->noteRules(m_engine->rules());
    connect(this, &Broker::rulesInForce, m_clamdServer.get(), &ClamdServer::noteRules);
    connect(m_clamdServer.get(), &ClamdServer::reloadWanted, this, &Broker::reload);
    connect(m_clamdServer.get(), &ClamdServer::shutDownWanted, this, &Broker::shutDownWanted);
}

void Broker::addClient(FileDescriptor socket)
{
    addSession(std::move(socket), 0);
}

void Broker::addSession(FileDescriptor socket, quint64 client)
{
    auto *session = new Session(std::move(socket), client, m_backend, this);
    connect(
        session, &Session::ended, this, [this, session](CloseReason reason, const QString &text) {
            onEnded(session, reason, text);
        });
    connect(session, &Session::statusWanted, this, [this, session](quint64 id) {
        session->send(StatusReport{id, status()});
    });
    connect(session, &Session::reloadWanted, this,
        [this, session](quint64 id) { onReloadWanted(session, id); });
    if (sessions().size() > size_t(Limits::maxClients))
        session->refuse(QStringLiteral("this sentinel has %1 clients, and takes no more")
                            .arg(Limits::maxClients));
}

void Broker::onReloadWanted(Session *session, quint64 id)
{
    const auto waiting = std::ranges::count_if(
        m_nextAskers, [session](const ReloadAsker &asker) { return asker.session == session; });
    if (waiting >= Limits::maxReloadsOfClient) {
        const RuleProblem problem{RuleProblem::Level::Error, {}, 0,
            QStringLiteral("you have asked for this %1 times already: wait for an answer")
                .arg(waiting)};
        session->send(ReloadResult{id, false, m_engine->rules(), {problem}, 0});
        return;
    }
    m_nextAskers.push_back({session, id});
    reload();
}

void Broker::onEnded(Session *session, CloseReason reason, const QString &text)
{
    ++m_endings.at(size_t(reason));
    if (reason != CloseReason::PeerGone)
        qCWarning(logScan).noquote() << "a client was dropped:" << nameOf(reason) << text;
    session->deleteLater();
    Q_EMIT clientGone();
}

std::vector<Session *> Broker::sessions() const
{
    std::vector<Session *> sessions;
    for (Session *session : findChildren<Session *>(Qt::FindDirectChildrenOnly)) {
        if (session->isAlive())
            sessions.push_back(session);
    }
    return sessions;
}

SentinelStatus Broker::status() const
{
    SentinelStatus status;
    status.productVersion = QStringLiteral(SENTINEL_VERSION);
    status.pid = QCoreApplication::applicationPid();
    status.uptime = std::chrono::floor<std::chrono::milliseconds>(Clock::now() - m_startedAt);
    status.clients = qint64(sessions().size()) + (m_clamdServer ? m_clamdServer->clients() : 0);
    status.rules = m_engine->rules();
    const ScanQueue::Depths depths = m_backend.queueDepths();
    status.queue = {depths.waiting, depths.underWay, depths.bytes};
    status.workers = m_engine->fleet().workers();
    status.sandbox = m_engine->fleet().sandbox();
    status.telemetry = m_backend.telemetry();
    if (m_clamd)
        status.clamd = m_clamd->status();
    status.troubles = troubles();
    return status;
}

QStringList Broker::troubles() const
{
    QStringList troubles;
    if (!m_refusedRules.isEmpty())
        troubles.append(QStringLiteral("The rules on disk are not in force: ") + m_refusedRules);
    if (m_engine->fleet().breaker().isOpen())
        troubles.append(QStringLiteral("Scan workers crash one after the other: see the log."));
    if (m_clamd && !m_clamd->isReachable() && m_settings.clamd.need == EngineSet::Need::Required)
        troubles.append(QStringLiteral("clamd is away, and nothing is clean without it: ")
            + m_clamd->trouble());
    if (m_findsEicar == false)
        troubles.append(QStringLiteral("The rules in force do not find the EICAR test file."));
    if (m_watch && !m_watch->trouble().isEmpty())
        troubles.append(m_watch->trouble());
    return troubles;
}

void Broker::reload()
{
    if (m_loader.isLoading()) {
        m_reloadsAgain = true; // what is being read may be of before the last change
        return;
    }
    m_askers = std::exchange(m_nextAskers, {});
    m_reloadsAgain = false;
    Q_EMIT rulesLoading();
    m_loader.start(
        m_findsEicar.value_or(false) ? RuleLoader::Proof::Eicar : RuleLoader::Proof::Harmless);
}

void Broker::watchRules()
{
    m_watch = std::make_unique<RuleWatch>(m_settings.rules.fleet.rules.paths);
    connect(m_watch.get(), &RuleWatch::changed, this, &Broker::reload);
}

void Broker::onLoaded(const RuleLoader::Loaded &loaded)
{
    const bool isChange = loaded.engine && loaded.engine->rules() != m_engine->rules();
    if (isChange) {
        m_engine = loaded.engine;
        m_backend.use(allEngines());
    }
    m_refusedRules = loaded.refusal();
    if (loaded.engine)
        m_findsEicar = loaded.findsEicar;
    else
        qCWarning(logScan).noquote() << "new rules are refused:" << m_refusedRules;
    ReloadResult result{0, loaded.engine != nullptr, m_engine->rules(), loaded.problems, 0};
    for (const ReloadAsker &asker : std::exchange(m_askers, {})) {
        if (!asker.session)
            continue;
        result.id = asker.id;
        asker.session->send(result);
    }
    if (isChange) {
        for (Session *session : sessions()) {
            if (session->isOpen())
                session->send(RuleSetChanged{m_engine->rules()});
        }
    }
    Q_EMIT rulesInForce(m_engine->rules());
    if (m_reloadsAgain)
        reload();
}

void Broker::shutDown()
{
    m_listener.reset();
    if (m_clamdServer)
        m_clamdServer->stopListening();
    m_backend.stop();
    if (m_clamdServer)
        m_clamdServer->tellAnswers();
}

} // namespace Sentinel
