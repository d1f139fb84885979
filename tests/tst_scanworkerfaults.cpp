// SPDX-License-Identifier: MIT
#include "tests/support/PoolBench.h"
#include "tests/support/ProcessFigures.h"

#include <QTest>

#include <atomic>
#include <stdexcept>
#include <thread>

using namespace Sentinel;
using namespace std::chrono_literals;
using Test::Gate;
using Test::OpenAtEnd;
using Test::patienceMs;
using Test::PoolBench;
using Test::ScriptedTask;
using Progress = ScanTask::Progress;

namespace {

QString numbered(int number)
{
    return QString::number(number);
}

enum class Stage { Waiting, Running, BetweenSlices, Starved };

void addStages()
{
    QTest::addColumn<Stage>("stage");
    QTest::newRow("waiting") << Stage::Waiting;
    QTest::newRow("running") << Stage::Running;
    QTest::newRow("between slices") << Stage::BetweenSlices;
    QTest::newRow("starved") << Stage::Starved;
}

//! Works until nobody wants the result: what a cooperative task does.
Progress workUntilAbandoned(const SliceBudget &budget)
{
    while (!budget.isAbandoned())
        std::this_thread::yield();
    return Progress::More;
}

//! Brings a request to \p stage on a pool of one worker, which \p blocker then occupies where the
//! stage needs it so. The request's id.
quint64 submitAt(PoolBench &bench, Stage stage, const Gate &blocker)
{
    const Gate reached;
    const auto step = [stage, reached](const SliceBudget &budget) {
        reached.open();
        switch (stage) {
        case Stage::Running:
            return workUntilAbandoned(budget);
        case Stage::Starved:
            return Progress::Starved;
        default:
            return Progress::More;
        }
    };
    if (stage == Stage::Waiting) {
        bench.occupyWorker(QStringLiteral("blocker"), blocker);
        return bench.submit(QStringLiteral("subject"), step);
    }
    const quint64 id = bench.submit(QStringLiteral("subject"), step);
    reached.wait();
    if (stage == Stage::BetweenSlices)
        bench.occupyWorker(QStringLiteral("blocker"), blocker);
    return id;
}

//! The result of the request named "subject"; a broken test's if there is none or more than one.
ScanResult resultOfSubject(const PoolBench &bench)
{
    std::optional<ScanResult> result;
    for (const auto &line : bench.answers.lines()) {
        if (line.name == QStringLiteral("subject")) {
            if (result)
                return ScanResult::notScanned(
                    Reason::EngineError, QStringLiteral("answered twice"));
            result = line.result;
        }
    }
    return result.value_or(ScanResult::notScanned(Reason::EngineError, QStringLiteral("none")));
}

} // namespace

//! What goes wrong around the pool: deadlines, hangs, crashes, cancellation, stops, leaks.
class TestScanWorkerFaults : public QObject {
    Q_OBJECT

    int m_threads = 0; // without a pool; a thread that was joined may be listed a moment longer

private Q_SLOTS:
    void initTestCase() { m_threads = Test::threadCount(); }
    void cleanup();

    void deadline_inQueueWhileAllWorkersAreBlocked_isAnsweredInTime();
    void hang_deadlinePasses_workerIsReplacedAndComesBack();
    void hang_nothingElseWaits_workerGoesOnAfterwards();
    void hang_cancelled_workerIsReplaced();
    void hang_contentStillArrives_workerIsReplaced();
    void hang_moreThanCanBeReplaced_allAreAnswered();
    void suspectedThreat_scanDoesNotEndWell_isTheAnswer_data();
    void suspectedThreat_scanDoesNotEndWell_isTheAnswer();

    void crash_anywhere_isAnsweredAndReplaced_data();
    void crash_anywhere_isAnsweredAndReplaced();
    void crash_noTask_isEngineError();
    void crash_othersAreRunning_theyGoOn();
    void crash_everyScan_allAreAnswered();
    void crash_afterTheAnswer_isNoSecondAnswer();

    void cancel_anyStage_isCancelledAndGone_data() { addStages(); }
    void cancel_anyStage_isCancelledAndGone();
    void cancel_answeredOrUnknown_hasNoEffect();
    void cancel_raced_everybodyIsAnsweredOnce();

