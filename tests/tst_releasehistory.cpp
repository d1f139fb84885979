// SPDX-License-Identifier: MIT
#include "SecurityTap/history/ReleaseHistory.h"
#include "tests/support/ChildProcess.h"
#include "tests/support/ScriptedTask.h"
#include "tests/support/Slowness.h"

#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QProcess>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <QTest>
#include <QtEndian>

#include <array>
#include <csignal>
#include <set>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

using State = ReleaseRecord::State;
using Ending = ReleaseRecord::Ending;

QByteArray hashNumber(int number)
{
    QByteArray hash(32, '\0');
    qToBigEndian(number, hash.data());
    return hash;
}

//! What was released unscanned, to nowhere in particular.
ReleaseRecord owedRecord(int number = 1)
{
    ReleaseRecord record;
    record.path = QStringLiteral("/nowhere/file-%1").arg(number);
    record.sha256 = hashNumber(number);
    record.url = QUrl(QStringLiteral("https://user:word@example.org/a/b?key=1#part"));
    record.referrer = QUrl(QStringLiteral("https://example.org/page?secret=2"));
    record.name = QStringLiteral("file");
    record.mimeType = QStringLiteral("text/plain");
    record.reason = Reason::QueueFull;
    return record;
}

ReleaseRecord settledRecord(int number, const QByteArray &rules = "old")
{
    ReleaseRecord record = owedRecord(number);
    record.state = State::Settled;
    record.verdict = Verdict::Clean;
    record.reason = Reason::None;
    record.rulesDigest = rules;
    return record;
}

ScanResult threatResult(const QByteArray &sha256 = {})
{
    Finding finding;
    finding.rule = QStringLiteral("Threat");
    finding.severity = Severity::Malicious;
    Coverage coverage;
    coverage.ruleSetDigest = "new";
    return ScanResult::judge(coverage, {finding}, sha256);
}

mode_t modeOf(const QString &path)
{
    struct stat status { };
    return ::stat(QFile::encodeName(path).constData(), &status) == 0 ? status.st_mode & 07777 : 0;
}

//! A child of ours records releases until it is killed, and says the number of each that it was
//! told to be recorded.
int recordWithoutEnd(const QString &path, int out)
{
    ReleaseHistory history(path);
    for (int number = 1;; ++number) {
        if (!history.record(owedRecord(number)))
            return 1;
        if (::write(out, &number, sizeof number) != sizeof number)
            return 2;
    }
}

//! One that records a single release, for the tests that look at its system calls.
int recordOne(const QString &path)
{
    ReleaseHistory history(path);
    const auto recorded = history.record(owedRecord());
    if (!recorded)
        return 1;
    return ::write(STDOUT_FILENO, "recorded\n", 9) == 9 ? 0 : 2;
}

} // namespace

class tst_ReleaseHistory : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_directory = std::make_unique<QTemporaryDir>();
        m_path = m_directory->filePath(QStringLiteral("state/history.sqlite"));
        m_now = QDateTime::currentDateTimeUtc();
    }

    void record_owed_isFoundAgain();
    void record_addresses_areKeptWithoutSecrets();
    void record_whatCannotBeFoundAgain_isRefused_data();
    void record_whatCannotBeFoundAgain_isRefused();
    void record_path_isKeptWithoutLinks();
    void record_privateOne_leavesNothingButPathAndHash();
    void record_beyondTheBound_dropsTheSettledFirst();
    void record_onlyOwedOnes_saysWhichWereDropped();
    void place_owed_isDueThere();
    void place_nowhere_isNotScanned();
    void place_whatIsNotOwedAnyMore_isFalse();
    void claim_owed_isOneProcessesAlone();
    void claim_ofADeadProcess_ends();
    void claim_timeIsOver_ends();
    void claim_clockSetBack_ends();
    void claim_twoAtOnce_neverGetTheSame();
    void claim_order_isUnscannedFirstThenOldest();
    void claim_pathless_isNotScanned();
    void settle_clean_isDoneOnce();
    void settle_threat_isToldByOneAlone();
    void settle_killedBeforeTelling_isToldByTheNext();
    void settle_claimLost_changesNothing();
    void postpone_owed_waitsForItsPause();
    void giveBack_owed_isDueAtOnce();
    void begin_processEnds_isAnAttempt();
    void begin_restedOrGivenBack_isNone();
    void oweAgain_otherRules_oncePerDigest();
    void oweAgain_boundedByAgeAndCount();
    void claimByHash_threatElsewhere_findsAllThatGotIt();
    void purge_old_saysWhatWasNeverScanned();
    void purge_foundAndNotTold_isKeptLongerNotForEver();
    void forget_record_isGone();
    void file_isItsUsersAlone();
    void file_broken_isMovedAside_data();
    void file_broken_isMovedAside();
    void file_brokenWhileOpen_isMovedAside();
    void file_ofANewerVersion_isLeftAlone();
    void file_unfit_isAnErrorWithAMessage_data();
    void file_unfit_isAnErrorWithAMessage();
    void file_noRoom_isAnErrorAndLaterWorks();
    void file_onAReadOnlyDisk_isAnErrorAndLaterWorks();
    void file_busyForLong_isAnErrorInTime();
    void file_replacedMeanwhile_isOpenedAnew();
    void processes_manyAtOnce_loseNothing();
    void kill_anyTime_losesNothingThatWasRecorded();
    void kill_atEachSystemCall_leavesAFileThatWorks();

private:
    ReleaseHistory::Settings settings()
    {
        ReleaseHistory::Settings settings;
        settings.now = [this] { return m_now; };
        return settings;
    }
    std::unique_ptr<ReleaseHistory> open() { return open(settings()); }
    std::unique_ptr<ReleaseHistory> open(const ReleaseHistory::Settings &settings)
    {
        return std::make_unique<ReleaseHistory>(m_path, settings);
    }

    std::unique_ptr<QTemporaryDir> m_directory;
    QString m_path;
    QDateTime m_now;
};

