// SPDX-License-Identifier: MIT
//
// What a custody does by itself, and what of one download must not hold up or tell on another.
#include "SecurityTap/jobs/JobRuns.h"
#include "tests/support/CustodyBench.h"

#include <QCryptographicHash>
#include <QDir>
#include <QFile>
#include <QJsonDocument>
#include <QLoggingCategory>
#include <QPointer>
#include <QTest>

#include <algorithm>
#include <fcntl.h>
#include <sys/file.h>

using namespace Sentinel;
using namespace std::chrono_literals;
using Test::downloadFrom;
using Test::patienceMs;

namespace {

const QByteArray threat = "here is a THREAT-MARK for you";
constexpr quint32 aWhile = Test::stepsInASecond / 2; // steps of hang()

//! Looks what is due from the beginning on.
void beginAtOnce(TapSettings &settings)
{
    settings.custody->jobs.startDelay = {};
}

//! As another process that is about to begin an item and takes its time.
class HeldQuarantine {
public:
    explicit HeldQuarantine(const QString &directory)
        : m_lock(
            ::open(QFile::encodeName(directory + QStringLiteral("/lock")), O_CREAT | O_RDWR, 0600))
    {
        if (::flock(m_lock.get(), LOCK_EX) != 0)
            qFatal("no lock");
    }

private:
    FileDescriptor m_lock;
};

} // namespace

class CustodyJobsTest : public QObject, Test::CustodyBench {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init() { moveOut(); }
    void purge_eachItemThatIsTooOld_isInTheLog();
    void purge_releaseTooOldToBeScanned_isInTheLog();
    void everyJob_hasRunWithAResult();
    void checkRules_broken_isAFailedJob();
    void release_quarantineBusy_isOnRecordBefore();
    void release_noStoreUsable_isReleasedAndSaysSo();
    void releasedBeforeItsLastByte_isScannedLater();
    void readBeforeItsLastByte_isKnownByItsHash();
    void lateThreat_quarantineFull_staysAndIsTriedAgain();
    void lateThreat_cannotBeStored_isToldOnce();
    void lateThreat_slotTakesItsTime_isToldOnce();
    void resolved_isNotFoundTwice();
    void tapEnds_whileItIsStored_isDecidedAndStored();
    void inspectDownload_unscanned_isOwedWhenItReturns();
    void inspectDownload_private_leavesNoAddress();
    void inspectDownload_threat_tellsWhoGotItBefore();

private:
    //! The job \p name as the file has it, once it has run \p runs times.
    std::optional<JobRun> jobThatRan(const QString &name, qint64 runs = 1) const
    {
        std::optional<JobRun> found;
        (void)QTest::qWaitFor(
            [&] {
                const auto all = JobRuns::readAll(historyPath());
                const auto at = all
                    ? std::ranges::find_if(
                        *all, [&name](const JobRun &job) { return job.name.startsWith(name); })
                    : all->end();
                if (all && at != all->end() && at->runs + at->failures >= runs && !at->isRunning)
                    found = *at;
                return found.has_value();
            },
            patienceMs);
        return found;
    }
};

void CustodyJobsTest::initTestCase()
{
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*.warning=false"));
    qRegisterMetaType<LateThreat>();
}

void CustodyJobsTest::purge_eachItemThatIsTooOld_isInTheLog()
{
    QStringList items;
    {
        const auto tap = make();
        for (const char *tail : {"1", "2"})
            items += outcomeOf(
                *tap->inspect(downloadFrom(QStringLiteral("https://example.org/x"))), threat + tail)
                         .item;
    }
    QCOMPARE(quarantined().size(), size_t(2));
    {
        const auto tap = make([](TapSettings &settings) {
            beginAtOnce(settings);
            settings.custody->quarantineAge = std::chrono::hours(-1); // of all that there is
        });
        const auto purge = jobThatRan(QStringLiteral("purge quarantine"));
        QVERIFY(purge && purge->hasSucceeded);
        QCOMPARE(purge->result, QStringLiteral("2 items deleted"));
    }
    QVERIFY(quarantined().empty());
    QStringList purged;
    for (const QJsonObject &event : events(QStringLiteral("quarantine-purge"))) {
        purged += event[QLatin1String("sentinel")][QLatin1String("item")].toString();
        QCOMPARE(event[QLatin1String("url")][QLatin1String("domain")].toString(),
            QStringLiteral("example.org"));
    }
    QCOMPARE(
        QSet<QString>(purged.begin(), purged.end()), QSet<QString>(items.begin(), items.end()));
}

