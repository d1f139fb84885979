// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Spool.h"
#include "Sentinel/worker/Packet.h"
#include "Sentinel/worker/WorkerParent.h"
#include "ipc/Limits.h"
#include "tests/support/Patience.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/RuleDirectory.h"

#include <QTest>

#include <array>
#include <atomic>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace Sentinel;
using Test::hang;
using Test::noise;
using Progress = ScanTask::Progress;

namespace {

constexpr std::chrono::milliseconds slice{10};

std::unique_ptr<Spool> spoolOf(const QByteArray &bytes)
{
    SpoolOptions options;
    options.maxBytes = Limits::gib;
    options.maxMappedBytes = Limits::maxScanBytes;
    options.announcedBytes = 8 * Limits::mib; // stays where it is: its descriptor goes elsewhere
    auto spool = Spool::create(options);
    if (!spool || !(*spool)->append({bytes.constData(), size_t(bytes.size())}))
        qFatal("no spool");
    return std::move(*spool);
}

WorkerRequest begin(qint64 sizeBytes, bool isComplete = true)
{
    WorkerRequest request;
    request.kind = WorkerRequest::Kind::Begin;
    request.mappedBytes = Limits::maxScanBytes;
    request.sizeBytes = sizeBytes;
    request.isComplete = isComplete;
    request.slice = slice;
    return request;
}

WorkerRequest next(WorkerRequest request, qint64 sizeBytes, bool isComplete)
{
    request.kind = WorkerRequest::Kind::Continue;
    request.sizeBytes = sizeBytes;
    request.isComplete = isComplete;
    return request;
}

//! The whole scan of a complete content.
std::expected<ScanResult, QString> scan(ScanWorker &worker, const Spool &spool)
{
    WorkerRequest request = begin(spool.sizeBytes());
    auto answer = worker.ask(request, spool.descriptor());
    while (answer && answer->progress != Progress::Done) {
        request = next(request, spool.sizeBytes(), true);
        answer = worker.ask(request);
    }
    if (!answer)
        return std::unexpected(answer.error());
    return *answer->result;
}

std::expected<ScanResult, QString> scan(ScanWorker &worker, const QByteArray &bytes)
{
    return scan(worker, *spoolOf(bytes));
}

} // namespace

//! Scans in processes of their own, and what happens when these die.
class TestScanWorkerProcess : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();

    void rules_good_areThoseOfThisProcess();
    void rules_bad_areSaid();
    void program_missing_isSaid();
    void program_thatIsNoParent_isSaid();

    void worker_isInItsSandbox();
    void scan_contents_verdicts();
    void scan_names_areSeen();
    void scan_streamed_followsTheContent();
    void scan_ofAnySizeThatItIsFor_isMapped();
    void scan_droppedAndBegunAgain_isAnother();
    void drop_workerDoesNotRead_isEndedAndNotWaitedFor();

    void kill_duringAScan_endsTheWait();
    void crash_mappedFileShrinks_endsTheWorkerAlone();
    void request_thatIsNone_endsTheWorkerAlone();
    void answer_thatCannotBe_isAnError_data();
    void answer_thatCannotBe_isAnError();
    void parent_killed_noMoreWorkers();
    void manyThreads_eachItsWorker_everyResultRight();
    void workers_gone_leaveNothing();

private:
    std::shared_ptr<WorkerParent> startParent(const QStringList &paths) const
    {
        auto parent = WorkerParent::start(SENTINEL_BINARY, {paths, {}});
        if (!parent)
            qFatal("%s", qPrintable(describe(parent.error().front())));
        return *parent;
    }
    std::unique_ptr<ScanWorker> makeWorker() const
    {
        auto worker = m_parent->makeWorker();
        if (!worker)
            qFatal("%s", qPrintable(worker.error()));
        return std::move(*worker);
    }

    const Test::RuleDirectory m_rules{Test::markerRules()
        + "rule named { condition: filename == \"bad.txt\" and extension == \".txt\" }\n"};
    std::shared_ptr<WorkerParent> m_parent;
};

