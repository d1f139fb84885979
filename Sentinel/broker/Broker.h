// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/backend/LocalBackend.h"
#include "SecurityTap/scan/Mailbox.h"
#include "Sentinel/broker/RuleLoader.h"
#include "Sentinel/broker/Session.h"
#include "Sentinel/clamd/ClamdUse.h"
#include "Sentinel/clamdserver/ClamdServer.h"
#include "Sentinel/rules/RuleWatch.h"
#include "Sentinel/worker/WorkerEngine.h"
#include "ipc/Listener.h"

#include <QObject>
#include <QPointer>
#include <QTimer>

#include <array>
#include <memory>
#include <vector>

namespace Sentinel {

class ClamdWatch;

//! \brief A sentinel's middle: lets clients in, has one queue, one cache and one set of rules for
//! all of them, and exchanges the rules while it runs.
//!
//! It never looks at a byte of what is scanned.
//!
//! Owner:  its command.
//! Thread: owner.
//! Limits: Limits::maxClients; Limits::maxReloadsOfClient of each of them.
class Broker final : public QObject {
    Q_OBJECT

public:
    struct Settings {
        RuleLoader::Settings rules;
        LocalBackend::Settings scanning;
        ClamdUse clamd;
    };

    //! Starts scanning with \p rules, whose engine is not null.
    Broker(RuleLoader::Loaded rules, Settings settings);
    //! Ends every session, and answers nobody.
    ~Broker() override;

    //! From now on lets in whoever \p listener does.
    void serve(std::unique_ptr<Listener> listener);
    //! And in clamd's protocol whoever \p listener does.
    void serveClamd(std::unique_ptr<Listener> listener, const ClamdServerSettings &settings);
    //! A client of its own, which is there already.
    void addClient(FileDescriptor socket);

    SentinelStatus status() const;
    //! Reads the rules again, and uses them if they are good.
    void reload();
    //! From now on does so whenever their files have changed.
    void watchRules();
    //! Answers all scans (ScannerUnavailable), lets nobody in, and tells the clients.
    void shutDown();

    //! Connections that have ended, by their CloseReason.
    const auto &endings() const { return m_endings; }

Q_SIGNALS:
    void clientGone();
    //! A client wants the sentinel to end, and may. From its own call: do not end it in a slot.
    void shutDownWanted();
    //! The rules are read again; rulesInForce() follows.
    void rulesLoading();
    void rulesInForce(const Sentinel::RuleSetSummary &rules);

private:
    struct ReloadAsker {
        QPointer<Session> session;
        quint64 id = 0;
    };

    std::shared_ptr<const ScanEngine> allEngines() const;
    void addSession(FileDescriptor socket, quint64 client);
    void onEnded(Session *session, CloseReason reason, const QString &text);
    void onReloadWanted(Session *session, quint64 id);
    void onLoaded(const RuleLoader::Loaded &loaded);
    std::vector<Session *> sessions() const;
    QStringList troubles() const;

    const Settings m_settings;
    const Clock::time_point m_startedAt = Clock::now();
    const Mailbox m_mailbox{this};
    std::shared_ptr<const WorkerEngine> m_engine; // of the rules in force
    std::shared_ptr<ClamdWatch> m_clamd; // if it is asked, too
    LocalBackend m_backend;
    RuleLoader m_loader;
    std::unique_ptr<Listener> m_listener;
    std::unique_ptr<ClamdServer> m_clamdServer;
    std::unique_ptr<RuleWatch> m_watch;
    QTimer m_pruning;
    quint64 m_lastClient = 0;
    std::vector<ReloadAsker> m_askers; // of the load under way
    std::vector<ReloadAsker> m_nextAskers; // of the one after it
    bool m_reloadsAgain = false;
    QString m_refusedRules; // why the last load changed nothing
    std::optional<bool> m_findsEicar;
    std::array<quint64, allCloseReasons.size()> m_endings{};
};

} // namespace Sentinel