void CustodyJobsTest::purge_releaseTooOldToBeScanned_isInTheLog()
{
    QVERIFY(!releasedBlindly(threat).isEmpty());
    {
        const auto tap = make([](TapSettings &settings) {
            beginAtOnce(settings);
            settings.isolation = Isolation::System; // nobody who could scan it
            settings.sentinel.socketPath = QStringLiteral("/nonexistent/socket");
            settings.custody->rescans.history.now = [] {
                return QDateTime::currentDateTimeUtc().addYears(1);
            };
        });
        const auto purge = jobThatRan(QStringLiteral("purge history"));
        QVERIFY(purge && purge->hasSucceeded);
        QCOMPARE(purge->result, QStringLiteral("1 of those that are gone were never scanned"));
    }
    const auto said = events(QStringLiteral("unscanned-release"));
    QCOMPARE(said.size(), size_t(2)); // when it was released, and now
    QCOMPARE(said[1][QLatin1String("event")][QLatin1String("outcome")].toString(),
        QStringLiteral("failure"));
}

void CustodyJobsTest::everyJob_hasRunWithAResult()
{
    const auto tap = make(&beginAtOnce);
    for (const char *name :
        {"purge quarantine", "purge history", "scan what is owed", "statistics", "check rules"}) {
        const auto job = jobThatRan(QString::fromLatin1(name));
        QVERIFY2(job, name);
        QVERIFY2(job->hasSucceeded, qPrintable(job->result));
        QVERIFY2(!job->result.isEmpty(), name);
    }
    QTRY_COMPARE_WITH_TIMEOUT(events(QStringLiteral("job-run")).size(), size_t(5), patienceMs);
}

void CustodyJobsTest::checkRules_broken_isAFailedJob()
{
    auto tap = make([](TapSettings &settings) {
        beginAtOnce(settings);
        settings.custody->jobs.startDelay = std::chrono::milliseconds(200);
    });
    const QByteArray before = tap->rules().digest;
    writeRules("rule broken {");
    const auto job = jobThatRan(QStringLiteral("check rules"));
    writeRules({});
    QVERIFY(job);
    QVERIFY(!job->hasSucceeded);
    QVERIFY2(job->result.contains(QStringLiteral("test.yar")), qPrintable(job->result));
    QCOMPARE(tap->rules().digest, before);
}

void CustodyJobsTest::release_quarantineBusy_isOnRecordBefore()
{
    const auto tap = make([](TapSettings &settings) {
        settings.policy.hold = {};
        settings.scanning.workers.maxWorkers = 1;
        settings.scanning.queue.maxRequests = 1;
    });
    QVERIFY(quarantined().empty()); // it is made now
    std::optional<HeldQuarantine> held(quarantineDirectory());
    Inspection *stuck = tap->inspect({});
    stuck->write(threat);
    stuck->finish();
    QTRY_COMPARE_WITH_TIMEOUT(stuck->state(), Inspection::State::Settling, patienceMs);

    // Meanwhile another is released unscanned: that is on record before it appears.
    QSignalSpy trouble(tap.get(), &SecurityTap::custodyTrouble);
    QObject context;
    const auto keepBusy = [&](quint32 steps) {
        tap->asyncInspectDownload(
            DownloadMetadata{}, Test::hang(steps), &context, [](const Outcome &) {});
    };
    keepBusy(aWhile);
    QTRY_COMPARE_WITH_TIMEOUT(tap->telemetry().activeWorkers, 1, patienceMs);
    keepBusy(1);
    Inspection *unscanned = tap->inspect({});
    const Outcome outcome = outcomeOf(*unscanned, "not looked at");
    QCOMPARE(outcome.result.reason(), Reason::QueueFull);
    const auto path = unscanned->releaseInto(home(), QStringLiteral("a.bin"), ExistingFile::Keep);
    QVERIFY(path);
    ReleaseHistory history(historyPath());
    const auto known = history.find(1);
    QVERIFY(known);
    QCOMPARE(known->path, *path);
    QVERIFY(!stuck->outcome());
    held.reset();
    QTRY_VERIFY_WITH_TIMEOUT(stuck->outcome(), patienceMs);
    QCOMPARE(stuck->outcome()->disposition, Disposition::Quarantine);
    QCOMPARE(trouble.size(), 0);
}

