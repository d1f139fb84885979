// SPDX-License-Identifier: MIT
#include "SecurityTap/audit/AuditLog.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/Logging.h"
#include "SecurityTap/audit/AuditFile.h"
#include "SecurityTap/audit/AuditText.h"
#include "SecurityTap/audit/SystemLog.h"
#include "SecurityTap/store/StorePaths.h"

#include <QFile>
#include <QJsonDocument>
#include <QUuid>

#include <condition_variable>
#include <deque>
#include <mutex>

#include <csignal>
#include <unistd.h>

namespace Sentinel {

namespace {

using namespace Qt::StringLiterals;
using Clock = std::chrono::steady_clock;

constexpr int criticalFrom = 73; // of event.severity

SystemLogLine systemLineOf(const QJsonObject &all, const QByteArray &json)
{
    const QJsonObject event = all[u"event"].toObject();
    const bool isAlert = event[u"kind"].toString() == u"alert";
    const bool isCritical = event[u"severity"].toInt() >= criticalFrom;
    using Weight = SystemLogLine::Weight;
    return {isCritical ? Weight::Critical
            : isAlert  ? Weight::Warning
                       : Weight::Notice,
        (event[u"action"].toString() + u": "_s + event[u"reason"].toString()).toUtf8(), json};
}

} // namespace

//! The queue and the thread's work. Shared with the thread, which may be left behind with it.
class AuditLog::Writer {
public:
    Writer(AuditFile file, const AuditSettings &settings)
        : m_file(std::move(file))
        , m_systemLog(settings.copiesToSystemLog ? std::make_unique<SystemLog>() : nullptr)
    {
    }

    void run();
    void record(const AuditEvent &event);
    bool flush(std::chrono::milliseconds patience);
    //! True if run() has ended within \p patience.
    bool stop(std::chrono::milliseconds patience);
    Counts counts() const;

private:
    struct Entry {
        QJsonObject event;
        quint64 sequence = 0;
        quint64 dropped = 0; //!< right before it
        bool isAlert = false;
        bool isCopied = false;
    };

    //! What an event does not know of itself.
    class Stamp {
    public:
        Stamp();
        QJsonObject on(QJsonObject all, const Entry &entry) const;

    private:
        QJsonObject m_process;
        QJsonObject m_user;
    };

    bool mustSync() const { return m_isUnsynced && m_flushTarget > m_counts.synced; }
    bool writeBatch(std::unique_lock<std::mutex> &lock);
    std::expected<void, QString> write(Entry &entry);
    bool sync(std::unique_lock<std::mutex> &lock);
    void noteFailure(const QString &what);
    void sayRecovery();

    // Of the thread alone
    AuditFile m_file;
    const std::unique_ptr<SystemLog> m_systemLog;
    const Stamp m_stamp;
    bool m_isTroubleSaid = false;