void TestScanWorkerProcess::initTestCase()
{
    m_parent = startParent(m_rules.settings().rulePaths);
}

void TestScanWorkerProcess::rules_good_areThoseOfThisProcess()
{
    const auto here = compileRules(m_rules.settings().rulePaths);
    QVERIFY(here);
    QCOMPARE(m_parent->rules().rules.digest, here->ruleSet->digest());
    QCOMPARE(m_parent->rules().rules.rules, 3);
    QCOMPARE(m_parent->rules().rules.files, 1);
}

void TestScanWorkerProcess::rules_bad_areSaid()
{
    const Test::RuleDirectory bad("rule r {\n condition: nothing_such\n}");
    const auto parent = WorkerParent::start(SENTINEL_BINARY, {bad.settings().rulePaths, {}});
    QVERIFY(!parent);
    QVERIFY(describe(parent.error().front()).startsWith(QStringLiteral("test.yar:2: error: ")));
}

void TestScanWorkerProcess::program_missing_isSaid()
{
    const auto parent = WorkerParent::start("/no/such/program", {});
    QVERIFY(!parent);
    QVERIFY(parent.error().front().message.contains(QStringLiteral("/no/such/program")));
}

void TestScanWorkerProcess::program_thatIsNoParent_isSaid()
{
    const auto parent = WorkerParent::start("/bin/true", {});
    QVERIFY(!parent);
    QVERIFY(parent.error().front().message.contains(QStringLiteral("died")));
}

void TestScanWorkerProcess::worker_isInItsSandbox()
{
    const auto worker = makeWorker();
    QVERIFY(worker->sandbox().size() > 5);
    for (const SandboxFeature &feature : worker->sandbox())
        QVERIFY2(feature.isInForce || !feature.whyNot.isEmpty(), qPrintable(feature.name));
}

void TestScanWorkerProcess::scan_contents_verdicts()
{
    const auto worker = makeWorker();
    for (const QByteArray &bytes : {QByteArray(), QByteArray("x"), QByteArray("a THREAT-MARK"),
             noise(5 * Limits::mib), noise(3 * Limits::mib) + "THREAT-MARK"}) {
        const auto result = scan(*worker, bytes);
        QVERIFY2(result, result ? "" : qPrintable(result.error()));
        const bool isMarked = bytes.contains("THREAT-MARK");
        QCOMPARE(result->verdict(), isMarked ? Verdict::Malicious : Verdict::Clean);
        QCOMPARE(result->findings().size(), isMarked ? 1u : 0u);
        QCOMPARE(result->coverage().bytesScanned, bytes.size());
        QCOMPARE(result->coverage().ruleSetDigest, m_parent->rules().rules.digest);
    }
}

void TestScanWorkerProcess::scan_names_areSeen()
{
    const auto worker = makeWorker();
    const auto spool = spoolOf("plain");
    WorkerRequest request = begin(5);
    request.filename = QStringLiteral("bad.txt");
    const auto answer = worker->ask(request, spool->descriptor());
    QVERIFY(answer);
    QCOMPARE(answer->progress, Progress::Done);
    QCOMPARE(answer->result->verdict(), Verdict::Malicious);
}

void TestScanWorkerProcess::scan_streamed_followsTheContent()
{
    const auto worker = makeWorker();
    const QByteArray bytes = noise(4 * Limits::mib) + "THREAT-MARK";
    const auto spool = spoolOf(bytes.first(Limits::mib / 2));
    WorkerRequest request = begin(spool->sizeBytes(), false);
    auto answer = worker->ask(request, spool->descriptor());
    QVERIFY(answer);
    QCOMPARE(answer->progress, Progress::Starved);
    QVERIFY(spool->append(
        {bytes.constData() + spool->sizeBytes(), size_t(bytes.size() - spool->sizeBytes())}));
    do
        answer = worker->ask(next(request, spool->sizeBytes(), false));
    while (answer && answer->progress == Progress::More);
    QVERIFY(answer);
    QCOMPARE(answer->progress, Progress::Starved);
    QVERIFY(spool->seal());
    std::optional<ScanResult> suspicion;
    do {
        answer = worker->ask(next(request, spool->sizeBytes(), true));
        if (answer && answer->progress == Progress::More && answer->result)
            suspicion = answer->result;
    } while (answer && answer->progress == Progress::More);
    QVERIFY(answer);
    QVERIFY(suspicion); // told before it was confirmed
    QCOMPARE(suspicion->verdict(), Verdict::Malicious);
    QCOMPARE(answer->result->verdict(), Verdict::Malicious);
}

