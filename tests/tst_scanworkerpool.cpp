// SPDX-License-Identifier: MIT
#include "tests/support/PoolBench.h"
#include "tests/support/ProcessFigures.h"

#include <QTest>

#include <atomic>
#include <map>
#include <thread>

using namespace Sentinel;
using namespace std::chrono_literals;
using Limits::mib;
using Test::Gate;
using Test::OpenAtEnd;
using Test::patienceMs;
using Test::PoolBench;
using Progress = ScanTask::Progress;

namespace {

constexpr auto noIdling = 1ms;

QString numbered(int number)
{
    return QString::number(number);
}

} // namespace

//! How the pool does its work; what goes wrong is in tst_scanworkerfaults.
class TestScanWorkerPool : public QObject {
    Q_OBJECT

    int m_threads = 0; // without a pool; a thread that was joined may be listed a moment longer

private Q_SLOTS:
    void initTestCase() { m_threads = Test::threadCount(); }

    void submit_oneScan_isAnsweredAndCounted();
    void submit_hundredAndFirstWhileWorkersAreBusy_isQueueFull();
    void submit_tenThousandFromFourThreads_allAnsweredOnce();
    void submit_beforeStart_waitsForIt();
    void step_budget_isOneSlice();
    void longScan_shortOnesArrive_theyAreAnsweredFirst();
    void longScan_streamOfShortOnes_endsAllTheSame();
    void taskOfAnAnsweredRequest_requestIsKept_isGone();

    void workers_burst_growToTheirBound_data();
    void workers_burst_growToTheirBound();
    void workers_idle_shrinkToTheirLeast_data();
    void workers_idle_shrinkToTheirLeast();
    void workers_submitWhileTheyEnd_requestIsNotForgotten();
    void workers_strangeSettings_areMadeSane();
    void workers_nothingToDo_doNotSpin();

    void starved_wakeDuringSlice_goesOn();
    void starved_wokenWithoutAWorker_bringsOne();
    void starved_contentCompleted_hasADeadline();
    void starved_manyStreams_allEnd();

    void answer_observerInCallback_seesItCounted_data();
    void answer_observerInCallback_seesItCounted();
    void answer_throws_workerGoesOn();
};

void TestScanWorkerPool::submit_oneScan_isAnsweredAndCounted()
{
    PoolBench bench;
    bench.pool.start();
    QVERIFY(bench.submit(QStringLiteral("one")));
    QVERIFY(bench.answers.waitFor(1));
    QVERIFY(bench.answers.lines().front().result == Test::cleanResult());
    const TelemetrySnapshot s = bench.telemetry->snapshot();
    QCOMPARE(s.totalScansCompleted, 1u);
    QCOMPARE(s.totalScansFailed + s.totalScansTimeout + s.totalScansCancelled, 0u);
    QCOMPARE(bench.queue->depths().underWay, 0);
}

void TestScanWorkerPool::submit_hundredAndFirstWhileWorkersAreBusy_isQueueFull()
{
    const Gate gate;
    PoolBench bench({.maxWorkers = 2});
    const OpenAtEnd opener(gate);
    bench.pool.start();
    QVERIFY(bench.occupyWorker(QStringLiteral("a"), gate));
    QVERIFY(bench.occupyWorker(QStringLiteral("b"), gate));
    for (int i = 0; i < 100; ++i)
        QVERIFY(bench.submit(numbered(i)));
    QCOMPARE(bench.pool.submit(std::make_shared<ScanRequest>(ScanSubject(), ScanRequest::Answer())),
        std::optional(Reason::QueueFull));
    QCOMPARE(bench.queue->depths().peakWaiting, 100);
    QCOMPARE(bench.answers.lines().size(), size_t(0));
    gate.open();
    QVERIFY(bench.answers.waitFor(102));
    QCOMPARE(bench.telemetry->snapshot().totalScansCompleted, 102u);
    QCOMPARE(bench.telemetry->snapshot().totalScansFailed, 0u); // the caller counts a refusal
}

