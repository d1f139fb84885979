// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/SecurityTap.h"

#include "SecurityTap/content/FileType.h"
#include "SecurityTap/engine/YaraEngine.h"

#include <QPointer>
#include <QThread>
#include <QThreadPool>

#include <atomic>
#include <future>
#include <utility>

namespace Sentinel {

namespace {

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

} // namespace

std::expected<std::unique_ptr<SecurityTap>, std::vector<RuleProblem>> SecurityTap::create(
    TapSettings settings)
{
    settings = withRules(std::move(settings));
    auto compiled = compileRules(settings.rulePaths, settings.rules);
    if (!compiled)
        return std::unexpected(std::move(compiled.error()));
    return std::make_unique<SecurityTap>(std::move(settings), std::move(compiled->ruleSet));
}

SecurityTap::SecurityTap(TapSettings settings, std::shared_ptr<const RuleSet> ruleSet)
    : m_settings(withRules(std::move(settings)))
    , m_budget(std::make_shared<SpoolBudget>(m_settings.maxSpoolMemoryBytes))
    , m_backend(std::make_shared<YaraEngine>(std::move(ruleSet)), m_settings.scanning)
{
    m_backend.start();
}

SecurityTap::~SecurityTap()
{
    // Whatever is known by now is on its way to its inspection.
    m_backend.stop();
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
        {&m_backend, m_settings.policy, m_budget, m_settings.spoolDirectory,
            m_settings.maxSpoolBytes, m_settings.scanning.maxScanBytes},
        this);
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
    connect(context, &QObject::destroyed, inspection, &Inspection::cancel);
    inspection->take(content);
    return inspection->id();
}

Outcome SecurityTap::inspectDownload(const DownloadMetadata &metadata, const QByteArray &content)
{
    const auto start = Clock::now();
    ScanSubject subject;
    subject.metadata = metadata;
    subject.content = Content::fromByteArray(content);
    subject.fileType = sniffFileType(subject.content->span(), metadata.mimeType);
    subject.sizeBytes = content.size();

    const auto promise = std::make_shared<std::promise<ScanResult>>();
    auto future = promise->get_future();
    auto request = std::make_shared<ScanRequest>(std::move(subject),
        [promise](ScanResult result) { promise->set_value(std::move(result)); });
    std::optional<ScanResult> result;
    if (const auto refusal = m_backend.submit(std::move(request))) {
        result = ScanResult::notScanned(*refusal);
        m_backend.countRefusal(*result);
    } else {
        result = future.get(); // answered at its deadline at the latest
    }
    const Disposition disposition = decide(m_settings.policy, *result);
    return Outcome{nextInspectionId(), noConnection, metadata, std::move(*result), disposition,
        content.size(),
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start)};
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
    TelemetrySnapshot snapshot = m_backend.telemetry();
    snapshot.spoolMemoryBytes = m_budget->usedBytes();
    return snapshot;
}

std::shared_ptr<const RuleSet> SecurityTap::ruleSet() const
{
    return std::static_pointer_cast<const YaraEngine>(m_backend.engine())->ruleSet();
}

void SecurityTap::reloadRules()
{
    Q_ASSERT(thread() == QThread::currentThread());
    m_reloadsAgain = m_isReloading;
    if (std::exchange(m_isReloading, true))
        return;
    QThreadPool::globalInstance()->start(
        [mailbox = Mailbox(this), this, paths = m_settings.rulePaths, options = m_settings.rules] {
            auto compiled = compileRules(paths, options);
            mailbox.post([this, compiled = std::move(compiled)] { onRulesCompiled(compiled); });
        });
}

void SecurityTap::onRulesCompiled(
    const std::expected<CompiledRules, std::vector<RuleProblem>> &compiled)
{
    m_isReloading = false;
    if (compiled)
        m_backend.use(std::make_shared<YaraEngine>(compiled->ruleSet));
    if (m_reloadsAgain)
        reloadRules();
    if (compiled)
        Q_EMIT rulesReloaded(compiled->problems);
    else
        Q_EMIT rulesRefused(compiled.error());
}

} // namespace Sentinel
