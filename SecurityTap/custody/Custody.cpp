// SPDX-License-Identifier: MIT
#include "SecurityTap/custody/Custody.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/content/ContentHash.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/custody/CustodyDesk_p.h"
#include "SecurityTap/custody/CustodyEvents_p.h"
#include "SecurityTap/custody/CustodyJobs_p.h"
#include "SecurityTap/custody/ReleaseDesk_p.h"
#include "SecurityTap/history/SerialThread_p.h"

#include <QPointer>

#include <algorithm>
#include <iterator>

namespace Sentinel {

namespace {

constexpr qsizetype mostTroubles = 8; // that are not said again

ReleaseRecord withHash(ReleaseRecord release, const std::shared_ptr<const Content> &content)
{
    ContentHash hash(content);
    if (release.sha256.isEmpty() && hash.finish() == ContentHash::Progress::Known)
        release.sha256 = hash.sha256();
    return release;
}

std::expected<ReleaseRecord, QString> numbered(
    ReleaseRecord release, const std::expected<qint64, QString> &id)
{
    if (!id)
        return std::unexpected(id.error());
    release.id = *id;
    return release;
}

void noteAll(CustodyDesk &desk, const std::vector<AuditEvent> &events,
    const std::function<void(const QString &)> &complain)
{
    for (const AuditEvent &event : events) {
        if (const auto noted = desk.note(event); !noted)
            complain(noted.error());
    }
}

//! The first answer of \p result, which comes from another thread.
template <typename T>
std::optional<T> awaitBriefly(std::future<T> result)
{
    if (result.wait_for(Limits::promisePatience) != std::future_status::ready)
        return std::nullopt;
    return result.get();
}

} // namespace

Custody::Custody(
    ScanBackend &backend, Policy policy, CustodySettings settings, std::vector<Job> otherJobs)
    : m_policy(std::move(policy))
    , m_settings(std::move(settings))
    , m_mailbox(this)
    , m_desk(std::make_shared<CustodyDesk>(m_settings))
    , m_thread(std::make_shared<SerialThread>([desk = m_desk] { desk->close(); }))
    , m_releases(std::make_shared<ReleaseDesk>(m_settings,
          [note = noter()](const ReleaseRecord &release) {
              note(neverScannedEvent(release,
                  QStringLiteral(
                      "released unscanned, and there are too many of these to scan it later")));
          }))
    , m_releaseThread(std::make_unique<SerialThread>([desk = m_releases] { desk->close(); }))
    , m_exceptions(m_settings.paths.data)
    , m_rescans(backend, m_settings.historyPath(), m_settings.rescans)
    , m_jobs(m_settings.historyPath(), jobs(std::move(otherJobs)), m_settings.jobs)
{
    m_rescans.setHandler([this](const LateThreat &threat, const Rescans::Done &done) {
        onLateThreat(threat, done);
    });
    connect(&m_rescans, &Rescans::settled, this, [this](const ReleaseRecord &record) {
        if (record.verdict == Verdict::NotScanned)
            noteNeverScanned(record);
    });
    connect(&m_rescans, &Rescans::trouble, this, &Custody::complain);
    connect(&m_jobs, &JobSchedule::trouble, this, &Custody::complain);
    connect(&m_jobs, &JobSchedule::ran, this, [this](const JobRun &run) {
        AuditEvent event = AuditEvent::of(AuditAction::JobRun, run.result);
        event.job = run.name;
        event.success =
            run.hasSucceeded ? AuditEvent::Success::Succeeded : AuditEvent::Success::Failed;
        event.duration = run.took;
        note(std::move(event));
    });
    connect(&m_rescans, &Rescans::dropped, this, &Custody::noteNeverScanned);
}

Custody::~Custody()
{
    // What the jobs have to say goes to the desk, what the releases have to say too.
    const auto end = Clock::now() + Limits::stopPatience;
    const auto left = [end] {
        return std::max(std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()),
            std::chrono::milliseconds(Limits::leastStopPatience));
    };
    m_jobs.stop(Limits::stopPatience / 2);
    const bool haveEnded = m_releaseThread->stop(left());
    if (!m_thread->stop(left()) || !haveEnded)
        qCWarning(logTap) << "the stores are still being written to: left behind";
    m_rescans.stop(left());
}

//! Released unscanned, and so it stays.
void Custody::noteNeverScanned(const ReleaseRecord &record)
{
    note(neverScannedEvent(record,
        QStringLiteral("released unscanned, and it is not going to be scanned any more: %1")
            .arg(nameOf(record.ending))));
}