    void stop_anyStage_isAnsweredUnavailable_data() { addStages(); }
    void stop_anyStage_isAnsweredUnavailable();
    void stop_neverStarted_answersWhatWaits();
    void stop_hungScan_isLeftBehindAndHarmless();
    void stop_submitAfterwards_isUnavailable();
    void startStop_tenTimesWithScansInFlight_leaksNothing();
    void startStop_whileOthersSubmit_everyAcceptedOneIsAnswered();
};

void TestScanWorkerFaults::cleanup()
{
    QTRY_COMPARE_WITH_TIMEOUT(ScriptedTask::alive(), 0, patienceMs);
}

void TestScanWorkerFaults::deadline_inQueueWhileAllWorkersAreBlocked_isAnsweredInTime()
{
    const Gate gate;
    PoolBench bench({.maxWorkers = 2});
    const OpenAtEnd opener(gate);
    bench.pool.start();
    QVERIFY(bench.occupyWorker(QStringLiteral("a"), gate));
    QVERIFY(bench.occupyWorker(QStringLiteral("b"), gate));
    const Deadline deadline = Clock::now() + 30ms;
    QVERIFY(bench.submit(QStringLiteral("late"), {}, deadline + 1h));
    QVERIFY(bench.submit(QStringLiteral("subject"), {}, deadline));
    QVERIFY(bench.answers.waitFor(1));
    QVERIFY(bench.answers.lines().front().at >= deadline);
    QCOMPARE(resultOfSubject(bench).reason(), Reason::TimedOut);
    QCOMPARE(bench.telemetry->snapshot().totalScansTimeout, 1u);
    QCOMPARE(bench.telemetry->snapshot().workersReplaced, 0u); // their own scans may go on
    QCOMPARE(bench.pool.counts().lost, 0);
}

void TestScanWorkerFaults::hang_deadlinePasses_workerIsReplacedAndComesBack()
{
    const Gate gate;
    PoolBench bench({.maxWorkers = 1});
    const OpenAtEnd opener(gate);
    bench.pool.start();
    const quint64 id = bench.occupyWorker(QStringLiteral("subject"), gate);
    QVERIFY(id);
    bench.pool.completeContent(id, 1, Clock::now() + 20ms); // its deadline, now that it runs
    QVERIFY(bench.submit(QStringLiteral("next")));
    QVERIFY(bench.answers.waitFor(2));
    QCOMPARE(
        bench.answers.names(), (QStringList{QStringLiteral("subject"), QStringLiteral("next")}));
    QCOMPARE(resultOfSubject(bench).reason(), Reason::TimedOut);
    QCOMPARE(bench.telemetry->snapshot().totalScansTimeout, 1u);
    QCOMPARE(bench.telemetry->snapshot().workersReplaced, 1u);
    QCOMPARE(bench.pool.counts().lost, 1);
    QCOMPARE(bench.pool.counts().workers, 1);

    gate.open(); // it comes back with a result that nobody wants, and there is a worker already
    QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().lost, 0, patienceMs);
    QCOMPARE(bench.pool.counts().workers, 1);
    QVERIFY(bench.submit(QStringLiteral("last")));
    QVERIFY(bench.answers.waitFor(3));
    QCOMPARE(resultOfSubject(bench).reason(), Reason::TimedOut);
}

void TestScanWorkerFaults::hang_nothingElseWaits_workerGoesOnAfterwards()
{
    const Gate gate;
    PoolBench bench({.minWorkers = 0, .maxWorkers = 1});
    const OpenAtEnd opener(gate);
    bench.pool.start();
    const quint64 id = bench.occupyWorker(QStringLiteral("subject"), gate);
    QVERIFY(id);
    bench.pool.completeContent(id, 1, Clock::now() + 10ms); // its deadline, now that it runs
    QVERIFY(bench.answers.waitFor(1));
    QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().lost, 1, patienceMs);
    QCOMPARE(bench.pool.counts().workers, 0);
    QCOMPARE(bench.pool.counts().active, 0);
    QTRY_COMPARE_WITH_TIMEOUT(
        Test::threadCount(), m_threads + 2, patienceMs); // the worker and the watch
    gate.open();
    QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().workers, 1, patienceMs);
    QCOMPARE(bench.pool.counts().lost, 0);
    QVERIFY(bench.submit(QStringLiteral("next")));
    QVERIFY(bench.answers.waitFor(2));
    QCOMPARE(Test::threadCount(), m_threads + 2);
}

