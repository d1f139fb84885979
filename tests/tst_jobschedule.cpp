// SPDX-License-Identifier: MIT
#include "SecurityTap/history/ReleaseHistory.h"
#include "SecurityTap/jobs/JobSchedule.h"
#include "tests/support/ChildProcess.h"
#include "tests/support/CliRun.h"
#include "tests/support/ScriptedTask.h"
#include "tests/support/Slowness.h"

#include <QDir>
#include <QElapsedTimer>
#include <QProcess>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <csignal>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;

using std::chrono::milliseconds;

namespace {

constexpr std::chrono::hours hourly{1};

//! Looks often, and does not wait for a program to begin.
JobSchedule::Settings quickSettings()
{
    JobSchedule::Settings settings;
    settings.startDelay = milliseconds(0);
    settings.look = milliseconds(5);
    settings.leastRetry = milliseconds(1);
    return settings;
}

//! Leaves a line in \p path for each time that it was done.
JobResult leaveLine(const QString &path)
{
    const int file =
        ::open(QFile::encodeName(path).constData(), O_WRONLY | O_APPEND | O_CREAT, 0600);
    const bool isDone = ::write(file, "done\n", 5) == 5;
    ::close(file);
    return isDone ? JobResult(QStringLiteral("a line was left")) : std::unexpected(QString());
}

//! Has \p schedule do what is due; false if it does not come to an end.
bool lookOnce(JobSchedule &schedule)
{
    QSignalSpy looked(&schedule, &JobSchedule::looked);
    schedule.look();
    return looked.wait(patienceMs);
}

qint64 linesIn(const QString &path)
{
    return QFileInfo(path).size() / 5;
}

} // namespace

class tst_JobSchedule : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_directory = std::make_unique<QTemporaryDir>();
        m_path = m_directory->filePath(QStringLiteral("state/history.sqlite"));
        m_lines = m_directory->filePath(QStringLiteral("lines"));
        m_now = QDateTime::currentDateTimeUtc();
    }

    void job_due_runsAndIsRemembered();
    void job_twiceInItsInterval_isDoneOnce();
    void job_twoProcessesAtOnce_isDoneOnce();
    void job_killedWhileItRuns_isDoneByTheNext();
    void job_machineSlept_isDoneOnce();
    void job_clockSetBack_runsAgainButNotTwice();
    void job_clockFarAhead_isDueAgainAfterwards();
    void job_failing_isTriedAgainAfterGrowingPauses();
    void job_throwing_isAFailure();
    void job_longResult_isCut();
    void jobs_oneFails_othersRun();
    void claim_lost_finishChangesNothing();
    void stop_jobRuns_waitsForItAndNoOtherBegins();
    void start_delay_isWaitedFor();
    void readAll_noFile_isEmptyAndMakesNone();
    void readAll_othersRun_isSeen();
    void readAll_badFile_isAnErrorAndLeavesIt();
    void history_broken_isBegunAnew();
    void history_unfit_isToldAndNothingRuns();

private:
    Job lineJob(milliseconds interval = hourly) const
    {
        return {QStringLiteral("line"), interval, [path = m_lines] { return leaveLine(path); }};
    }
    JobRuns::Now clock()
    {
        return [this] { return m_now; };
    }
    //! What a look at the clock would do, without threads.
    bool runNow(JobRuns &runs, const JobResult &result, milliseconds interval = hourly)
    {
        const auto claim = runs.claim(QStringLiteral("job"), interval);
        if (!claim)
            qFatal("%s", qPrintable(claim.error()));
        return *claim && runs.finish(**claim, result, milliseconds(1), interval).value_or(false);
    }
    JobRun remembered() const { return JobRuns::readAll(m_path).value().front(); }

    std::unique_ptr<QTemporaryDir> m_directory;
    QString m_path;
    QString m_lines;
    QDateTime m_now;
};

#define AWAIT(condition) QTRY_VERIFY_WITH_TIMEOUT(condition, patienceMs)

