// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/SecurityTap.h"

#include "SecurityTap/archive/ArchiveEngine.h"
#include "SecurityTap/backend/SentinelBackend.h"
#include "SecurityTap/content/FileType.h"
#include "SecurityTap/custody/Custody.h"
#include "SecurityTap/engine/YaraEngine.h"
#include "SecurityTap/inspection/OwnDecision.h"
#include "SecurityTap/inspection/ShareKey.h"
#include "SecurityTap/scan/QtHandover_p.h"

#include <QPointer>
#include <QThread>
#include <QThreadPool>

#include <atomic>
#include <future>
#include <utility>

namespace Sentinel {

namespace {

constexpr qsizetype maxJobNameChars = 200;

quint64 nextInspectionId()
{
    static std::atomic<quint64> last{0};
    return ++last;
}

TapSettings withRules(TapSettings settings)
{
    if (settings.rulePaths.isEmpty())
        settings.rulePaths = QStringList{defaultRulesDirectory()};
    return settings;
}

SentinelSettings sentinelSettings(const TapSettings &settings)
{
    SentinelSettings sentinel = settings.sentinel;
    sentinel.rulePaths = settings.rulePaths;
    sentinel.rules = settings.rules;
    sentinel.archives = settings.archives;
    sentinel.jobs = settings.scanning.workers.maxWorkers;
    sentinel.maxScanBytes = settings.scanning.maxScanBytes;
    sentinel.timeouts = settings.scanning.timeouts;
    sentinel.wantsSha256 = settings.scanning.hashContent;
    return sentinel;
}

} // namespace

std::expected<std::unique_ptr<SecurityTap>, std::vector<RuleProblem>> SecurityTap::create(
    TapSettings settings)
{
    if (settings.isolation != Isolation::InProcess)
        return std::make_unique<SecurityTap>(std::move(settings), nullptr);
    settings = withRules(std::move(settings));
    auto compiled = compileRules(settings.rulePaths, settings.rules);
    if (!compiled)
        return std::unexpected(std::move(compiled.error()));
    return std::make_unique<SecurityTap>(std::move(settings), std::move(compiled->ruleSet));
}

SecurityTap::SecurityTap(TapSettings settings, std::shared_ptr<const RuleSet> ruleSet)
    : m_settings(withRules(std::move(settings)))
    , m_budget(std::make_shared<SpoolBudget>(m_settings.maxSpoolMemoryBytes))
{
    Q_ASSERT((ruleSet == nullptr) == (m_settings.isolation != Isolation::InProcess));
    if (ruleSet)
        startLocal(std::move(ruleSet));
    else
        startSentinel();
    if (m_settings.custody)
        startCustody();
}

void SecurityTap::startCustody()
{
    CustodySettings custody = *m_settings.custody;
    custody.rescans.maxBytes = m_settings.scanning.maxScanBytes;
    m_custody =
        std::make_unique<Custody>(*m_backend, m_settings.policy, std::move(custody), ruleJobs());
    connect(m_custody.get(), &Custody::lateThreat, this, &SecurityTap::lateThreat);
    connect(m_custody.get(), &Custody::trouble, this, &SecurityTap::custodyTrouble);
    connect(this, &SecurityTap::rulesChanged, m_custody.get(),
        [this](const RuleSetSummary &rules) { m_custody->judgeBy(rules.digest); });
    connect(this, &SecurityTap::originLimited, m_custody.get(),
        [this](const Origin &origin, int downloads) {
            AuditEvent event = AuditEvent::of(AuditAction::RateLimit,
                QStringLiteral("%1 downloads of %2 had no room in the queue")
                    .arg(QString::number(downloads), origin.toString()));
            event.url = QUrl(origin.toString());
            m_custody->note(std::move(event));
        });
    m_custody->start();
    if (m_ruleSet)
        m_custody->judgeBy(m_ruleSet->digest());
}

//! Whether the rules can be used is written down by one process of all; each looks by itself
//! whether they are others (onRulesChecked()). A sentinel watches its rules without us.
std::vector<Job> SecurityTap::ruleJobs()
{
    if (m_settings.isolation != Isolation::InProcess)
        return {};
    const auto check = [paths = m_settings.rulePaths, options = m_settings.rules]() -> JobResult {
        const auto compiled = compileRules(paths, options);
        if (!compiled)
            return std::unexpected(describe(compiled.error().front()));
        const RuleSet &found = *compiled->ruleSet;
        return QStringLiteral("%1 rules: %2")
            .arg(QString::number(found.ruleCount()), QString::fromLatin1(found.digest().toHex()));
    };
    const QString name =
        QStringLiteral("check rules %1").arg(m_settings.rulePaths.join(u' ')).left(maxJobNameChars);
    return {{name, Limits::ruleCheckInterval, check}};
}

std::shared_ptr<const ScanEngine> SecurityTap::engineWith(std::shared_ptr<const RuleSet> ruleSet)
{
    m_ruleSet = std::move(ruleSet);
    return std::make_shared<ArchiveEngine>(
        std::make_shared<YaraEngine>(m_ruleSet), m_settings.archives);
}

void SecurityTap::startLocal(std::shared_ptr<const RuleSet> ruleSet)
{
    m_local = std::make_unique<LocalBackend>(engineWith(std::move(ruleSet)), m_settings.scanning);
    m_local->start();
    m_backend = m_local.get();
    m_ruleCheck.callOnTimeout(this, [this] { compile(&SecurityTap::onRulesChecked); });
    m_ruleCheck.start(Limits::ruleCheckInterval);
}

void SecurityTap::startSentinel()
{
    m_mayFallBack =
        m_settings.isolation == Isolation::Auto && m_settings.fallback == Fallback::InProcess;
    m_sentinel =
        std::make_unique<SentinelBackend>(m_settings.isolation, sentinelSettings(m_settings));
    connect(m_sentinel.get(), &SentinelBackend::stateChanged, this, &SecurityTap::onScannerChanged);
    connect(m_sentinel.get(), &SentinelBackend::rulesChanged, this, &SecurityTap::rulesChanged);
    m_sentinel->start();
    m_backend = m_sentinel.get();
}

void SecurityTap::onScannerChanged(ScannerState state, const QString &text)
{
    m_scannerState = state;
    if (state == ScannerState::Open) {
        m_mayFallBack = false;
        if (m_custody)
            m_custody->wake();
    } else if (state == ScannerState::BackingOff && std::exchange(m_mayFallBack, false))
        compile(&SecurityTap::onFallbackCompiled);
    Q_EMIT scannerChanged(state, text);
}

//! Neither a sentinel nor a way to start one, and by now the rules for doing without. What has
//! begun stays with the sentinel, which now ends.
void SecurityTap::onFallbackCompiled(const Compiled &compiled)
{
    if (!compiled)
        Q_EMIT rulesRefused(compiled.error());
    else if (m_scannerState != ScannerState::Open) {
        startLocal(compiled->ruleSet);
        if (m_custody) {
            m_custody->use(*m_backend);
            m_custody->judgeBy(m_ruleSet->digest());
        }
        m_sentinel->stop();
    }
}

SecurityTap::~SecurityTap()
{
    // Whatever is known by now is on its way to its inspection.
    if (m_sentinel)
        m_sentinel->stop();
    if (m_local)
        m_local->stop();
    // Held by pointers that notice: a slot may delete others.
    const auto children = findChildren<Inspection *>(Qt::FindDirectChildrenOnly);
    const QList<QPointer<Inspection>> inspections(children.begin(), children.end());
    for (const QPointer<Inspection> &inspection : inspections) {
        if (inspection)
            inspection->conclude(Reason::ScannerUnavailable);
    }
    // Before the members that they use.
    qDeleteAll(findChildren<Inspection *>(Qt::FindDirectChildrenOnly));
}

Inspection *SecurityTap::newInspection(Download download)
{
    Q_ASSERT(thread() == QThread::currentThread());
    return new Inspection(nextInspectionId(), std::move(download),
        {m_backend, m_settings.policy, m_budget, m_settings.spoolDirectory,
            m_settings.maxSpoolBytes, m_settings.scanning.maxScanBytes, m_custody.get(),
            m_settings.scanning.timeouts, &m_waitingRoom,
            [this](const Download &overflowing) { noteOverflow(overflowing); }},
        this);
}

void SecurityTap::noteOverflow(const Download &download)
{
    const bool isPrivate = download.privacy == Download::Privacy::Private;
    const Origin origin = isPrivate ? Origin() : Origin::of(download.metadata.url);
    if (const auto downloads = m_limitedOrigins.note(origin)) {
        // From the event loop, as an Inspection's decided().
        QMetaObject::invokeMethod(
            this, [this, origin, downloads] { Q_EMIT originLimited(origin, *downloads); },
            Qt::QueuedConnection);
    }
}

Inspection *SecurityTap::inspect(Download download)
{
    return newInspection(std::move(download));
}

quint64 SecurityTap::asyncInspectDownload(const DownloadMetadata &metadata,
    const QByteArray &content, QObject *context, std::function<void(const Outcome &)> callback)
{
    Download download;
    download.metadata = metadata;
    return asyncInspectDownload(download, content, context, std::move(callback));
}

quint64 SecurityTap::asyncInspectDownload(const Download &download, const QByteArray &content,
    QObject *context, std::function<void(const Outcome &)> callback)
{
    Inspection *inspection = newInspection(download);
    const Mailbox mailbox(context);
    connect(inspection, &Inspection::decided, this,
        [inspection, mailbox, callback = std::move(callback)](const Outcome &outcome) {
            inspection->deleteLater();
            if (outcome.result.reason() != Reason::Cancelled)
                mailbox.post([callback, outcome] { callback(outcome); });
        });
    // Queued if the context lives elsewhere, so that cancel() runs on our thread.
    connect(context, &QObject::destroyed, inspection,
        QtHandover::Call([inspection] { inspection->cancel(); }));
    inspection->take(content);
    return inspection->id();
}

Outcome SecurityTap::inspectDownload(
    const DownloadMetadata &metadata, const QByteArray &content, Download::Privacy privacy)
{
    const auto start = Clock::now();
    Download download;
    download.metadata = metadata;
    download.privacy = privacy;
    ScanSubject subject;
    subject.metadata = metadata;
    subject.content = Content::fromByteArray(content);
    subject.origin = shareKeyOf(metadata.url);
    subject.fileType = sniffFileType(subject.content->span(), metadata.mimeType);
    subject.sizeBytes = content.size();
    const FileType fileType = subject.fileType;

    ScanBackend &backend = *m_backend;
    const auto promise = std::make_shared<std::promise<ScanResult>>();
    auto future = promise->get_future();
    auto request = std::make_shared<ScanRequest>(std::move(subject),
        [promise](ScanResult result) { promise->set_value(std::move(result)); });
    const quint64 id = request->id();
    const auto refusal = backend.submit(std::move(request));
    // Answered at its deadline at the latest.
    ScanResult result = refusal ? ScanResult::notScanned(*refusal) : future.get();
    const Decision decision = ownDecision(m_settings.policy, m_custody.get(),
        PolicyFacts::of(download, result, fileType, content.size(), PolicyFacts::Extent::Whole));
    if (refusal)
        backend.countRefusal(result);
    else
        backend.acknowledge(id, decision.disposition);
    const auto shared = Content::fromByteArray(content);
    return kept(
        {nextInspectionId(), noConnection, metadata, std::move(result), decision.disposition,
            content.size(),
            std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start),
            decision.name, {}, securityEvents(download, {shared->span(), content.size(), true})},
        download, shared, fileType);
}

