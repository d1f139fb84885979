// SPDX-License-Identifier: MIT
#include "tests/support/Clamd.h"

#include "SecurityTap/backend/LocalBackend.h"
#include "tests/support/ClamdBench.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/ScriptedTask.h"
#include "tests/support/Slowness.h"

#include <QTest>

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

#include <signal.h>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace std::chrono_literals;

namespace {

constexpr char telling[] = "AlertExceedsMax yes\nAlertEncrypted yes\n";

std::unique_ptr<Clamd> startClamd(const QByteArray &settings = telling)
{
    auto clamd = Clamd::start(settings);
    if (!clamd)
        qFatal("%s", qPrintable(clamd.error()));
    return std::move(*clamd);
}

//! Scans threats on several threads until it is stopped, and looks at what comes of it.
class ThreatLoad {
public:
    static constexpr int threads = 4;

    ThreatLoad(const ClamdBench &bench, std::chrono::milliseconds bound)
        : m_bench(bench), m_bound(bound)
    {
        for (int i = 0; i < threads; ++i)
            m_crew.emplace_back([this] { run(); });
    }
    ~ThreatLoad() { stop(); }
    Q_DISABLE_COPY_MOVE(ThreatLoad)

    void stop()
    {
        m_isStopping = true;
        for (std::thread &thread : m_crew)
            thread.join();
        m_crew.clear();
    }

    std::atomic<int> found = 0;
    std::atomic<int> notScanned = 0;
    std::atomic<int> clean = 0; // none of them is
    std::atomic<int> late = 0; // beyond the bound

private:
    void run()
    {
        const auto content = fileContent(eicar);
        while (!m_isStopping) {
            const auto before = Clock::now();
            const ScanResult result = m_bench.scan(content);
            late += Clock::now() - before > m_bound ? 1 : 0;
            switch (result.verdict()) {
            case Verdict::Clean:
                ++clean;
                break;
            case Verdict::NotScanned:
                ++notScanned;
                break;
            default:
                ++found;
            }
        }
    }

    const ClamdBench &m_bench;
    const std::chrono::milliseconds m_bound;
    std::atomic<bool> m_isStopping = false;
    std::vector<std::thread> m_crew;
};

} // namespace

class tst_Clamd : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        if (!Clamd::isInstalled())
            QSKIP("clamd is not installed (scripts/setup)");
        m_descriptorsBefore = descriptorCount();
    }
    void cleanup()
    {
        if (m_descriptorsBefore >= 0)
            QCOMPARE(descriptorCount(), m_descriptorsBefore);
    }

    void content_any_isJudged_data();
    void content_any_isJudged();
    void content_overStreamMaxLength_isTooLarge_data();
    void content_overStreamMaxLength_isTooLarge();
    void content_overMaxFileSize_isLimitHit();
    void content_encrypted_isSaid();
    void limits_notTold_areTheTroubleOfIt();
    void tenThousandScans_reuseConnectionsAndLeakNothing();
    void sessions_timedOut_nobodyNotices();
    void clamd_killed_isNoticedAndComesBack();
    void clamd_killedUnderLoad_noFalseCleanNobodyLate();
    void clamd_stopped_deadlinesHold();
    void signatures_brokenAndReloaded_scansGoOn();
    void signatures_reloadedUnderLoad_noFalseClean();
    void clamd_flooded_pooledConnectionsAreServed();
    void backend_withClamd_answersAll();

private:
    int m_descriptorsBefore = -1;
};