void TestScanWorkerProcess::scan_droppedAndBegunAgain_isAnother()
{
    const auto worker = makeWorker();
    const auto large = spoolOf(noise(20 * Limits::mib));
    QVERIFY(worker->ask(begin(large->sizeBytes()), large->descriptor()));
    const auto marked = scan(*worker, "THREAT-MARK"); // begun without a word about the first
    QVERIFY(marked);
    QCOMPARE(marked->verdict(), Verdict::Malicious);
    QVERIFY(worker->ask(begin(large->sizeBytes()), large->descriptor()));
    worker->drop();
    QCOMPARE(scan(*worker, "plain")->verdict(), Verdict::Clean);
    worker->drop(); // nothing is under way: no harm
    QCOMPARE(scan(*worker, "plain")->verdict(), Verdict::Clean);
}

void TestScanWorkerProcess::scan_ofAnySizeThatItIsFor_isMapped()
{
    constexpr qint64 size = 4 * Limits::gib;
    const auto parent =
        WorkerParent::start(SENTINEL_BINARY, {m_rules.settings().rulePaths, {}, size});
    QVERIFY(parent);
    const auto worker = (*parent)->makeWorker();
    QVERIFY(worker);
    const auto spool = spoolOf("THREAT-MARK");
    WorkerRequest request = begin(spool->sizeBytes());
    request.mappedBytes = size; // as for one that still arrives
    const auto answer = (*worker)->ask(request, spool->descriptor());
    QVERIFY(answer && answer->result);
    QCOMPARE(answer->result->verdict(), Verdict::Malicious);
}