//! What is wrong with \p expected; empty if nothing is.
template <typename Expected>
static QByteArray wrongWith(const Expected &expected)
{
    return expected ? QByteArray() : expected.error().toUtf8();
}

#define VERIFY_GOOD(expected) QCOMPARE(wrongWith(expected), QByteArray())

void tst_ReleaseHistory::record_owed_isFoundAgain()
{
    ReleaseRecord record = owedRecord();
    record.stamp = {1, 2, 3, 4};
    record.sizeBytes = 3;
    qint64 id = 0;
    {
        const auto recorded = open()->record(record);
        VERIFY_GOOD(recorded);
        QCOMPARE(recorded->ids.size(), size_t(1));
        QVERIFY(recorded->dropped.empty());
        id = recorded->ids.front();
    }
    const auto history = open();
    const auto found = history->find(id);
    VERIFY_GOOD(found);
    QCOMPARE(found->path, record.path);
    QCOMPARE(found->stamp, record.stamp);
    QCOMPARE(found->sizeBytes, 3);
    QCOMPARE(found->sha256, record.sha256);
    QCOMPARE(found->name, record.name);
    QCOMPARE(found->mimeType, record.mimeType);
    QCOMPARE(found->verdict, Verdict::NotScanned);
    QCOMPARE(found->reason, Reason::QueueFull);
    QCOMPARE(found->state, State::Owed);
    QCOMPARE(found->releasedAt.toMSecsSinceEpoch(), m_now.toMSecsSinceEpoch());
    QCOMPARE(history->counts()->owed, 1);
    QCOMPARE(history->find(id + 1)->id, 0);
}

void tst_ReleaseHistory::record_addresses_areKeptWithoutSecrets()
{
    const auto history = open();
    const auto id = history->record(owedRecord())->ids.front();
    QCOMPARE(history->find(id)->url, QUrl(QStringLiteral("https://example.org/a/b")));
    QCOMPARE(history->find(id)->referrer, QUrl(QStringLiteral("https://example.org/page")));
}

void tst_ReleaseHistory::record_whatCannotBeFoundAgain_isRefused_data()
{
    QTest::addColumn<QString>("path");
    QTest::addColumn<bool>("hasHash");
    QTest::addColumn<bool>("hasStamp");
    QTest::addColumn<bool>("isKept");

    QTest::newRow("nothing") << "" << false << false << false;
    QTest::newRow("a stamp of nothing") << "" << false << true << false;
    QTest::newRow("a path alone") << "/a" << false << false << false;
    QTest::newRow("a relative path") << "a" << true << true << false;
    QTest::newRow("a hash") << "" << true << false << true;
    QTest::newRow("path and hash") << "/a" << true << false << true;
    QTest::newRow("path and stamp") << "/a" << false << true << true;
}

void tst_ReleaseHistory::record_whatCannotBeFoundAgain_isRefused()
{
    QFETCH(QString, path);
    QFETCH(bool, hasHash);
    QFETCH(bool, hasStamp);
    ReleaseRecord record;
    record.path = path;
    record.sha256 = hasHash ? hashNumber(1) : QByteArray();
    record.stamp.inode = hasStamp ? 1 : 0;
    const auto history = open();
    QTEST(history->record(record).has_value(), "isKept");
    // All or none.
    const std::array both{owedRecord(7), record};
    QTEST(history->record(both).has_value(), "isKept");
    QFETCH(bool, isKept);
    QCOMPARE(history->counts()->records, isKept ? 3 : 0);
}

void tst_ReleaseHistory::record_path_isKeptWithoutLinks()
{
    const QDir directory(m_directory->path());
    QVERIFY(directory.mkdir(QStringLiteral("real")));
    QVERIFY(QFile::link(
        directory.filePath(QStringLiteral("real")), directory.filePath(QStringLiteral("link"))));
    QVERIFY(QFile::link(
        QStringLiteral("/etc/passwd"), directory.filePath(QStringLiteral("real/name"))));
    ReleaseRecord record = owedRecord();
    record.path = directory.filePath(QStringLiteral("link/../link/name"));
    const auto history = open();
    const auto id = history->record(record)->ids.front();
    // The file's own name is not followed.
    QCOMPARE(history->find(id)->path, directory.canonicalPath() + QStringLiteral("/real/name"));
}

void tst_ReleaseHistory::record_privateOne_leavesNothingButPathAndHash()
{
    ReleaseRecord record = owedRecord();
    record.privacy = Download::Privacy::Private;
    record.url = QUrl(QStringLiteral("https://very-secret.example/"));
    record.name = QStringLiteral("very-secret.name");
    record.path = QStringLiteral("/nowhere/very-secret.path");
    const auto history = open();
    const auto everywhere = [this](const char *text) {
        bool isThere = false;
        const QDir directory(QFileInfo(m_path).path());
        for (const QString &name : directory.entryList(QDir::Files)) {
            QFile file(directory.filePath(name));
            isThere = isThere || (file.open(QIODevice::ReadOnly) && file.readAll().contains(text));
        }
        return isThere;
    };
    const auto id = history->record(record)->ids.front();
    QVERIFY(id > 0);
    QVERIFY(everywhere("very-secret.path"));
    QVERIFY(!everywhere("very-secret.name"));
    QVERIFY(!everywhere("very-secret.example"));
    const auto claims = history->claimOwed(1);
    QCOMPARE(claims->size(), size_t(1));
    QCOMPARE(*history->settle(claims->front(), Ending::Scanned, cleanResult()),
        ReleaseHistory::Settled::Done);
    QCOMPARE(history->find(id)->id, 0);
    QVERIFY(!everywhere("very-secret"));

    record.state = State::Settled;
    QCOMPARE(history->record(record)->ids.front(), 0);
    record.state = State::Owed;
    record.path.clear();
    QCOMPARE(history->record(record)->ids.front(), 0);
    QCOMPARE(history->counts()->records, 0);
}