//! Does what \p outcome asks for, and waits for it.
Outcome SecurityTap::kept(Outcome outcome, const Download &download,
    const std::shared_ptr<const Content> &content, FileType fileType)
{
    if (m_custody && outcome.result.isThreat()) {
        const auto learn = [custody = m_custody.get(), threat = outcome.result] {
            custody->learn(threat);
        };
        QMetaObject::invokeMethod(m_custody.get(), learn, Qt::QueuedConnection);
    }
    if (outcome.disposition == Disposition::Quarantine && m_custody) {
        const auto promise = std::make_shared<std::promise<Outcome>>();
        m_custody->quarantine(content, download, outcome, fileType, Custody::Occasion::Decision,
            [promise](const Outcome &settled) { promise->set_value(settled); });
        return promise->get_future().get();
    }
    if (outcome.disposition == Disposition::Quarantine)
        outcome.disposition = Disposition::Block;
    if (!m_custody)
        return outcome;
    m_custody->note(download, outcome, fileType, Custody::Occasion::Decision);
    if (outcome.disposition == Disposition::Release && owesScan(outcome.result)) {
        ReleaseRecord release; // by its hash alone: where the bytes go to is not known here
        release.sizeBytes = outcome.sizeBytes;
        release.url = outcome.metadata.url;
        release.name = outcome.metadata.filename;
        release.mimeType = outcome.metadata.mimeType;
        release.privacy = download.privacy;
        release.reason = outcome.result.reason();
        m_custody->oweNow(content, std::move(release));
    }
    return outcome;
}