void Custody::start()
{
    m_rescans.start();
    m_jobs.start();
}

void Custody::complain(const QString &text)
{
    if (m_troubles.contains(text)) // several stores may be in trouble, in turns
        return;
    m_troubles.append(text);
    if (m_troubles.size() > mostTroubles)
        m_troubles.removeFirst();
    qCWarning(logTap).noquote() << text;
    Q_EMIT trouble(text);
}

PolicyExceptions::View Custody::exceptions()
{
    auto all = m_exceptions.all();
    if (all)
        return *all;
    m_mailbox.post([this, why = all.error()] { complain(why); });
    return std::make_shared<const PolicyExceptions::List>();
}

void Custody::quarantine(std::shared_ptr<const Content> content, const Download &download,
    const Outcome &outcome, FileType fileType, Occasion occasion, Quarantined then)
{
    const bool isPosted =
        m_thread->post([desk = m_desk, complain = complainer(), content = std::move(content),
                           download, outcome, fileType, occasion, then] {
            const auto item = desk->quarantine(*content, quarantineRecordOf(download, outcome));
            Outcome settled = outcome;
            settled.item = item.value_or(QString());
            if (!item) {
                settled.disposition = Disposition::Block;
                complain(item.error());
            }
            std::vector<AuditEvent> events = eventsOf(download, settled, fileType, occasion);
            events.push_back(addedEvent(
                AuditEvent::about(AuditAction::QuarantineAdd, download, outcome, fileType), item));
            noteAll(*desk, events, complain);
            then(settled);
        });
    if (isPosted)
        return;
    Outcome blocked = outcome;
    blocked.disposition = Disposition::Block;
    then(blocked);
}

//! complain() for other threads, which may outlive this.
std::function<void(const QString &text)> Custody::complainer()
{
    return [this, mailbox = m_mailbox](
               const QString &text) { mailbox.post([this, text] { complain(text); }); };
}

//! note() for whoever may outlive this.
std::function<void(AuditEvent)> Custody::noter()
{
    return [thread = m_thread, desk = m_desk, complain = complainer()](AuditEvent event) {
        thread->post(
            [desk, complain, event = std::move(event)] { noteAll(*desk, {event}, complain); });
    };
}

void Custody::note(AuditEvent event)
{
    noter()(std::move(event));
}

void Custody::note(
    const Download &download, const Outcome &outcome, FileType fileType, Occasion occasion)
{
    for (AuditEvent &event : eventsOf(download, outcome, fileType, occasion))
        note(std::move(event));
}

void Custody::owe(std::shared_ptr<const Content> content, ReleaseRecord release, Owed then)
{
    const bool isPosted = m_releaseThread->post([this, desk = m_releases, mailbox = m_mailbox,
                                                    content = std::move(content), release, then] {
        ReleaseRecord owed = withHash(release, content);
        const auto id = desk->record(owed);
        owed.id = id.value_or(0);
        mailbox.post([this, owed, then, why = id ? QString() : id.error()] {
            if (!why.isEmpty())
                complain(why);
            then(owed);
        });
    });
    if (!isPosted)
        m_mailbox.post([release, then] { then(release); });
}

void Custody::oweNow(std::shared_ptr<const Content> content, ReleaseRecord release)
{
    const auto recorded = std::make_shared<std::promise<OnRecord>>();
    const bool isPosted =
        m_releaseThread->post([desk = m_releases, recorded, release, content = std::move(content)] {
            const ReleaseRecord owed = withHash(release, content);
            recorded->set_value(numbered(owed, desk->record(owed)));
        });
    if (isPosted)
        onRecord(recorded->get_future(), std::move(release));
}

// With its hash, as it is known from here on: what was linked into place is its user's file then,
// and may be shorter when somebody asks again.
ReleaseRecord Custody::promise(std::shared_ptr<const Content> content, ReleaseRecord release)
{
    const auto promised = std::make_shared<std::promise<OnRecord>>();
    // Until then the file has appeared, or its process has ended.
    const QDateTime dueAt = QDateTime::currentDateTimeUtc().addSecs(
        std::chrono::seconds(Limits::promisedReleaseTime).count());
    m_releaseThread->postFirst(
        [desk = m_releases, promised, release, dueAt, content = std::move(content)] {
            const ReleaseRecord owed = withHash(release, content);
            promised->set_value(numbered(owed, desk->promise(owed, dueAt)));
        });
    return onRecord(promised->get_future(), std::move(release));
}