void tst_ReleaseHistory::record_beyondTheBound_dropsTheSettledFirst()
{
    auto few = settings();
    few.maxRecords = 3;
    const auto history = open(few);
    const auto owed = history->record(owedRecord(1))->ids.front();
    const auto first = history->record(settledRecord(2))->ids.front();
    m_now = m_now.addSecs(1);
    const auto second = history->record(settledRecord(3))->ids.front();
    const auto beyond = history->record(settledRecord(4));
    QVERIFY(beyond->dropped.empty());
    QCOMPARE(history->find(first)->id, 0);
    QCOMPARE(history->find(second)->id, second);
    QCOMPARE(history->find(owed)->id, owed);
    QCOMPARE(history->counts()->records, 3);
}

void tst_ReleaseHistory::record_onlyOwedOnes_saysWhichWereDropped()
{
    auto few = settings();
    few.maxRecords = 2;
    const auto history = open(few);
    const auto oldest = history->record(owedRecord(1))->ids.front();
    m_now = m_now.addSecs(1);
    QVERIFY(history->record(owedRecord(2)));
    m_now = m_now.addSecs(1);
    const auto beyond = history->record(owedRecord(3));
    QCOMPARE(beyond->dropped.size(), size_t(1));
    QCOMPARE(beyond->dropped.front().id, oldest);
    QCOMPARE(beyond->dropped.front().path, owedRecord(1).path);
    QCOMPARE(history->counts()->owed, 2);
}

void tst_ReleaseHistory::place_owed_isDueThere()
{
    ReleaseRecord record = owedRecord();
    record.path.clear();
    const auto history = open();
    const qint64 id = history->record(record)->ids.front();
    QVERIFY(history->claimOwed(1)->empty()); // nobody knows where it is
    const FileStamp stamp{1, 2, 3, 4};
    QVERIFY(history->place(id, QStringLiteral("/nowhere/new"), stamp, m_now.addSecs(60)).value());
    QVERIFY(history->claimOwed(1)->empty());
    m_now = m_now.addSecs(60);
    const auto claims = history->claimOwed(1);
    VERIFY_GOOD(claims);
    QCOMPARE(claims->size(), size_t(1));
    QCOMPARE(claims->front().record.id, id);
    QCOMPARE(claims->front().record.path, QStringLiteral("/nowhere/new"));
    QCOMPARE(claims->front().record.stamp.inode, stamp.inode);
}

void tst_ReleaseHistory::place_nowhere_isNotScanned()
{
    const auto history = open();
    const qint64 id = history->record(owedRecord())->ids.front();
    QVERIFY(history->place(id, {}, {}, m_now).value());
    QVERIFY(history->claimOwed(1)->empty());
    QCOMPARE(history->claimByHash(hashNumber(1), 1)->size(), size_t(1)); // it was given out
}

void tst_ReleaseHistory::place_whatIsNotOwedAnyMore_isFalse()
{
    const auto history = open();
    const qint64 settled = history->record(settledRecord(1))->ids.front();
    const qint64 claimed = history->record(owedRecord(2))->ids.front();
    QCOMPARE(history->claimOwed(1)->size(), size_t(1));
    for (const qint64 id : {settled, claimed, claimed + 1}) {
        const auto placed = history->place(id, QStringLiteral("/nowhere/new"), {}, m_now);
        VERIFY_GOOD(placed);
        QVERIFY(!*placed);
    }
    QCOMPARE(history->find(settled)->path, QStringLiteral("/nowhere/file-1"));
    QCOMPARE(history->find(claimed)->path, QStringLiteral("/nowhere/file-2"));
}

void tst_ReleaseHistory::claim_owed_isOneProcessesAlone()
{
    const auto one = open();
    const auto other = open();
    QVERIFY(one->record(owedRecord()));
    const auto claims = one->claimOwed(10);
    QCOMPARE(claims->size(), size_t(1));
    QVERIFY(other->claimOwed(10)->empty());
    QVERIFY(one->claimOwed(10)->empty()); // nor a second time by the same
}

void tst_ReleaseHistory::claim_ofADeadProcess_ends()
{
    QCOMPARE(runInChild([this] {
        ReleaseHistory history(m_path);
        return history.record(owedRecord()) && history.claimOwed(1)->size() == 1 ? 0 : 1;
    }),
        QStringLiteral("exit 0"));
    QCOMPARE(open()->claimOwed(1)->size(), size_t(1));
}

void tst_ReleaseHistory::claim_timeIsOver_ends()
{
    const auto history = open();
    QVERIFY(history->record(owedRecord()));
    QCOMPARE(history->claimOwed(1)->size(), size_t(1));
    m_now = m_now.addMSecs(settings().lease.count() - 1);
    QVERIFY(history->claimOwed(1)->empty());
    m_now = m_now.addMSecs(1);
    QCOMPARE(history->claimOwed(1)->size(), size_t(1));
}

void tst_ReleaseHistory::claim_clockSetBack_ends()
{
    const auto history = open();
    m_now = m_now.addYears(1);
    QVERIFY(history->record(owedRecord(1)));
    QCOMPARE(history->claimOwed(1)->size(), size_t(1));
    QVERIFY(history->record(owedRecord(2)));
    const auto second = history->claimOwed(1);
    QVERIFY(*history->postpone(second->front(), std::chrono::minutes(1)));
    m_now = m_now.addYears(-1);
    QCOMPARE(history->claimOwed(2)->size(), size_t(2));
}