void SecurityTap::closeConnection(ConnectionId connection)
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (connection == noConnection)
        return;
    for (Inspection *inspection : findChildren<Inspection *>(Qt::FindDirectChildrenOnly)) {
        if (inspection->download().connection == connection)
            inspection->cancel();
    }
}

TelemetrySnapshot SecurityTap::telemetry() const
{
    TelemetrySnapshot snapshot = m_backend.load()->telemetry();
    snapshot.spoolMemoryBytes = m_budget->usedBytes();
    return snapshot;
}

std::shared_ptr<const RuleSet> SecurityTap::ruleSet() const
{
    return m_ruleSet;
}

RuleSetSummary SecurityTap::rules() const
{
    return m_local ? m_local->engine()->rules() : m_sentinel->rules();
}

void SecurityTap::reloadRules()
{
    Q_ASSERT(thread() == QThread::currentThread());
    m_reloadsAgain = m_isReloading;
    if (std::exchange(m_isReloading, true))
        return;
    if (m_local) {
        compile(&SecurityTap::onRulesCompiled);
        return;
    }
    m_sentinel->reload([this](const ReloadResult &result) {
        endReload(
            result.isActivated ? Reloaded(result.problems) : std::unexpected(result.problems));
    });
}

void SecurityTap::compile(void (SecurityTap::*then)(const Compiled &))
{
    QThreadPool::globalInstance()->start(
        [mailbox = Mailbox(this), this, then, paths = m_settings.rulePaths,
            options = m_settings.rules] {
            auto compiled = compileRules(paths, options);
            mailbox.post([this, then, compiled = std::move(compiled)] { (this->*then)(compiled); });
        });
}

void SecurityTap::onRulesCompiled(const Compiled &compiled)
{
    if (!compiled)
        return endReload(std::unexpected(compiled.error()));
    m_local->use(engineWith(compiled->ruleSet));
    if (m_custody)
        m_custody->judgeBy(m_ruleSet->digest());
    endReload(compiled->problems);
}

void SecurityTap::onRulesChecked(const Compiled &compiled)
{
    // What was compiled here may be older than what a reload has read since: it is not used.
    if (!compiled || compiled->ruleSet->digest() != m_ruleSet->digest())
        reloadRules(); // says what is wrong, or takes them
}

void SecurityTap::endReload(const Reloaded &reloaded)
{
    m_isReloading = false;
    if (m_reloadsAgain)
        reloadRules();
    if (reloaded)
        Q_EMIT rulesReloaded(*reloaded);
    else
        Q_EMIT rulesRefused(reloaded.error());
}

} // namespace Sentinel
