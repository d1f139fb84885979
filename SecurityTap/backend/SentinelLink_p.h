// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/backend/Isolation.h"
#include "SecurityTap/backend/RemoteScans_p.h"
#include "SecurityTap/backend/ScannerState.h"
#include "SecurityTap/backend/SentinelSettings.h"
#include "SecurityTap/scan/Mailbox.h"
#include "ipc/Channel.h"
#include "ipc/ChildProcess.h"

#include <QObject>
#include <QTimer>

#include <functional>
#include <map>
#include <memory>
#include <optional>

namespace Sentinel {

//! \brief The connection with a sentinel: starts or finds it, keeps it alive, tells it what
//! RemoteScans wants, and begins again when it is lost.
//!
//! A sentinel that breaks the protocol, stays silent or owes too much is lost, too.
//!
//! Owner:  the thread of a SentinelBackend.
//! Thread: owner, which runs an event loop; mailbox() any.
class SentinelLink final : public QObject {
public:
    //! Told on the owner's thread; the texts are for people.
    struct Listener {
        std::function<void(ScannerState, const QString &)> stateChanged;
        std::function<void(const RuleSetSummary &)> rulesChanged;
    };
    using Reloaded = std::function<void(const ReloadResult &)>;

    SentinelLink(Isolation isolation, const SentinelSettings &settings,
        std::shared_ptr<RemoteScans> scans, Listener listener);
    //! Says what is still to be said, and ends the connection, and with it a sentinel that was
    //! started here. Answers no scans.
    ~SentinelLink() override;

    const Mailbox &mailbox() const { return m_mailbox; }
    //! Begins to connect.
    void open();
    //! Has the sentinel read its rules again; tells \p reloaded, unless this is destroyed before.
    void reload(Reloaded reloaded);

    //! What a reload() answers that nobody could do.
    static ReloadResult notReloaded(const QString &why);

private:
    void setState(ScannerState state, const QString &text);
    void tell(quint64 teller);
    void onHandOver(quint64 teller);
    void goOnTelling();
    void onWatch();
    void onPhaseOver();
    void attempt();
    std::expected<FileDescriptor, QString> reach();
    std::expected<FileDescriptor, QString> spawn();
    QByteArrayList arguments() const;
    void receive(const Message &message);
    void welcome(const Welcome &welcome);
    void reloaded(const ReloadResult &result);
    void takeVerdict(const ScanVerdict &verdict);
    void watchDeadlines(Deadline earliest);
    void noteLife();
    void watchForLife();
    void beat();
    void breach(const QString &what);
    void lose(const QString &why);
    QString childsEnding();

    const Isolation m_isolation;
    const SentinelSettings m_settings;
    const std::shared_ptr<RemoteScans> m_scans;
    const Listener m_listener;
    const Mailbox m_mailbox;
    ScannerState m_state = ScannerState::Stopped;
    std::unique_ptr<ChildProcess> m_child;
    std::unique_ptr<Channel> m_channel;
    QTimer m_phase{this}; // of the state: a welcome is due, the next attempt is, or a beat
    QTimer m_deadlines{this};
    Deadline m_earliest = noDeadline; // what m_deadlines is set to
    std::optional<quint64> m_tellsWhenDrained; // the teller's number, if it is this thread
    int m_failures = 0; // attempts since the last connection that proved itself
    Clock::time_point m_openedAt;
    bool m_hasProvenItself = false;
    QString m_turnedAway; // why the one that runs is of no use, until one of our own was tried
    quint64 m_lastPing = 0;
    bool m_isPongDue = false;
    std::map<quint64, Reloaded> m_reloads;
    quint64 m_lastReload = 0;
};

} // namespace Sentinel
