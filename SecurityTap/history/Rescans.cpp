// SPDX-License-Identifier: MIT
#include "SecurityTap/history/Rescans.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/FileType.h"
#include "SecurityTap/history/RescanDesk_p.h"
#include "SecurityTap/history/SerialThread_p.h"
#include "SecurityTap/scan/Mailbox.h"

#include <QThread>

#include <algorithm>
#include <mutex>
#include <utility>

namespace Sentinel {

//! What lives on the thread, and what waits for it there.
struct Rescans::Desk {
    struct Entry {
        ReleaseRecord release;
        Recorded answer;
        std::expected<qint64, QString> id = 0;
    };

    std::unique_ptr<RescanDesk> desk; // only the thread
    std::mutex mutex;
    std::vector<Entry> waiting; // to be recorded

    //! Records all that waits, in one transaction: the disk is waited for once.
    std::vector<Entry> flush(std::vector<ReleaseRecord> &dropped)
    {
        std::vector<Entry> entries;
        {
            const std::lock_guard lock(mutex);
            entries.swap(waiting);
        }
        std::vector<ReleaseRecord> releases;
        for (const Entry &entry : entries)
            releases.push_back(entry.release);
        const auto all = desk->history().record(releases);
        if (all) {
            for (size_t i = 0; i < entries.size(); ++i)
                entries[i].id = all->ids[i];
            dropped = all->dropped;
            return entries;
        }
        // One that is refused is not the others' affair.
        for (Entry &entry : entries) {
            auto one = desk->history().record(entry.release);
            if (one)
                std::ranges::move(one->dropped, std::back_inserter(dropped));
            entry.id = one ? std::expected<qint64, QString>(one->ids.front())
                           : std::unexpected(one.error());
        }
        return entries;
    }
};

Rescans::Rescans(
    ScanBackend &backend, const QString &historyPath, Settings settings, QObject *parent)
    : QObject(parent)
    , m_backend(&backend)
    , m_settings(std::move(settings))
    , m_desk(std::make_shared<Desk>())
    // (Closes the file where it was opened.)
    , m_thread(std::make_unique<SerialThread>([desk = m_desk] { desk->desk.reset(); }))
    , m_pause(m_settings.leastPause)
{
    m_desk->desk = std::make_unique<RescanDesk>(
        historyPath, m_settings.history, m_settings.maxBytes, m_settings.leastPause);
    m_timer.setSingleShot(true);
    connect(&m_timer, &QTimer::timeout, this, &Rescans::look);
}

Rescans::~Rescans()
{
    stop(Limits::stopPatience);
}

void Rescans::stop(std::chrono::milliseconds patience)
{
    Q_ASSERT(thread() == QThread::currentThread());
    m_timer.stop();
    takeBack();
    m_state = State::Stopped;
    m_scan.reset();
    if (!m_thread->stop(patience))
        qCCritical(logTap)
            << "a file that is to be scanned again does not come: its thread is left";
}

//! Has \p work done on the thread, and \p then told of its result on this one, if we still are.
template <typename Work, typename Then>
void Rescans::ask(Work work, Then then)
{
    m_thread->post([desk = m_desk, mailbox = Mailbox(this), this, work, then] {
        auto result = work(*desk->desk);
        const QString notice = desk->desk->history().takeNotice();
        mailbox.post([this, then, result = std::move(result), notice] {
            if (!notice.isEmpty())
                complain(notice);
            then(result);
        });
    });
}

void Rescans::start()
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (m_state != State::Stopped)
        return;
    m_state = State::Idle;
    look();
}

void Rescans::use(ScanBackend &backend)
{
    Q_ASSERT(thread() == QThread::currentThread());
    takeBack();
    m_backend = &backend;
    m_pause = m_settings.leastPause;
    look();
}

//! The request under way, if there is one, is nobody's any more; its file waits for another.
void Rescans::takeBack()
{
    ++m_attempts;
    if (m_request != 0) {
        m_backend->cancel(std::exchange(m_request, 0), ScanResult::notScanned(Reason::Cancelled));
        m_state = State::Idle;
    }
}

