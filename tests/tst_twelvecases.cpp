// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/SecurityTap.h"
#include "tests/support/Patience.h"
#include "tests/support/RuleDirectory.h"

#include <QDir>
#include <QLoggingCategory>
#include <QSignalSpy>
#include <QTest>
#include <QThread>
#include <QTimer>

#include <atomic>

using namespace Sentinel;
using Test::hang;
using Test::noise;
using Test::patienceMs;
using Test::RuleDirectory;

namespace {

constexpr qint64 mb = 1'000'000;

int threadCount()
{
    return int(QDir(QStringLiteral("/proc/self/task"))
                   .entryList(QDir::Dirs | QDir::NoDotAndDotDot)
                   .size());
}

int descriptorCount()
{
    return int(QDir(QStringLiteral("/proc/self/fd"))
                   .entryList(QDir::NoDotAndDotDot | QDir::AllEntries | QDir::System)
                   .size());
}

} // namespace

//! The twelve cases that the system was specified by.
class TwelveCases : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void case01_oneScan_returnsAtOnceAnswersLater();
    void case02_tenScans_areAllAnswered();
    void case03_requestBeyondFullQueue_isRefusedAtOnce();
    void case05_scanThatHangs_isAnsweredByItsDeadline();
    void case06_connectionClosesDuringScan_callbackNeverRuns();
    void case07_smallAfterLarge_isAnsweredFirst();
    void case08_manyQueuedFiles_stayInsideTheMemoryBudget();
    void case09_startAndStopTenTimes_nothingLeaks();
    void case10_callback_runsOnThreadOfItsContext();
    void case11_manyScansOneRuleSet_everyResultRight();
    void case12_hundredRequestsASecond_allAnswered();

private:
    std::unique_ptr<SecurityTap> make(const std::function<void(TapSettings &)> &adjust = {}) const
    {
        return m_rules.makeTap(adjust);
    }
    RuleDirectory m_rules{Test::markerRules()};
    int m_threads = 0; // with no tap at work
};

void TwelveCases::initTestCase()
{
    // What is released unscanned is a warning; here it is the thing tested.
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*.warning=false"));
    make(); // libyara's and Qt's own threads and descriptors are there from now on
    m_threads = threadCount();
}

void TwelveCases::case01_oneScan_returnsAtOnceAnswersLater()
{
    const auto tap = make();
    QObject context;
    std::optional<Outcome> outcome;
    tap->asyncInspectDownload(
        DownloadMetadata{}, noise(mb), &context, [&](const Outcome &o) { outcome = o; });
    QVERIFY(!outcome); // later, from the event loop
    QTRY_VERIFY_WITH_TIMEOUT(outcome, patienceMs);
    QCOMPARE(outcome->result.verdict(), Verdict::Clean);
    QCOMPARE(outcome->disposition, Disposition::Release);
    QCOMPARE(tap->telemetry().totalScansCompleted, 1u);
}

void TwelveCases::case02_tenScans_areAllAnswered()
{
    const auto tap = make();
    QObject context;
    int answers = 0;
    for (int i = 0; i < 10; ++i)
        tap->asyncInspectDownload(DownloadMetadata{}, noise(mb, quint32(i)), &context,
            [&](const Outcome &) { ++answers; });
    QCOMPARE(answers, 0);
    QTRY_COMPARE_WITH_TIMEOUT(answers, 10, patienceMs);
    QCOMPARE(tap->telemetry().totalScansCompleted, 10u);
    QCOMPARE_LE(tap->telemetry().maxQueueDepthSeen, 10);
}