void TestScanWorkerFaults::hang_cancelled_workerIsReplaced()
{
    // With the cancelled request its deadline goes; the worker must not be forgotten with it.
    const Gate gate;
    PoolBench bench({.maxWorkers = 1});
    const OpenAtEnd opener(gate);
    bench.pool.start();
    const quint64 id = bench.occupyWorker(QStringLiteral("subject"), gate, Clock::now() + 1h);
    bench.pool.cancel(id);
    QVERIFY(bench.submit(QStringLiteral("next")));
    QVERIFY(bench.answers.waitFor(2));
    QCOMPARE(resultOfSubject(bench).reason(), Reason::Cancelled);
    gate.open();
    QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().lost, 0, patienceMs);
    QCOMPARE(bench.pool.counts().workers, 1);
}

void TestScanWorkerFaults::hang_contentStillArrives_workerIsReplaced()
{
    ScanQueue::Bounds bounds;
    bounds.longestSlice = 20ms;
    PoolBench bench({.maxWorkers = 1}, bounds);
    const Gate gate;
    const OpenAtEnd opened(gate);
    bench.pool.start();
    QVERIFY(bench.occupyWorker(QStringLiteral("endless"), gate)); // no deadline
    QVERIFY(bench.submit(QStringLiteral("next")));
    QVERIFY(bench.answers.waitFor(2));
    QCOMPARE(
        bench.answers.names(), (QStringList{QStringLiteral("endless"), QStringLiteral("next")}));
    QCOMPARE(bench.answers.lines().front().result.reason(), Reason::TimedOut);
    QCOMPARE(bench.pool.counts().lost, 1);
}

void TestScanWorkerFaults::suspectedThreat_scanDoesNotEndWell_isTheAnswer_data()
{
    QTest::addColumn<QByteArray>("end");
    for (const char *end : {"deadline", "stop", "crash", "abort", "failure"})
        QTest::newRow(end) << QByteArray(end);
}

void TestScanWorkerFaults::suspectedThreat_scanDoesNotEndWell_isTheAnswer()
{
    QFETCH(const QByteArray, end);
    Finding finding;
    finding.rule = QStringLiteral("Found");
    const ScanResult threat = ScanResult::judge({}, {finding}, {});
    const ScanResult failure = ScanResult::notScanned(Reason::EngineError);
    PoolBench bench({.maxWorkers = 1});
    const Gate suspected;
    const Gate gate;
    const OpenAtEnd opened(gate);
    bench.pool.start();
    const quint64 id = bench.submitMaker(
        QStringLiteral("scan"),
        [=] {
            const auto step = [=](const SliceBudget &budget) {
                budget.suspect(threat);
                suspected.open();
                if (end == "crash")
                    throw std::runtime_error("crashed");
                if (end != "failure")
                    gate.wait();
                return PoolBench::Progress::Done;
            };
            return std::make_unique<ScriptedTask>(step, [=] { return failure; });
        },
        end == "deadline" ? Clock::now() + 20ms : noDeadline);
    QVERIFY(suspected.wait());
    if (end == "abort")
        QCOMPARE(bench.pool.cancel(id, ScanResult::notScanned(Reason::Incomplete)), threat);
    if (end == "stop") {
        const std::jthread opener([&] {
            bench.answers.waitFor(1);
            gate.open();
        });
        bench.pool.stop();
    }
    QVERIFY(bench.answers.waitFor(1));
    QCOMPARE(bench.answers.lines().front().result, threat);
}