void tst_JobSchedule::job_due_runsAndIsRemembered()
{
    JobSchedule schedule(m_path, {lineJob()}, quickSettings());
    QSignalSpy ran(&schedule, &JobSchedule::ran);
    schedule.start();
    AWAIT(ran.size() == 1);
    const auto told = ran.front().front().value<JobRun>();
    QCOMPARE(told.name, QStringLiteral("line"));
    QVERIFY(told.hasSucceeded);
    QCOMPARE(told.result, QStringLiteral("a line was left"));
    const JobRun run = remembered();
    QCOMPARE(run.name, told.name);
    QCOMPARE(run.ranAt, told.ranAt);
    QCOMPARE(run.result, told.result);
    QVERIFY(run.hasSucceeded);
    QVERIFY(!run.isRunning);
    QCOMPARE(run.runs, 1);
    const auto pause = std::chrono::seconds(run.ranAt.secsTo(run.dueAt));
    QVERIFY(pause >= hourly && pause <= hourly * 1.2);
}

void tst_JobSchedule::job_twiceInItsInterval_isDoneOnce()
{
    for (int i = 0; i < 3; ++i) {
        JobSchedule schedule(m_path, {lineJob()}, quickSettings());
        for (int look = 0; look < 3; ++look)
            QVERIFY(lookOnce(schedule));
    }
    QCOMPARE(linesIn(m_lines), 1);
    JobRuns runs(m_path, clock());
    m_now = m_now.addSecs(2 * 3600);
    QVERIFY(runs.claim(QStringLiteral("line"), hourly)->has_value());
}

//! Of the children below.
static int runOnce(const QString &historyPath, const QString &lines)
{
    const Job job{QStringLiteral("line"), hourly, [lines] { return leaveLine(lines); }};
    JobSchedule schedule(historyPath, {job}, quickSettings());
    return lookOnce(schedule) ? 0 : 1;
}

static int runAndDie(const QString &historyPath, const QString &lines)
{
    const Job job{QStringLiteral("line"), hourly, [lines]() -> JobResult {
                      ::raise(SIGKILL);
                      return leaveLine(lines);
                  }};
    JobSchedule schedule(historyPath, {job}, quickSettings());
    return lookOnce(schedule) ? 0 : 1;
}

void tst_JobSchedule::job_twoProcessesAtOnce_isDoneOnce()
{
    constexpr int rounds = 8 / (slowness > 1 ? 4 : 1);
    for (int round = 1; round <= rounds; ++round) {
        const QString path =
            m_directory->filePath(QStringLiteral("state-%1/history.sqlite").arg(round));
        std::vector<std::unique_ptr<QProcess>> children;
        for (int child = 0; child < 3; ++child) {
            children.push_back(std::make_unique<QProcess>());
            children.back()->setProcessChannelMode(QProcess::ForwardedChannels);
            children.back()->start(
                QCoreApplication::applicationFilePath(), {QStringLiteral("--run"), path, m_lines});
        }
        for (const auto &child : children) {
            QVERIFY(child->waitForFinished(patienceMs));
            QCOMPARE(child->exitCode(), 0);
        }
        QCOMPARE(linesIn(m_lines), round);
        QCOMPARE(JobRuns::readAll(path)->front().runs, 1);
    }
}

void tst_JobSchedule::job_killedWhileItRuns_isDoneByTheNext()
{
    QProcess child;
    child.start(
        QCoreApplication::applicationFilePath(), {QStringLiteral("--die"), m_path, m_lines});
    QVERIFY(child.waitForFinished(patienceMs));
    QCOMPARE(child.exitStatus(), QProcess::CrashExit);
    QCOMPARE(linesIn(m_lines), 0);
    QVERIFY(!remembered().isRunning);
    QCOMPARE(runOnce(m_path, m_lines), 0);
    QCOMPARE(runOnce(m_path, m_lines), 0);
    QCOMPARE(linesIn(m_lines), 1);
}

void tst_JobSchedule::job_machineSlept_isDoneOnce()
{
    JobRuns runs(m_path, clock());
    QVERIFY(runNow(runs, QStringLiteral("first")));
    m_now = m_now.addDays(3);
    QVERIFY(runNow(runs, QStringLiteral("second")));
    QVERIFY(!runNow(runs, QStringLiteral("third")));
    m_now = m_now.addSecs(3599);
    QVERIFY(!runNow(runs, QStringLiteral("fourth")));
    m_now = m_now.addSecs(1);
    QVERIFY(runNow(runs, QStringLiteral("fifth")));
}