void tst_Clamd::content_any_isJudged_data()
{
    QTest::addColumn<bool>("isLocal");
    QTest::addColumn<std::shared_ptr<Content>>("content");
    QTest::addColumn<QString>("found"); // empty: clean
    const QString eicarName = QStringLiteral("Eicar-Test.UNOFFICIAL");
    const QString markName = QStringLiteral("Mark.UNOFFICIAL");
    for (const bool isLocal : {true, false}) {
        const auto add = [&](const char *name, std::shared_ptr<Content> content,
                             const QString &found = {}) {
            QTest::addRow("%s, %s", name, isLocal ? "FILDES" : "INSTREAM")
                << isLocal << std::move(content) << found;
        };
        add("eicar", fileContent(eicar), eicarName);
        add("eicar in memory", Content::fromByteArray(eicar), eicarName);
        add("clean", fileContent("hello"));
        add("empty", fileContent(""));
        add("almost eicar", fileContent(eicar + '!'));
        add("a chunk", fileContent(QByteArray(Limits::clamdChunkBytes, 'x')));
        add("a chunk and a byte", fileContent(QByteArray(Limits::clamdChunkBytes + 1, 'x')));
        add("mark across chunks",
            fileContent(QByteArray(Limits::clamdChunkBytes - 5, 'x') + Clamd::mark), markName);
        add("20 MB, mark at the end", sparseContent(20'000'000, Clamd::mark), markName);
        add("20 MB", sparseContent(20'000'000));
    }
}

void tst_Clamd::content_any_isJudged()
{
    QFETCH(bool, isLocal);
    QFETCH(std::shared_ptr<Content>, content);
    QFETCH(QString, found);
    m_descriptorsBefore = descriptorCount(); // with the contents of all rows
    const auto clamd = startClamd();
    const ClamdBench bench(isLocal ? clamd->socketPath() : clamd->tcpAddress());
    QVERIFY2(bench.watch->isReachable(), qPrintable(bench.watch->trouble()));
    const ScanResult result = bench.scan(content);
    QCOMPARE(nameOf(result.reason()), nameOf(Reason::None));
    QCOMPARE(result.verdict(), found.isEmpty() ? Verdict::Clean : Verdict::Malicious);
    if (!found.isEmpty())
        QCOMPARE(result.findings().front().rule, found);
    QCOMPARE(result.coverage().bytesScanned, content->extent().sizeBytes);
}

void tst_Clamd::content_overStreamMaxLength_isTooLarge_data()
{
    QTest::addColumn<qint64>("bytes");
    QTest::addColumn<Reason>("reason");
    QTest::newRow("the limit") << Limits::mib << Reason::None;
    QTest::newRow("a byte more") << Limits::mib + 1 << Reason::TooLarge;
    QTest::newRow("twenty times as much") << 20 * Limits::mib << Reason::TooLarge;
}

void tst_Clamd::content_overStreamMaxLength_isTooLarge()
{
    QFETCH(qint64, bytes);
    QFETCH(Reason, reason);
    const auto clamd = startClamd("StreamMaxLength 1M\n");
    const ClamdBench bench(clamd->tcpAddress());
    for (int i = 0; i < 5; ++i)
        QCOMPARE(nameOf(bench.scan(sparseContent(bytes)).reason()), nameOf(reason));
    QCOMPARE(bench.scan(eicar).verdict(), Verdict::Malicious);
}

void tst_Clamd::content_overMaxFileSize_isLimitHit()
{
    const auto clamd = startClamd(QByteArray(telling) + "MaxFileSize 1M\n");
    const ClamdBench bench(clamd->socketPath());
    QCOMPARE(bench.watch->trouble(), QString());
    QCOMPARE(bench.scan(sparseContent(Limits::mib)).verdict(), Verdict::Clean);
    const ScanResult result = bench.scan(sparseContent(Limits::mib + 1));
    QCOMPARE(nameOf(result.reason()), nameOf(Reason::LimitHit));
    QVERIFY(!result.coverage().isComplete());
}

