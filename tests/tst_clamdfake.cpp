// SPDX-License-Identifier: MIT
#include "tests/support/ClamdBench.h"
#include "tests/support/FakeClamd.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/Slowness.h"

#include <QRandomGenerator>
#include <QTest>

#include <mutex>
#include <thread>
#include <vector>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace std::chrono_literals;

namespace {

using Saying = FakeClamd::Saying;
using Then = FakeClamd::Then;

QByteArray idText(quint32 id)
{
    return QByteArray::number(id) + ": ";
}

QByteArray subject(ClamdWay way)
{
    return way == ClamdWay::File ? "fd[7]: " : "stream: ";
}

Saying whole(quint32 id, ClamdWay way, const QByteArray &words)
{
    return {idText(id) + subject(way) + words + '\0'};
}

//! What a clamd might say that is broken, or that is about another content. Nothing of it is an OK
//! to question \p id.
std::vector<Saying> nonsenseFor(quint32 id, ClamdWay way)
{
    const QByteArray ok = subject(way) + "OK";
    const QByteArray found = idText(id) + subject(way) + "X FOUND" + '\0';
    const auto ended = [](const QByteArray &text) { return Saying{text + '\0'}; };
    std::vector<Saying> all{ended(""), ended("OK"), ended(ok), ended(idText(id)),
        ended(idText(id) + "OK"), ended(idText(id) + ok + ' '), ended(idText(id) + ok.toLower()),
        ended(idText(id + 1) + ok), ended(idText(id - 1) + ok), ended('0' + idText(id) + ok),
        ended('+' + idText(id) + ok), ended(' ' + idText(id) + ok),
        ended(idText(id) + idText(id) + ok), ended("-1: " + ok), ended("4294967297: " + ok),
        ended(idText(id) + "fd[x]: OK"), ended(idText(id) + ok + "\n"),
        {idText(id) + ok + '\n', Then::Close}, {idText(id) + ok, Then::Close},
        {idText(id) + ok.chopped(1), Then::Close}, {idText(id) + ok, Then::Endless},
        {"", Then::Endless}, {"", Then::Close}, {QByteArray(3, '\0')},
        {QByteArray(100'000, 'A'), Then::Close}, {found + found}, {found + idText(id) + ok + '\0'},
        {idText(id + 1) + ok + '\0' + found}, {idText(id) + ok + '\0' + found},
        {found + idText(id + 1) + ok + '\0'}, {"COMMAND READ TIMED OUT\n", Then::Close},
        {"COMMAND READ TIMED OUT\n"}, ended(idText(id) + "UNKNOWN COMMAND"), {found, Then::Close},
        {found, Then::Wait, 3ms}, ended(idText(id) + "No file descriptor received. ERROR"),
        ended(idText(id) + "INSTREAM size limit exceeded. ERROR"),
        {idText(id) + "INSTREAM size limit exceeded. ERROR" + '\0', Then::Close},
        ended(idText(id) + subject(way) + "Heuristics.Limits.Exceeded.MaxScanSize FOUND")};
    return all;
}

//! Random bytes, of which none is an answer.
Saying garbage(QRandomGenerator &random)
{
    QByteArray bytes(random.bounded(6'000), '\0');
    std::ranges::generate(bytes, [&] { return char(random.bounded(256)); });
    return {bytes, random.bounded(2) == 0 ? Then::Close : Then::Wait};
}

ClamdSettings hasty(const FakeClamd &fake)
{
    ClamdSettings settings = clamdSettings(fake.address());
    settings.scanTimeout = 60ms;
    settings.acquireTimeout = 50ms;
    return settings;
}

} // namespace

class tst_ClamdFake : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void answer_decent_isTheResult();
    void answer_nonsense_isNeverClean_data();
    void answer_nonsense_isNeverClean();
    void answer_late_isAwaitedInSlices();
    void answer_never_timesOutAndTheConnectionIsNotUsedAgain();
    void answer_lateAfterTheScan_isNobodyElses();
    void connection_givenBackUnanswered_isNotUsedAgain();
    void descriptor_refused_contentIsStreamed();
    void answer_beforeTheContent_isNotClean();
    void connection_closedWhileIdle_anotherOneIsUsed();
    void connection_closedAtTheQuestion_isRetriedOnce();
    void connection_newAndClosed_isNotRetried();
    void connection_allInUse_isAwaitedUntilTheTimeout();
    void content_growing_starves();
    void content_tooLarge_isNotSent();
    void content_inMemory_isScanned();
    void content_shrinksUnderTheScan_isUnreadable_data();
    void content_shrinksUnderTheScan_isUnreadable();
    void scan_abandoned_interruptEndsTheWait();
    void version_nonsense_isUnreachable_data();
    void version_nonsense_isUnreachable();
    void version_changes_isTold();
    void limits_notTold_largeContentsAreNotClean();
    void limits_ofAnotherClamdBehindTheSameSocket_areAskedAnew();
    void limits_ofTheSameClamd_areAskedOnce();
    void limits_sessionEndedByTheQuestion_askedNowAndThen();
    void pool_idle_isKeptAlive();
    void tenThousandScans_ofChaos_noFalseCleanNoHang();
};

void tst_ClamdFake::answer_decent_isTheResult()
{
    FakeClamd fake([](quint32 id, ClamdWay way) {
        return whole(id, way, id % 2 == 0 ? "OK" : "Some-Name FOUND");
    });
    ClamdSettings settings = clamdSettings(fake.address());
    settings.poolSize = 1;
    const ClamdBench bench(settings);
    QVERIFY(bench.watch->isReachable());
    const ScanResult found = bench.scan("abc");
    QCOMPARE(found.verdict(), Verdict::Malicious);
    QCOMPARE(found.findings().front().rule, QStringLiteral("Some-Name"));
    const ScanResult clean = bench.scan("abc");
    QCOMPARE(clean.verdict(), Verdict::Clean);
    QCOMPARE(clean.coverage().bytesTotal, qint64(3));
    QCOMPARE(clean.coverage().engines,
        QStringList(QStringLiteral("clamd 1.4.6, signatures 27000 of 2026-11-20")));
    QCOMPARE(clean.coverage().ruleSetDigest, bench.engine->rules().digest);
    const ClamdStatus status = bench.watch->status();
    QCOMPARE(status.version, QStringLiteral("1.4.6"));
    QCOMPARE(status.signatures, qint64(27000));
    QCOMPARE(status.scans, qint64(2));
    QCOMPARE(status.scansOnUsedConnections, qint64(1));
    QCOMPARE(status.trouble, QString());
}

void tst_ClamdFake::answer_nonsense_isNeverClean_data()
{
    QTest::addColumn<int>("number");
    for (int i = 0; i < int(nonsenseFor(1, ClamdWay::File).size()); ++i)
        QTest::addRow("%d: %s", i, nonsenseFor(1, ClamdWay::File)[size_t(i)].bytes.left(40).data())
            << i;
}

void tst_ClamdFake::answer_nonsense_isNeverClean()
{
    QFETCH(int, number);
    FakeClamd fake(
        [number](quint32 id, ClamdWay way) { return nonsenseFor(id, way)[size_t(number)]; });
    const ClamdBench bench(hasty(fake));
    for (int i = 0; i < 5; ++i) {
        const auto before = Clock::now();
        QVERIFY(bench.scan("abc").verdict() != Verdict::Clean);
        QVERIFY(Clock::now() - before < patience);
    }
}

void tst_ClamdFake::answer_late_isAwaitedInSlices()
{
    FakeClamd fake([](quint32 id, ClamdWay way) {
        return Saying{whole(id, way, "X FOUND").bytes, Then::Wait, 200ms};
    });
    const ClamdBench bench(fake.address());
    const auto task = bench.engine->begin({}, fileContent("abc"));
    int slices = 1;
    while (task->step({.until = Clock::now() + 1ms}) != ScanTask::Progress::Done)
        ++slices;
    QCOMPARE(task->takeResult().verdict(), Verdict::Malicious);
    QVERIFY(slices > 5);
    QCOMPARE(fake.questions(), 1);
}

void tst_ClamdFake::answer_never_timesOutAndTheConnectionIsNotUsedAgain()
{
    FakeClamd fake([](quint32, ClamdWay) { return Saying{}; });
    const ClamdBench bench(hasty(fake));
    for (int i = 0; i < 3; ++i)
        QCOMPARE(nameOf(bench.scan("abc").reason()), nameOf(Reason::TimedOut));
    QCOMPARE(bench.watch->pool().counts().created, quint64(3));
    QCOMPARE(bench.watch->pool().counts().idle, 0);
}

void tst_ClamdFake::answer_lateAfterTheScan_isNobodyElses()
{
    std::atomic<int> scans = 0;
    FakeClamd fake([&scans](quint32 id, ClamdWay way) {
        if (scans++ == 0)
            return Saying{whole(id, way, "OK").bytes, Then::Wait, 90ms};
        return Saying{whole(id, way, "X FOUND").bytes, Then::Wait, 40ms};
    });
    ClamdSettings settings = hasty(fake);
    settings.poolSize = 1;
    const ClamdBench bench(settings);
    QCOMPARE(nameOf(bench.scan("first").reason()), nameOf(Reason::TimedOut));
    QVERIFY(bench.scan("second").verdict() != Verdict::Clean);
}

void tst_ClamdFake::connection_givenBackUnanswered_isNotUsedAgain()
{
    FakeClamd fake([](quint32 id, ClamdWay way) { return whole(id, way, "X FOUND"); },
        [](quint32 id, const QByteArray &command) {
            Saying saying = FakeClamd::decent(id, command);
            saying.after = command == "PING" ? 50ms : 0ms;
            return saying;
        });
    ClamdSettings settings = clamdSettings(fake.address());
    settings.poolSize = 1;
    const ClamdBench bench(settings);
    auto lease = bench.watch->pool().lease(Clock::now());
    QVERIFY(lease.has_value());
    (*lease)->ask("PING");
    QVERIFY(!(*lease)->advance(Clock::now())->has_value());
    lease->giveBack();
    QCOMPARE(bench.scan("abc").verdict(), Verdict::Malicious);
    QCOMPARE(bench.watch->pool().counts().healthFailures, quint64(1));
}

void tst_ClamdFake::descriptor_refused_contentIsStreamed()
{
    FakeClamd fake([](quint32 id, ClamdWay way) {
        return way == ClamdWay::File ? whole(id, way, "Permission denied. ERROR")
                                     : whole(id, way, "OK");
    });
    const ClamdBench bench(fake.address());
    QCOMPARE(bench.scan(QByteArray(1'000'000, 'x')).verdict(), Verdict::Clean);
    QCOMPARE(fake.questions(), 2);
}

void tst_ClamdFake::answer_beforeTheContent_isNotClean()
{
    FakeClamd fake(
        [](quint32 id, ClamdWay way) { return whole(id, way, "Permission denied. ERROR"); },
        [](quint32 id, const QByteArray &command) {
            return command == "INSTREAM" ? whole(id, ClamdWay::Stream, "OK")
                                         : FakeClamd::decent(id, command);
        });
    const ClamdBench bench(fake.address());
    QCOMPARE(nameOf(bench.scan(sparseContent(20'000'000)).reason()), nameOf(Reason::EngineError));
    QCOMPARE(fake.questions(), 1); // that of the descriptor
}

void tst_ClamdFake::connection_closedWhileIdle_anotherOneIsUsed()
{
    FakeClamd fake([](quint32 id, ClamdWay way) {
        return Saying{whole(id, way, "OK").bytes, Then::Close};
    });
    const ClamdBench bench(fake.address());
    for (int i = 0; i < 20; ++i)
        QCOMPARE(bench.scan("abc").verdict(), Verdict::Clean);
}

void tst_ClamdFake::connection_closedAtTheQuestion_isRetriedOnce()
{
    FakeClamd fake([](quint32 id, ClamdWay way) {
        return id == 1 ? whole(id, way, "OK") : Saying{"COMMAND READ TIMED OUT\n", Then::Close};
    });
    const ClamdBench bench(fake.address());
    for (int i = 0; i < 20; ++i)
        QCOMPARE(bench.scan("abc").verdict(), Verdict::Clean);
    QCOMPARE(fake.questions(), 39); // each but the first: twice
}

void tst_ClamdFake::connection_newAndClosed_isNotRetried()
{
    FakeClamd fake([](quint32, ClamdWay) { return Saying{{}, Then::Close}; });
    const ClamdBench bench(fake.address());
    QCOMPARE(nameOf(bench.scan("abc").reason()), nameOf(Reason::ScannerUnavailable));
    QCOMPARE(fake.questions(), 1);
}

void tst_ClamdFake::connection_allInUse_isAwaitedUntilTheTimeout()
{
    FakeClamd fake([](quint32, ClamdWay) { return Saying{}; });
    ClamdSettings settings = hasty(fake);
    settings.poolSize = 1;
    const ClamdBench bench(settings);
    auto lease = bench.watch->pool().lease(Clock::now());
    QVERIFY(lease.has_value());
    const ScanResult refused = bench.scan("abc");
    QCOMPARE(nameOf(refused.reason()), nameOf(Reason::ScannerUnavailable));
    QVERIFY2(refused.detail().contains(QStringLiteral("came free")), qPrintable(refused.detail()));
    QCOMPARE(fake.questions(), 0);
}

void tst_ClamdFake::content_growing_starves()
{
    FakeClamd fake([](quint32 id, ClamdWay way) { return whole(id, way, "OK"); });
    const ClamdBench bench(fake.address());
    FileDescriptor file(::memfd_create("growing", MFD_CLOEXEC));
    QCOMPARE(::pwrite(file.get(), "abc", 3, 0), ssize_t(3));
    auto content = std::make_shared<Content>(std::move(file));
    content->grow(2);
    const auto task = bench.engine->begin({}, content);
    QCOMPARE(task->step({}), ScanTask::Progress::Starved);
    QCOMPARE(fake.questions(), 0);
    content->grow(3);
    content->complete();
    QCOMPARE(task->step({}), ScanTask::Progress::Done);
    QCOMPARE(task->takeResult().coverage().bytesTotal, qint64(3));
}

void tst_ClamdFake::content_tooLarge_isNotSent()
{
    FakeClamd fake([](quint32 id, ClamdWay way) { return whole(id, way, "OK"); });
    ClamdSettings settings = clamdSettings(fake.address());
    settings.maxBytes = 10;
    const ClamdBench bench(settings);
    QCOMPARE(bench.scan(QByteArray(10, 'x')).verdict(), Verdict::Clean);
    QCOMPARE(nameOf(bench.scan(QByteArray(11, 'x')).reason()), nameOf(Reason::TooLarge));
    QCOMPARE(fake.questions(), 1);
}

void tst_ClamdFake::content_inMemory_isScanned()
{
    FakeClamd fake([](quint32 id, ClamdWay way) { return whole(id, way, "OK"); });
    const ClamdBench bench(fake.address());
    QCOMPARE(bench.scan(Content::fromByteArray("abc")).verdict(), Verdict::Clean);
}

void tst_ClamdFake::content_shrinksUnderTheScan_isUnreadable_data()
{
    QTest::addColumn<ClamdWay>("way");
    QTest::newRow("passed") << ClamdWay::File;
    QTest::newRow("sent") << ClamdWay::Stream;
}

void tst_ClamdFake::content_shrinksUnderTheScan_isUnreadable()
{
    QFETCH(ClamdWay, way);
    int file = -1;
    FakeClamd fake([&file, way](quint32 id, ClamdWay by) {
        if (::ftruncate(file, 1) != 0)
            qFatal("not truncated");
        return by == way ? whole(id, by, "OK") : whole(id, by, "cannot read ERROR");
    });
    const ClamdBench bench(fake.address());
    const auto content = sparseContent(1'000'000);
    file = content->file();
    QCOMPARE(nameOf(bench.scan(content).reason()), nameOf(Reason::Unreadable));
}

void tst_ClamdFake::scan_abandoned_interruptEndsTheWait()
{
    FakeClamd fake([](quint32, ClamdWay) { return Saying{}; });
    const ClamdBench bench(fake.address());
    std::mutex mutex;
    std::function<void()> interrupt;
    const auto task = bench.engine->begin({}, fileContent("abc"));
    std::thread scan([&] {
        const SliceBudget budget{
            .until = noDeadline, .setInterrupt = [&](std::function<void()> function) {
                const std::lock_guard lock(mutex);
                interrupt = std::move(function);
            }};
        while (task->step(budget) != ScanTask::Progress::Done) { }
    });
    while (fake.questions() == 0)
        std::this_thread::yield();
    {
        const std::lock_guard lock(mutex);
        QVERIFY(interrupt);
        interrupt();
    }
    scan.join();
    QVERIFY(task->takeResult().verdict() == Verdict::NotScanned);
    QVERIFY(!interrupt);
    QCOMPARE(bench.watch->pool().counts().idle, 0);
}

void tst_ClamdFake::version_nonsense_isUnreachable_data()
{
    QTest::addColumn<QByteArray>("answer");
    QTest::addColumn<Then>("then");
    const QByteArray version = "ClamAV 1.4.6/27000/Fri Nov 20 08:21:44 2026";
    QTest::newRow("closes") << QByteArray() << Then::Close;
    QTest::newRow("is silent") << QByteArray() << Then::Wait;
    QTest::newRow("other program") << QByteArray("1: PONG\0", 8) << Then::Wait;
    QTest::newRow("no id") << version + '\0' << Then::Wait;
    QTest::newRow("other id") << "2: " + version + '\0' << Then::Wait;
    QTest::newRow("no end") << "1: " + version << Then::Endless;
    QTest::newRow("closed before its end") << "1: " + version << Then::Close;
}

void tst_ClamdFake::version_nonsense_isUnreachable()
{
    QFETCH(QByteArray, answer);
    QFETCH(Then, then);
    FakeClamd fake([](quint32 id, ClamdWay way) { return whole(id, way, "OK"); },
        [&](quint32, const QByteArray &) {
            return Saying{answer, then};
        });
    ClamdSettings settings = clamdSettings(fake.address());
    settings.pingPatience = 50ms;
    const ClamdBench bench(settings);
    QVERIFY(!bench.watch->isReachable());
    QVERIFY(!bench.watch->trouble().isEmpty());
    const ScanResult result = bench.scan("abc");
    QCOMPARE(nameOf(result.reason()), nameOf(Reason::ScannerUnavailable));
    QCOMPARE(fake.questions(), 0);
}

void tst_ClamdFake::version_changes_isTold()
{
    std::atomic<int> edition = 27000;
    FakeClamd fake([](quint32 id, ClamdWay way) { return whole(id, way, "OK"); },
        [&](quint32 id, const QByteArray &command) {
            Saying saying = FakeClamd::decent(id, command);
            saying.bytes.replace("27000", QByteArray::number(edition));
            return saying;
        });
    ClamdSettings settings = clamdSettings(fake.address());
    settings.pingInterval = 10ms;
    const ClamdBench bench(settings);
    QCOMPARE(bench.changes, 1);
    edition = 27001;
    QTRY_COMPARE_WITH_TIMEOUT(bench.changes, 2, patienceMs);
    QCOMPARE(bench.watch->version()->signatures, qint64(27001));
    QVERIFY(ClamdEngine(bench.watch).rules().digest != bench.engine->rules().digest);
}

void tst_ClamdFake::limits_notTold_largeContentsAreNotClean()
{
    FakeClamd fake([](quint32 id, ClamdWay way) { return whole(id, way, "OK"); }, FakeClamd::decent,
        FakeClamd::Candour::Silent);
    const ClamdBench bench(fake.address());
    QVERIFY(bench.watch->isReachable());
    QVERIFY(bench.watch->trouble().contains(QStringLiteral("AlertExceedsMax")));
    QCOMPARE(bench.scan(sparseContent(Limits::maxUntoldClamdBytes)).verdict(), Verdict::Clean);
    QCOMPARE(nameOf(bench.scan(sparseContent(Limits::maxUntoldClamdBytes + 1)).reason()),
        nameOf(Reason::LimitHit));
}

void tst_ClamdFake::limits_ofAnotherClamdBehindTheSameSocket_areAskedAnew()
{
    FakeClamd fake([](quint32 id, ClamdWay way) { return whole(id, way, "OK"); });
    const ClamdBench bench(fake.address());
    const auto large = sparseContent(Limits::maxUntoldClamdBytes + 1);
    for (int i = 1; i <= 3; ++i) {
        QCOMPARE(bench.scan(large).verdict(), Verdict::Clean);
        fake.restart(FakeClamd::Candour::Silent);
        // At once, too: before the watch can have asked.
        const ScanResult untrusted = bench.scan(large);
        QCOMPARE(nameOf(untrusted.reason()), nameOf(Reason::LimitHit));
        QVERIFY(!untrusted.detail().isEmpty());
        const auto restarted = Clock::now();
        QTRY_VERIFY_WITH_TIMEOUT(!bench.watch->trouble().isEmpty(), patienceMs);
        QVERIFY(Clock::now() - restarted < 2s * slowness);
        QCOMPARE(nameOf(bench.scan(large).reason()), nameOf(Reason::LimitHit));
        QVERIFY(bench.watch->isReachable());
        fake.restart(FakeClamd::Candour::Telling);
        QTRY_VERIFY_WITH_TIMEOUT(bench.watch->trouble().isEmpty(), patienceMs);
        QCOMPARE(bench.changes, 1 + 2 * i);
        QCOMPARE(fake.probes(), 1 + 2 * i);
    }
}

void tst_ClamdFake::limits_ofTheSameClamd_areAskedOnce()
{
    std::atomic<int> asked = 0;
    FakeClamd fake([](quint32 id, ClamdWay way) { return whole(id, way, "OK"); },
        [&](quint32 id, const QByteArray &command) {
            asked += command == "VERSION" ? 1 : 0;
            return FakeClamd::decent(id, command);
        });
    ClamdSettings settings = clamdSettings(fake.address());
    settings.pingInterval = 1ms;
    const ClamdBench bench(settings);
    QTRY_VERIFY_WITH_TIMEOUT(asked > 10, patienceMs);
    QCOMPARE(fake.probes(), 1);
    // Nobody need hear of one that was started anew and is as it was.
    fake.restart(FakeClamd::Candour::Telling);
    QTRY_COMPARE_WITH_TIMEOUT(fake.probes(), 2, patienceMs);
    const auto large = sparseContent(Limits::maxUntoldClamdBytes + 1);
    QTRY_COMPARE_WITH_TIMEOUT(bench.scan(large).verdict(), Verdict::Clean, patienceMs);
    QCOMPARE(bench.changes, 1);
}

void tst_ClamdFake::limits_sessionEndedByTheQuestion_askedNowAndThen()
{
    FakeClamd fake([](quint32 id, ClamdWay way) { return whole(id, way, "OK"); }, FakeClamd::decent,
        FakeClamd::Candour::Curt);
    const auto before = Clock::now();
    const ClamdBench bench(fake.address());
    QTRY_VERIFY_WITH_TIMEOUT(fake.probes() >= 3, patienceMs);
    QVERIFY(Clock::now() - before >= 2 * Limits::mostClamdPause);
    QVERIFY2(fake.connections() < 10, QByteArray::number(fake.connections()).constData());
    QVERIFY(bench.watch->isReachable());
    // Nobody knows who would answer now.
    QCOMPARE(nameOf(bench.scan(sparseContent(Limits::maxUntoldClamdBytes + 1)).reason()),
        nameOf(Reason::LimitHit));
}

void tst_ClamdFake::pool_idle_isKeptAlive()
{
    std::atomic<int> pings = 0;
    FakeClamd fake([](quint32 id, ClamdWay way) { return whole(id, way, "OK"); },
        [&](quint32 id, const QByteArray &command) {
            pings += command == "PING" ? 1 : 0;
            return FakeClamd::decent(id, command);
        });
    ClamdSettings settings = clamdSettings(fake.address());
    settings.pingInterval = 10ms;
    const ClamdBench bench(settings);
    QCOMPARE(bench.scan("abc").verdict(), Verdict::Clean);
    QTRY_VERIFY_WITH_TIMEOUT(pings > 3, patienceMs);
    QCOMPARE(bench.watch->pool().counts().created, quint64(1));
}

void tst_ClamdFake::tenThousandScans_ofChaos_noFalseCleanNoHang()
{
    constexpr int scans = 10'000 / slowness;
    constexpr int threads = 4;
    const int descriptorsBefore = descriptorCount();
    std::atomic<int> cleans = 0;
    std::atomic<int> founds = 0;
    std::atomic<int> done = 0;
    std::atomic<qint64> longestUs = 0;
    {
        QRandomGenerator random(7); // the fake's thread's
        FakeClamd fake([&random](quint32 id, ClamdWay way) -> Saying {
            switch (random.bounded(100)) {
            case 0:
                return {}; // silence
            case 1:
                return {whole(id, way, "X FOUND").bytes, Then::Wait, 70ms}; // too late
            default:
                break;
            }
            switch (random.bounded(3)) {
            case 0:
                return garbage(random);
            case 1:
                return whole(id, way, "X FOUND");
            default:
                const auto all = nonsenseFor(id, way);
                return all[size_t(random.bounded(int(all.size())))];
            }
        });
        const ClamdBench bench(hasty(fake));
        std::vector<std::thread> crew;
        for (int i = 0; i < threads; ++i) {
            crew.emplace_back([&] {
                const auto content = fileContent("the content");
                while (done++ < scans) {
                    const auto before = Clock::now();
                    const ScanResult result = bench.scan(content);
                    const qint64 us = (Clock::now() - before) / 1us;
                    qint64 longest = longestUs;
                    while (us > longest && !longestUs.compare_exchange_weak(longest, us)) { }
                    cleans += result.verdict() == Verdict::Clean ? 1 : 0;
                    founds += result.verdict() == Verdict::Malicious ? 1 : 0;
                }
            });
        }
        for (std::thread &thread : crew)
            thread.join();
        qInfo(
            "%d scans, %d found, the longest took %lld ms", scans, founds.load(), longestUs / 1000);
    }
    QCOMPARE(cleans, 0);
    QVERIFY(founds > scans / 5);
    QVERIFY(longestUs < patience / 1us);
    QCOMPARE(descriptorCount(), descriptorsBefore);
}

QTEST_GUILESS_MAIN(tst_ClamdFake)
#include "tst_clamdfake.moc"