void TestScanWorkerPool::submit_tenThousandFromFourThreads_allAnsweredOnce()
{
    constexpr int perThread = 2'500;
    PoolBench bench({}, {.maxRequests = 4 * perThread});
    bench.pool.start();
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&bench, i] {
                for (int n = 0; n < perThread; ++n)
                    bench.submit(numbered(i * perThread + n));
            });
        }
    }
    QVERIFY(bench.answers.waitFor(4 * perThread));
    bench.pool.stop();
    QStringList names = bench.answers.names();
    QCOMPARE(names.size(), 4 * perThread);
    QCOMPARE(names.removeDuplicates(), 0);
    QCOMPARE(bench.telemetry->snapshot().totalScansCompleted, quint64(4 * perThread));
    QCOMPARE(Test::ScriptedTask::alive(), 0);
}

void TestScanWorkerPool::submit_beforeStart_waitsForIt()
{
    PoolBench bench({.minWorkers = 0, .maxWorkers = 1});
    QVERIFY(bench.submit(QStringLiteral("early")));
    QVERIFY(bench.submit(QStringLiteral("overdue"), {}, Clock::now()));
    QCOMPARE(bench.pool.counts().workers, 0);
    bench.pool.start();
    bench.pool.start(); // no effect
    QVERIFY(bench.answers.waitFor(2));
}

void TestScanWorkerPool::step_budget_isOneSlice()
{
    PoolBench bench({.slice = 50ms});
    bench.pool.start();
    std::atomic<qint64> leastMs{0};
    std::atomic<bool> isAbandoned{true};
    const auto submitted = Clock::now();
    bench.submit(QStringLiteral("a"), [&](const SliceBudget &budget) {
        leastMs = std::chrono::floor<std::chrono::milliseconds>(budget.until - submitted).count();
        isAbandoned = budget.isAbandoned();
        while (!budget.isUsedUp())
            std::this_thread::yield();
        return Progress::Done;
    });
    QVERIFY(bench.answers.waitFor(1));
    QVERIFY(leastMs >= 50);
    QVERIFY(!isAbandoned);
    QVERIFY(bench.answers.lines().front().at - submitted >= 50ms);
}

void TestScanWorkerPool::longScan_shortOnesArrive_theyAreAnsweredFirst()
{
    PoolBench bench({.maxWorkers = 1});
    bench.pool.start();
    const Gate started;
    const Gate othersSubmitted;
    const OpenAtEnd opener(othersSubmitted);
    const auto longScan = [started, othersSubmitted, slices = 0](const SliceBudget &) mutable {
        started.open();
        othersSubmitted.wait();
        return ++slices < 20 ? Progress::More : Progress::Done;
    };
    QVERIFY(bench.submit(QStringLiteral("100 MiB"), longScan, noDeadline, 100 * mib));
    QVERIFY(started.wait());
    QVERIFY(bench.submit(QStringLiteral("5 MiB"), {}, noDeadline, 5 * mib));
    QVERIFY(bench.submit(QStringLiteral("1 KB")));
    QVERIFY(bench.submit(QStringLiteral("1 KB again")));
    othersSubmitted.open();
    QVERIFY(bench.answers.waitFor(4));
    QCOMPARE(bench.answers.names().mid(0, 2),
        (QStringList{QStringLiteral("1 KB"), QStringLiteral("1 KB again")}));
    QVERIFY(bench.answers.names().contains(QStringLiteral("100 MiB")));
}

void TestScanWorkerPool::longScan_streamOfShortOnes_endsAllTheSame()
{
    PoolBench bench({.maxWorkers = 1});
    bench.pool.start();
    const Gate done;
    const auto longScan = [done, slices = 0](const SliceBudget &) mutable {
        if (++slices < 5)
            return Progress::More;
        done.open();
        return Progress::Done;
    };
    // Each short one submits the next before it ends, so there is always one that is ready.
    std::function<Progress(const SliceBudget &)> shortScan = [&](const SliceBudget &) {
        if (!done.wait(0ms))
            bench.submit(QStringLiteral("short"), shortScan);
        return Progress::Done;
    };
    QVERIFY(bench.submit(QStringLiteral("short"), shortScan));
    QVERIFY(bench.submit(QStringLiteral("long"), longScan, noDeadline, 100 * mib));
    QVERIFY(done.wait());
    bench.pool.stop();
}