void TestScanWorkerFaults::hang_moreThanCanBeReplaced_allAreAnswered()
{
    constexpr int maxWorkers = 2;
    constexpr int count = maxWorkers + Limits::maxReplacementWorkers + 10;
    const Gate gate;
    PoolBench bench({.maxWorkers = maxWorkers});
    const OpenAtEnd opener(gate);
    bench.pool.start();
    const Deadline deadline = Clock::now() + 100ms;
    for (int i = 0; i < count; ++i) {
        const auto hang = [gate](const SliceBudget &) {
            gate.wait();
            return Progress::Done;
        };
        QVERIFY(bench.submit(numbered(i), hang, deadline + std::chrono::milliseconds(i)));
    }
    QVERIFY(bench.answers.waitFor(count));
    for (const auto &line : bench.answers.lines())
        QCOMPARE(line.result.reason(), Reason::TimedOut);
    QVERIFY(bench.pool.counts().lost <= maxWorkers + Limits::maxReplacementWorkers);
    QVERIFY(bench.pool.counts().workers <= maxWorkers);

    gate.open();
    QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().lost, 0, patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().active, 0, patienceMs);
    QVERIFY(bench.submit(QStringLiteral("afterwards")));
    QVERIFY(bench.answers.waitFor(count + 1));
    QVERIFY(bench.pool.counts().workers <= maxWorkers);
    QCOMPARE(bench.telemetry->snapshot().totalScansTimeout, quint64(count));
}

namespace {

using Maker = Test::ScriptedEngine::Maker;

std::unique_ptr<ScanTask> throwingMaker()
{
    throw std::runtime_error("boom");
}

std::unique_ptr<ScanTask> taskThatThrows()
{
    return std::make_unique<ScriptedTask>(
        [](const SliceBudget &) -> Progress { throw std::runtime_error("boom"); });
}

} // namespace

void TestScanWorkerFaults::crash_anywhere_isAnsweredAndReplaced_data()
{
    QTest::addColumn<Maker>("maker");
    QTest::addColumn<QString>("detail");
    QTest::newRow("making the task") << Maker(throwingMaker) << QStringLiteral("boom");
    QTest::newRow("in its first slice") << Maker(taskThatThrows) << QStringLiteral("boom");
    QTest::newRow("in a later slice") << Maker([] {
        return std::make_unique<ScriptedTask>([slices = 0](const SliceBudget &) mutable {
            if (++slices == 3)
                throw std::runtime_error("third");
            return Progress::More;
        });
    }) << QStringLiteral("third");
    QTest::newRow("taking the result") << Maker([] {
        return std::make_unique<ScriptedTask>(
            ScriptedTask::Step(), []() -> ScanResult { throw std::runtime_error("result"); });
    }) << QStringLiteral("result");
    QTest::newRow("out of memory") << Maker([] {
        return std::make_unique<ScriptedTask>(
            [](const SliceBudget &) -> Progress { throw std::bad_alloc(); });
    }) << QStringLiteral("std::bad_alloc");
    QTest::newRow("something that is no exception") << Maker([] {
        return std::make_unique<ScriptedTask>([](const SliceBudget &) -> Progress { throw 42; });
    }) << QStringLiteral("unknown exception");
}

void TestScanWorkerFaults::crash_anywhere_isAnsweredAndReplaced()
{
    QFETCH(const Maker, maker);
    QFETCH(const QString, detail);
    PoolBench bench({.maxWorkers = 1});
    bench.pool.start();
    QTest::ignoreMessage(QtCriticalMsg, QRegularExpression(QStringLiteral("crashed.*") + detail));
    QVERIFY(bench.submitMaker(QStringLiteral("subject"), maker));
    QVERIFY(bench.submit(QStringLiteral("next")));
    QVERIFY(bench.answers.waitFor(2));
    QCOMPARE(resultOfSubject(bench).reason(), Reason::EngineCrashed);
    QCOMPARE(resultOfSubject(bench).detail(), detail);
    const TelemetrySnapshot s = bench.telemetry->snapshot();
    QCOMPARE(s.totalScansFailed, 1u);
    QCOMPARE(s.totalScansCompleted, 1u);
    QCOMPARE(s.workersReplaced, 1u);
    QCOMPARE(bench.pool.counts().workers, 1);
}