void tst_ReleaseHistory::claim_twoAtOnce_neverGetTheSame()
{
    constexpr int count = 60 / slowness;
    {
        const auto history = open();
        for (int number = 0; number < count; ++number)
            QVERIFY(history->record(owedRecord(number)));
    }
    int ends[2];
    QCOMPARE(::pipe(ends), 0);
    std::vector<pid_t> children;
    for (int child = 0; child < 3; ++child) {
        children.push_back(startChild([this, out = ends[1]] {
            ReleaseHistory history(m_path);
            while (true) {
                const auto claims = history.claimOwed(2);
                if (!claims)
                    return 1;
                if (claims->empty())
                    return 0;
                for (const auto &claim : *claims) {
                    const auto settled = history.settle(claim, Ending::Scanned, threatResult());
                    if (!settled || *settled != ReleaseHistory::Settled::ThreatToTell)
                        return 2;
                    if (::write(out, &claim.record.id, sizeof claim.record.id) < 0)
                        return 3;
                    if (!history.told(claim, threatResult()).value_or(false))
                        return 4;
                }
            }
        }));
    }
    ::close(ends[1]);
    std::multiset<qint64> told;
    for (qint64 id = 0; ::read(ends[0], &id, sizeof id) == sizeof id;)
        told.insert(id);
    ::close(ends[0]);
    for (const pid_t child : children)
        QCOMPARE(endOf(child), QStringLiteral("exit 0"));
    QCOMPARE(told.size(), size_t(count));
    QCOMPARE(std::set(told.begin(), told.end()).size(), size_t(count));
    QCOMPARE(open()->counts()->owed, 0);
}

void tst_ReleaseHistory::claim_order_isUnscannedFirstThenOldest()
{
    const auto history = open();
    QVERIFY(history->record(settledRecord(1)));
    m_now = m_now.addSecs(1);
    QVERIFY(history->record(owedRecord(2)));
    m_now = m_now.addSecs(1);
    QVERIFY(history->record(owedRecord(3)));
    QCOMPARE(history->oweAgain("new", m_now.addDays(-1), 10).value_or(-1), 1);
    const auto claims = history->claimOwed(3);
    QCOMPARE(claims->size(), size_t(3));
    QCOMPARE(claims->at(0).record.sha256, hashNumber(2));
    QCOMPARE(claims->at(1).record.sha256, hashNumber(3));
    QCOMPARE(claims->at(2).record.sha256, hashNumber(1));
}

void tst_ReleaseHistory::claim_pathless_isNotScanned()
{
    const auto history = open();
    ReleaseRecord record = owedRecord();
    record.path.clear();
    QVERIFY(history->record(record));
    QVERIFY(history->claimOwed(1)->empty());
    QCOMPARE(history->counts()->unreachable, 1);
    QCOMPARE(history->counts()->owed, 0);
}

void tst_ReleaseHistory::settle_clean_isDoneOnce()
{
    const auto history = open();
    const auto id = history->record(owedRecord())->ids.front();
    const auto claims = history->claimOwed(1);
    QCOMPARE(*history->settle(claims->front(), Ending::Scanned, cleanResult()),
        ReleaseHistory::Settled::Done);
    QCOMPARE(*history->settle(claims->front(), Ending::Scanned, cleanResult()),
        ReleaseHistory::Settled::NotOurs);
    const auto settled = history->find(id);
    QCOMPARE(settled->state, State::Settled);
    QCOMPARE(settled->ending, Ending::Scanned);
    QCOMPARE(settled->verdict, Verdict::Clean);
    QCOMPARE(settled->reason, Reason::None);
    QCOMPARE(settled->rulesDigest, cleanResult().coverage().ruleSetDigest);
    QVERIFY(history->claimOwed(1)->empty());
}

void tst_ReleaseHistory::settle_threat_isToldByOneAlone()
{
    const auto one = open();
    const auto other = open();
    const auto id = one->record(owedRecord())->ids.front();
    const auto late = one->claimOwed(1);
    m_now = m_now.addDays(1); // a scan that hung: somebody else has done it meanwhile
    const auto claims = other->claimOwed(1);
    QCOMPARE(claims->size(), size_t(1));
    QCOMPARE(*other->settle(claims->front(), Ending::Scanned, threatResult()),
        ReleaseHistory::Settled::ThreatToTell);
    QCOMPARE(*one->settle(late->front(), Ending::Scanned, threatResult()),
        ReleaseHistory::Settled::NotOurs);
    QVERIFY(one->claimOwed(1)->empty());
    QCOMPARE(*one->told(late->front(), threatResult()), false);
    QCOMPARE(*other->told(claims->front(), threatResult()), true);
    QCOMPARE(*other->told(claims->front(), threatResult()), false);
    QCOMPARE(one->find(id)->verdict, Verdict::Malicious);
    QCOMPARE(one->find(id)->state, State::Settled);
}

void tst_ReleaseHistory::settle_killedBeforeTelling_isToldByTheNext()
{
    QCOMPARE(runInChild([this] {
        ReleaseHistory history(m_path);
        if (!history.record(owedRecord()))
            return 1;
        const auto claims = history.claimOwed(1);
        const auto settled = history.settle(claims->front(), Ending::Scanned, threatResult());
        if (settled && *settled == ReleaseHistory::Settled::ThreatToTell)
            ::raise(SIGKILL);
        return 2;
    }),
        QStringLiteral("signal 9"));
    const auto history = open();
    const auto claims = history->claimOwed(1);
    QCOMPARE(claims->size(), size_t(1));
    QCOMPARE(*history->settle(claims->front(), Ending::Scanned, threatResult()),
        ReleaseHistory::Settled::ThreatToTell);
}

void tst_ReleaseHistory::settle_claimLost_changesNothing()
{
    const auto history = open();
    const auto id = history->record(owedRecord())->ids.front();
    const auto claims = history->claimOwed(1);
    QVERIFY(history->giveBack(*claims));
    QCOMPARE(*history->settle(claims->front(), Ending::Gone, cleanResult()),
        ReleaseHistory::Settled::NotOurs);
    QCOMPARE(*history->postpone(claims->front(), std::chrono::hours(1)), false);
    QCOMPARE(history->find(id)->state, State::Owed);
    QCOMPARE(history->find(id)->attempts, 0);
}