void TestScanWorkerPool::taskOfAnAnsweredRequest_requestIsKept_isGone()
{
    PoolBench bench;
    bench.pool.start();
    std::atomic<int> aliveWhenTold{-1};
    const Gate told;
    const auto request = std::make_shared<ScanRequest>(ScanSubject(), [&](const ScanResult &) {
        aliveWhenTold = Test::ScriptedTask::alive();
        told.open();
    });
    QVERIFY(!bench.pool.submit(request));
    QVERIFY(told.wait());
    QCOMPARE(aliveWhenTold.load(), 0);
}

void TestScanWorkerPool::workers_burst_growToTheirBound_data()
{
    QTest::addColumn<int>("maxWorkers");
    QTest::addColumn<int>("idleBefore");
    for (const int workers : {1, 2, 4, 16}) {
        QTest::addRow("%d, from none", workers) << workers << 0;
        QTest::addRow("%d, from one idle", workers) << workers << 1;
    }
}

void TestScanWorkerPool::workers_burst_growToTheirBound()
{
    QFETCH(const int, maxWorkers);
    QFETCH(const int, idleBefore);
    const Gate gate;
    PoolBench bench({.minWorkers = idleBefore, .maxWorkers = maxWorkers});
    const OpenAtEnd opener(gate);
    bench.pool.start();
    QCOMPARE(bench.pool.counts().workers, idleBefore);
    std::atomic<int> inside{0};
    for (int i = 0; i < 2 * maxWorkers; ++i) {
        QVERIFY(bench.submit(numbered(i), [&inside, gate](const SliceBudget &) {
            ++inside;
            gate.wait();
            return Progress::Done;
        }));
    }
    QTRY_COMPARE_WITH_TIMEOUT(inside.load(), maxWorkers, patienceMs);
    QCOMPARE(bench.pool.counts().workers, maxWorkers);
    QCOMPARE(bench.pool.counts().active, maxWorkers);
    QCOMPARE(bench.pool.counts().lost, 0);
    gate.open();
    QVERIFY(bench.answers.waitFor(size_t(2 * maxWorkers)));
}

void TestScanWorkerPool::workers_idle_shrinkToTheirLeast_data()
{
    QTest::addColumn<int>("minWorkers");
    QTest::newRow("none") << 0;
    QTest::newRow("one") << 1;
    QTest::newRow("two") << 2;
}

void TestScanWorkerPool::workers_idle_shrinkToTheirLeast()
{
    QFETCH(const int, minWorkers);
    PoolBench bench({.minWorkers = minWorkers, .maxWorkers = 4, .idleTime = noIdling});
    bench.pool.start();
    for (int round = 0; round < 3; ++round) {
        const Gate gate;
        const OpenAtEnd opener(gate);
        for (int i = 0; i < 4; ++i)
            QVERIFY(bench.occupyWorker(numbered(i), gate));
        QCOMPARE(bench.pool.counts().workers, 4);
        gate.open();
        QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().workers, minWorkers, patienceMs);
        QTRY_COMPARE_WITH_TIMEOUT(
            Test::threadCount(), m_threads + minWorkers + 1, patienceMs); // and the watch
    }
    bench.pool.stop();
    QTRY_COMPARE_WITH_TIMEOUT(Test::threadCount(), m_threads, patienceMs);
}

void TestScanWorkerPool::workers_submitWhileTheyEnd_requestIsNotForgotten()
{
    // Every request comes at about the moment when the only worker gives up waiting, and others
    // keep that worker from saying so at once.
    PoolBench bench({.minWorkers = 0, .maxWorkers = 1, .idleTime = noIdling});
    bench.pool.start();
    std::atomic<bool> isOver{false};
    std::jthread askers[2];
    for (std::jthread &asker : askers) {
        asker = std::jthread([&] {
            while (!isOver)
                (void)bench.pool.counts();
        });
    }
    bool isAnswered = true;
    for (int i = 0; i < 400 && isAnswered; ++i) {
        isAnswered = bench.submit(numbered(i)) && bench.answers.waitFor(size_t(i + 1));
        const auto moment = Clock::now() + 950us + std::chrono::microseconds(i % 200);
        while (Clock::now() < moment) { }
    }
    isOver = true;
    QVERIFY2(isAnswered, "a request was forgotten");
}