void TestScanWorkerFaults::crash_noTask_isEngineError()
{
    PoolBench bench({.maxWorkers = 1});
    bench.pool.start();
    QVERIFY(bench.submitMaker(QStringLiteral("subject"), [] { return nullptr; }));
    QVERIFY(bench.answers.waitFor(1));
    QCOMPARE(resultOfSubject(bench).reason(), Reason::EngineError);
    QCOMPARE(bench.telemetry->snapshot().workersReplaced, 0u);
}

void TestScanWorkerFaults::crash_othersAreRunning_theyGoOn()
{
    const Gate gate;
    PoolBench bench({.maxWorkers = 4});
    const OpenAtEnd opener(gate);
    bench.pool.start();
    for (int i = 0; i < 3; ++i)
        QVERIFY(bench.occupyWorker(numbered(i), gate));
    QTest::ignoreMessage(QtCriticalMsg, QRegularExpression(QStringLiteral("crashed")));
    QVERIFY(bench.submitMaker(QStringLiteral("subject"), taskThatThrows));
    QVERIFY(bench.answers.waitFor(1));
    QVERIFY(bench.submit(QStringLiteral("next"))); // the others are still in their slices
    QVERIFY(bench.answers.waitFor(2));
    QCOMPARE(bench.pool.counts().active, 3);
    gate.open();
    QVERIFY(bench.answers.waitFor(5));
    QCOMPARE(bench.telemetry->snapshot().totalScansCompleted, 4u);
    QCOMPARE(bench.telemetry->snapshot().workersReplaced, 1u);
}

void TestScanWorkerFaults::crash_everyScan_allAreAnswered()
{
    constexpr int count = 80;
    PoolBench bench;
    bench.pool.start();
    for (int i = 0; i < count; ++i)
        QTest::ignoreMessage(QtCriticalMsg, QRegularExpression(QStringLiteral("crashed")));
    for (int i = 0; i < count; ++i)
        QVERIFY(bench.submitMaker(numbered(i), taskThatThrows));
    QVERIFY(bench.answers.waitFor(count));
    bench.pool.stop();
    QCOMPARE(bench.answers.lines().size(), size_t(count));
    QCOMPARE(bench.telemetry->snapshot().workersReplaced, quint64(count));
}

void TestScanWorkerFaults::crash_afterTheAnswer_isNoSecondAnswer()
{
    const Gate gate;
    PoolBench bench({.maxWorkers = 1});
    const OpenAtEnd opener(gate);
    bench.pool.start();
    QTest::ignoreMessage(QtCriticalMsg, QRegularExpression(QStringLiteral("crashed")));
    const Gate started;
    const quint64 id =
        bench.submit(QStringLiteral("subject"), [gate, started](const SliceBudget &) -> Progress {
            started.open();
            gate.wait();
            throw std::runtime_error("late");
        });
    QVERIFY(started.wait());
    bench.pool.cancel(id);
    gate.open();
    QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().lost, 0, patienceMs);
    QVERIFY(bench.submit(QStringLiteral("next")));
    QVERIFY(bench.answers.waitFor(2));
    QCOMPARE(resultOfSubject(bench).reason(), Reason::Cancelled);
    QCOMPARE(bench.telemetry->snapshot().totalScansFailed, 0u);
}

void TestScanWorkerFaults::cancel_anyStage_isCancelledAndGone()
{
    QFETCH(const Stage, stage);
    const Gate blocker;
    PoolBench bench({.maxWorkers = 1});
    const OpenAtEnd opener(blocker);
    bench.pool.start();
    const quint64 id = submitAt(bench, stage, blocker);
    QVERIFY(id);
    bench.pool.cancel(id);
    QCOMPARE(resultOfSubject(bench).reason(), Reason::Cancelled); // answered when it returns
    bench.pool.cancel(id);
    QCOMPARE(bench.telemetry->snapshot().totalScansCancelled, 1u);
    blocker.open();
    QTRY_COMPARE_WITH_TIMEOUT(ScriptedTask::alive(), 0, patienceMs);
    QVERIFY(bench.submit(QStringLiteral("next")));
    QTRY_COMPARE_WITH_TIMEOUT(bench.answers.names().count(QStringLiteral("next")), 1, patienceMs);
    QCOMPARE(resultOfSubject(bench).reason(), Reason::Cancelled);
    QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().lost, 0, patienceMs);
    QCOMPARE(bench.queue->depths().bytes, 0);
}

