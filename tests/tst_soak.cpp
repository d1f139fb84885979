// SPDX-License-Identifier: MIT
#include "tests/support/EventLoop.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/ProcessTree.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/ScanLoad.h"
#include "tests/support/Slowness.h"

#include <QLoggingCategory>
#include <QTest>

using namespace Sentinel;
using Test::patienceMs;
using Test::runUntil;
using Test::ScanLoad;

namespace {

constexpr int inFlight = 8;

//! Bytes in memory: of this process, of the sentinel, and of the largest of its workers.
struct Footprint {
    qint64 client = 0;
    qint64 broker = 0;
    qint64 parent = 0;
    qint64 worker = 0;

    static Footprint now()
    {
        Footprint footprint{Test::statusBytes(::getpid(), "VmRSS")};
        for (const pid_t broker : Test::childrenNamed(::getpid(), "serve")) {
            footprint.broker = Test::statusBytes(broker, "VmRSS");
            for (const pid_t parent : Test::childrenNamed(broker, "worker-parent")) {
                footprint.parent = Test::statusBytes(parent, "VmRSS");
                for (const pid_t worker : Test::childrenOf(parent)) {
                    footprint.worker =
                        std::max(footprint.worker, Test::statusBytes(worker, "VmRSS"));
                }
            }
        }
        return footprint;
    }

    QString text() const
    {
        return QStringLiteral("%1 KiB here, %2 KiB the sentinel, %3 KiB the parent of its "
                              "workers, %4 KiB the largest worker")
            .arg(client / Limits::kib)
            .arg(broker / Limits::kib)
            .arg(parent / Limits::kib)
            .arg(worker / Limits::kib);
    }
};

} // namespace

//! A tap with a sentinel of its own, for long: nothing adds up.
class TestSoak : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanup();

    void startStop_tenTimesWithScansInFlight_leavesNothing();
    void scans_twentyThousand_memoryStays();

private:
    std::unique_ptr<SecurityTap> makeTap() const
    {
        return m_rules.makeTap([](TapSettings &settings) {
            settings.isolation = Isolation::Spawned;
            settings.scanning.timeouts = {Test::patience, Test::patience};
            settings.sentinel.patience.pong = Test::patience;
            settings.sentinel.program = QStringLiteral(SENTINEL_BINARY);
        });
    }
    //! One that was used and is gone: what stays of it stays for good.
    void useOne()
    {
        const auto tap = makeTap();
        ScanLoad load(*tap, &ScanLoad::mixedContent);
        load.start(inFlight);
        QVERIFY(load.awaitVerdicts(inFlight));
        QVERIFY(load.finish());
    }

    Test::RuleDirectory m_rules{Test::markerRules()};
    int m_descriptors = 0;
    int m_threads = 0;
};

void TestSoak::initTestCase()
{
    Test::adoptOrphans();
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*=false"));
    m_threads = Test::threadCount(); // now: one that was joined may be listed a moment longer
    useOne();
    QTRY_COMPARE_WITH_TIMEOUT(Test::threadCount(), m_threads, patienceMs);
    m_descriptors = Test::descriptorCount();
}

void TestSoak::cleanup()
{
    QTRY_VERIFY_WITH_TIMEOUT(Test::areAllChildrenGone(), patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(Test::threadCount(), m_threads, patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(Test::descriptorCount(), m_descriptors, patienceMs);
}

void TestSoak::startStop_tenTimesWithScansInFlight_leavesNothing()
{
    constexpr int cycles = 10;
    for (int i = 0; i < cycles; ++i) {
        auto tap = makeTap();
        ScanLoad load(*tap, &ScanLoad::mixedContent);
        load.start(inFlight);
        // Stopped while it starts, and after ever more scans.
        QVERIFY(load.awaitVerdicts(quint64(i) * inFlight));
        load.stop();
        tap.reset();
        QVERIFY(load.finish());
        QVERIFY2(load.complaints().isEmpty(), qPrintable(load.complaints().join(u'\n')));
        cleanup();
        if (QTest::currentTestFailed())
            return;
    }
}

void TestSoak::scans_twentyThousand_memoryStays()
{
    constexpr quint64 remembered = Limits::maxCachedVerdicts / Test::slowness;
    constexpr quint64 early = 5'000 / Test::slowness;
    constexpr quint64 late = 20'000 / Test::slowness;
    constexpr qint64 drift = 2 * Limits::mib;
    const auto tap = makeTap();
    ScanLoad load(*tap, &ScanLoad::smallContent);
    load.start(inFlight);
    QVERIFY(load.awaitVerdicts(remembered)); // the sentinel's memory of verdicts is full
    QVERIFY(load.awaitVerdicts(early));
    const Footprint before = Footprint::now();
    QVERIFY(load.awaitVerdicts(late - early));
    const Footprint after = Footprint::now();
    QVERIFY(load.finish());
    QVERIFY2(load.complaints().isEmpty(), qPrintable(load.complaints().join(u'\n')));
    QVERIFY2(load.notScanned().empty(), qPrintable(load.summary()));
    QVERIFY(load.verdicts() >= late);
    qInfo().noquote() << "after" << early << "scans:" << before.text();
    qInfo().noquote() << "after" << late << "scans:" << after.text();
    QVERIFY(before.broker > 0 && before.parent > 0 && before.worker > 0);
    if (Test::slowness > 1)
        return; // an instrumented process keeps what it has freed
    QVERIFY(after.client - before.client < drift);
    QVERIFY(after.broker - before.broker < drift);
    QVERIFY(after.parent - before.parent < drift);
    QVERIFY(after.worker - before.worker < drift);
}

QTEST_GUILESS_MAIN(TestSoak)
#include "tst_soak.moc"