void tst_Clamd::content_encrypted_isSaid()
{
    // A zip whose only member says of itself that it is encrypted.
    const QByteArray local = QByteArray::fromHex("504b0304140001000000000000000000000000"
                                                 "0010000000040000000100000061")
        + QByteArray(16, 'e');
    const QByteArray central = QByteArray::fromHex("504b01021400140001000000000000000000000000"
                                                   "00100000000400000001000000000000000000000000"
                                                   "000000000061");
    const QByteArray end = QByteArray::fromHex("504b05060000000001000100") + QByteArray(1, '/')
        + QByteArray(3, '\0') + QByteArray(1, char(local.size())) + QByteArray(5, '\0');
    const auto clamd = startClamd();
    const ClamdBench bench(clamd->socketPath());
    const ScanResult result = bench.scan(local + central + end);
    QCOMPARE(nameOf(result.reason()), nameOf(Reason::Encrypted));
}

void tst_Clamd::limits_notTold_areTheTroubleOfIt()
{
    const auto clamd = startClamd("MaxFileSize 25M\n");
    const ClamdBench bench(clamd->socketPath());
    QVERIFY(bench.watch->isReachable());
    QVERIFY(bench.watch->status().trouble.contains(QStringLiteral("AlertExceedsMax")));
    // clamd answers OK, and has not looked at a byte.
    QCOMPARE(nameOf(bench.scan(sparseContent(26'300'000, Clamd::mark)).reason()),
        nameOf(Reason::LimitHit));
    QCOMPARE(bench.scan(sparseContent(20'000'000, Clamd::mark)).verdict(), Verdict::Malicious);
}