void TestScanWorkerFaults::cancel_answeredOrUnknown_hasNoEffect()
{
    PoolBench bench;
    bench.pool.cancel(~quint64(0));
    bench.pool.start();
    const quint64 id = bench.submit(QStringLiteral("subject"));
    QVERIFY(bench.answers.waitFor(1));
    bench.pool.cancel(id);
    bench.pool.cancel(0);
    QVERIFY(resultOfSubject(bench) == Test::cleanResult());
    QCOMPARE(bench.telemetry->snapshot().totalScansCancelled, 0u);
}

void TestScanWorkerFaults::cancel_raced_everybodyIsAnsweredOnce()
{
    constexpr int count = 3'000;
    PoolBench bench({.maxWorkers = 3}, {.maxRequests = count});
    bench.pool.start();
    std::vector<std::atomic<quint64>> ids(count);
    const std::jthread canceller([&] {
        for (std::atomic<quint64> &id : ids) {
            id.wait(0);
            bench.pool.cancel(id.load());
        }
    });
    for (int i = 0; i < count; ++i) {
        const auto step = [slices = i % 4](const SliceBudget &) mutable {
            return --slices < 0 ? Progress::Done : slices == 1 ? Progress::Starved : Progress::More;
        };
        ids.at(size_t(i)) =
            bench.submit(numbered(i), step, Clock::now() + std::chrono::microseconds(i % 700));
        ids.at(size_t(i)).notify_one();
    }
    QVERIFY(bench.answers.waitFor(count));
    bench.pool.stop();
    QStringList names = bench.answers.names();
    QCOMPARE(names.size(), count);
    QCOMPARE(names.removeDuplicates(), 0);
    const TelemetrySnapshot s = bench.telemetry->snapshot();
    QCOMPARE(s.totalScansCompleted + s.totalScansCancelled + s.totalScansTimeout, quint64(count));
    QCOMPARE(s.totalScansFailed, 0u);
}

void TestScanWorkerFaults::stop_anyStage_isAnsweredUnavailable()
{
    QFETCH(const Stage, stage);
    const Gate blocker;
    PoolBench bench({.maxWorkers = 1});
    const OpenAtEnd opener(blocker);
    bench.pool.start();
    QVERIFY(submitAt(bench, stage, blocker));
    {
        // The blocker can end only after the subject was answered, which stop() does first.
        const std::jthread unblock([&] {
            bench.answers.waitFor(1);
            blocker.open();
        });
        bench.pool.stop();
    }
    QCOMPARE(resultOfSubject(bench).reason(), Reason::ScannerUnavailable);
    QTRY_COMPARE_WITH_TIMEOUT(Test::threadCount(), m_threads, patienceMs);
    QCOMPARE(ScriptedTask::alive(), 0);
    QCOMPARE(bench.pool.counts().workers, 0);
    bench.pool.stop(); // no effect
    bench.pool.start();
    QVERIFY(bench.submit(QStringLiteral("next")));
    QTRY_COMPARE_WITH_TIMEOUT(bench.answers.names().count(QStringLiteral("next")), 1, patienceMs);
}

void TestScanWorkerFaults::stop_neverStarted_answersWhatWaits()
{
    Test::AnswerBook answers;
    {
        PoolBench bench;
        bench.answers = answers; // copies share one book
        QVERIFY(bench.submit(QStringLiteral("subject")));
    }
    QCOMPARE(answers.lines().size(), size_t(1));
    QCOMPARE(answers.lines().front().result.reason(), Reason::ScannerUnavailable);
}