void tst_ReleaseHistory::postpone_owed_waitsForItsPause()
{
    const auto history = open();
    QVERIFY(history->record(owedRecord()));
    const auto claims = history->claimOwed(1);
    QVERIFY(!history->nextDue()->has_value() || history->nextDue()->value().count() > 0);
    QVERIFY(*history->postpone(claims->front(), std::chrono::seconds(10)));
    QVERIFY(history->claimOwed(1)->empty());
    QCOMPARE(history->nextDue()->value(), std::chrono::seconds(10));
    m_now = m_now.addSecs(10);
    QCOMPARE(history->nextDue()->value(), std::chrono::seconds(0));
    const auto again = history->claimOwed(1);
    QCOMPARE(again->size(), size_t(1));
    QCOMPARE(again->front().record.attempts, 1);
}

void tst_ReleaseHistory::giveBack_owed_isDueAtOnce()
{
    const auto history = open();
    QVERIFY(!history->nextDue()->has_value());
    QVERIFY(history->record(owedRecord()));
    QVERIFY(history->giveBack(*history->claimOwed(1)));
    const auto again = history->claimOwed(1);
    QCOMPARE(again->size(), size_t(1));
    QCOMPARE(again->front().record.attempts, 0);
}

void tst_ReleaseHistory::begin_processEnds_isAnAttempt()
{
    QVERIFY(open()->record(owedRecord(1)));
    QVERIFY(open()->record(owedRecord(2)));
    for (int tries = 1; tries <= 3; ++tries) {
        QCOMPARE(runInChild([this] {
            ReleaseHistory history(m_path);
            const auto claims = history.claimOwed(2);
            if (!claims || claims->size() != 2 || !history.begin(claims->front()).value_or(false))
                return 1;
            ::raise(SIGKILL);
            return 2;
        }),
            QStringLiteral("signal 9"));
        QCOMPARE(open()->find(1)->attempts, tries);
        QCOMPARE(open()->find(2)->attempts, 0); // was claimed, and not tried
    }
}

void tst_ReleaseHistory::begin_restedOrGivenBack_isNone()
{
    const auto history = open();
    QVERIFY(history->record(owedRecord()));
    auto claims = history->claimOwed(1);
    QCOMPARE(history->begin(claims->front()).value_or(false), true);
    QCOMPARE(history->begin(claims->front()).value_or(false), true);
    QCOMPARE(history->find(1)->attempts, 1); // not twice
    QCOMPARE(history->rest(claims->front()).value_or(false), true);
    QCOMPARE(history->find(1)->attempts, 0);
    QCOMPARE(history->begin(claims->front()).value_or(false), true);
    QVERIFY(history->giveBack(*claims));
    QCOMPARE(history->find(1)->attempts, 0);
    QCOMPARE(history->begin(claims->front()).value_or(true), false); // not ours any more
    claims = history->claimOwed(1);
    QCOMPARE(history->begin(claims->front()).value_or(false), true);
    QVERIFY(*history->postpone(claims->front(), std::chrono::milliseconds(0)));
    QCOMPARE(history->find(1)->attempts, 1); // nor here
}

void tst_ReleaseHistory::oweAgain_otherRules_oncePerDigest()
{
    const auto history = open();
    const auto id = history->record(settledRecord(1, "old"))->ids.front();
    QVERIFY(history->record(settledRecord(2, "new")));
    ReleaseRecord threat = settledRecord(3, "old");
    threat.verdict = Verdict::Malicious; // somebody has decided that
    QVERIFY(history->record(threat));
    ReleaseRecord pathless = settledRecord(4, "old");
    pathless.path.clear();
    QVERIFY(history->record(pathless));
    QCOMPARE(history->oweAgain("new", m_now.addDays(-1), 10).value_or(-1), 1);
    QCOMPARE(history->oweAgain("new", m_now.addDays(-1), 10).value_or(-1), 0);
    QCOMPARE(history->counts()->judgedAgain, 1);
    const auto claims = history->claimOwed(10);
    QCOMPARE(claims->size(), size_t(1));
    QCOMPARE(claims->front().record.id, id);
    // A scan that reaches no verdict names no rules: it is not tried for ever.
    QVERIFY(history->settle(
        claims->front(), Ending::Scanned, ScanResult::notScanned(Reason::TooLarge)));
    QCOMPARE(history->oweAgain("new", m_now.addDays(-1), 10).value_or(-1), 0);
    QCOMPARE(history->oweAgain("newer", m_now.addDays(-1), 10).value_or(-1), 2);
}

void tst_ReleaseHistory::oweAgain_boundedByAgeAndCount()
{
    const auto history = open();
    for (int number = 0; number < 10; ++number) {
        QVERIFY(history->record(settledRecord(number)));
        m_now = m_now.addSecs(10);
    }
    QCOMPARE(history->oweAgain("new", m_now.addSecs(-50), 3).value_or(-1), 3);
    const auto claims = history->claimOwed(10);
    QCOMPARE(claims->size(), size_t(3));
    QCOMPARE(claims->back().record.sha256, hashNumber(9)); // the newest three
    QCOMPARE(history->oweAgain("new", m_now.addSecs(-50), 10).value_or(-1), 2);
}

void tst_ReleaseHistory::claimByHash_threatElsewhere_findsAllThatGotIt()
{
    const auto history = open();
    ReleaseRecord pathless = owedRecord(1);
    pathless.path.clear();
    QVERIFY(history->record(pathless));
    QVERIFY(history->record(settledRecord(1)));
    QVERIFY(history->record(owedRecord(2)));
    QVERIFY(history->claimByHash({}, 10)->empty());
    const auto claims = history->claimByHash(hashNumber(1), 10);
    QCOMPARE(claims->size(), size_t(2));
    for (const auto &claim : *claims) {
        QCOMPARE(*history->settle(claim, Ending::Scanned, threatResult(hashNumber(1))),
            ReleaseHistory::Settled::ThreatToTell);
        QVERIFY(*history->told(claim, threatResult(hashNumber(1))));
    }
    QVERIFY(history->claimByHash(hashNumber(1), 10)->empty());
}

