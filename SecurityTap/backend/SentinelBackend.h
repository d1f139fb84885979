// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/backend/Isolation.h"
#include "SecurityTap/backend/ScanBackend.h"
#include "SecurityTap/backend/ScannerState.h"
#include "SecurityTap/backend/SentinelSettings.h"
#include "SecurityTap/scan/Mailbox.h"
#include "ipc/Messages.h"

#include <QObject>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace Sentinel {

class ContentLoaders;
class RemoteScans;
class SentinelLink;

//! \brief Has scans done by a sentinel, a process of its own: one that is started for it, or one
//! that runs already.
//!
//! A sentinel that is lost is found or started again, at once and then after ever longer pauses.
//! What it was scanning then is ScannerUnavailable; what waits for it goes on waiting, but not if
//! it would wait for long, nor beyond its timeout.
//!
//! It is connected from a thread of its own: neither the owner nor who asks needs an event loop,
//! but for the signals.
//!
//! Owner:  as ScanBackend.
//! Thread: as ScanBackend; rules() and reload() any. The signals are emitted on the thread that it
//! was made on.
//! Limits: Limits::maxUnansweredRequests; one descriptor for each of them, and three of its own.
class SECURITYTAP_EXPORT SentinelBackend final : public QObject, public ScanBackend {
    Q_OBJECT

public:
    //! \p isolation is not InProcess.
    SentinelBackend(Isolation isolation, SentinelSettings settings, QObject *parent = nullptr);
    //! Stops.
    ~SentinelBackend() override;

    ContentForm contentForm() const override { return ContentForm::File; }
    //! Begins to connect; requests are taken from here on.
    void start() override;
    //! Besides ends a sentinel that was started here. May be followed by start().
    void stop() override;

    [[nodiscard]] std::optional<Reason> submit(std::shared_ptr<ScanRequest> request) override;
    void growContent(quint64 id, qint64 sizeBytes) override;
    void completeContent(quint64 id, qint64 sizeBytes,
        std::optional<std::chrono::milliseconds> timeout = std::nullopt) override;
    ScanResult cancel(quint64 id, ScanResult result) override;
    void acknowledge(quint64 id, Disposition disposition) override;
    void countRefusal(const ScanResult &result) override;
    TelemetrySnapshot telemetry() const override;

    //! The rules of the sentinel, as it has said last; none before it is open.
    RuleSetSummary rules() const;
    //! Has the sentinel read its rules again. \p reloaded is told once, by the event loop of the
    //! thread that this was made on: not activated also if there is no sentinel, or it is lost
    //! meanwhile.
    void reload(std::function<void(const ReloadResult &)> reloaded);

Q_SIGNALS:
    //! \p text is for people: "the sentinel is running, 1,204 rules", or why it is not.
    void stateChanged(Sentinel::ScannerState state, const QString &text);
    void rulesChanged(const Sentinel::RuleSetSummary &rules);

private:
    class LinkThread;
    struct LinkAddress {
        Mailbox mailbox;
        SentinelLink *link; // for letters in that mailbox
    };

    void bringLoader();
    void setRules(const RuleSetSummary &rules);

    const Isolation m_isolation;
    const SentinelSettings m_settings;
    const std::shared_ptr<RemoteScans> m_scans;
    const Mailbox m_mailbox;
    std::unique_ptr<LinkThread> m_thread; // between start() and stop()
    mutable std::mutex m_mutex; // of all below
    std::unique_ptr<ContentLoaders> m_loaders; // between start() and stop()
    std::optional<LinkAddress> m_link; // while the thread runs
    RuleSetSummary m_rules;
};

} // namespace Sentinel