void Rescans::record(ReleaseRecord release, Recorded then)
{
    Q_ASSERT(thread() == QThread::currentThread());
    const bool isOwed = release.state != ReleaseRecord::State::Settled;
    {
        const std::lock_guard lock(m_desk->mutex);
        m_desk->waiting.push_back({std::move(release), std::move(then)});
    }
    m_thread->post([desk = m_desk, mailbox = Mailbox(this), this, isOwed] {
        std::vector<ReleaseRecord> given;
        auto entries = desk->flush(given);
        if (entries.empty())
            return; // another letter took it along
        mailbox.post([this, isOwed, entries = std::move(entries), given = std::move(given)] {
            for (const Desk::Entry &entry : entries) {
                if (!entry.id)
                    complain(entry.id.error());
                if (entry.answer)
                    entry.answer(entry.id);
            }
            for (const ReleaseRecord &one : given)
                Q_EMIT dropped(one);
            look();
        });
    });
}

void Rescans::learn(const ScanResult &threat)
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (!threat.isThreat() || threat.sha256().isEmpty())
        return;
    ask([threat](RescanDesk &desk) { return desk.learn(threat); },
        [this](const std::expected<std::vector<LateThreat>, QString> &threats) {
            if (threats)
                tell(*threats);
            else
                complain(threats.error());
        });
}

void Rescans::judgeAgain(const QByteArray &rulesDigest)
{
    Q_ASSERT(thread() == QThread::currentThread());
    const QDateTime since =
        m_settings.history.now().addSecs(-std::chrono::seconds(m_settings.judgedAgainAge).count());
    ask([rulesDigest, since, limit = m_settings.maxJudgedAgain](
            RescanDesk &desk) { return desk.history().oweAgain(rulesDigest, since, limit); },
        [this](const std::expected<int, QString> &owed) {
            if (!owed)
                complain(owed.error());
            else if (*owed > 0)
                look();
        });
}

void Rescans::wake()
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (m_awaitsRoom)
        look();
}

void Rescans::look()
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (m_state != State::Idle)
        return;
    m_timer.stop();
    m_awaitsRoom = false;
    if (m_scan)
        return submit();
    m_state = State::Fetching;
    ask([](RescanDesk &desk) { return desk.next(); },
        [this](const NextRescan &next) {
            m_state = State::Idle;
            onNext(next);
        });
}

void Rescans::onNext(const NextRescan &next)
{
    m_scan = next.fetched;
    m_isCounted = m_scan != nullptr;
    if (!next.trouble.isEmpty())
        complain(next.trouble);
    for (const ReleaseRecord &record : next.settled)
        Q_EMIT settled(record);
    if (m_state != State::Idle)
        return; // a slot has begun something
    if (m_scan)
        return submit();
    if (!next.trouble.isEmpty())
        return awaitRoom();
    m_timer.start(std::min(next.due, std::chrono::milliseconds(Limits::mostRescanPause)));
    Q_EMIT idle();
}

void Rescans::submit()
{
    const ReleaseRecord &record = m_scan->claim.record;
    ScanSubject subject;
    subject.metadata.url = record.url;
    subject.metadata.filename = record.name;
    subject.metadata.mimeType = record.mimeType;
    subject.content = m_scan->content;
    subject.file = m_scan->copy;
    subject.isContentOurs = true;
    subject.fileType = sniffFileType(m_scan->content->span(), record.mimeType);
    subject.sizeBytes = m_scan->content->extent().sizeBytes;
    subject.mayWait = true; // everybody waits for a download, nobody for us
    auto request = std::make_shared<ScanRequest>(std::move(subject),
        [mailbox = Mailbox(this), this, attempt = ++m_attempts](ScanResult result) {
            mailbox.post([this, attempt, result] { onResult(attempt, result); });
        });
    const quint64 id = request->id();
    m_state = State::Scanning;
    if (const auto refusal = m_backend->submit(std::move(request))) {
        m_state = State::Idle;
        if (*refusal == Reason::QueueFull || *refusal == Reason::ScannerUnavailable)
            return awaitRoom();
        return settle(ScanResult::notScanned(*refusal));
    }
    m_request = id;
    if (!std::exchange(m_isCounted, true)) {
        ask([scan = m_scan](RescanDesk &desk) { return desk.resume(scan->claim); },
            [this](const std::expected<bool, QString> &resumed) {
                if (!resumed)
                    complain(resumed.error());
            });
    }
}

void Rescans::onResult(quint64 attempt, const ScanResult &result)
{
    if (attempt != m_attempts)
        return;
    // What is done about a threat is decided later; the sentinel need not warn of its release.
    m_backend->acknowledge(
        std::exchange(m_request, 0), result.isThreat() ? Disposition::Block : Disposition::Release);
    m_state = State::Idle;
    switch (result.reason()) {
    case Reason::QueueFull:
    case Reason::ScannerUnavailable:
    case Reason::Cancelled:
        return awaitRoom();
    default:
        m_pause = m_settings.leastPause;
        return owesScan(result) ? postpone(result) : settle(result);
    }
}