void CustodyJobsTest::release_noStoreUsable_isReleasedAndSaysSo()
{
    QFile inTheWay(paths().state);
    QVERIFY(inTheWay.open(QIODevice::WriteOnly));
    const auto tap = makeBlind();
    QSignalSpy trouble(tap.get(), &SecurityTap::custodyTrouble);
    Inspection *inspection = tap->inspect({});
    QCOMPARE(outcomeOf(*inspection, "not looked at").disposition, Disposition::Release);
    const auto path = inspection->releaseInto(home(), QStringLiteral("a.bin"), ExistingFile::Keep);
    QVERIFY(path);
    QVERIFY(QFile::exists(*path));
    QTRY_VERIFY_WITH_TIMEOUT(!trouble.isEmpty(), patienceMs);
    QVERIFY2(
        trouble[0][0].toString().contains(paths().state), qPrintable(trouble[0][0].toString()));
}

void CustodyJobsTest::releasedBeforeItsLastByte_isScannedLater()
{
    QString path;
    {
        const auto tap = makeBlind();
        Inspection *inspection = tap->inspect({});
        QSignalSpy decided(inspection, &Inspection::decided);
        inspection->write(threat + Test::noise(2 * Limits::scanWindowBytes));
        QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs); // nobody can scan it
        QVERIFY(inspection->write("the rest"));
        inspection->finish();
        const auto released =
            inspection->releaseInto(home(), QStringLiteral("a.bin"), ExistingFile::Keep);
        QVERIFY(released);
        path = *released;
    }
    const auto tap = make();
    QTRY_VERIFY_WITH_TIMEOUT(!QFile::exists(path), patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(quarantined().size(), size_t(1), patienceMs);
}

void CustodyJobsTest::readBeforeItsLastByte_isKnownByItsHash()
{
    const QByteArray content = threat + Test::noise(2 * Limits::scanWindowBytes);
    {
        const auto tap = makeBlind();
        Inspection *inspection = tap->inspect({});
        QSignalSpy decided(inspection, &Inspection::decided);
        inspection->write(content);
        QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
        inspection->finish();
        char byte = 0;
        QCOMPARE(inspection->read(&byte, 1, 0), 1);
        delete inspection;
    }
    ReleaseHistory history(historyPath());
    const auto claims =
        history.claimByHash(QCryptographicHash::hash(content, QCryptographicHash::Sha256), 10);
    QVERIFY(claims);
    QCOMPARE(claims->size(), size_t(1));
    QCOMPARE(claims->front().record.sizeBytes, content.size());
}

