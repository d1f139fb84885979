// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/inspection/Inspection.h"
#include "SecurityTap/inspection/TapSettings.h"
#include "SecurityTap/scan/ScanTelemetry.h"

#include <QObject>

#include <expected>
#include <functional>
#include <memory>
#include <vector>

namespace Sentinel {

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
    //! Compiles the rules and starts. Blocks for the time of compiling (0.01 s with the rules
    //! shipped, 0.2 s with 1,000 rules). Fails if the rules do: says file, line and what is wrong.
    static std::expected<std::unique_ptr<SecurityTap>, std::vector<RuleProblem>> create(
        TapSettings settings = {});
    //! Starts with rules that were compiled elsewhere, on another thread for instance.
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
    //! for an event loop.
    Outcome inspectDownload(const DownloadMetadata &metadata, const QByteArray &content);

    //! The client connection is gone: cancels all that belongs to it. noConnection: nothing.
    void closeConnection(ConnectionId connection);

    TelemetrySnapshot telemetry() const;

    //! Compiles the rules anew on another thread; rulesReloaded() or rulesRefused() follows. New
    //! scans use the new set; running ones end with theirs; on an error the old set stays. All
    //! calls during one compilation lead to one more after it.
    void reloadRules();

    const TapSettings &settings() const { return m_settings; }
    //! The set in use.
    std::shared_ptr<const RuleSet> ruleSet() const;

Q_SIGNALS:
    void rulesReloaded(const std::vector<Sentinel::RuleProblem> &warnings);
    void rulesRefused(const std::vector<Sentinel::RuleProblem> &problems);

private:
    Inspection *newInspection(Download download);
    void onRulesCompiled(const std::expected<CompiledRules, std::vector<RuleProblem>> &compiled);

    const TapSettings m_settings;
    const std::shared_ptr<SpoolBudget> m_budget;
    LocalBackend m_backend;
    bool m_isReloading = false;
    bool m_reloadsAgain = false; // what is being compiled may be of before the last change
};

} // namespace Sentinel