void tst_ReleaseHistory::purge_old_saysWhatWasNeverScanned()
{
    const auto history = open();
    QVERIFY(history->record(owedRecord(1)));
    QVERIFY(history->record(settledRecord(2)));
    m_now = m_now.addDays(29);
    QVERIFY(history->record(settledRecord(3)));
    QVERIFY(history->purge()->empty());
    QCOMPARE(history->counts()->records, 3);
    m_now = m_now.addDays(2);
    const auto dropped = history->purge();
    QCOMPARE(dropped->size(), size_t(1));
    QCOMPARE(dropped->front().sha256, hashNumber(1));
    QCOMPARE(history->counts()->records, 1);
    QVERIFY(history->purge()->empty());
}

void tst_ReleaseHistory::purge_foundAndNotTold_isKeptLongerNotForEver()
{
    QCOMPARE(runInChild([this] {
        ReleaseHistory history(m_path);
        ReleaseRecord pathless = owedRecord();
        pathless.path.clear();
        if (!history.record(pathless))
            return 1;
        const auto claims = history.claimByHash(hashNumber(1), 1);
        const auto settled = history.settle(claims->front(), Ending::Scanned, threatResult());
        if (settled && *settled == ReleaseHistory::Settled::ThreatToTell)
            ::raise(SIGKILL);
        return 2;
    }),
        QStringLiteral("signal 9"));
    const auto history = open();
    m_now = m_now.addDays(59);
    QVERIFY(history->purge()->empty());
    m_now = m_now.addDays(2);
    const auto dropped = history->purge();
    QCOMPARE(dropped->size(), size_t(1));
    QCOMPARE(dropped->front().sha256, hashNumber(1));
    QCOMPARE(history->counts()->records, 0);
}

void tst_ReleaseHistory::forget_record_isGone()
{
    const auto history = open();
    const auto id = history->record(owedRecord())->ids.front();
    QCOMPARE(*history->forget(id), true);
    QCOMPARE(*history->forget(id), false);
    QCOMPARE(history->counts()->records, 0);
}

void tst_ReleaseHistory::file_isItsUsersAlone()
{
    const mode_t old = ::umask(0);
    const auto history = open();
    VERIFY_GOOD(history->record(owedRecord()));
    ::umask(old);
    QCOMPARE(modeOf(QFileInfo(m_path).path()), mode_t(0700));
    for (const char *suffix : {"", "-wal", "-shm"})
        QCOMPARE(modeOf(m_path + QLatin1String(suffix)), mode_t(0600));
    QCOMPARE(::chmod(QFile::encodeName(m_path).constData(), 0644), 0);
    VERIFY_GOOD(open()->counts());
    QCOMPARE(modeOf(m_path), mode_t(0600));
}

void tst_ReleaseHistory::file_broken_isMovedAside_data()
{
    QTest::addColumn<QByteArray>("content");

    QTest::newRow("text") << QByteArray("this is no database, and never was one\n").repeated(100);
    QTest::newRow("zeros") << QByteArray(8192, '\0');
    QTest::newRow("a header alone") << QByteArray("SQLite format 3\0", 16) + QByteArray(84, 'x');
    QTest::newRow("cut off") << QByteArray();
    QTest::newRow("a page overwritten") << QByteArray();
}

void tst_ReleaseHistory::file_broken_isMovedAside()
{
    QFETCH(QByteArray, content);
    {
        const auto history = open();
        for (int number = 0; number < 50; ++number)
            VERIFY_GOOD(history->record(owedRecord(number)));
    }
    QFile file(m_path);
    QVERIFY(file.open(QIODevice::ReadWrite));
    if (!content.isEmpty()) {
        QVERIFY(file.resize(0));
        QCOMPARE(file.write(content), content.size());
    } else if (QLatin1StringView(QTest::currentDataTag()) == QLatin1StringView("cut off")) {
        QVERIFY(file.resize(file.size() - 5000));
    } else {
        QVERIFY(file.seek(4096));
        file.write(QByteArray(4096, 'x'));
    }
    file.close();
    const auto history = open();
    const auto recorded = history->record(owedRecord(1));
    VERIFY_GOOD(recorded);
    QCOMPARE(history->counts()->records, 1);
    const QString notice = history->takeNotice();
    QVERIFY2(notice.contains(QStringLiteral("broken")), qPrintable(notice));
    QVERIFY(history->takeNotice().isEmpty());
    const QDir directory(QFileInfo(m_path).path());
    QCOMPARE(directory.entryList({QStringLiteral("history.sqlite.broken-*")}).size(), 1);
}

void tst_ReleaseHistory::file_brokenWhileOpen_isMovedAside()
{
    const auto history = open();
    for (int number = 0; number < 200; ++number)
        VERIFY_GOOD(history->record(settledRecord(number)));
    for (const char *suffix : {"", "-wal"}) {
        QFile file(m_path + QLatin1String(suffix));
        QVERIFY(file.open(QIODevice::ReadWrite));
        const QByteArray noise(file.size(), 'x');
        QCOMPARE(file.write(noise), noise.size());
        file.close(); // (the locks are gone, too; nobody else is here)
    }
    // What SQLite keeps in memory may still answer; a new look must not.
    const auto other = open();
    VERIFY_GOOD(other->record(owedRecord(1)));
    QCOMPARE(other->counts()->owed, 1);
    VERIFY_GOOD(history->record(owedRecord(2)));
    QCOMPARE(history->counts()->owed, 2);
    QCOMPARE(other->counts()->owed, 2);
}