void CustodyJobsTest::lateThreat_quarantineFull_staysAndIsTriedAgain()
{
    const QString path = releasedBlindly(threat);
    std::vector<Disposition> told;
    const auto watch = [&](SecurityTap &tap) {
        connect(&tap, &SecurityTap::lateThreat, this,
            [&told](const LateThreat &, Disposition taken) { told.push_back(taken); });
    };
    {
        const auto tap =
            make([](TapSettings &settings) { settings.custody->quarantine.itemBytes = 1; });
        watch(*tap);
        QTRY_COMPARE_WITH_TIMEOUT(told, std::vector{Disposition::Block}, patienceMs);
    }
    QVERIFY(QFile::exists(path));
    const auto tap = make();
    watch(*tap);
    QTRY_COMPARE_WITH_TIMEOUT(
        told, (std::vector{Disposition::Block, Disposition::Quarantine}), patienceMs);
    QVERIFY(!QFile::exists(path)); // it was taken away when it was told
    QCOMPARE(quarantined().size(), size_t(1));
}

void CustodyJobsTest::lateThreat_cannotBeStored_isToldOnce()
{
    const QString path = releasedBlindly(threat);
    QVERIFY(QDir().mkpath(paths().data));
    QFile obstacle(quarantineDirectory()); // a file where the directory is to be
    QVERIFY(obstacle.open(QIODevice::WriteOnly));
    const auto tap =
        make([](TapSettings &settings) { settings.custody->rescans.history.lease = 500ms; });
    std::vector<Disposition> told;
    connect(tap.get(), &SecurityTap::lateThreat, this,
        [&told](const LateThreat &, Disposition taken) { told.push_back(taken); });
    const auto triedOften = [this] { return events(QStringLiteral("quarantine-add")).size() >= 4; };
    QTRY_VERIFY_WITH_TIMEOUT(triedOften(), patienceMs);
    QCOMPARE(told, std::vector{Disposition::Block});
    QVERIFY(QFile::exists(path));
    QVERIFY(obstacle.remove());
    QTRY_COMPARE_WITH_TIMEOUT(
        told, (std::vector{Disposition::Block, Disposition::Quarantine}), patienceMs);
    QVERIFY(!QFile::exists(path));
    QCOMPARE(events(QStringLiteral("late-threat")).size(), size_t(1));
    // And that is the end of it, where it is written down, too.
    const auto isSettled = [this] {
        ReleaseHistory history(historyPath());
        return history.claimOwed(10)->empty() && history.counts()->owed == 0;
    };
    QTRY_VERIFY_WITH_TIMEOUT(isSettled(), patienceMs);
    QVERIFY(events(QStringLiteral("unscanned-release")).size() <= 1); // when it was released
}

void CustodyJobsTest::lateThreat_slotTakesItsTime_isToldOnce()
{
    (void)releasedBlindly(threat);
    QVERIFY(QDir().mkpath(paths().data));
    QFile obstacle(quarantineDirectory());
    QVERIFY(obstacle.open(QIODevice::WriteOnly));
    const auto tap =
        make([](TapSettings &settings) { settings.custody->rescans.history.lease = 50ms; });
    int told = 0;
    bool hasEnded = false;
    connect(tap.get(), &SecurityTap::lateThreat, this, [&] {
        ++told;
        // A dialogue that is open for several leases.
        const auto judged = [&tap] {
            const TelemetrySnapshot now = tap->telemetry();
            return now.totalScansCompleted + now.cacheHits;
        };
        const quint64 before = judged();
        hasEnded = QTest::qWaitFor([&] { return judged() >= before + 3; }, patienceMs);
    });
    QTRY_VERIFY_WITH_TIMEOUT(hasEnded, patienceMs);
    const auto triedAgain = [this] { return events(QStringLiteral("quarantine-add")).size() >= 3; };
    QTRY_VERIFY_WITH_TIMEOUT(triedAgain(), patienceMs);
    QCOMPARE(told, 1);
}