void tst_Clamd::tenThousandScans_reuseConnectionsAndLeakNothing()
{
    constexpr int scans = 10'000 / slowness;
    const auto clamd = startClamd();
    const ClamdBench bench(clamd->socketPath());
    QCOMPARE(bench.scan(eicar).verdict(), Verdict::Malicious);
    const int itsDescriptors = clamd->descriptorCount();
    std::atomic<int> left = scans;
    std::atomic<int> wrong = 0;
    const auto before = Clock::now();
    std::vector<std::thread> crew;
    for (int i = 0; i < 4; ++i) {
        crew.emplace_back([&] {
            const auto threat = fileContent(eicar);
            const auto other = fileContent(QByteArray(1'000, 'x'));
            for (int n = left--; n > 0; n = left--) {
                const bool isThreat = n % 2 == 0;
                const Verdict verdict = bench.scan(isThreat ? threat : other).verdict();
                wrong += verdict == (isThreat ? Verdict::Malicious : Verdict::Clean) ? 0 : 1;
            }
        });
    }
    for (std::thread &thread : crew)
        thread.join();
    const PoolCounts counts = bench.watch->pool().counts();
    qInfo("%d scans in %lld ms, on %llu connections", scans, qint64((Clock::now() - before) / 1ms),
        counts.created);
    QCOMPARE(wrong, 0);
    QVERIFY(counts.reuses * 100 > counts.acquires * 99);
    QVERIFY(clamd->descriptorCount() - itsDescriptors < 50); // its threads' and our connections'
}

void tst_Clamd::sessions_timedOut_nobodyNotices()
{
    const auto clamd =
        startClamd(QByteArray(telling) + "ReadTimeout 1\nIdleTimeout 1\nCommandReadTimeout 1\n");
    ClamdSettings settings = clamdSettings(clamd->socketPath());
    settings.pingInterval = 1h;
    const ClamdBench bench(settings);
    QCOMPARE(bench.scan(eicar).verdict(), Verdict::Malicious);
    {
        auto lease = bench.watch->pool().lease(Clock::now());
        QVERIFY(lease.has_value() && (*lease)->isUsed());
        QTRY_VERIFY_WITH_TIMEOUT(!(*lease)->isQuiet(), patienceMs); // its time is over
    }
    QCOMPARE(bench.scan(eicar).verdict(), Verdict::Malicious);
    QVERIFY(bench.watch->isReachable());
    QCOMPARE(bench.changes, 1);
}

void tst_Clamd::clamd_killed_isNoticedAndComesBack()
{
    const auto clamd = startClamd();
    const ClamdBench bench(clamd->socketPath());
    for (int i = 0; i < 3; ++i) {
        QCOMPARE(bench.scan(eicar).verdict(), Verdict::Malicious);
        clamd->kill();
        const auto killed = Clock::now();
        QTRY_VERIFY_WITH_TIMEOUT(!bench.watch->isReachable(), patienceMs);
        QVERIFY(Clock::now() - killed < 1s);
        const auto asked = Clock::now();
        const ScanResult refused = bench.scan(eicar);
        QCOMPARE(nameOf(refused.reason()), nameOf(Reason::ScannerUnavailable));
        QVERIFY(!refused.detail().isEmpty());
        QVERIFY(Clock::now() - asked < 5s); // it waits for nobody: a connection has ten seconds
        QVERIFY(clamd->restart().has_value());
        QTRY_VERIFY_WITH_TIMEOUT(bench.watch->isReachable(), patienceMs);
    }
    QCOMPARE(bench.scan(eicar).verdict(), Verdict::Malicious);
    QVERIFY(bench.changes >= 7); // also when why it is gone changes
}

void tst_Clamd::clamd_killedUnderLoad_noFalseCleanNobodyLate()
{
    const auto clamd = startClamd();
    ClamdSettings settings = clamdSettings(clamd->socketPath());
    settings.scanTimeout = 2s;
    const ClamdBench bench(settings);
    ThreatLoad load(bench, 3s);
    for (int i = 0; i < 5; ++i) {
        const int foundBefore = load.found;
        QTRY_VERIFY_WITH_TIMEOUT(load.found > foundBefore + 100, patienceMs);
        const int refusedBefore = load.notScanned;
        clamd->kill();
        QTRY_VERIFY_WITH_TIMEOUT(load.notScanned > refusedBefore, patienceMs);
        QVERIFY(clamd->restart().has_value());
    }
    const int foundBefore = load.found;
    QTRY_VERIFY_WITH_TIMEOUT(load.found > foundBefore + 100, patienceMs);
    load.stop();
    QCOMPARE(load.clean, 0);
    QCOMPARE(load.late, 0);
}

void tst_Clamd::clamd_stopped_deadlinesHold()
{
    const auto clamd = startClamd();
    ClamdSettings settings = clamdSettings(clamd->socketPath());
    settings.scanTimeout = 300ms;
    settings.pingInterval = 100ms;
    settings.pingPatience = 1s;
    const ClamdBench bench(settings);
    ThreatLoad load(bench, 800ms);
    QTRY_VERIFY_WITH_TIMEOUT(load.found > 100, patienceMs);
    clamd->sendSignal(SIGSTOP);
    QTRY_VERIFY_WITH_TIMEOUT(load.notScanned >= ThreatLoad::threads, patienceMs);
    QTRY_VERIFY_WITH_TIMEOUT(!bench.watch->isReachable(), patienceMs);
    QVERIFY(bench.watch->trouble().contains(QStringLiteral("does not answer")));
    QTRY_COMPARE_WITH_TIMEOUT(bench.watch->pool().counts().inUse, 0, patienceMs);
    clamd->sendSignal(SIGCONT);
    QTRY_VERIFY_WITH_TIMEOUT(bench.watch->isReachable(), patienceMs);
    const int foundBefore = load.found;
    QTRY_VERIFY_WITH_TIMEOUT(load.found > foundBefore + 100, patienceMs);
    load.stop();
    QCOMPARE(load.clean, 0);
    QCOMPARE(load.late, 0);
}

void tst_Clamd::signatures_brokenAndReloaded_scansGoOn()
{
    const auto clamd = startClamd();
    const ClamdBench bench(clamd->socketPath());
    QCOMPARE(bench.scan(Clamd::mark).verdict(), Verdict::Malicious);
    clamd->writeSignatures({});
    QVERIFY(clamd->reload()); // so it says
    for (int i = 0; i < 200; ++i)
        QCOMPARE(bench.scan(Clamd::mark).verdict(), Verdict::Malicious);
    clamd->writeSignatures("Renamed");
    QVERIFY(clamd->reload());
    const auto name = [&bench] {
        const ScanResult result = bench.scan(Clamd::mark);
        return result.findings().empty() ? QString() : result.findings().front().rule;
    };
    QTRY_COMPARE_WITH_TIMEOUT(name(), QStringLiteral("Renamed.UNOFFICIAL"), patienceMs);
    QVERIFY(bench.watch->isReachable());
}

void tst_Clamd::signatures_reloadedUnderLoad_noFalseClean()
{
    const auto clamd = startClamd();
    const ClamdBench bench(clamd->socketPath());
    ThreatLoad load(bench, patience);
    for (int i = 0; i < 10; ++i) {
        const int before = load.found;
        QVERIFY(clamd->reload());
        QTRY_VERIFY_WITH_TIMEOUT(load.found > before + 50, patienceMs);
    }
    load.stop();
    QCOMPARE(load.clean, 0);
    QCOMPARE(load.notScanned, 0);
}

void tst_Clamd::clamd_flooded_pooledConnectionsAreServed()
{
    constexpr int idlers = 24;
    constexpr size_t scans = 1'000;
    const auto clamd = startClamd(QByteArray(telling) + "MaxThreads 4\nMaxQueue 8\n");
    const ClamdBench bench(clamd->socketPath());
    QCOMPARE(bench.scan(eicar).verdict(), Verdict::Malicious);
    const auto address = *ClamdAddress::parse(clamd->socketPath());
    std::vector<std::unique_ptr<ClamdConnection>> crowd;
    for (int i = 0; i < idlers; ++i) {
        crowd.push_back(std::move(*ClamdConnection::make(address)));
        crowd.back()->ask("PING");
        (void)crowd.back()->advance(Clock::now() + 20ms); // accepted or not
    }
    std::vector<Clock::duration> times;
    for (size_t i = 0; i < scans; ++i) {
        const auto before = Clock::now();
        QCOMPARE(bench.scan(eicar).verdict(), Verdict::Malicious);
        times.push_back(Clock::now() - before);
    }
    std::ranges::sort(times);
    const auto newcomers =
        std::ranges::count_if(crowd, [](const auto &one) { return one->isUsed(); });
    qInfo("flooded by %d, of whom %d were answered: p50 %lld us, p99 %lld us", idlers,
        int(newcomers), qint64(times[scans / 2] / 1us), qint64(times[scans * 99 / 100] / 1us));
    QCOMPARE(bench.watch->pool().counts().created, quint64(1));
}

void tst_Clamd::backend_withClamd_answersAll()
{
    constexpr int requests = 300;
    const auto clamd = startClamd();
    const ClamdBench bench(clamd->socketPath());
    LocalBackend::Settings settings;
    settings.queue.maxRequests = 2 * requests;
    settings.cache.enabled = false;
    const AnswerBook book;
    {
        LocalBackend backend(bench.engine, settings);
        backend.start();
        for (int i = 0; i < requests; ++i) {
            ScanSubject subject;
            // Half a second of work for clamd, threats, and others: all different.
            subject.content = i < 10
                ? sparseContent(20'000'000 + i)
                : fileContent(i % 2 == 0 ? QByteArray(Clamd::mark) + QByteArray::number(i)
                                         : QByteArray::number(i));
            subject.sizeBytes = subject.content->extent().sizeBytes;
            const QString name = QString::fromLatin1(i >= 10 && i % 2 == 0 ? "bad" : "good");
            const auto refusal = backend.submit(
                std::make_shared<ScanRequest>(std::move(subject), book.writer(name)));
            QVERIFY2(!refusal, qPrintable(nameOf(refusal.value_or(Reason::None))));
        }
        QVERIFY(book.waitFor(requests));
    }
    for (const AnswerBook::Line &line : book.lines()) {
        QVERIFY2(line.result.verdict()
                == (line.name == QStringLiteral("bad") ? Verdict::Malicious : Verdict::Clean),
            qPrintable(line.result.detail()));
    }
}

QTEST_GUILESS_MAIN(tst_Clamd)
#include "tst_clamd.moc"