void tst_ReleaseHistory::file_ofANewerVersion_isLeftAlone()
{
    VERIFY_GOOD(open()->record(owedRecord()));
    QFile file(m_path);
    QVERIFY(file.open(QIODevice::ReadWrite));
    QVERIFY(file.seek(60)); // user_version (https://www.sqlite.org/fileformat2.html)
    QCOMPARE(file.write(QByteArray("\0\0\0\x02", 4)), 4);
    file.close();
    const auto refused = open()->record(owedRecord());
    QVERIFY(!refused);
    QVERIFY2(
        refused.error().contains(QStringLiteral("newer version")), qPrintable(refused.error()));
    QCOMPARE(QDir(QFileInfo(m_path).path()).entryList(QDir::Files).size(), 1);
}

void tst_ReleaseHistory::file_unfit_isAnErrorWithAMessage_data()
{
    QTest::addColumn<QString>("kind");

    QTest::newRow("a directory") << "directory";
    QTest::newRow("a link") << "link";
    QTest::newRow("below a file") << "file";
}

void tst_ReleaseHistory::file_unfit_isAnErrorWithAMessage()
{
    QFETCH(QString, kind);
    const QString directory = QFileInfo(m_path).path();
    if (kind == QStringLiteral("file")) {
        QFile file(directory);
        QVERIFY(file.open(QIODevice::WriteOnly));
    } else if (kind == QStringLiteral("link")) {
        QVERIFY(QDir().mkpath(directory));
        QVERIFY(QFile::link(m_directory->filePath(QStringLiteral("elsewhere")), m_path));
    } else {
        QVERIFY(QDir().mkpath(m_path));
    }
    const auto refused = open()->record(owedRecord());
    QVERIFY(!refused);
    QVERIFY2(refused.error().contains(directory), qPrintable(refused.error()));
    QVERIFY(!QFile::exists(m_directory->filePath(QStringLiteral("elsewhere"))));
}

void tst_ReleaseHistory::file_noRoom_isAnErrorAndLaterWorks()
{
    // A bound on files stands for a disk that is full; for one process, so in a child.
    QCOMPARE(runInChild([this] {
        ::signal(SIGXFSZ, SIG_IGN);
        ReleaseHistory history(m_path);
        if (!history.record(owedRecord(0)))
            return 1;
        rlimit limit{};
        ::getrlimit(RLIMIT_FSIZE, &limit);
        const rlim_t usual = limit.rlim_cur;
        limit.rlim_cur = 200'000;
        ::setrlimit(RLIMIT_FSIZE, &limit);
        int number = 0;
        QString error;
        while (number < 2000 && error.isEmpty()) {
            const auto recorded = history.record(owedRecord(++number));
            if (!recorded)
                error = recorded.error();
        }
        if (!error.contains(QStringLiteral("make room")))
            return 2;
        limit.rlim_cur = usual;
        ::setrlimit(RLIMIT_FSIZE, &limit);
        if (!history.record(owedRecord(number)))
            return 3;
        return history.counts()->owed == number + 1 ? 0 : 4;
    }),
        QStringLiteral("exit 0"));
}

void tst_ReleaseHistory::file_onAReadOnlyDisk_isAnErrorAndLaterWorks()
{
    VERIFY_GOOD(open()->record(owedRecord(1)));
    constexpr int cannot = 77;
    const QString end = runInChild([this] {
        const QByteArray directory = QFile::encodeName(QFileInfo(m_path).path());
        const auto mount = [&](unsigned long flags) {
            return ::mount(directory, directory, nullptr, flags, nullptr) == 0;
        };
        // Of this process alone, which is root in there.
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !mount(MS_BIND)
            || !mount(MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV))
            return cannot;
        ReleaseHistory history(m_path);
        const auto recorded = history.record(owedRecord(2));
        if (recorded)
            return 1;
        if (!recorded.error().contains(m_path))
            return 2;
        if (!mount(MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV))
            return cannot;
        return history.record(owedRecord(3)) ? 0 : 3;
    });
    if (end == QStringLiteral("exit %1").arg(cannot))
        QSKIP("processes may not have file systems of their own here");
    QCOMPARE(end, QStringLiteral("exit 0"));
    QCOMPARE(open()->counts()->owed, 2);
}

void tst_ReleaseHistory::file_busyForLong_isAnErrorInTime()
{
    VERIFY_GOOD(open()->record(owedRecord()));
    int ready[2];
    int done[2];
    QVERIFY(::pipe(ready) == 0 && ::pipe(done) == 0);
    // Somebody writes, and does not come to an end.
    const pid_t child = startChild([this, ready, done] {
        ReleaseHistory::Settings slow;
        slow.now = [ready, done] {
            char byte = 0;
            return ::write(ready[1], "x", 1) == 1 && ::read(done[0], &byte, 1) == 1
                ? QDateTime::currentDateTimeUtc()
                : QDateTime();
        };
        ReleaseHistory blocked(m_path, slow);
        return blocked.record(owedRecord(2)) ? 0 : 1; // asks for the time while it writes
    });
    char byte = 0;
    QVERIFY(::read(ready[0], &byte, 1) == 1);
    auto hasty = settings();
    hasty.busyTimeout = std::chrono::milliseconds(50);
    const auto history = open(hasty);
    QElapsedTimer timer;
    timer.start();
    const auto refused = history->record(owedRecord(3));
    const qint64 took = timer.elapsed();
    QVERIFY(::write(done[1], "x", 1) == 1);
    QCOMPARE(endOf(child), QStringLiteral("exit 0"));
    QVERIFY(!refused);
    QVERIFY2(refused.error().contains(QStringLiteral("busy")), qPrintable(refused.error()));
    QVERIFY2(took < 5000, qPrintable(QString::number(took)));
    VERIFY_GOOD(history->record(owedRecord(3)));
    QCOMPARE(history->counts()->owed, 3);
    for (const int end : {ready[0], ready[1], done[0], done[1]})
        ::close(end);
}

