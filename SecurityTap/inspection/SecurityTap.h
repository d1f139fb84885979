// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/backend/ScannerState.h"
#include "SecurityTap/history/LateThreat.h"
#include "SecurityTap/inspection/Inspection.h"
#include "SecurityTap/inspection/LimitedOrigins.h"
#include "SecurityTap/inspection/TapSettings.h"
#include "SecurityTap/scan/ScanTelemetry.h"

#include <QObject>
#include <QTimer>

#include <atomic>
#include <expected>
#include <functional>
#include <memory>
#include <vector>

namespace Sentinel {

class Custody;
struct Job;
class SentinelBackend;

//! \brief Looks at downloads before their user can open them: the entrance of this module.
//!
//! Made by create() on the thread whose event loop owns the requests. Destroying it ends
//! gracefully: every inspection under way is decided (ScannerUnavailable) and announced, running
//! slices end.
//!
//! Owner:  the embedder.
//! Thread: owner (asserted), except inspectDownload() and telemetry(): any.
class SECURITYTAP_EXPORT SecurityTap final : public QObject {
    Q_OBJECT

public:
    //! Starts. In process, it compiles the rules before, and blocks for that (0.01 s with the rules
    //! shipped, 0.2 s with 1,000 rules); fails if the rules do: says file, line and what is wrong.
    //! With a sentinel it returns at once, and scannerChanged() tells what comes of it.
    static std::expected<std::unique_ptr<SecurityTap>, std::vector<RuleProblem>> create(
        TapSettings settings = {});
    //! Starts with rules that were compiled elsewhere, on another thread for instance; null exactly
    //! if they are a sentinel's affair (TapSettings::isolation).
    SecurityTap(TapSettings settings, std::shared_ptr<const RuleSet> ruleSet);
    ~SecurityTap() override;

    //! A download begins: stream it into the result. Never null; owned by this, delete it when
    //! done.
    Inspection *inspect(Download download);

    //! Inspects \p content and calls \p callback with the outcome on the thread of \p context, from
    //! its event loop. Never, if the context is destroyed first, which also takes the scan out of
    //! the queue, or the download is cancelled (closeConnection()). Returns at once; shares the
    //! content instead of copying it. Returns the inspection's id, which its outcome names.
    quint64 asyncInspectDownload(const DownloadMetadata &metadata, const QByteArray &content,
        QObject *context, std::function<void(const Outcome &)> callback);
    quint64 asyncInspectDownload(const Download &download, const QByteArray &content,
        QObject *context, std::function<void(const Outcome &)> callback);

    //! Inspects \p content and waits for its outcome: for threads that have nothing else to do, not
    //! for an event loop. Not held if the queue has no room.
    Outcome inspectDownload(const DownloadMetadata &metadata, const QByteArray &content,
        Download::Privacy privacy = Download::Privacy::Usual);

    //! The client connection is gone: cancels all that belongs to it. noConnection: nothing.
    void closeConnection(ConnectionId connection);

    TelemetrySnapshot telemetry() const;

    //! Compiles the rules anew on another thread or in the sentinel; rulesReloaded() or
    //! rulesRefused() follows. New scans use the new set; running ones end with theirs; on an error
    //! the old set stays. All calls during one compilation lead to one more after it.
    void reloadRules();

    const TapSettings &settings() const { return m_settings; }
    //! The set in use; null if a sentinel has it.
    std::shared_ptr<const RuleSet> ruleSet() const;
    //! Which rules are in use; none as long as no sentinel has said it.
    RuleSetSummary rules() const;

Q_SIGNALS:
    //! A threat in what was released before, and what was done about it. Quarantine: the file was
    //! taken away; Block: it could not be, and is where it was. Its user should be told.
    void lateThreat(const Sentinel::LateThreat &threat, Sentinel::Disposition disposition);
    //! A sentence for people: something cannot be kept (TapSettings::custody).
    void custodyTrouble(const QString &text);
    //! \p origin asks for more scans at once than its share of the queue: \p downloads were refused
    //! by it, and are held or QueueFull, since that was said last. Once a minute for an origin; of
    //! private windows it is an empty one.
    void originLimited(const Sentinel::Origin &origin, int downloads);
    void rulesReloaded(const std::vector<Sentinel::RuleProblem> &warnings);
    void rulesRefused(const std::vector<Sentinel::RuleProblem> &problems);
    //! How it stands with the sentinel; \p text is for people. Never in process.
    void scannerChanged(Sentinel::ScannerState state, const QString &text);
    //! The sentinel uses other rules, or has said for the first time which.
    void rulesChanged(const Sentinel::RuleSetSummary &rules);

private:
    using Compiled = std::expected<CompiledRules, std::vector<RuleProblem>>;
    //! The warnings, or the errors.
    using Reloaded = std::expected<std::vector<RuleProblem>, std::vector<RuleProblem>>;

    Inspection *newInspection(Download download);
    Outcome kept(Outcome outcome, const Download &download,
        const std::shared_ptr<const Content> &content, FileType fileType);
    void noteOverflow(const Download &download);
    std::shared_ptr<const ScanEngine> engineWith(std::shared_ptr<const RuleSet> ruleSet);
    void startLocal(std::shared_ptr<const RuleSet> ruleSet);
    void startSentinel();
    void startCustody();
    std::vector<Job> ruleJobs();
    void onScannerChanged(ScannerState state, const QString &text);
    void compile(void (SecurityTap::*then)(const Compiled &));
    void onFallbackCompiled(const Compiled &compiled);
    void onRulesCompiled(const Compiled &compiled);
    void onRulesChecked(const Compiled &compiled);
    void endReload(const Reloaded &reloaded);

    const TapSettings m_settings;
    QTimer m_ruleCheck;
    const std::shared_ptr<SpoolBudget> m_budget;
    WaitingRoom m_waitingRoom{Limits::maxHeldInspections};
    LimitedOrigins m_limitedOrigins;
    std::unique_ptr<SentinelBackend> m_sentinel; // kept after a fallback, for who still asks it
    std::unique_ptr<LocalBackend> m_local;
    std::shared_ptr<const RuleSet> m_ruleSet; // of m_local
    std::atomic<ScanBackend *> m_backend = nullptr; // the one of them that is in use
    ScannerState m_scannerState = ScannerState::Stopped; // of m_sentinel, as it was told
    std::unique_ptr<Custody> m_custody; // ends before what it scans with
    bool m_mayFallBack = false; // until it is known whether there is a sentinel
    bool m_isReloading = false;
    bool m_reloadsAgain = false; // what is being compiled may be of before the last change
};

} // namespace Sentinel