void TestScanWorkerProcess::drop_workerDoesNotRead_isEndedAndNotWaitedFor()
{
    std::array<int, 2> ends{};
    QCOMPARE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    const FileDescriptor unread(ends[1]);
    const pid_t process = ::fork();
    if (process == 0) {
        ::pause();
        ::_exit(0);
    }
    FileDescriptor end(int(::syscall(SYS_pidfd_open, process, 0U)));
    ScanWorker worker{FileDescriptor(ends[0]), std::move(end), process, {}};
    QVERIFY(worker.isAlive());
    for (int i = 0; i < 10'000; ++i)
        worker.drop();
    int status = 0;
    QCOMPARE(::waitpid(process, &status, 0), process);
    QVERIFY(WIFSIGNALED(status));
}

void TestScanWorkerProcess::kill_duringAScan_endsTheWait()
{
    const auto worker = makeWorker();
    const auto spool = spoolOf(hang(4'000'000'000));
    std::atomic<bool> isAsking{false};
    std::expected<ScanResult, QString> result = ScanResult::notScanned(Reason::Cancelled);
    std::thread asker([&] {
        isAsking = true;
        result = scan(*worker, *spool);
    });
    QTRY_VERIFY_WITH_TIMEOUT(isAsking.load(), Test::patienceMs);
    worker->kill();
    asker.join();
    QVERIFY(!result);
    QVERIFY(!worker->ask(begin(5), spool->descriptor()));
    // The others live, and there can be more.
    QCOMPARE(scan(*makeWorker(), "THREAT-MARK")->verdict(), Verdict::Malicious);
}

void TestScanWorkerProcess::crash_mappedFileShrinks_endsTheWorkerAlone()
{
    const auto worker = makeWorker();
    const auto other = makeWorker();
    const FileDescriptor file(::memfd_create("shrinks", MFD_CLOEXEC));
    QCOMPARE(::ftruncate(file.get(), 100'000), 0);
    WorkerRequest request = begin(200'000); // a lie: the worker dies of it (SIGBUS)
    QVERIFY(!worker->ask(request, file.get()));
    QCOMPARE(scan(*other, "THREAT-MARK")->verdict(), Verdict::Malicious);
}

void TestScanWorkerProcess::request_thatIsNone_endsTheWorkerAlone()
{
    const auto worker = makeWorker();
    QVERIFY(!worker->ask(next(begin(5), 5, true))); // nothing was begun
    const auto second = makeWorker();
    QVERIFY(!second->ask(begin(5)) || true); // without its descriptor: an error of either kind
    QCOMPARE(scan(*makeWorker(), "plain")->verdict(), Verdict::Clean);
}

void TestScanWorkerProcess::answer_thatCannotBe_isAnError_data()
{
    QTest::addColumn<QByteArray>("answer");
    const ScanResult clean = [] {
        Coverage coverage;
        coverage.bytesTotal = coverage.bytesScanned = 1;
        coverage.engines = QStringList{QStringLiteral("yara")};
        coverage.ruleSetDigest = QByteArray(32, 'd');
        coverage.wholeEvaluated = true;
        return ScanResult::judge(coverage, {}, {});
    }();
    QTest::newRow("garbage") << QByteArray("garbage");
    QTest::newRow("done without a result") << encode(WorkerAnswer{Progress::Done, {}});
    QTest::newRow("clean before its end") << encode(WorkerAnswer{Progress::More, clean});
    QTest::newRow("half") << encode(WorkerAnswer{Progress::Done, clean}).chopped(9);
    QTest::newRow("more than one") << encode(WorkerAnswer{Progress::Done, clean}) + "x";
    QTest::newRow("too long") << QByteArray(IpcLimits::maxFrameBytes + 1, '\0');
}

void TestScanWorkerProcess::answer_thatCannotBe_isAnError()
{
    QFETCH(const QByteArray, answer);
    std::array<int, 2> ends{};
    QCOMPARE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    ScanWorker broker{FileDescriptor(ends[0]), FileDescriptor(), 0, {}};
    const FileDescriptor taken(ends[1]); // a worker that something has taken over
    QVERIFY(sendPacket(taken.get(), answer));
    QVERIFY(!broker.ask(begin(1)));
}

void TestScanWorkerProcess::parent_killed_noMoreWorkers()
{
    auto parent = startParent(m_rules.settings().rulePaths);
    auto worker = parent->makeWorker();
    QVERIFY(worker);
    parent.reset();
    const auto spool = spoolOf("plain");
    // It is on its way out; until then it does its work.
    QTRY_VERIFY_WITH_TIMEOUT(!scan(**worker, *spool), Test::patienceMs);
}

void TestScanWorkerProcess::manyThreads_eachItsWorker_everyResultRight()
{
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([this, t, &wrong] {
            for (int round = 0; round < 5; ++round) {
                auto worker = m_parent->makeWorker();
                for (int i = 0; worker && i < 10; ++i) {
                    const bool isMarked = (i + t) % 2;
                    const auto result = scan(**worker,
                        noise(1000 * i + 10, quint32(t)) + (isMarked ? "THREAT-MARK" : "plain"));
                    wrong += !result
                        || result->verdict() != (isMarked ? Verdict::Malicious : Verdict::Clean);
                }
                wrong += !worker;
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    QCOMPARE(wrong.load(), 0);
}

void TestScanWorkerProcess::workers_gone_leaveNothing()
{
    const int descriptors = Test::descriptorCount();
    for (int i = 0; i < 50; ++i)
        QCOMPARE(scan(*makeWorker(), "plain")->verdict(), Verdict::Clean);
    QCOMPARE(Test::descriptorCount(), descriptors);
}

QTEST_GUILESS_MAIN(TestScanWorkerProcess)
#include "tst_scanworkerprocess.moc"