//! A release as it is on record, once it is; or else \p otherwise, and says why.
ReleaseRecord Custody::onRecord(std::future<OnRecord> recorded, ReleaseRecord otherwise)
{
    const auto release = awaitBriefly(std::move(recorded));
    if (release && *release)
        return **release;
    const QString why = release
        ? release->error()
        : QStringLiteral("%1: a release is not on record yet: the disk is busy")
              .arg(printable(m_settings.historyPath()));
    m_mailbox.post([this, why] { complain(why); }); // its slots may delete who releases
    return otherwise;
}

void Custody::keep(const ReleaseRecord &release)
{
    m_releaseThread->post([this, desk = m_releases, mailbox = m_mailbox, release] {
        const auto kept = desk->keep(release);
        mailbox.post([this, why = kept ? QString() : kept.error()] {
            if (!why.isEmpty())
                complain(why);
            m_rescans.look();
        });
    });
}

void Custody::remember(ReleaseRecord release)
{
    // On the thread that judges again, so that new rules find what was released before them.
    release.state = ReleaseRecord::State::Settled;
    if (const auto file = openUnchanged(release.path, {}))
        release.stamp = stampOf(file->get());
    const QByteArray digest = release.rulesDigest;
    m_rescans.record(std::move(release), [this, digest](const std::expected<qint64, QString> &id) {
        if (!id)
            complain(id.error());
        else if (!m_rulesDigest.isEmpty() && digest != m_rulesDigest)
            m_rescans.judgeAgain(m_rulesDigest);
    });
}

void Custody::judgeBy(const QByteArray &rulesDigest)
{
    if (!m_rulesDigest.isEmpty() && m_rulesDigest != rulesDigest)
        note(AuditEvent::of(AuditAction::RulesChanged,
            QStringLiteral("the rules in use are others: %1")
                .arg(QString::fromLatin1(rulesDigest.toHex()))));
    m_rulesDigest = rulesDigest;
    m_rescans.judgeAgain(rulesDigest);
}

void Custody::onLateThreat(const LateThreat &threat, const Rescans::Done &done)
{
    const auto facts = PolicyFacts::of(downloadOf(threat.record), threat.result, threat.fileType,
        threat.record.sizeBytes, PolicyFacts::Extent::Whole);
    const PolicyExceptions::View allowed = exceptions();
    const Decision decision = decide(m_policy, facts, *allowed, QDateTime::currentDateTimeUtc());
    const bool isNews = !m_stillThere.contains(threat.record.id);
    m_thread->post([this, desk = m_desk, mailbox = m_mailbox, complain = complainer(), threat,
                       decision, isNews, done] {
        std::vector<AuditEvent> events;
        if (isNews)
            events.push_back(lateEventOf(AuditAction::LateThreat, threat, decision));
        Disposition taken = decision.disposition;
        bool isOver = true; // or else it is tried again
        if (taken == Disposition::Quarantine && !threat.record.path.isEmpty()) {
            const auto kept = desk->quarantine(threat, quarantineRecordOf(threat, decision));
            const QString trouble = kept ? kept->trouble : kept.error().text;
            events.push_back(
                addedEvent(lateEventOf(AuditAction::QuarantineAdd, threat, decision), kept));
            if (!trouble.isEmpty()) {
                taken = Disposition::Block; // it stays where it is
                isOver = kept || kept.error().isFinal;
                complain(trouble);
            }
        }
        noteAll(*desk, events, complain);
        mailbox.post([this, threat, taken, isOver, isNews, done] {
            if (isOver)
                m_stillThere.erase(threat.record.id);
            else
                m_stillThere.insert(threat.record.id);
            const QPointer<Custody> self(this); // a dialogue about it may end anything
            if (isNews || taken != Disposition::Block)
                Q_EMIT lateThreat(threat, taken);
            if (self)
                done(isOver); // if so, from here on nobody else tells of it
        });
    });
}

std::vector<Job> Custody::jobs(std::vector<Job> others)
{
    std::vector<Job> all = custodyJobs(m_settings, noter(),
        [this, mailbox = m_mailbox] { mailbox.post([this] { m_rescans.look(); }); });
    std::ranges::move(others, std::back_inserter(all));
    return all;
}

} // namespace Sentinel
