// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/ScanTelemetry.h"
#include "tests/support/ScriptedTask.h"

#include <QTest>

#include <thread>

using namespace Sentinel;
using namespace std::chrono_literals;

class TestScanTelemetry : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void snapshot_nothingCounted_isZero();
    void countAnswer_notScanned_countsByReason_data();
    void countAnswer_notScanned_countsByReason();
    void countAnswer_threat_isCompleted();
    void countAnswer_completed_keepsLeastMostAndAverage();
    void countAnswer_negativeTimeAndBytes_countAsNothing();
    void snapshot_whileOthersCount_isOfOneMoment();
};

void TestScanTelemetry::snapshot_nothingCounted_isZero()
{
    const TelemetrySnapshot s = ScanTelemetry().snapshot();
    QCOMPARE(s.totalScansCompleted, 0u);
    QCOMPARE(s.averageScanTime.count(), 0);
    QCOMPARE(s.minScanTime.count(), 0);
    QCOMPARE(s.workersReplaced, 0u);
}

void TestScanTelemetry::countAnswer_notScanned_countsByReason_data()
{
    QTest::addColumn<Reason>("reason");
    for (const Reason reason : allReasons) {
        if (reason != Reason::None)
            QTest::newRow(qPrintable(nameOf(reason))) << reason;
    }
}

void TestScanTelemetry::countAnswer_notScanned_countsByReason()
{
    QFETCH(const Reason, reason);
    ScanTelemetry telemetry;
    telemetry.countAnswer(ScanResult::notScanned(reason), 5ms);

    const TelemetrySnapshot s = telemetry.snapshot();
    for (const Reason other : allReasons)
        QCOMPARE(s.notScannedByReason.at(size_t(other)), other == reason ? 1u : 0u);
    const bool isTimeout = reason == Reason::TimedOut;
    const bool isCancelled = reason == Reason::Cancelled;
    QCOMPARE(s.totalScansTimeout, isTimeout ? 1u : 0u);
    QCOMPARE(s.totalScansCancelled, isCancelled ? 1u : 0u);
    QCOMPARE(s.totalScansFailed, isTimeout || isCancelled ? 0u : 1u);
    QCOMPARE(s.totalScansCompleted, 0u);
    QCOMPARE(s.totalScanTime.count(), 0); // times are those of completed scans
}

void TestScanTelemetry::countAnswer_threat_isCompleted()
{
    ScanTelemetry telemetry;
    Coverage partial;
    partial.bytesTotal = 10;
    partial.bytesScanned = 4;
    telemetry.countAnswer(ScanResult::judge(partial, {Finding{}}, {}), 1ms);
    QCOMPARE(telemetry.snapshot().totalScansCompleted, 1u);
    QCOMPARE(telemetry.snapshot().bytesScanned, 4u);
}

void TestScanTelemetry::countAnswer_completed_keepsLeastMostAndAverage()
{
    ScanTelemetry telemetry;
    for (const auto elapsed : {30ms, 10ms, 20ms})
        telemetry.countAnswer(Test::cleanResult(100), elapsed);
    telemetry.countAnswer(ScanResult::notScanned(Reason::TimedOut), 10s);

    const TelemetrySnapshot s = telemetry.snapshot();
    QVERIFY(s.minScanTime == 10ms);
    QVERIFY(s.maxScanTime == 30ms);
    QVERIFY(s.totalScanTime == 60ms);
    QVERIFY(s.averageScanTime == 20ms);
    QCOMPARE(s.bytesScanned, 300u);
}

void TestScanTelemetry::countAnswer_negativeTimeAndBytes_countAsNothing()
{
    ScanTelemetry telemetry;
    telemetry.countAnswer(Test::cleanResult(), -5ms);
    Coverage coverage;
    coverage.bytesScanned = -7;
    telemetry.countAnswer(ScanResult::notScanned(Reason::EngineError, {}, coverage), 1ms);
    QVERIFY(telemetry.snapshot().minScanTime == 0us);
    QCOMPARE(telemetry.snapshot().bytesScanned, 1u);
}

void TestScanTelemetry::snapshot_whileOthersCount_isOfOneMoment()
{
    ScanTelemetry telemetry;
    constexpr int perThread = 5'000;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&telemetry] {
            for (int n = 0; n < perThread; ++n)
                telemetry.countAnswer(Test::cleanResult(3), 7us);
        });
    }
    quint64 completed = 0;
    while (completed < 2 * perThread) {
        const TelemetrySnapshot s = telemetry.snapshot();
        completed = s.totalScansCompleted;
        QCOMPARE(s.bytesScanned, completed * 3);
        QCOMPARE(quint64(s.totalScanTime.count()), completed * 7);
    }
}

QTEST_GUILESS_MAIN(TestScanTelemetry)
#include "tst_scantelemetry.moc"
