// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/SentinelBackend.h"

#include "SecurityTap/backend/ContentLoaders_p.h"
#include "SecurityTap/backend/RemoteScans_p.h"
#include "SecurityTap/backend/SentinelLink_p.h"
#include "SecurityTap/scan/QtHandover_p.h"

#include <QThread>

#include <utility>

namespace Sentinel {

namespace {

//! Tells what became of a reload: also if the link was gone before it could.
class PendingReload {
public:
    using Reloaded = std::function<void(const ReloadResult &)>;

    PendingReload(Mailbox home, Reloaded reloaded)
        : m_home(std::move(home)), m_reloaded(std::move(reloaded))
    {
    }
    ~PendingReload()
    {
        if (m_reloaded)
            tell(SentinelLink::notReloaded(QStringLiteral("there is no sentinel")));
    }
    Q_DISABLE_COPY_MOVE(PendingReload)

    void tell(const ReloadResult &result)
    {
        m_home.post([reloaded = std::exchange(m_reloaded, nullptr), result] { reloaded(result); });
    }

private:
    const Mailbox m_home;
    Reloaded m_reloaded;
};

} // namespace

//! Where the link lives.
class SentinelBackend::LinkThread final : public QThread {
public:
    explicit LinkThread(SentinelBackend &backend) : m_backend(backend) { }

private:
    void run() override;

    SentinelBackend &m_backend;
};

void SentinelBackend::LinkThread::run()
{
    SentinelBackend &backend = m_backend; // joins us before it ends
    SentinelLink::Listener listener{[&backend](ScannerState state, const QString &text) {
                                        backend.m_mailbox.post([&backend, state, text] {
                                            Q_EMIT backend.stateChanged(state, text);
                                        });
                                    },
        [&backend](const RuleSetSummary &rules) { backend.setRules(rules); }};
    SentinelLink link(
        backend.m_isolation, backend.m_settings, backend.m_scans, std::move(listener));
    {
        const std::lock_guard lock(backend.m_mutex);
        backend.m_link = LinkAddress{link.mailbox(), &link};
    }
    link.open();
    exec();
    {
        const std::lock_guard lock(backend.m_mutex);
        backend.m_link.reset();
    }
    QtHandover::given(this);
}

SentinelBackend::SentinelBackend(Isolation isolation, SentinelSettings settings, QObject *parent)
    : QObject(parent)
    , m_isolation(isolation)
    , m_settings(std::move(settings))
    , m_scans(std::make_shared<RemoteScans>(m_settings))
    , m_mailbox(this)
{
    Q_ASSERT(isolation != Isolation::InProcess);
}

SentinelBackend::~SentinelBackend()
{
    stop();
}

void SentinelBackend::start()
{
    if (m_thread)
        return;
    auto loaders = std::make_unique<ContentLoaders>(
        m_scans, m_settings.maxScanBytes, m_settings.jobs.value_or(Limits::loaderThreads));
    {
        const std::lock_guard lock(m_mutex);
        m_loaders = std::move(loaders);
    }
    m_scans->admit();
    m_thread = std::make_unique<LinkThread>(*this);
    m_thread->setObjectName(QStringLiteral("sentinel link"));
    m_thread->start();
}

void SentinelBackend::stop()
{
    if (!m_thread)
        return;
    const QString why = QStringLiteral("the scanner was stopped");
    m_scans->turnAway(why);
    m_thread->quit();
    m_thread->wait();
    QtHandover::taken(m_thread.get());
    m_thread.reset();
    m_scans->turnAway(why); // the link may just have begun to connect again
    m_scans->disconnected(why);
    std::unique_ptr<ContentLoaders> loaders;
    {
        const std::lock_guard lock(m_mutex);
        loaders.swap(m_loaders);
    }
    ContentLoaders::end(std::move(loaders));
    m_mailbox.post([this, why] { Q_EMIT stateChanged(ScannerState::Stopped, why); });
}

std::optional<Reason> SentinelBackend::submit(std::shared_ptr<ScanRequest> request)
{
    const auto lack = m_scans->add(std::move(request));
    if (!lack)
        return lack.error();
    if (*lack == RemoteScans::Lack::File)
        bringLoader();
    return std::nullopt;
}

void SentinelBackend::bringLoader()
{
    const std::lock_guard lock(m_mutex);
    if (m_loaders) // else stopped meanwhile, and the request answered
        m_loaders->bringOne();
}

void SentinelBackend::growContent(quint64 id, qint64 sizeBytes)
{
    m_scans->grow(id, sizeBytes);
}

void SentinelBackend::completeContent(
    quint64 id, qint64 sizeBytes, std::optional<std::chrono::milliseconds> timeout)
{
    if (m_scans->complete(id, sizeBytes, timeout) == RemoteScans::Lack::File)
        bringLoader();
}

ScanResult SentinelBackend::cancel(quint64 id, ScanResult result)
{
    return m_scans->cancel(id, std::move(result));
}

void SentinelBackend::acknowledge(quint64 id, Disposition disposition)
{
    m_scans->acknowledge(id, disposition);
}

void SentinelBackend::countRefusal(const ScanResult &result)
{
    m_scans->countRefusal(result);
}

TelemetrySnapshot SentinelBackend::telemetry() const
{
    return m_scans->telemetry();
}

RuleSetSummary SentinelBackend::rules() const
{
    const std::lock_guard lock(m_mutex);
    return m_rules;
}

void SentinelBackend::setRules(const RuleSetSummary &rules)
{
    {
        const std::lock_guard lock(m_mutex);
        if (m_rules == rules)
            return;
        m_rules = rules;
    }
    m_mailbox.post([this, rules] { Q_EMIT rulesChanged(rules); });
}

void SentinelBackend::reload(std::function<void(const ReloadResult &)> reloaded)
{
    const auto pending = std::make_shared<PendingReload>(m_mailbox, std::move(reloaded));
    const std::lock_guard lock(m_mutex);
    if (m_link)
        m_link->mailbox.post([link = m_link->link, pending] {
            link->reload([pending](const ReloadResult &result) { pending->tell(result); });
        });
}

} // namespace Sentinel