//! There was no room, or no scanner: again after a pause. What others could do is left to them.
void Rescans::awaitRoom()
{
    m_awaitsRoom = true;
    m_timer.start(m_pause);
    // Its bytes take room, too.
    const auto scan = m_pause < m_settings.mostPause ? nullptr : std::exchange(m_scan, nullptr);
    m_pause = std::min(2 * m_pause, m_settings.mostPause);
    const auto resting = std::exchange(m_isCounted, false) ? m_scan : nullptr;
    m_thread->post([desk = m_desk, scan, resting] {
        if (scan)
            desk->desk->putBack(scan->claim);
        if (resting)
            (void)desk->desk->rest(resting->claim); // else it is an attempt
        desk->desk->giveBack();
    });
    Q_EMIT idle();
}

void Rescans::settle(const ScanResult &result)
{
    m_state = State::Settling;
    using Settlement = std::expected<RescanDesk::Settlement, QString>;
    ask(
        [scan = m_scan, result](RescanDesk &desk) -> Settlement {
            auto settlement = desk.settle(*scan, result);
            if (!settlement)
                desk.putBack(scan->claim);
            return settlement;
        },
        [this, result](const Settlement &settlement) {
            m_state = State::Idle;
            const auto scan = std::exchange(m_scan, nullptr);
            ReleaseRecord record = scan->claim.record;
            if (!settlement) {
                complain(settlement.error());
                // It must not depend on a disk whether somebody hears of a threat.
                if (result.isThreat() && !m_toldUnsettled.contains(record.id))
                    handOver({record, result, scan->file},
                        [this, id = record.id] { m_toldUnsettled.insert(id); });
                return awaitRoom();
            }
            if (!settlement->trouble.isEmpty())
                complain(settlement->trouble);
            tell(settlement->threats);
            if (settlement->isOurs) {
                record.verdict = result.verdict();
                record.reason = result.reason();
                record.ending = ReleaseRecord::Ending::Scanned;
                record.state = ReleaseRecord::State::Settled;
                Q_EMIT settled(record);
            }
            look();
        });
}

void Rescans::postpone(const ScanResult &result)
{
    m_state = State::Settling;
    using Postponed = std::expected<bool, QString>;
    ask(
        [scan = m_scan, result](RescanDesk &desk) -> Postponed {
            auto isGivenUp = desk.postpone(*scan, result);
            if (!isGivenUp)
                desk.putBack(scan->claim);
            return isGivenUp;
        },
        [this, result](const Postponed &isGivenUp) {
            m_state = State::Idle;
            const auto scan = std::exchange(m_scan, nullptr);
            if (!isGivenUp) {
                complain(isGivenUp.error());
                return awaitRoom();
            }
            if (*isGivenUp) {
                ReleaseRecord record = scan->claim.record;
                record.reason = result.reason();
                record.ending = ReleaseRecord::Ending::GivenUp;
                record.state = ReleaseRecord::State::Settled;
                Q_EMIT settled(record);
            }
            look();
        });
}

void Rescans::tell(const std::vector<LateThreat> &threats)
{
    for (const LateThreat &threat : threats) {
        if (m_toldUnsettled.erase(threat.record.id) != 0)
            countAsTold(threat);
        else
            handOver(threat, [this, threat] { countAsTold(threat); });
    }
}

//! Has \p threat told, and \p over done once that is over; not while it is being told already. What
//! is not over comes again when its claim has lapsed.
void Rescans::handOver(const LateThreat &threat, std::function<void()> over)
{
    const qint64 id = threat.record.id;
    if (!m_beingTold.insert(id).second)
        return;
    const auto done = [this, id, over = std::move(over)](bool isOver) {
        m_beingTold.erase(id);
        if (isOver)
            over();
    };
    if (m_handler)
        return m_handler(threat, done);
    Q_EMIT lateThreat(threat);
    done(true);
}

void Rescans::countAsTold(const LateThreat &threat)
{
    using Told = std::expected<void, QString>;
    ask([threat](RescanDesk &desk) { return desk.told(threat); },
        [this](const Told &told) {
            if (!told)
                complain(told.error());
        });
}

void Rescans::complain(const QString &text)
{
    qCWarning(logTap).noquote() << text;
    if (std::exchange(m_lastTrouble, text) != text)
        Q_EMIT trouble(text);
}

} // namespace Sentinel