void TwelveCases::case03_requestBeyondFullQueue_isRefusedAtOnce()
{
    const auto tap = make([](TapSettings &settings) { settings.scanning.workers.maxWorkers = 1; });
    QObject context;
    int answers = 0;
    tap->asyncInspectDownload(DownloadMetadata{}, hang(Test::stepsInASecond / 2), &context,
        [&](const Outcome &) { ++answers; });
    QTRY_COMPARE_WITH_TIMEOUT(tap->telemetry().activeWorkers, 1, patienceMs);
    for (int i = 0; i < 100; ++i)
        tap->asyncInspectDownload(DownloadMetadata{}, noise(1000, quint32(i)), &context,
            [&](const Outcome &) { ++answers; });
    QCOMPARE(tap->telemetry().currentQueueDepth, 100);

    std::optional<Outcome> refused;
    tap->asyncInspectDownload(DownloadMetadata{}, noise(1000), &context,
        [&](const Outcome &outcome) { refused = outcome; });
    QTRY_VERIFY_WITH_TIMEOUT(refused, patienceMs);
    QCOMPARE(answers, 0); // long before any other answer
    QCOMPARE(refused->result.verdict(), Verdict::NotScanned);
    QCOMPARE(refused->result.reason(), Reason::QueueFull);
    QCOMPARE(refused->disposition, Disposition::Release); // fails open, and says so
    QCOMPARE(tap->telemetry().maxQueueDepthSeen, 100);
    QCOMPARE(tap->telemetry().notScannedByReason[size_t(Reason::QueueFull)], 1u);
    QTRY_COMPARE_WITH_TIMEOUT(answers, 101, 120'000);
}

// Case 4, the crash of a worker, is a matter of the pool alone: tst_scanworkerpool.

void TwelveCases::case05_scanThatHangs_isAnsweredByItsDeadline()
{
    const auto tap = make([](TapSettings &settings) {
        settings.scanning.timeouts = {
            std::chrono::milliseconds(200), std::chrono::milliseconds(200)};
        settings.scanning.workers.maxWorkers = 1;
    });
    QObject context;
    std::optional<Outcome> hung;
    tap->asyncInspectDownload(DownloadMetadata{}, hang(Test::stepsInASecond / 2), &context,
        [&](const Outcome &outcome) { hung = outcome; });
    QTRY_VERIFY_WITH_TIMEOUT(hung, patienceMs);
    QCOMPARE(hung->result.reason(), Reason::TimedOut);
    QCOMPARE(tap->telemetry().totalScansTimeout, 1u);
    // Its worker is still in libyara; another has taken its place.
    std::optional<Outcome> next;
    tap->asyncInspectDownload(DownloadMetadata{}, "THREAT-MARK", &context,
        [&](const Outcome &outcome) { next = outcome; });
    QTRY_VERIFY_WITH_TIMEOUT(next, patienceMs);
    QCOMPARE(next->result.verdict(), Verdict::Malicious);
    QCOMPARE(tap->telemetry().workersReplaced, 1u);
}

void TwelveCases::case06_connectionClosesDuringScan_callbackNeverRuns()
{
    const auto tap = make([](TapSettings &settings) { settings.scanning.workers.maxWorkers = 1; });
    QObject context;
    bool called = false;
    const auto guard = std::make_shared<int>(0);
    const std::weak_ptr<int> captured = guard;
    Download download;
    download.connection = 7;
    {
        auto callback = [&called, guard](const Outcome &) { called = true; };
        tap->asyncInspectDownload(download, hang(), &context, std::move(callback));
    }
    const_cast<std::shared_ptr<int> &>(guard).reset();
    QTRY_COMPARE_WITH_TIMEOUT(tap->telemetry().activeWorkers, 1, patienceMs);
    tap->closeConnection(8); // another one's
    QCOMPARE(tap->telemetry().totalScansCancelled, 0u);
    tap->closeConnection(7);
    QCOMPARE(tap->telemetry().totalScansCancelled, 1u);
    QTRY_VERIFY_WITH_TIMEOUT(captured.expired(), patienceMs); // nothing of the callback is left
    QVERIFY(!called);
    // The pool goes on.
    std::optional<Outcome> next;
    tap->asyncInspectDownload(
        DownloadMetadata{}, noise(1000), &context, [&](const Outcome &outcome) { next = outcome; });
    QTRY_VERIFY_WITH_TIMEOUT(next, patienceMs);
    QCOMPARE(next->result.verdict(), Verdict::Clean);
}

void TwelveCases::case07_smallAfterLarge_isAnsweredFirst()
{
    const auto tap = make([](TapSettings &settings) { settings.scanning.workers.maxWorkers = 1; });
    QObject context;
    QStringList order;
    const QByteArray small = noise(mb);
    tap->asyncInspectDownload(
        DownloadMetadata{}, noise(100 * mb), &context, [&](const Outcome &outcome) {
            order.append(QStringLiteral("large"));
            QCOMPARE(outcome.result.verdict(), Verdict::Clean);
        });
    QTRY_COMPARE_WITH_TIMEOUT(tap->telemetry().activeWorkers, 1, patienceMs);
    tap->asyncInspectDownload(DownloadMetadata{}, small, &context,
        [&](const Outcome &) { order.append(QStringLiteral("small")); });
    QTRY_COMPARE_WITH_TIMEOUT(order.size(), 2, 120'000);
    QCOMPARE(order, (QStringList{QStringLiteral("small"), QStringLiteral("large")}));
}

void TwelveCases::case08_manyQueuedFiles_stayInsideTheMemoryBudget()
{
    constexpr qint64 budget = 64 * Limits::mib;
    const auto tap = make([](TapSettings &settings) {
        settings.maxSpoolMemoryBytes = budget;
        settings.scanning.workers.maxWorkers = 1;
    });
    QObject context;
    tap->asyncInspectDownload(DownloadMetadata{}, hang(), &context, [](const Outcome &) {});
    QTRY_COMPARE_WITH_TIMEOUT(tap->telemetry().activeWorkers, 1, patienceMs);

    const QByteArray piece = noise(mb);
    std::vector<Inspection *> inspections;
    int decided = 0;
    for (int i = 0; i < 100; ++i) {
        Download download;
        if (i % 2) // announced or not
            download.metadata.sizeBytes = 10 * mb;
        Inspection *inspection = tap->inspect(download);
        connect(inspection, &Inspection::decided, this, [&decided, inspection](const Outcome &o) {
            QCOMPARE(o.sizeBytes, 10 * mb);
            QCOMPARE(o.result.verdict(), Verdict::Clean);
            ++decided;
            inspection->deleteLater();
        });
        for (int part = 0; part < 10; ++part)
            QVERIFY(inspection->write(piece));
        inspection->finish();
        QCOMPARE_LE(tap->telemetry().spoolMemoryBytes, budget);
        inspections.push_back(inspection);
    }
    QTRY_COMPARE_WITH_TIMEOUT(decided, 100, 120'000);
    QTRY_COMPARE_WITH_TIMEOUT(tap->telemetry().spoolMemoryBytes, 0, patienceMs);
}

void TwelveCases::case09_startAndStopTenTimes_nothingLeaks()
{
    QTRY_COMPARE_LE_WITH_TIMEOUT(
        threadCount(), m_threads, patienceMs); // what the cases before have left is gone
    const int descriptors = descriptorCount();
    for (int round = 0; round < 10; ++round) {
        int decided = 0;
        {
            const auto tap = make();
            for (int i = 0; i < 20; ++i) {
                Inspection *inspection = tap->inspect({});
                connect(
                    inspection, &Inspection::decided, this, [&](const Outcome &) { ++decided; });
                QVERIFY(inspection->write(noise(3 * mb, quint32(i))));
                if (i % 2)
                    inspection->finish();
            }
        }
        QCOMPARE(decided, 20); // also those that the end came upon
    }
    QTRY_COMPARE_LE_WITH_TIMEOUT(threadCount(), m_threads, patienceMs);
    QCOMPARE(descriptorCount(), descriptors);
}

void TwelveCases::case10_callback_runsOnThreadOfItsContext()
{
    const auto tap = make();
    QThread other;
    auto *context = new QObject;
    context->moveToThread(&other);
    connect(&other, &QThread::finished, context, &QObject::deleteLater);
    other.start();
    std::atomic<QThread *> ranOn{nullptr};
    std::atomic<int> calls{0};
    tap->asyncInspectDownload(DownloadMetadata{}, noise(mb), context, [&](const Outcome &) {
        ranOn = QThread::currentThread();
        ++calls;
    });
    QTRY_COMPARE_WITH_TIMEOUT(calls.load(), 1, patienceMs);
    QCOMPARE(ranOn.load(), &other);

    // And here for a context that lives here.
    QObject here;
    tap->asyncInspectDownload(DownloadMetadata{}, noise(mb), &here, [&](const Outcome &) {
        ranOn = QThread::currentThread();
        ++calls;
    });
    QTRY_COMPARE_WITH_TIMEOUT(calls.load(), 2, patienceMs);
    QCOMPARE(ranOn.load(), QThread::currentThread());
    other.quit();
    other.wait();
}

void TwelveCases::case11_manyScansOneRuleSet_everyResultRight()
{
    const auto tap = make([](TapSettings &settings) {
        settings.scanning.cache.enabled = false;
        settings.scanning.queue.maxRequests = 1000;
        settings.scanning.workers.minWorkers = 4;
    });
    QObject context;
    int answers = 0;
    int wrong = 0;
    for (int i = 0; i < 500; ++i) {
        const bool isMarked = i % 3 == 0;
        QByteArray content = noise(2000 + i * 37, quint32(i));
        if (isMarked)
            content.replace(i, 11, "THREAT-MARK");
        tap->asyncInspectDownload(
            DownloadMetadata{}, content, &context, [&, isMarked](const Outcome &outcome) {
                ++answers;
                wrong +=
                    outcome.result.verdict() != (isMarked ? Verdict::Malicious : Verdict::Clean);
            });
    }
    QTRY_COMPARE_WITH_TIMEOUT(answers, 500, 60'000);
    QCOMPARE(wrong, 0);
}

void TwelveCases::case12_hundredRequestsASecond_allAnswered()
{
    const auto tap = make([](TapSettings &settings) { settings.scanning.cache.enabled = false; });
    QObject context;
    int sent = 0;
    int answers = 0;
    int refused = 0;
    QTimer sender; // 1,000 requests in ten seconds, or a little more on a busy machine
    connect(&sender, &QTimer::timeout, this, [&] {
        if (++sent == 1000)
            sender.stop();
        tap->asyncInspectDownload(DownloadMetadata{}, noise(100'000, quint32(sent)), &context,
            [&](const Outcome &outcome) {
                ++answers;
                refused += outcome.result.reason() == Reason::QueueFull;
            });
        QCOMPARE_LE(tap->telemetry().currentQueueDepth, 100);
    });
    sender.start(10);
    QTRY_COMPARE_WITH_TIMEOUT(sent, 1000, 60'000);
    QTRY_COMPARE_WITH_TIMEOUT(answers, 1000, 60'000);
    const TelemetrySnapshot telemetry = tap->telemetry();
    QCOMPARE(
        telemetry.totalScansCompleted + telemetry.notScannedByReason[size_t(Reason::QueueFull)],
        1000u);
    QCOMPARE(telemetry.notScannedByReason[size_t(Reason::QueueFull)], quint64(refused));
    QCOMPARE_LE(telemetry.maxQueueDepthSeen, 100);
}

QTEST_GUILESS_MAIN(TwelveCases)
#include "tst_twelvecases.moc"