    mutable std::mutex m_mutex;
    std::condition_variable m_wake; // the thread
    std::condition_variable m_progress; // who waits for it
    std::deque<Entry> m_queue;
    Counts m_counts;
    quint64 m_sequence = 0;
    quint64 m_droppedUnsaid = 0;
    quint64 m_accepted = 0;
    quint64 m_flushTarget = 0;
    bool m_isUnsynced = false;
    bool m_hasUnsyncedAlert = false;
    Clock::time_point m_syncAt;
    bool m_isStopping = false;
    bool m_hasEnded = false;
};

AuditLog::Writer::Stamp::Stamp()
    : m_process{{u"pid"_s, qint64(::getpid())},
        {u"entity_id"_s, QUuid::createUuid().toString(QUuid::WithoutBraces)},
        {u"executable"_s,
            fittingText(QFile::symLinkTarget(u"/proc/self/exe"_s), Limits::maxAuditTextBytes).text}}
    , m_user{{u"id"_s, QString::number(::geteuid())}}
{
}

QJsonObject AuditLog::Writer::Stamp::on(QJsonObject all, const Entry &entry) const
{
    QJsonObject event = all[u"event"].toObject();
    event.insert(u"id"_s, QUuid::createUuid().toString(QUuid::WithoutBraces));
    event.insert(u"sequence"_s, qint64(entry.sequence));
    all.insert(u"event"_s, event);
    all.insert(u"process"_s, m_process);
    all.insert(u"user"_s, m_user);
    if (entry.dropped > 0) {
        QJsonObject own = all[u"sentinel"].toObject();
        own.insert(u"dropped"_s, qint64(entry.dropped));
        all.insert(u"sentinel"_s, own);
    }
    return all;
}

void AuditLog::Writer::record(const AuditEvent &event)
{
    Entry entry;
    entry.event = event.toJson();
    entry.isAlert = event.kind() == AuditEvent::Kind::Alert;
    const size_t room = entry.isAlert ? Limits::maxQueuedAuditAlerts : Limits::maxQueuedAuditEvents;
    const std::lock_guard lock(m_mutex);
    entry.sequence = ++m_sequence;
    if (m_queue.size() >= room) {
        ++m_counts.dropped;
        ++m_droppedUnsaid;
        return;
    }
    entry.dropped = std::exchange(m_droppedUnsaid, 0);
    m_queue.push_back(std::move(entry));
    ++m_accepted;
    m_wake.notify_one();
}

void AuditLog::Writer::run()
{
    // Signals are for others; and a limit on the size of files is an error, not the end (SIGXFSZ).
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    std::unique_lock lock(m_mutex);
    const auto hasWork = [this] { return m_isStopping || !m_queue.empty() || mustSync(); };
    while (true) {
        if (m_isUnsynced)
            m_wake.wait_until(lock, m_syncAt, hasWork);
        else
            m_wake.wait(lock, hasWork);
        const bool isLast = m_isStopping;
        bool isWell = writeBatch(lock);
        const bool isDue = m_hasUnsyncedAlert || isLast || mustSync() || Clock::now() >= m_syncAt;
        if (m_isUnsynced && isDue)
            isWell = sync(lock) && isWell;
        if (isWell && !m_isUnsynced) {
            lock.unlock();
            sayRecovery();
            lock.lock();
        }
        if (isLast && (m_queue.empty() || !isWell))
            break;
        if (!isWell)
            m_wake.wait_for(lock, Limits::auditRetryPause, [this] { return m_isStopping; });
    }
    if (const auto lost = qulonglong(m_queue.size() + m_droppedUnsaid); lost > 0) {
        lock.unlock();
        qCWarning(logAudit, "audit events that were not written: %llu", lost);
        lock.lock();
    }
    m_hasEnded = true;
    m_progress.notify_all();
}

//! Writes what was there at the beginning, so that alerts come to be synchronised.
bool AuditLog::Writer::writeBatch(std::unique_lock<std::mutex> &lock)
{
    for (size_t left = m_queue.size(); left > 0; --left) {
        Entry entry = std::move(m_queue.front());
        m_queue.pop_front();
        lock.unlock();
        const auto written = write(entry);
        if (!written)
            noteFailure(written.error());
        lock.lock();
        if (!written) {
            m_queue.push_front(std::move(entry));
            return false;
        }
        ++m_counts.written;
        if (!std::exchange(m_isUnsynced, true))
            m_syncAt = Clock::now() + Limits::auditSyncInterval;
        m_hasUnsyncedAlert |= entry.isAlert;
    }
    return true;
}

std::expected<void, QString> AuditLog::Writer::write(Entry &entry)
{
    const QJsonObject all = m_stamp.on(entry.event, entry);
    const QByteArray json = QJsonDocument(all).toJson(QJsonDocument::Compact);
    if (m_systemLog && !std::exchange(entry.isCopied, true)
        && !m_systemLog->send(systemLineOf(all, json))) {
        const std::lock_guard lock(m_mutex);
        ++m_counts.copiesLost;
    }
    return m_file.append(json + '\n');
}

bool AuditLog::Writer::sync(std::unique_lock<std::mutex> &lock)
{
    const quint64 written = m_counts.written;
    lock.unlock();
    const auto synced = m_file.sync();
    if (!synced)
        noteFailure(synced.error());
    lock.lock();
    if (!synced) {
        m_syncAt = Clock::now() + Limits::auditSyncInterval;
        return false;
    }
    m_counts.synced = written;
    m_isUnsynced = false;
    m_hasUnsyncedAlert = false;
    m_progress.notify_all();
    return true;
}

//! Without the lock, as sayRecovery(): who hears of it may record.
void AuditLog::Writer::noteFailure(const QString &what)
{
    {
        const std::lock_guard lock(m_mutex);
        ++m_counts.failures;
    }
    if (!std::exchange(m_isTroubleSaid, true))
        qCWarning(logAudit, "the audit log cannot be written: %ls", qUtf16Printable(what));
}

void AuditLog::Writer::sayRecovery()
{
    if (std::exchange(m_isTroubleSaid, false))
        qCWarning(logAudit, "the audit log is written again");
}

bool AuditLog::Writer::flush(std::chrono::milliseconds patience)
{
    std::unique_lock lock(m_mutex);
    const quint64 target = m_accepted;
    m_flushTarget = target;
    m_wake.notify_one();
    return m_progress.wait_for(lock, patience, [&] { return m_counts.synced >= target; });
}

bool AuditLog::Writer::stop(std::chrono::milliseconds patience)
{
    std::unique_lock lock(m_mutex);
    m_isStopping = true;
    m_wake.notify_one();
    return m_progress.wait_for(lock, patience, [this] { return m_hasEnded; });
}

AuditLog::Counts AuditLog::Writer::counts() const
{
    const std::lock_guard lock(m_mutex);
    Counts counts = m_counts;
    counts.waiting = int(m_queue.size());
    return counts;
}

std::expected<std::unique_ptr<AuditLog>, QString> AuditLog::open(AuditSettings settings)
{
    if (!settings.enabled)
        return std::unique_ptr<AuditLog>(new AuditLog(nullptr));
    if (settings.directory.isEmpty())
        settings.directory = StorePaths::ofUser().state + u"/audit"_s;
    settings.maxFileBytes = qMax(settings.maxFileBytes, Limits::leastAuditFileBytes);
    settings.maxFiles = qBound(1, settings.maxFiles, Limits::maxAuditFilesKept);
    auto file = AuditFile::open(settings);
    if (!file)
        return std::unexpected(file.error());
    return std::unique_ptr<AuditLog>(
        new AuditLog(std::make_shared<Writer>(std::move(*file), settings)));
}

AuditLog::AuditLog(std::shared_ptr<Writer> writer) : m_writer(std::move(writer))
{
    if (m_writer)
        m_thread = std::thread([held = m_writer] { held->run(); });
}

AuditLog::~AuditLog()
{
    if (!m_writer)
        return;
    if (m_writer->stop(Limits::auditDrainPatience)) {
        m_thread.join();
        return;
    }
    qCWarning(
        logAudit, "audit events that were not written in time: %d", m_writer->counts().waiting);
    m_thread.detach(); // it waits for a disk that does not answer; what it uses is its own
}

void AuditLog::record(const AuditEvent &event)
{
    if (m_writer)
        m_writer->record(event);
}

bool AuditLog::flush(std::chrono::milliseconds patience)
{
    return !m_writer || m_writer->flush(patience);
}

AuditLog::Counts AuditLog::counts() const
{
    return m_writer ? m_writer->counts() : Counts();
}

} // namespace Sentinel