void tst_ReleaseHistory::file_replacedMeanwhile_isOpenedAnew()
{
    const auto history = open();
    QVERIFY(history->record(owedRecord(1)));
    QVERIFY(QDir(QFileInfo(m_path).path()).removeRecursively());
    VERIFY_GOOD(history->record(owedRecord(2)));
    QCOMPARE(open()->counts()->owed, 1);
}

void tst_ReleaseHistory::processes_manyAtOnce_loseNothing()
{
    constexpr int each = 40;
    std::vector<pid_t> children;
    for (int child = 0; child < 4; ++child) { // they make the file, too
        children.push_back(startChild([this, child] {
            ReleaseHistory history(m_path);
            for (int number = 0; number < each; ++number) {
                const auto recorded = history.record(owedRecord(child * each + number));
                if (!recorded) {
                    qWarning().noquote() << recorded.error();
                    return 1;
                }
            }
            return 0;
        }));
    }
    for (const pid_t child : children)
        QCOMPARE(endOf(child), QStringLiteral("exit 0"));
    QCOMPARE(open()->counts()->owed, 4 * each);
}

void tst_ReleaseHistory::kill_anyTime_losesNothingThatWasRecorded()
{
    constexpr int kills = 20;
    std::set<int> recorded;
    for (int kill = 0; kill < kills; ++kill) {
        int ends[2];
        QCOMPARE(::pipe(ends), 0);
        const pid_t child =
            startChild([this, out = ends[1]] { return recordWithoutEnd(m_path, out); });
        ::close(ends[1]);
        // Killed right after the k-th record() has returned, and in the middle of the next.
        int number = 0;
        for (int i = 0; i <= kill; ++i)
            QVERIFY(::read(ends[0], &number, sizeof number) == sizeof number);
        ::kill(child, SIGKILL);
        while (::read(ends[0], &number, sizeof number) == sizeof number) { }
        ::close(ends[0]);
        QCOMPARE(endOf(child), QStringLiteral("signal 9"));
        const auto history = open();
        const auto counts = history->counts();
        VERIFY_GOOD(counts);
        // What was said to be recorded is; the one in work may be.
        QVERIFY2(counts->owed == number || counts->owed == number + 1,
            qPrintable(QStringLiteral("%1 of %2").arg(counts->owed).arg(number)));
        const auto claims = history->claimOwed(10'000);
        std::set<QByteArray> hashes;
        for (const auto &claim : *claims)
            hashes.insert(claim.record.sha256);
        for (int i = 1; i <= number; ++i)
            QVERIFY(hashes.contains(hashNumber(i)));
        QVERIFY(QDir(QFileInfo(m_path).path()).removeRecursively());
    }
}

void tst_ReleaseHistory::kill_atEachSystemCall_leavesAFileThatWorks()
{
#ifdef SENTINEL_SANITIZED
    QSKIP("a sanitizer does not work in a process that is traced");
#endif
    if (QStandardPaths::findExecutable(QStringLiteral("strace")).isEmpty())
        QSKIP("strace is not installed");
    const QString self = QCoreApplication::applicationFilePath();
    // What touches files on the way of one record().
    const QStringList calls{QStringLiteral("openat"), QStringLiteral("mkdir"),
        QStringLiteral("mknodat"), QStringLiteral("pwrite64"), QStringLiteral("fdatasync"),
        QStringLiteral("fsync"), QStringLiteral("ftruncate"), QStringLiteral("unlink"),
        QStringLiteral("fchmod"), QStringLiteral("mmap"), QStringLiteral("fcntl"),
        QStringLiteral("write")};
    int killed = 0;
    int recordedBefore = 0;
    for (const QString &call : calls) {
        for (int when = 1; when < 200; ++when) {
            const QString path =
                m_directory->filePath(QStringLiteral("%1-%2/history.sqlite").arg(call).arg(when));
            QProcess process;
            process.setProcessChannelMode(QProcess::ForwardedErrorChannel);
            process.start(QStringLiteral("strace"),
                {QStringLiteral("-f"), QStringLiteral("-o"), QStringLiteral("/dev/null"),
                    QStringLiteral("-P"), path, QStringLiteral("-P"), path + QStringLiteral("-wal"),
                    QStringLiteral("-P"), path + QStringLiteral("-shm"), QStringLiteral("-P"),
                    QFileInfo(path).path(), QStringLiteral("-e"),
                    QStringLiteral("inject=%1:signal=SIGKILL:when=%2").arg(call).arg(when), self,
                    QStringLiteral("--record"), path});
            QVERIFY(process.waitForFinished(60'000));
            const bool saidSo = process.readAllStandardOutput().contains("recorded");
            const bool wasKilled = process.exitStatus() == QProcess::CrashExit;
            if (!wasKilled) {
                QCOMPARE(process.exitCode(), 0);
                QVERIFY(saidSo);
                break; // it has not so many of them
            }
            ++killed;
            recordedBefore += saidSo;
            ReleaseHistory history(path);
            const auto counts = history.counts();
            VERIFY_GOOD(counts);
            QVERIFY(counts->owed == 1 || (counts->owed == 0 && !saidSo));
            const auto recorded = history.record(owedRecord(2));
            VERIFY_GOOD(recorded);
            QVERIFY2(history.takeNotice().isEmpty(), "a kill has broken the file");
            QVERIFY(QDir(QFileInfo(path).path()).removeRecursively());
        }
    }
    qInfo("killed at %d system calls, %d after it was recorded", killed, recordedBefore);
    QVERIFY(killed > 20);
}

int main(int argc, char *argv[])
{
    QCoreApplication application(argc, argv);
    if (argc == 3 && QByteArray(argv[1]) == "--record")
        return recordOne(QFile::decodeName(argv[2]));
    tst_ReleaseHistory test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_releasehistory.moc"