void TestScanWorkerPool::workers_strangeSettings_areMadeSane()
{
    PoolBench bench({.minWorkers = 7,
        .maxWorkers = -3,
        .slice = -1ms,
        .idleTime = -1ms,
        .stopPatience = std::chrono::milliseconds::max()});
    bench.pool.start();
    QCOMPARE(bench.pool.counts().workers, 1);
    QVERIFY(bench.submit(QStringLiteral("a")));
    QVERIFY(bench.answers.waitFor(1));
    const auto before = Test::processCpuTime();
    QVERIFY(!Gate().wait(200ms));
    QVERIFY(Test::processCpuTime() - before < 100ms); // it wakes every millisecond, no more
    bench.pool.stop();
}

void TestScanWorkerPool::workers_nothingToDo_doNotSpin()
{
    const Gate gate;
    PoolBench bench({.minWorkers = 4, .maxWorkers = 4});
    const OpenAtEnd opener(gate);
    bench.pool.start();
    QVERIFY(bench.occupyWorker(QStringLiteral("blocked"), gate, Clock::now() + 1h));
    for (int i = 0; i < 10; ++i) {
        QVERIFY(bench.submit(
            numbered(i), [](const SliceBudget &) { return Progress::Starved; }, Clock::now() + 1h));
    }
    QTRY_COMPARE_WITH_TIMEOUT(bench.queue->depths().waiting, 0, patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().active, 1, patienceMs);
    const auto before = Test::processCpuTime();
    QVERIFY(!Gate().wait(400ms));
    QVERIFY(Test::processCpuTime() - before < 40ms);
    gate.open();
}

void TestScanWorkerPool::starved_wakeDuringSlice_goesOn()
{
    PoolBench bench({.maxWorkers = 1});
    bench.pool.start();
    const Gate inSlice;
    const Gate woken;
    const OpenAtEnd opener(woken);
    const quint64 id = bench.submit(
        QStringLiteral("a"), [inSlice, woken, slices = 0](const SliceBudget &) mutable {
            if (++slices == 2)
                return Progress::Done;
            inSlice.open();
            woken.wait();
            return Progress::Starved; // it looked before the wake came
        });
    QVERIFY(inSlice.wait());
    bench.pool.growContent(id, 1);
    woken.open();
    QVERIFY(bench.answers.waitFor(1));
}

void TestScanWorkerPool::starved_wokenWithoutAWorker_bringsOne()
{
    PoolBench bench({.minWorkers = 0, .idleTime = noIdling});
    bench.pool.start();
    const auto starvesOnce = [slices = 0](const SliceBudget &) mutable {
        return ++slices == 1 ? Progress::Starved : Progress::Done;
    };
    const quint64 first = bench.submit(QStringLiteral("a"), starvesOnce);
    const quint64 second = bench.submit(QStringLiteral("b"), starvesOnce);
    QTRY_COMPARE_WITH_TIMEOUT(bench.queue->depths().waiting, 0, patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().workers, 0, patienceMs);
    bench.pool.growContent(first, 1);
    QVERIFY(bench.answers.waitFor(1));
    QTRY_COMPARE_WITH_TIMEOUT(bench.pool.counts().workers, 0, patienceMs);
    bench.pool.completeContent(second, 1, noDeadline);
    QVERIFY(bench.answers.waitFor(2));
    bench.pool.growContent(first, 1); // answered: no effect
    bench.pool.completeContent(second, 1, Clock::now());
    QCOMPARE(bench.answers.lines().size(), size_t(2));
}

void TestScanWorkerPool::starved_contentCompleted_hasADeadline()
{
    PoolBench bench;
    bench.pool.start();
    const quint64 id =
        bench.submit(QStringLiteral("a"), [](const SliceBudget &) { return Progress::Starved; });
    bench.pool.completeContent(id, 10, Clock::now() + 10ms);
    QVERIFY(bench.answers.waitFor(1));
    QCOMPARE(bench.answers.lines().front().result.reason(), Reason::TimedOut);
    QCOMPARE(bench.telemetry->snapshot().totalScansTimeout, 1u);
}