void TestScanWorkerFaults::stop_hungScan_isLeftBehindAndHarmless()
{
    const Gate gate;
    const OpenAtEnd opener(gate);
    {
        PoolBench bench({.maxWorkers = 1, .stopPatience = 20ms});
        bench.pool.start();
        QVERIFY(bench.occupyWorker(QStringLiteral("subject"), gate));
        QTest::ignoreMessage(QtCriticalMsg, QRegularExpression(QStringLiteral("left behind")));
        bench.pool.stop();
        QCOMPARE(resultOfSubject(bench).reason(), Reason::ScannerUnavailable);
        QCOMPARE(bench.pool.counts().workers, 0);

        bench.pool.start(); // as if nothing had been
        QVERIFY(bench.submit(QStringLiteral("next")));
        QVERIFY(bench.answers.waitFor(2));
        QCOMPARE(bench.pool.counts().workers, 1);
    }
    QTRY_COMPARE_WITH_TIMEOUT(Test::threadCount(), m_threads + 1, patienceMs);
    gate.open(); // the pool is gone; the worker ends by itself
    QTRY_COMPARE_WITH_TIMEOUT(Test::threadCount(), m_threads, patienceMs);
}

void TestScanWorkerFaults::stop_submitAfterwards_isUnavailable()
{
    PoolBench bench;
    bench.pool.start();
    bench.pool.stop();
    QCOMPARE(bench.pool.submit(std::make_shared<ScanRequest>(ScanSubject(), ScanRequest::Answer())),
        std::optional(Reason::ScannerUnavailable));
    QCOMPARE(bench.telemetry->snapshot().totalScansFailed, 0u); // the caller counts a refusal
}

void TestScanWorkerFaults::startStop_tenTimesWithScansInFlight_leaksNothing()
{
    const int descriptorsBefore = Test::descriptorCount();
    constexpr int perRound = 60;
    PoolBench bench;
    for (int round = 1; round <= 10; ++round) {
        bench.pool.start();
        std::atomic<int> started{0};
        for (int i = 0; i < perRound; ++i) {
            QVERIFY(bench.submit(numbered(i), [&started, i](const SliceBudget &budget) {
                ++started;
                return i % 3 == 0 ? Progress::Starved
                    : i % 3 == 1  ? workUntilAbandoned(budget)
                                  : Progress::More;
            }));
        }
        QTRY_VERIFY_WITH_TIMEOUT(started >= 4, patienceMs);
        bench.pool.stop();
        QCOMPARE(bench.answers.lines().size(), size_t(round * perRound));
        QTRY_COMPARE_WITH_TIMEOUT(Test::threadCount(), m_threads, patienceMs);
    }
    QCOMPARE(Test::descriptorCount(), descriptorsBefore);
    QCOMPARE(ScriptedTask::alive(), 0);
    QCOMPARE(bench.telemetry->snapshot().totalScansFailed, quint64(10 * perRound));
}

void TestScanWorkerFaults::startStop_whileOthersSubmit_everyAcceptedOneIsAnswered()
{
    PoolBench bench({.minWorkers = 0, .maxWorkers = 3, .idleTime = 1ms}, {.maxRequests = 50});
    std::atomic<int> accepted{0};
    std::atomic<bool> isOver{false};
    {
        std::vector<std::jthread> submitters;
        for (int i = 0; i < 3; ++i) {
            submitters.emplace_back([&] {
                for (int n = 0; !isOver; ++n) {
                    const quint64 id = bench.submit(numbered(n), [](const SliceBudget &budget) {
                        return budget.isAbandoned() ? Progress::More : Progress::Done;
                    });
                    if (id)
                        ++accepted;
                    else
                        std::this_thread::yield();
                    bench.pool.growContent(id, 1);
                    (void)bench.pool.counts();
                }
            });
        }
        for (int round = 0; round < 30; ++round) {
            bench.pool.start();
            bench.answers.waitFor(bench.answers.lines().size() + 50, 100ms);
            bench.pool.stop();
        }
        isOver = true;
    }
    bench.pool.stop();
    QCOMPARE(bench.answers.lines().size(), size_t(accepted.load()));
    const TelemetrySnapshot s = bench.telemetry->snapshot();
    QCOMPARE(s.totalScansCompleted + s.totalScansFailed, quint64(accepted.load()));
    QCOMPARE(bench.queue->depths().underWay + bench.queue->depths().waiting, 0);
}

QTEST_GUILESS_MAIN(TestScanWorkerFaults)
#include "tst_scanworkerfaults.moc"