void CustodyJobsTest::resolved_isNotFoundTwice()
{
    {
        const auto tap =
            make([](TapSettings &settings) { settings.policy.malicious = Disposition::Warn; });
        Download download = downloadFrom(QStringLiteral("https://example.org/a"));
        download.metadata.filename = QStringLiteral("../../.bashrc");
        Inspection *inspection = tap->inspect(download);
        QCOMPARE(outcomeOf(*inspection, threat).disposition, Disposition::Warn);
        QSignalSpy resolved(inspection, &Inspection::resolved);
        QVERIFY(inspection->resolve(Inspection::Resolution::Discard));
        QTRY_COMPARE_WITH_TIMEOUT(resolved.size(), 1, patienceMs);
    }
    QCOMPARE(events(QStringLiteral("decision")).size(), size_t(2));
    QCOMPARE(events(QStringLiteral("threat-found")).size(), size_t(1));
    QCOMPARE(events(QStringLiteral("path-traversal")).size(), size_t(1));
}

void CustodyJobsTest::tapEnds_whileItIsStored_isDecidedAndStored()
{
    auto tap = make();
    QVERIFY(quarantined().empty());
    std::optional<HeldQuarantine> held(quarantineDirectory());
    QPointer<Inspection> stuck = tap->inspect({});
    stuck->write(threat);
    stuck->finish();
    QTRY_COMPARE_WITH_TIMEOUT(stuck->state(), Inspection::State::Settling, patienceMs);
    std::vector<Disposition> decisions;
    connect(stuck, &Inspection::decided, this, [&](const Outcome &outcome) {
        decisions.push_back(outcome.disposition);
        held.reset(); // the other process is done, just in time
    });
    tap.reset();
    QCOMPARE(decisions, std::vector{Disposition::Quarantine});
    QVERIFY(!stuck);
    QCOMPARE(quarantined().size(), size_t(1));
}

void CustodyJobsTest::inspectDownload_unscanned_isOwedWhenItReturns()
{
    const auto tap = makeBlind();
    for (int i = 1; i <= 20; ++i) {
        const Outcome outcome =
            tap->inspectDownload(downloadFrom(QStringLiteral("https://example.org/x")).metadata,
                "content " + QByteArray::number(i));
        QCOMPARE(outcome.result.verdict(), Verdict::NotScanned);
        QCOMPARE(outcome.disposition, Disposition::Release);
        ReleaseHistory history(historyPath());
        const auto counts = history.counts();
        QVERIFY2(counts, counts ? "" : qPrintable(counts.error()));
        QCOMPARE(counts->records, i); // before anybody can have the bytes
    }
}

void CustodyJobsTest::inspectDownload_private_leavesNoAddress()
{
    {
        const auto tap = make();
        const Download download =
            downloadFrom(QStringLiteral("https://hidden.example/secret-name.exe"));
        QCOMPARE(
            tap->inspectDownload(download.metadata, threat, Download::Privacy::Private).disposition,
            Disposition::Quarantine);
    }
    const auto items = quarantined();
    QCOMPARE(items.size(), size_t(1));
    QVERIFY(items[0].record.url.isEmpty() && items[0].record.name.isEmpty());
    for (const QJsonObject &event : events(QStringLiteral("decision")))
        QVERIFY(!QJsonDocument(event).toJson().contains("hidden.example"));
}

void CustodyJobsTest::inspectDownload_threat_tellsWhoGotItBefore()
{
    const QString path = releasedBlindly(threat);
    QVERIFY(QFile::exists(path));
    // Nobody can read that file any more; its hash is known.
    QVERIFY(QFile::rename(path, path + QStringLiteral(".moved")));
    const auto tap = make();
    QTRY_COMPARE_WITH_TIMEOUT(owed(), 0, patienceMs);
    std::optional<LateThreat> told;
    connect(tap.get(), &SecurityTap::lateThreat, this,
        [&told](const LateThreat &late, Disposition) { told = late; });
    QCOMPARE(tap->inspectDownload({}, threat).disposition, Disposition::Quarantine);
    QTRY_VERIFY_WITH_TIMEOUT(told, patienceMs);
    QCOMPARE(told->record.sha256, QCryptographicHash::hash(threat, QCryptographicHash::Sha256));
}

QTEST_GUILESS_MAIN(CustodyJobsTest)
#include "tst_custodyjobs.moc"