void TestScanWorkerPool::starved_manyStreams_allEnd()
{
    constexpr int streams = 40;
    constexpr int pieces = 200;
    PoolBench bench({.minWorkers = 0, .maxWorkers = 3, .idleTime = noIdling});
    bench.pool.start();
    std::array<std::atomic<int>, streams> arrived{};
    std::array<quint64, streams> ids{};
    for (size_t i = 0; i < streams; ++i) {
        ids.at(i) =
            bench.submit(numbered(int(i)), [&piecesHere = arrived.at(i)](const SliceBudget &) {
                return piecesHere.load() == pieces ? Progress::Done : Progress::Starved;
            });
    }
    const auto feed = [&](size_t from) {
        for (int piece = 0; piece < pieces; ++piece) {
            for (size_t i = from; i < streams; i += 2) {
                ++arrived.at(i);
                bench.pool.growContent(ids.at(i), 1);
            }
        }
    };
    const std::jthread even(feed, 0);
    const std::jthread odd(feed, 1);
    QVERIFY2(bench.answers.waitFor(streams), "a wake was lost");
    QCOMPARE(bench.telemetry->snapshot().totalScansCompleted, quint64(streams));
}

namespace {

using Counter = quint64 TelemetrySnapshot::*;
using Ending = std::function<void(PoolBench &, const std::shared_ptr<ScanRequest> &)>;

} // namespace

void TestScanWorkerPool::answer_observerInCallback_seesItCounted_data()
{
    QTest::addColumn<Counter>("counter");
    QTest::addColumn<Ending>("ending");
    QTest::newRow("completed") << &TelemetrySnapshot::totalScansCompleted
                               << Ending([](PoolBench &bench, const auto &request) {
                                      QVERIFY(!bench.pool.submit(request));
                                  });
    QTest::newRow("timed out") << &TelemetrySnapshot::totalScansTimeout
                               << Ending([](PoolBench &bench, const auto &request) {
                                      bench.engine->script(request->id(), [] {
                                          return std::make_unique<Test::ScriptedTask>(
                                              [](const SliceBudget &) {
                                                  return Progress::Starved;
                                              });
                                      });
                                      QVERIFY(!bench.pool.submit(request, Clock::now() + 5ms));
                                  });
    QTest::newRow("cancelled") << &TelemetrySnapshot::totalScansCancelled
                               << Ending([](PoolBench &bench, const auto &request) {
                                      bench.pool.stop();
                                      bench.queue->reopen();
                                      QVERIFY(!bench.pool.submit(request));
                                      bench.pool.cancel(request->id());
                                  });
    QTest::newRow("stopped") << &TelemetrySnapshot::totalScansFailed
                             << Ending([](PoolBench &bench, const auto &request) {
                                    bench.pool.stop();
                                    bench.queue->reopen();
                                    QVERIFY(!bench.pool.submit(request));
                                    bench.pool.stop();
                                });
}

void TestScanWorkerPool::answer_observerInCallback_seesItCounted()
{
    QFETCH(const Counter, counter);
    QFETCH(const Ending, ending);
    PoolBench bench;
    bench.pool.start();
    std::atomic<quint64> seen{0};
    const Gate told;
    const auto request = std::make_shared<ScanRequest>(ScanSubject(), [&](const ScanResult &) {
        seen = bench.telemetry->snapshot().*counter;
        told.open();
    });
    ending(bench, request);
    QVERIFY(told.wait());
    QCOMPARE(seen.load(), 1u);
    QVERIFY(!request->answer(Test::cleanResult()));
}

void TestScanWorkerPool::answer_throws_workerGoesOn()
{
    PoolBench bench({.maxWorkers = 1});
    bench.pool.start();
    QTest::ignoreMessage(QtCriticalMsg, QRegularExpression(QStringLiteral("threw")));
    QVERIFY(!bench.pool.submit(std::make_shared<ScanRequest>(
        ScanSubject(), [](const ScanResult &) { throw std::runtime_error("answer"); })));
    QVERIFY(bench.submit(QStringLiteral("next")));
    QVERIFY(bench.answers.waitFor(1));
    QCOMPARE(bench.telemetry->snapshot().totalScansCompleted, 2u);
    QCOMPARE(bench.telemetry->snapshot().workersReplaced, 0u);
}

QTEST_GUILESS_MAIN(TestScanWorkerPool)
#include "tst_scanworkerpool.moc"