void tst_JobSchedule::job_clockSetBack_runsAgainButNotTwice()
{
    JobRuns runs(m_path, clock());
    QVERIFY(runNow(runs, QStringLiteral("in the future")));
    m_now = m_now.addYears(-1);
    QVERIFY(runNow(runs, QStringLiteral("today")));
    QVERIFY(!runNow(runs, QStringLiteral("today again")));
    m_now = m_now.addSecs(3600);
    QVERIFY(runNow(runs, QStringLiteral("an hour later")));
}

void tst_JobSchedule::job_clockFarAhead_isDueAgainAfterwards()
{
    JobRuns runs(m_path, clock());
    const auto claim = runs.claim(QStringLiteral("job"), hourly);
    // A pause that nobody waits for to the end.
    QVERIFY(
        *runs.finish(**claim, QStringLiteral("odd"), milliseconds(1), std::chrono::hours(10'000)));
    QVERIFY(runNow(runs, QStringLiteral("good")));
}

void tst_JobSchedule::job_failing_isTriedAgainAfterGrowingPauses()
{
    auto settings = quickSettings();
    settings.leastRetry = std::chrono::minutes(1);
    settings.now = clock();
    int tries = 0;
    const Job job{QStringLiteral("bad"), std::chrono::minutes(10), [&tries]() -> JobResult {
                      ++tries;
                      return std::unexpected(QStringLiteral("no luck"));
                  }};
    for (const int pauseMinutes : {1, 2, 4, 8, 10, 10}) {
        JobSchedule schedule(m_path, {job}, settings);
        const int before = tries;
        QVERIFY(lookOnce(schedule));
        QCOMPARE(tries, before + 1);
        const JobRun run = remembered();
        QVERIFY(!run.hasSucceeded);
        QCOMPARE(run.result, QStringLiteral("no luck"));
        QCOMPARE(run.failures, tries);
        QCOMPARE(m_now.secsTo(run.dueAt), 60 * pauseMinutes);
        m_now = m_now.addSecs(60 * pauseMinutes);
    }
    JobRuns runs(m_path, clock());
    const auto claim = runs.claim(job.name, job.interval);
    QVERIFY(*runs.finish(**claim, QStringLiteral("at last"), milliseconds(1), job.interval));
    QCOMPARE(remembered().failures, 0);
}

void tst_JobSchedule::job_throwing_isAFailure()
{
    const Job one{QStringLiteral("one"), hourly,
        []() -> JobResult { throw std::runtime_error("it went wrong"); }};
    const Job other{QStringLiteral("other"), hourly, []() -> JobResult { throw 42; }};
    JobSchedule schedule(m_path, {one, other}, quickSettings());
    QVERIFY(lookOnce(schedule));
    const auto runs = JobRuns::readAll(m_path);
    QCOMPARE(runs->size(), size_t(2));
    QCOMPARE(runs->at(0).result, QStringLiteral("it went wrong"));
    QVERIFY(!runs->at(0).hasSucceeded);
    QVERIFY(!runs->at(1).hasSucceeded);
}

void tst_JobSchedule::job_longResult_isCut()
{
    JobRuns runs(m_path, clock());
    QVERIFY(runNow(runs, QString(1'000'000, QLatin1Char('x'))));
    QCOMPARE(remembered().result.size(), Limits::maxJobResultChars);
}

void tst_JobSchedule::jobs_oneFails_othersRun()
{
    const Job bad{QStringLiteral("bad"), hourly,
        []() -> JobResult { return std::unexpected(QStringLiteral("no")); }};
    auto settings = quickSettings();
    settings.leastRetry = hourly;
    JobSchedule schedule(m_path, {bad, lineJob()}, settings);
    QSignalSpy ran(&schedule, &JobSchedule::ran);
    schedule.start();
    AWAIT(ran.size() == 2);
    QCOMPARE(linesIn(m_lines), 1);
}

void tst_JobSchedule::claim_lost_finishChangesNothing()
{
    JobRuns one(m_path, clock());
    JobRuns other(m_path, clock());
    const auto hung = one.claim(QStringLiteral("job"), hourly);
    QVERIFY(!other.claim(QStringLiteral("job"), hourly)->has_value());
    m_now = m_now.addSecs(std::chrono::seconds(Limits::jobLease).count());
    QVERIFY(runNow(other, QStringLiteral("other")));
    QCOMPARE(*one.finish(**hung, QStringLiteral("one"), milliseconds(1), hourly), false);
    QCOMPARE(remembered().result, QStringLiteral("other"));
    QCOMPARE(remembered().runs, 1);
}

void tst_JobSchedule::stop_jobRuns_waitsForItAndNoOtherBegins()
{
    const Gate began;
    const Gate nobodyOpens;
    std::atomic<bool> hasEnded{false};
    const Job slow{QStringLiteral("slow"), hourly, [&]() -> JobResult {
                       began.open();
                       nobodyOpens.wait(std::chrono::seconds(1)); // long enough for stop() to begin
                       hasEnded = true;
                       return QString();
                   }};
    JobSchedule schedule(m_path, {slow, lineJob()}, quickSettings());
    schedule.look();
    QVERIFY(began.wait());
    QVERIFY(schedule.stop());
    QVERIFY(hasEnded);
    QCOMPARE(linesIn(m_lines), 0);
    schedule.look(); // nor later
    QVERIFY(schedule.stop());
    QCOMPARE(linesIn(m_lines), 0);
}

void tst_JobSchedule::start_delay_isWaitedFor()
{
    auto settings = quickSettings();
    settings.startDelay = milliseconds(50);
    JobSchedule schedule(m_path, {lineJob()}, settings);
    QSignalSpy ran(&schedule, &JobSchedule::ran);
    QElapsedTimer timer;
    timer.start();
    schedule.start();
    AWAIT(ran.size() == 1);
    QVERIFY(timer.elapsed() >= 45); // Qt's timers come up to a twentieth early
}

void tst_JobSchedule::readAll_noFile_isEmptyAndMakesNone()
{
    const auto runs = JobRuns::readAll(m_path);
    QVERIFY(runs);
    QVERIFY(runs->empty());
    QVERIFY(!QFileInfo::exists(QFileInfo(m_path).path()));
}

void tst_JobSchedule::readAll_othersRun_isSeen()
{
    JobRuns runs(m_path, clock());
    const auto claim = runs.claim(QStringLiteral("job"), hourly);
    const JobRun running = remembered();
    QVERIFY(running.isRunning);
    QVERIFY(!running.ranAt.isValid());
    QCOMPARE(running.runs, 0);
    QVERIFY(*runs.finish(**claim, QString(), milliseconds(7), hourly));
    QVERIFY(!remembered().isRunning);
    QCOMPARE(remembered().took, milliseconds(7));
    QCOMPARE(runs.all()->size(), size_t(1));
}

void tst_JobSchedule::readAll_badFile_isAnErrorAndLeavesIt()
{
    QVERIFY(QDir().mkpath(QFileInfo(m_path).path()));
    writeFile(m_path, QByteArray("no database").repeated(1000));
    const auto runs = JobRuns::readAll(m_path);
    QVERIFY(!runs);
    QVERIFY2(runs.error().contains(QStringLiteral("broken")), qPrintable(runs.error()));
    QCOMPARE(QDir(QFileInfo(m_path).path()).entryList(QDir::Files).size(), 1);
}

void tst_JobSchedule::history_broken_isBegunAnew()
{
    QVERIFY(QDir().mkpath(QFileInfo(m_path).path()));
    writeFile(m_path, QByteArray("no database").repeated(1000));
    JobRuns runs(m_path, clock());
    QVERIFY(runNow(runs, QStringLiteral("good")));
    QCOMPARE(remembered().runs, 1);
    // The releases are in the same file.
    QVERIFY(ReleaseHistory(m_path).counts());
}

void tst_JobSchedule::history_unfit_isToldAndNothingRuns()
{
    writeFile(QFileInfo(m_path).path(), "no directory");
    JobSchedule schedule(m_path, {lineJob()}, quickSettings());
    QSignalSpy trouble(&schedule, &JobSchedule::trouble);
    schedule.start();
    AWAIT(!trouble.isEmpty());
    QVERIFY(schedule.stop());
    QCOMPARE(linesIn(m_lines), 0);
}

int main(int argc, char *argv[])
{
    QCoreApplication application(argc, argv);
    const QStringList arguments = QCoreApplication::arguments();
    if (arguments.value(1) == QStringLiteral("--run"))
        return runOnce(arguments.value(2), arguments.value(3));
    if (arguments.value(1) == QStringLiteral("--die"))
        return runAndDie(arguments.value(2), arguments.value(3));
    tst_JobSchedule test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_jobschedule.moc"
