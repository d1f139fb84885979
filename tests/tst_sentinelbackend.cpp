// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/SentinelBackend.h"
#include "tests/support/FakeSentinel.h"
#include "tests/support/Patience.h"
#include "tests/support/RawFrame.h"
#include "tests/support/RawPeer.h"

#include <QLoggingCategory>
#include <QSignalSpy>
#include <QTest>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace std::chrono_literals;

namespace {

//! The answers to requests, from any thread.
struct Answers {
    std::mutex mutex;
    std::map<quint64, std::vector<ScanResult>> all;

    int count()
    {
        const std::lock_guard lock(mutex);
        return int(all.size());
    }
    std::vector<ScanResult> of(quint64 id)
    {
        const std::lock_guard lock(mutex);
        return all[id];
    }
    bool isEachOne()
    {
        const std::lock_guard lock(mutex);
        return std::all_of(
            all.begin(), all.end(), [](const auto &entry) { return entry.second.size() == 1; });
    }
};

ScanSubject subjectOf(const QByteArray &bytes)
{
    ScanSubject subject;
    subject.metadata.filename = QStringLiteral("a.bin");
    subject.content = Content::fromByteArray(bytes);
    subject.sizeBytes = bytes.size();
    return subject;
}

//! A file that holds \p bytes and cannot shrink.
std::shared_ptr<FileDescriptor> fileOf(const QByteArray &bytes)
{
    auto file = std::make_shared<FileDescriptor>(
        ::memfd_create("content", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (::write(file->get(), bytes.constData(), size_t(bytes.size())) != bytes.size())
        qFatal("the file was not written");
    ::fcntl(file->get(), F_ADD_SEALS, F_SEAL_SHRINK);
    return file;
}

//! A content that is still growing, of which nobody here sees the bytes.
std::shared_ptr<Content> growing(qint64 sizeBytes, const QByteArray &bytes)
{
    auto owner = std::make_shared<const QByteArray>(bytes);
    auto content =
        std::make_shared<Content>(reinterpret_cast<const uchar *>(owner->constData()), owner);
    content->grow(sizeBytes);
    return content;
}

quint64 inodeOf(int file)
{
    struct stat status { };
    return ::fstat(file, &status) == 0 ? status.st_ino : 0;
}

} // namespace

//! What a SentinelBackend says to a sentinel, and makes of what it hears, or does not hear.
class SentinelBackendTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();

    void isolation_names_areReadBack();
    void connection_opens_saysWhichRules();
    void scan_complete_isAskedAndAnswered();
    void scan_growing_isToldAsItGrows();
    void scan_growingFaster_costsOneMessage();
    void scan_growingWithoutFile_beginsWhenComplete();
    void content_inMemory_arrivesSealed_data();
    void content_inMemory_arrivesSealed();
    void content_ofAFile_isThatFile();
    void loader_itsContent_isSent();
    void loader_thatFails_data();
    void loader_thatFails();
    void submit_tooLarge_isRefused();
    void submit_tooMany_isRefused();
    void submit_tooManyBytesToCopy_isRefused();
    void submit_notStarted_isRefused();
    void submit_whileOthersAsk_returns();
    void cancel_answersAtOnceAndTells();
    void verdict_late_isDiscarded();
    void verdict_cleanOfAnotherSize_isAnError();
    void verdict_cleanOfAGrowingContent_isAnError();
    void verdict_threatOfAGrowingContent_isTaken();
    void verdict_queueFullOfAGrowingContent_isAskedAgain();
    void verdict_acknowledged_isToldOnce();
    void verdict_acknowledgedBeforeStop_isTold();
    void deadline_sentinelIsLate_timesOutAndTells();
    void deadline_notConnected_timesOut();
    void deadline_sentinelDoesNotRead_timesOut();
    void misbehaviour_endsTheConnection_data();
    void misbehaviour_endsTheConnection();
    void garbage_endsTheConnection();
    void refusal_isTold();
    void silence_insteadOfWelcome_isLost();
    void silence_whileAVerdictIsOwed_isLost();
    void silence_afterAnother_isLost();
    void silence_whileIdle_isFine();
    void ping_isAnswered();
    void neverReads_isLost_allAreAnswered();
    void cancelled_neverAnswered_isLost();
    void close_amongManyScans_eachIsAnsweredOnce();
    void reconnected_waitingScan_isAsked();
    void unreachable_longPause_answersAtOnce();
    void reload_isAskedAndTold();
    void reload_withoutASentinel_isTold();
    void reload_connectionEnds_isTold();
    void rules_changed_areTold();
    void spawned_scans();
    void spawned_isToldItsSettings();
    void spawned_isToldWhatIsUsual();
    void spawned_fails_saysWhy_data();
    void spawned_fails_saysWhy();
    void spawned_dies_isStartedAgain();
    void auto_prefersTheOneThatRuns();
    void auto_nobodyListens_startsOne();
    void auto_notWelcome_startsOne_data();
    void auto_notWelcome_startsOne();
    void stop_answersAll_andMayBeginAgain();
    void stop_whileManyAsk_eachIsAnsweredOnce();

private:
    SentinelBackend &make(Isolation isolation = Isolation::System);
    //! Makes, starts and opens.
    SentinelBackend &open();
    //! As open(), with a sentinel that reads nothing.
    void openToDeaf();
    quint64 submit(ScanSubject subject, std::optional<std::chrono::milliseconds> timeout = {});

    std::unique_ptr<FakeSentinel> m_sentinel;
    SentinelSettings m_settings;
    std::unique_ptr<SentinelBackend> m_backend;
    std::unique_ptr<QSignalSpy> m_states;
    std::shared_ptr<Answers> m_answers;

    QStringList texts(ScannerState state) const
    {
        QStringList found;
        for (const QVariantList &arguments : *m_states) {
            if (arguments.at(0).value<ScannerState>() == state)
                found.append(arguments.at(1).toString());
        }
        return found;
    }
    int times(ScannerState state) const { return int(texts(state).size()); }
    FakePeer &peer() { return m_sentinel->peer(); }
};

#define AWAIT(condition) QTRY_VERIFY_WITH_TIMEOUT(condition, patienceMs)
#define AWAIT_EQUAL(actual, expected) QTRY_COMPARE_WITH_TIMEOUT(actual, expected, patienceMs)

void SentinelBackendTest::initTestCase()
{
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*.warning=false"));
}

void SentinelBackendTest::init()
{
    m_sentinel = std::make_unique<FakeSentinel>();
    m_answers = std::make_shared<Answers>();
    m_settings = {};
    m_settings.socketPath = m_sentinel->path();
    m_settings.program = QCoreApplication::applicationFilePath();
    m_settings.rulePaths = QStringList{QStringLiteral("scans")};
}

void SentinelBackendTest::cleanup()
{
    m_states.reset();
    m_backend.reset();
    m_sentinel.reset();
}

SentinelBackend &SentinelBackendTest::make(Isolation isolation)
{
    m_backend = std::make_unique<SentinelBackend>(isolation, m_settings);
    m_states = std::make_unique<QSignalSpy>(m_backend.get(), &SentinelBackend::stateChanged);
    return *m_backend;
}

SentinelBackend &SentinelBackendTest::open()
{
    make().start();
    if (!QTest::qWaitFor([this] { return times(ScannerState::Open) == 1; }, patienceMs))
        qFatal("no connection");
    return *m_backend;
}

void SentinelBackendTest::openToDeaf()
{
    m_sentinel->keepsSocketsRaw = true;
    make().start();
    if (!QTest::qWaitFor([this] { return m_sentinel->connections() == 1; }, patienceMs))
        qFatal("no connection");
    // Says its Welcome with a channel that then has no event loop to read in.
    Channel(FileDescriptor(::dup(m_sentinel->raw.front().get())))
        .send(Welcome{2, QStringLiteral("deaf"), fakeRules()});
    if (!QTest::qWaitFor([this] { return times(ScannerState::Open) == 1; }, patienceMs))
        qFatal("not welcome");
}

//! 0 if it was refused.
quint64 SentinelBackendTest::submit(
    ScanSubject subject, std::optional<std::chrono::milliseconds> timeout)
{
    subject.timeout = timeout;
    const auto id = std::make_shared<quint64>(0);
    auto request = std::make_shared<ScanRequest>(
        std::move(subject), [id, answers = m_answers](ScanResult result) {
            const std::lock_guard lock(answers->mutex);
            answers->all[*id].push_back(std::move(result));
        });
    *id = request->id();
    return m_backend->submit(std::move(request)) ? 0 : *id;
}

void SentinelBackendTest::isolation_names_areReadBack()
{
    for (const Isolation isolation :
        {Isolation::InProcess, Isolation::Spawned, Isolation::System, Isolation::Auto})
        QVERIFY(isolationFromName(nameOf(isolation)) == isolation);
    QVERIFY(!isolationFromName(QStringLiteral("Spawned")));
    QVERIFY(!isolationFromName(QString()));
}

void SentinelBackendTest::connection_opens_saysWhichRules()
{
    make();
    QVERIFY(m_backend->rules().digest.isEmpty());
    m_backend->start();
    AWAIT_EQUAL(times(ScannerState::Open), 1);
    QCOMPARE(
        texts(ScannerState::Open).front(), QStringLiteral("the sentinel is running, 1,204 rules"));
    QVERIFY(m_backend->rules() == fakeRules());
    const auto hellos = peer().all<Hello>();
    QCOMPARE(int(hellos.size()), 1);
    QVERIFY(hellos.front().role == Hello::Role::Tap);
}

void SentinelBackendTest::scan_complete_isAskedAndAnswered()
{
    open();
    ScanSubject subject = subjectOf("some bytes");
    subject.fileType = FileType::Script;
    subject.filePath = QStringLiteral("/a/b");
    const quint64 id = submit(subject, 7s);
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    const ScanBegin begin = peer().all<ScanBegin>().front();
    QVERIFY(begin.metadata == subject.metadata);
    QCOMPARE(begin.filePath, subject.filePath);
    QVERIFY(begin.fileType == FileType::Script);
    QCOMPARE(begin.sizeBytes, 10);
    QVERIFY(begin.isComplete);
    QVERIFY(begin.wantsSha256);
    QVERIFY(begin.timeout && *begin.timeout <= 7s && *begin.timeout > 0ms);
    QCOMPARE(peer().content(begin.id, 10), QByteArray("some bytes"));
    QCOMPARE(m_backend->telemetry().currentQueueDepth, 1);

    peer().send(ScanVerdict{begin.id, maliciousResult(10), {}});
    AWAIT_EQUAL(m_answers->count(), 1);
    QVERIFY(m_answers->of(id).front() == maliciousResult(10));
    const TelemetrySnapshot telemetry = m_backend->telemetry();
    QCOMPARE(telemetry.totalScansCompleted, 1);
    QCOMPARE(telemetry.currentQueueDepth, 0);
    QCOMPARE(telemetry.maxQueueDepthSeen, 1);
}

void SentinelBackendTest::scan_growing_isToldAsItGrows()
{
    open();
    const QByteArray bytes(3000, 'x');
    ScanSubject subject;
    subject.content = growing(1000, bytes);
    subject.file = fileOf(bytes);
    const quint64 id = submit(subject);
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    const ScanBegin begin = peer().all<ScanBegin>().front();
    QCOMPARE(begin.sizeBytes, 1000);
    QVERIFY(!begin.isComplete);
    QVERIFY(!begin.timeout);

    m_backend->growContent(id, 2000);
    AWAIT_EQUAL(peer().count<ScanGrow>(), 1);
    QCOMPARE(peer().all<ScanGrow>().front().sizeBytes, 2000);
    m_backend->growContent(id, 1500); // no growth
    m_backend->completeContent(id, 3000, 5s);
    AWAIT_EQUAL(peer().count<ScanEnd>(), 1);
    const ScanEnd end = peer().all<ScanEnd>().front();
    QCOMPARE(end.id, begin.id);
    QCOMPARE(end.sizeBytes, 3000);
    QVERIFY(end.timeout && *end.timeout <= 5s && *end.timeout > 0ms);
    QCOMPARE(peer().count<ScanGrow>(), 1);
    m_backend->completeContent(id, 3000); // the second time, nothing
    peer().send(ScanVerdict{begin.id, cleanResult(3000), {}});
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(m_answers->of(id).front().verdict(), Verdict::Clean);
    QCOMPARE(peer().count<ScanEnd>(), 1);
}

void SentinelBackendTest::scan_growingFaster_costsOneMessage()
{
    m_sentinel->script = [](FakePeer &, const Message &) {}; // no Welcome yet
    make().start();
    const QByteArray bytes(1000, 'x');
    ScanSubject subject;
    subject.content = growing(1, bytes);
    subject.file = fileOf(bytes);
    const quint64 id = submit(subject);
    AWAIT_EQUAL(m_sentinel->connections(), 1);
    AWAIT_EQUAL(peer().count<Hello>(), 1);
    for (qint64 size = 2; size < 1000; ++size)
        m_backend->growContent(id, size);
    FakeSentinel::welcome(peer(), Hello{});
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    QCOMPARE(peer().all<ScanBegin>().front().sizeBytes, 999);
    QCOMPARE(peer().count<ScanGrow>(), 0);
}

void SentinelBackendTest::scan_growingWithoutFile_beginsWhenComplete()
{
    open();
    const QByteArray bytes("0123456789");
    ScanSubject subject;
    const auto content = growing(4, bytes);
    subject.content = content;
    const quint64 id = submit(subject);
    m_backend->growContent(id, 8);
    submit(subjectOf("another"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1); // the other one
    content->grow(10);
    content->complete();
    m_backend->completeContent(id, 10);
    AWAIT_EQUAL(peer().count<ScanBegin>(), 2);
    const ScanBegin begin = peer().all<ScanBegin>().back();
    QVERIFY(begin.isComplete);
    QCOMPARE(peer().content(begin.id, 10), bytes);
}

void SentinelBackendTest::content_inMemory_arrivesSealed_data()
{
    QTest::addColumn<qint64>("size");
    QTest::newRow("empty") << qint64(0);
    QTest::newRow("small") << qint64(10'000);
    QTest::newRow("the largest copied in passing") << Limits::maxPassingCopyBytes;
    QTest::newRow("the smallest that is not") << Limits::maxPassingCopyBytes + 1;
    QTest::newRow("large") << qint64(20'000'000);
}

void SentinelBackendTest::content_inMemory_arrivesSealed()
{
    QFETCH(qint64, size);
    open();
    const QByteArray bytes(size, 'y');
    submit(subjectOf(bytes));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    const ScanBegin begin = peer().all<ScanBegin>().front();
    QCOMPARE(begin.sizeBytes, size);
    QVERIFY(peer().content(begin.id, size) == bytes);
    const int file = peer().files.at(begin.id).get();
    const int seals = ::fcntl(file, F_GET_SEALS);
    QVERIFY(seals & F_SEAL_SHRINK);
    QVERIFY(seals & F_SEAL_GROW);
    QVERIFY(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
    QCOMPARE(::pwrite(file, "z", 1, 0), ssize_t(-1));
}

void SentinelBackendTest::content_ofAFile_isThatFile()
{
    open();
    const QByteArray bytes(200'000, 'f');
    const auto file = fileOf(bytes);
    auto content = std::make_shared<Content>(FileDescriptor(::dup(file->get())));
    content->grow(bytes.size());
    content->complete();
    ScanSubject subject;
    subject.content = content;
    subject.sizeBytes = bytes.size();
    submit(subject);
    subject.content.reset();
    subject.loader = [content] { return content; };
    submit(subject);
    AWAIT_EQUAL(peer().count<ScanBegin>(), 2);
    for (const auto &[id, sent] : peer().files)
        QCOMPARE(inodeOf(sent.get()), inodeOf(file->get()));
}

void SentinelBackendTest::loader_itsContent_isSent()
{
    open();
    ScanSubject subject;
    std::atomic<bool> wasHere = false;
    subject.loader = [&wasHere, caller = std::this_thread::get_id()] {
        wasHere = std::this_thread::get_id() == caller;
        return Content::fromByteArray("loaded");
    };
    submit(subject);
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    const ScanBegin begin = peer().all<ScanBegin>().front();
    QCOMPARE(begin.sizeBytes, 6);
    QVERIFY(begin.isComplete);
    QCOMPARE(peer().content(begin.id, 6), QByteArray("loaded"));
    QVERIFY(!wasHere);
}

using Load = ScanSubject::Loader;

void SentinelBackendTest::loader_thatFails_data()
{
    QTest::addColumn<Load>("loader");
    QTest::addColumn<int>("reason");
    QTest::newRow("says so") << Load(
        []() -> std::expected<std::shared_ptr<const Content>, ScanResult> {
            return std::unexpected(ScanResult::notScanned(Reason::Incomplete));
        }) << int(Reason::Incomplete);
    QTest::newRow("throws") << Load(
        []() -> std::expected<std::shared_ptr<const Content>, ScanResult> {
            throw std::runtime_error("no");
        }) << int(Reason::Unreadable);
    QTest::newRow("brings too much") << Load(
        []() -> std::expected<std::shared_ptr<const Content>, ScanResult> {
            return Content::fromByteArray(QByteArray(2000, 'x'));
        }) << int(Reason::TooLarge);
}

void SentinelBackendTest::loader_thatFails()
{
    QFETCH(Load, loader);
    QFETCH(int, reason);
    m_settings.maxScanBytes = 1999;
    open();
    ScanSubject subject;
    subject.loader = loader;
    const quint64 id = submit(subject);
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(int(m_answers->of(id).front().reason()), reason);
    QCOMPARE(peer().count<ScanBegin>(), 0);
}

void SentinelBackendTest::submit_tooLarge_isRefused()
{
    m_settings.maxScanBytes = 9;
    open();
    auto request = std::make_shared<ScanRequest>(subjectOf("0123456789"), nullptr);
    QVERIFY(m_backend->submit(request) == Reason::TooLarge);
    QVERIFY(!m_backend->submit(std::make_shared<ScanRequest>(subjectOf("012345678"), nullptr)));
}

void SentinelBackendTest::submit_tooMany_isRefused()
{
    open();
    for (int i = 0; i < Limits::maxUnansweredRequests; ++i)
        QVERIFY(submit(subjectOf("x")) != 0);
    QVERIFY(m_backend->submit(std::make_shared<ScanRequest>(subjectOf("x"), nullptr))
        == Reason::QueueFull);
    // All of them arrive, at the pace of the one who reads, with growing ids.
    AWAIT_EQUAL(peer().count<ScanBegin>(), Limits::maxUnansweredRequests);
    quint64 last = 0;
    for (const ScanBegin &begin : peer().all<ScanBegin>()) {
        QVERIFY(begin.id > last);
        last = begin.id;
    }
    for (const ScanBegin &begin : peer().all<ScanBegin>())
        peer().send(ScanVerdict{begin.id, cleanResult(1), {}});
    AWAIT_EQUAL(m_answers->count(), Limits::maxUnansweredRequests);
    QVERIFY(m_answers->isEachOne());
}

void SentinelBackendTest::submit_tooManyBytesToCopy_isRefused()
{
    m_settings.maxScanBytes = 2 * Limits::maxQueuedBytes;
    open();
    std::promise<void> end;
    const std::shared_future<void> ended = end.get_future().share();
    const auto large = [&ended](qint64 sizeBytes) {
        ScanSubject subject;
        subject.sizeBytes = sizeBytes;
        subject.loader = [ended]() -> std::expected<std::shared_ptr<const Content>, ScanResult> {
            ended.wait();
            return std::unexpected(ScanResult::notScanned(Reason::Unreadable));
        };
        return subject;
    };
    const quint64 alone = submit(large(Limits::maxQueuedBytes + 1));
    QVERIFY(alone != 0);
    const auto refused = std::make_shared<ScanRequest>(large(1), nullptr);
    QVERIFY(m_backend->submit(refused) == Reason::QueueFull);
    ScanSubject inFile = subjectOf("x");
    inFile.file = fileOf("x");
    QVERIFY(submit(inFile) != 0); // nothing is copied
    m_backend->cancel(alone, ScanResult::notScanned(Reason::Cancelled));
    QVERIFY(submit(large(Limits::maxQueuedBytes)) != 0);
    end.set_value();
    AWAIT_EQUAL(m_answers->count(), 2); // and the one in the file waits
}

void SentinelBackendTest::submit_notStarted_isRefused()
{
    make();
    QVERIFY(m_backend->submit(std::make_shared<ScanRequest>(subjectOf("x"), nullptr))
        == Reason::ScannerUnavailable);
}

void SentinelBackendTest::submit_whileOthersAsk_returns()
{
    open();
    // Each answer asks again, until the first that asked is back; or has told them all.
    constexpr int tooMany = 1'000'000;
    std::atomic<int> asked = 0;
    std::atomic<int> answered = 0;
    std::atomic<bool> isBack = false;
    std::function<void()> ask = [&] {
        ++asked;
        ScanSubject subject = subjectOf("x");
        subject.file = std::make_shared<const FileDescriptor>(); // cannot be sent
        const auto refusal = m_backend->submit(
            std::make_shared<ScanRequest>(std::move(subject), [&](const ScanResult &) {
                if (!isBack && asked < tooMany)
                    ask();
                ++answered;
            }));
        QVERIFY(!refusal);
    };
    ask();
    isBack = true;
    AWAIT_EQUAL(answered.load(), asked.load());
    QVERIFY(asked < tooMany);
}

void SentinelBackendTest::cancel_answersAtOnceAndTells()
{
    open();
    const quint64 id = submit(subjectOf("x"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    const ScanResult wanted = ScanResult::notScanned(Reason::Incomplete);
    QVERIFY(m_backend->cancel(id, wanted) == wanted);
    QCOMPARE(m_answers->count(), 1); // at once, here
    QVERIFY(m_backend->cancel(id, ScanResult::notScanned(Reason::Cancelled)).reason()
        == Reason::Cancelled); // nobody to answer any more
    AWAIT_EQUAL(peer().count<ScanCancel>(), 1);
    const ScanCancel cancel = peer().all<ScanCancel>().front();
    QCOMPARE(cancel.id, peer().all<ScanBegin>().front().id);
    QCOMPARE(int(cancel.reason), int(Reason::Incomplete));
    QCOMPARE(int(m_answers->of(id).size()), 1);
}

void SentinelBackendTest::verdict_late_isDiscarded()
{
    open();
    const quint64 id = submit(subjectOf("x"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    m_backend->cancel(id, ScanResult::notScanned(Reason::Cancelled));
    peer().send(ScanVerdict{1, maliciousResult(1), {}});
    const quint64 next = submit(subjectOf("y"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 2);
    peer().send(ScanVerdict{2, cleanResult(1), {}});
    AWAIT_EQUAL(m_answers->count(), 2);
    QCOMPARE(int(m_answers->of(id).size()), 1);
    QCOMPARE(int(m_answers->of(next).front().verdict()), int(Verdict::Clean));
    QCOMPARE(m_sentinel->connections(), 1);
    const TelemetrySnapshot telemetry = m_backend->telemetry();
    QCOMPARE(telemetry.totalScansCancelled, 1);
    QCOMPARE(telemetry.totalScansCompleted, 1);
}

void SentinelBackendTest::verdict_cleanOfAnotherSize_isAnError()
{
    open();
    const quint64 id = submit(subjectOf("123"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    peer().send(ScanVerdict{1, cleanResult(2), {}});
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::EngineError));
    QVERIFY(!m_answers->of(id).front().detail().isEmpty());
}

void SentinelBackendTest::verdict_cleanOfAGrowingContent_isAnError()
{
    open();
    ScanSubject subject;
    subject.content = growing(3, "123");
    subject.file = fileOf("123");
    const quint64 id = submit(subject);
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    peer().send(ScanVerdict{1, cleanResult(3), {}});
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::EngineError));
}

void SentinelBackendTest::verdict_threatOfAGrowingContent_isTaken()
{
    open();
    ScanSubject subject;
    subject.content = growing(3, "123");
    subject.file = fileOf("123");
    const quint64 id = submit(subject);
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    peer().send(ScanVerdict{1, maliciousResult(3), {}});
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(int(m_answers->of(id).front().verdict()), int(Verdict::Malicious));
}

void SentinelBackendTest::verdict_queueFullOfAGrowingContent_isAskedAgain()
{
    open();
    const QByteArray bytes(3000, 'x');
    ScanSubject subject;
    subject.content = growing(1000, bytes);
    subject.file = fileOf(bytes);
    const quint64 id = submit(subject);
    const auto refuseLast = [this] {
        const quint64 last = peer().all<ScanBegin>().back().id;
        peer().send(ScanVerdict{last, ScanResult::notScanned(Reason::QueueFull), {}});
        peer().send(Ping{last});
    };
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    refuseLast();
    AWAIT_EQUAL(peer().count<Pong>(), 1); // it has heard of it
    m_backend->growContent(id, 2000);
    AWAIT_EQUAL(peer().count<ScanBegin>(), 2);
    QCOMPARE(peer().all<ScanBegin>().back().sizeBytes, 2000);
    refuseLast();
    AWAIT_EQUAL(peer().count<Pong>(), 2);
    m_backend->completeContent(id, 3000);
    AWAIT_EQUAL(peer().count<ScanBegin>(), 3);
    QVERIFY(peer().all<ScanBegin>().back().isComplete);
    QCOMPARE(m_answers->count(), 0);
    QCOMPARE(m_backend->telemetry().totalScansFailed, 0);

    // With all there is, the refusal is the answer.
    refuseLast();
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::QueueFull));
    QCOMPARE(m_sentinel->connections(), 1);
}

void SentinelBackendTest::verdict_acknowledged_isToldOnce()
{
    open();
    const quint64 id = submit(subjectOf("x"));
    const quint64 cancelled = submit(subjectOf("y"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 2);
    m_backend->cancel(cancelled, ScanResult::notScanned(Reason::Cancelled));
    m_backend->acknowledge(id, Disposition::Release); // too early, nothing to acknowledge
    peer().send(ScanVerdict{1, maliciousResult(1), {}});
    AWAIT_EQUAL(m_answers->count(), 2);
    m_backend->acknowledge(cancelled, Disposition::Block);
    m_backend->acknowledge(id, Disposition::Block);
    m_backend->acknowledge(id, Disposition::Release);
    submit(subjectOf("z"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 3);
    const auto acks = peer().all<VerdictAck>();
    QCOMPARE(int(acks.size()), 1);
    QVERIFY((acks.front() == VerdictAck{1, Disposition::Block}));
}

void SentinelBackendTest::verdict_acknowledgedBeforeStop_isTold()
{
    m_settings.patience.pingInterval = 1h;
    open();
    const quint64 id = submit(subjectOf("x"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    peer().send(Ping{1});
    AWAIT_EQUAL(peer().count<Pong>(), 1); // by then the sentinel's life is watched
    peer().send(ScanVerdict{1, maliciousResult(1), {}});
    AWAIT_EQUAL(m_answers->count(), 1);
    m_backend->acknowledge(id, Disposition::Release);
    m_backend->stop();
    AWAIT(peer().isClosed);
    QCOMPARE(peer().count<VerdictAck>(), 1);
}

void SentinelBackendTest::deadline_sentinelIsLate_timesOutAndTells()
{
    m_settings.patience.answerGrace = 30ms;
    open();
    const auto start = Clock::now();
    const quint64 id = submit(subjectOf("x"), 50ms);
    AWAIT_EQUAL(m_answers->count(), 1);
    QVERIFY(Clock::now() - start >= 80ms);
    QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::TimedOut));
    AWAIT_EQUAL(peer().count<ScanCancel>(), 1);
    QCOMPARE(int(peer().all<ScanCancel>().front().reason), int(Reason::TimedOut));
    QCOMPARE(m_backend->telemetry().totalScansTimeout, 1);
    peer().send(ScanVerdict{1, maliciousResult(1), {}}); // late, not a breach
    submit(subjectOf("y"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 2);
    QCOMPARE(m_sentinel->connections(), 1);
}

void SentinelBackendTest::deadline_notConnected_timesOut()
{
    m_sentinel->script = [](FakePeer &, const Message &) {};
    make().start();
    const quint64 id = submit(subjectOf("x"), 50ms);
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::TimedOut));
}

void SentinelBackendTest::deadline_sentinelDoesNotRead_timesOut()
{
    m_settings.patience.pingInterval = 1h;
    openToDeaf();
    for (int i = 1; i < Limits::maxUnansweredRequests; ++i)
        submit(subjectOf("x"), 1h);
    const quint64 id = submit(subjectOf("y"), 50ms);
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::TimedOut));
}

using Words = std::function<void(FakePeer &)>;

void SentinelBackendTest::misbehaviour_endsTheConnection_data()
{
    QTest::addColumn<Words>("words");
    const auto say = [](const Message &message) {
        return Words([message](FakePeer &peer) { peer.send(message); });
    };
    QTest::newRow("verdict on an unknown id") << say(ScanVerdict{77, cleanResult(1), {}});
    QTest::newRow("verdict on id 0") << say(ScanVerdict{0, cleanResult(1), {}});
    QTest::newRow("verdict twice") << Words([](FakePeer &peer) {
        peer.send(ScanVerdict{2, cleanResult(1), {}});
        peer.send(ScanVerdict{2, cleanResult(1), {}});
    });
    QTest::newRow("second Welcome") << say(Welcome{2, QStringLiteral("again"), fakeRules()});
    QTest::newRow("Refusal after Welcome") << say(Refusal{QStringLiteral("no")});
    QTest::newRow("Hello") << say(Hello{2, 2, Hello::Role::Tap, {}});
    QTest::newRow("ScanCancel") << say(ScanCancel{1, Reason::Cancelled});
    QTest::newRow("StatusReport") << say(StatusReport{});
    QTest::newRow("ReloadResult unasked") << say(ReloadResult{});
    QTest::newRow("a scan for the client") << Words([](FakePeer &peer) {
        peer.channel->send(ScanBegin{}, FileDescriptor(::memfd_create("x", MFD_CLOEXEC)));
    });
}

void SentinelBackendTest::misbehaviour_endsTheConnection()
{
    QFETCH(Words, words);
    open();
    const quint64 owed = submit(subjectOf("x"));
    submit(subjectOf("y"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 2);
    FakePeer &bad = peer();
    words(bad);
    AWAIT(bad.isClosed);
    AWAIT_EQUAL(m_answers->count(), 2);
    QCOMPARE(int(m_answers->of(owed).front().reason()), int(Reason::ScannerUnavailable));
    AWAIT_EQUAL(times(ScannerState::Open), 2); // and it comes back
    QVERIFY(texts(ScannerState::BackingOff).front().contains(u"breaks the protocol"));
    QVERIFY(m_answers->isEachOne());
}

void SentinelBackendTest::garbage_endsTheConnection()
{
    m_sentinel->keepsSocketsRaw = true;
    make().start();
    AWAIT_EQUAL(m_sentinel->connections(), 1);
    RawPeer(std::move(m_sentinel->raw.front())).send("This is not a message.");
    AWAIT(times(ScannerState::BackingOff) >= 1);
    AWAIT_EQUAL(m_sentinel->connections(), 2);
    RawPeer(std::move(m_sentinel->raw.back())).close();
    AWAIT_EQUAL(m_sentinel->connections(), 3);
    QCOMPARE(times(ScannerState::Open), 0);
}

void SentinelBackendTest::refusal_isTold()
{
    m_sentinel->script = [](FakePeer &refusing, const Message &) {
        refusing.send(Refusal{QStringLiteral("come back tomorrow")});
    };
    make().start();
    AWAIT(times(ScannerState::BackingOff) >= 2);
    QVERIFY(texts(ScannerState::BackingOff).front().contains(u"come back tomorrow"));
}

void SentinelBackendTest::silence_insteadOfWelcome_isLost()
{
    m_settings.patience.systemWelcome = 50ms;
    m_sentinel->script = [](FakePeer &, const Message &) {};
    make().start();
    AWAIT(times(ScannerState::BackingOff) >= 1);
    AWAIT(m_sentinel->connections() >= 2);
    QVERIFY(peer().count<ScanBegin>() == 0);
}

void SentinelBackendTest::silence_whileAVerdictIsOwed_isLost()
{
    m_settings.patience.pingInterval = 20ms;
    m_settings.patience.pong = 50ms;
    m_sentinel->script = [](FakePeer &silent, const Message &message) {
        if (std::holds_alternative<Hello>(message))
            FakeSentinel::welcome(silent, message);
    };
    open();
    const quint64 id = submit(subjectOf("x"));
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::ScannerUnavailable));
    AWAIT_EQUAL(times(ScannerState::Open), 2);
}

void SentinelBackendTest::silence_afterAnother_isLost()
{
    m_settings.patience.pingInterval = 20ms;
    m_settings.patience.pong = 50ms;
    m_sentinel->script = [](FakePeer &silent, const Message &message) {
        if (std::holds_alternative<Hello>(message))
            FakeSentinel::welcome(silent, message);
    };
    open();
    for (int connection = 1; connection <= 2; ++connection) {
        ScanSubject subject; // not due before it is complete
        subject.content = growing(1, "123");
        subject.file = fileOf("123");
        const quint64 id = submit(subject);
        AWAIT_EQUAL(m_answers->count(), connection);
        QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::ScannerUnavailable));
        AWAIT_EQUAL(times(ScannerState::Open), connection + 1);
    }
}

void SentinelBackendTest::silence_whileIdle_isFine()
{
    m_settings.patience.pingInterval = 5ms;
    m_settings.patience.pong = 10s;
    open();
    submit(subjectOf("x"));
    AWAIT(peer().count<Ping>() >= 3); // as long as a verdict is owed
    peer().send(ScanVerdict{1, cleanResult(1), {}});
    AWAIT_EQUAL(m_answers->count(), 1);
    peer().send(Ping{1});
    AWAIT_EQUAL(peer().count<Pong>(), 1); // by then, what was on its way is here
    const int pings = peer().count<Ping>();
    QVERIFY(!QTest::qWaitFor([&] { return peer().count<Ping>() > pings + 1; }, 100));
    QCOMPARE(m_sentinel->connections(), 1);
    submit(subjectOf("y"));
    AWAIT(peer().count<Ping>() > pings);
}

void SentinelBackendTest::ping_isAnswered()
{
    open();
    peer().send(Ping{42});
    AWAIT_EQUAL(peer().count<Pong>(), 1);
    QCOMPARE(peer().all<Pong>().front().number, 42);
    peer().send(Pong{7}); // of no Ping: means nothing
    peer().send(Ping{43});
    AWAIT_EQUAL(peer().count<Pong>(), 2);
    QCOMPARE(m_sentinel->connections(), 1);
}

void SentinelBackendTest::neverReads_isLost_allAreAnswered()
{
    m_settings.patience.pingInterval = 20ms;
    m_settings.patience.pong = 200ms;
    openToDeaf();
    const int scans = Limits::maxUnansweredRequests;
    for (int i = 0; i < scans; ++i)
        QVERIFY(submit(subjectOf("x")) != 0);
    // Those that it was told of; the others wait for the next one.
    AWAIT(m_answers->count() > 0);
    QVERIFY(m_answers->count() < scans);
    AWAIT_EQUAL(m_sentinel->connections(), 2);
    m_backend->stop();
    QCOMPARE(m_answers->count(), scans);
    QVERIFY(m_answers->isEachOne());
}

void SentinelBackendTest::cancelled_neverAnswered_isLost()
{
    m_sentinel->script = [](FakePeer &forgetful, const Message &message) {
        FakeSentinel::welcome(forgetful, message);
        forgetful.files.clear();
    };
    open();
    int begun = 0;
    std::vector<quint64> ids;
    while (begun < Limits::maxOwedVerdicts) {
        while (int(ids.size()) < Limits::maxUnansweredRequests)
            ids.push_back(submit(subjectOf("x")));
        begun += int(ids.size());
        AWAIT_EQUAL(peer().count<ScanBegin>(), begun);
        for (const quint64 id : std::exchange(ids, {}))
            m_backend->cancel(id, ScanResult::notScanned(Reason::Cancelled));
    }
    QCOMPARE(times(ScannerState::BackingOff), 0);
    submit(subjectOf("one too many"));
    AWAIT_EQUAL(times(ScannerState::BackingOff), 1);
    AWAIT_EQUAL(times(ScannerState::Open), 2);
}

void SentinelBackendTest::close_amongManyScans_eachIsAnsweredOnce()
{
    open();
    constexpr int scans = 50;
    for (int i = 0; i < scans; ++i)
        submit(subjectOf("x"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), scans);
    for (int i = 1; i <= 20; ++i)
        peer().send(ScanVerdict{quint64(i), cleanResult(1), {}});
    peer().channel.reset();
    AWAIT_EQUAL(m_answers->count(), scans);
    QVERIFY(m_answers->isEachOne());
    const TelemetrySnapshot telemetry = m_backend->telemetry();
    QCOMPARE(telemetry.totalScansCompleted, 20);
    QCOMPARE(telemetry.notScannedByReason.at(size_t(Reason::ScannerUnavailable)), 30);
    AWAIT_EQUAL(times(ScannerState::Open), 2);
    submit(subjectOf("x"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    QCOMPARE(peer().all<ScanBegin>().front().id, 1); // counted anew
}

void SentinelBackendTest::reconnected_waitingScan_isAsked()
{
    m_sentinel->stopListening();
    m_settings.patience.leastReconnectPause = 20ms;
    m_settings.patience.mostReconnectPause = 20ms;
    make().start();
    AWAIT(times(ScannerState::BackingOff) >= 2);
    const quint64 first = submit(subjectOf("first"));
    const quint64 second = submit(subjectOf("second"));
    m_backend->cancel(first, ScanResult::notScanned(Reason::Cancelled));
    m_sentinel->script = FakeSentinel::scan;
    m_sentinel->listen();
    AWAIT_EQUAL(m_answers->count(), 2);
    QCOMPARE(int(m_answers->of(second).front().verdict()), int(Verdict::Clean));
    QCOMPARE(peer().count<ScanBegin>(), 1);
    QCOMPARE(peer().all<ScanBegin>().front().id, 1);
    QCOMPARE(peer().count<ScanCancel>(), 0);
}

void SentinelBackendTest::unreachable_longPause_answersAtOnce()
{
    m_sentinel->stopListening();
    m_settings.patience.leastReconnectPause = 1h;
    m_settings.patience.mostReconnectPause = 1h;
    make();
    m_backend->start();
    // On a busy machine it is known by then that nobody is there, and it is refused.
    if (const quint64 id = submit(subjectOf("x"), 1h); id != 0) {
        AWAIT_EQUAL(m_answers->count(), 1);
        QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::ScannerUnavailable));
        QVERIFY(m_answers->of(id).front().detail().contains(m_settings.socketPath));
    }
    AWAIT(times(ScannerState::BackingOff) >= 1);
    QVERIFY(m_backend->submit(std::make_shared<ScanRequest>(subjectOf("x"), nullptr))
        == Reason::ScannerUnavailable);
}

void SentinelBackendTest::reload_isAskedAndTold()
{
    open();
    QSignalSpy changed(m_backend.get(), &SentinelBackend::rulesChanged);
    std::vector<ReloadResult> results;
    m_backend->reload([&results](const ReloadResult &result) { results.push_back(result); });
    AWAIT_EQUAL(peer().count<ReloadRequest>(), 1);
    ReloadResult result{peer().all<ReloadRequest>().front().id, true, fakeRules(), {}, 0};
    result.rules.rules = 5;
    result.problems.push_back({RuleProblem::Level::Warning, QStringLiteral("a.yar"), 3, {}});
    peer().send(result);
    AWAIT_EQUAL(int(results.size()), 1);
    QVERIFY(results.front() == result);
    QCOMPARE(m_backend->rules().rules, 5);
    AWAIT(!changed.isEmpty());
}

void SentinelBackendTest::reload_withoutASentinel_isTold()
{
    int told = 0;
    const auto tell = [&told](const ReloadResult &result) {
        QVERIFY(!result.isActivated);
        QVERIFY(!result.problems.front().message.isEmpty());
        ++told;
    };
    make();
    m_backend->reload(tell); // not started
    AWAIT_EQUAL(told, 1);
    m_sentinel->stopListening();
    m_backend->start();
    AWAIT(times(ScannerState::BackingOff) >= 1);
    m_backend->reload(tell);
    AWAIT_EQUAL(told, 2);
}

void SentinelBackendTest::reload_connectionEnds_isTold()
{
    open();
    int told = 0;
    const auto tell = [&told](const ReloadResult &result) {
        QVERIFY(!result.isActivated);
        ++told;
    };
    m_backend->reload(tell);
    AWAIT_EQUAL(peer().count<ReloadRequest>(), 1);
    peer().channel.reset();
    AWAIT_EQUAL(told, 1);
    AWAIT_EQUAL(times(ScannerState::Open), 2);
    m_backend->reload(tell);
    m_backend->stop();
    AWAIT_EQUAL(told, 2);
}

void SentinelBackendTest::rules_changed_areTold()
{
    open();
    QSignalSpy changed(m_backend.get(), &SentinelBackend::rulesChanged);
    RuleSetSummary rules = fakeRules();
    peer().send(RuleSetChanged{rules}); // the same: nothing new
    rules.files = 4;
    peer().send(RuleSetChanged{rules});
    AWAIT_EQUAL(changed.size(), 1);
    QVERIFY(m_backend->rules() == rules);
}

void SentinelBackendTest::spawned_scans()
{
    make(Isolation::Spawned).start();
    const quint64 clean = submit(subjectOf("harmless"));
    const quint64 marked = submit(subjectOf(QByteArray(100'000, 'x') + threatMark));
    AWAIT_EQUAL(m_answers->count(), 2);
    QCOMPARE(int(m_answers->of(clean).front().verdict()), int(Verdict::Clean));
    QCOMPARE(int(m_answers->of(marked).front().verdict()), int(Verdict::Malicious));
    QCOMPARE(m_answers->of(clean).front().sha256().size(), 32);
}

void SentinelBackendTest::spawned_isToldItsSettings()
{
    m_settings.rulePaths = QStringList{QStringLiteral("/x/lists"), QStringLiteral("/y z")};
    m_settings.rules = {BadRuleFiles::Skip, Severity::Suspicious};
    m_settings.jobs = 3;
    m_settings.maxScanBytes = 12345;
    m_settings.settingsFile = QStringLiteral("/z");
    make(Isolation::Spawned).start();
    AWAIT(times(ScannerState::BackingOff) >= 1);
    QVERIFY2(
        texts(ScannerState::BackingOff)
            .front()
            .endsWith(QStringLiteral("serve --spawned --config /z --rules /x/lists --rules /y z "
                                     "--skip-bad-rules --unrated suspicious --jobs 3 "
                                     "--max-size 12345")),
        qPrintable(texts(ScannerState::BackingOff).front()));
}

//! Also what is usual: no file of settings may have another say about it.
void SentinelBackendTest::spawned_isToldWhatIsUsual()
{
    m_settings.rulePaths = QStringList{QStringLiteral("/x/lists")};
    m_settings.rules = {};
    m_settings.jobs.reset();
    m_settings.maxScanBytes = 1;
    make(Isolation::Spawned).start();
    AWAIT(times(ScannerState::BackingOff) >= 1);
    QVERIFY2(texts(ScannerState::BackingOff)
                 .front()
                 .endsWith(
                     QStringLiteral("serve --spawned --rules /x/lists --refuse-bad-rules --unrated "
                                    "malicious --max-size 1")),
        qPrintable(texts(ScannerState::BackingOff).front()));
}

void SentinelBackendTest::spawned_fails_saysWhy_data()
{
    QTest::addColumn<QString>("program");
    QTest::addColumn<QString>("behaviour");
    QTest::addColumn<QString>("text");
    const QString self = QCoreApplication::applicationFilePath();
    QTest::newRow("there is none") << QStringLiteral("/no/such/program") << QString()
                                   << QStringLiteral("/no/such/program cannot be started");
    QTest::newRow("exits at once")
        << self << QStringLiteral("exits") << QStringLiteral("exited with code 3");
    QTest::newRow("another program")
        << QStringLiteral("/bin/false") << QString() << QStringLiteral("exited with code 1");
    QTest::newRow("is silent") << self << QStringLiteral("is silent")
                               << QStringLiteral("does not answer");
}

void SentinelBackendTest::spawned_fails_saysWhy()
{
    QFETCH(QString, program);
    QFETCH(QString, behaviour);
    QFETCH(QString, text);
    m_settings.program = program;
    m_settings.rulePaths = QStringList{behaviour};
    m_settings.patience.spawnedWelcome = behaviour == QStringLiteral("is silent") ? 100ms : 60s;
    m_settings.patience.leastReconnectPause = 300ms;
    make(Isolation::Spawned).start();
    const quint64 id = submit(subjectOf("x"), 1h);
    // A crash loop: the pauses grow until they are too long to wait.
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::ScannerUnavailable));
    AWAIT_EQUAL(times(ScannerState::BackingOff), 5); // 0, 0.3, 0.6, 1.2 s
    for (const QString &why : texts(ScannerState::BackingOff))
        QVERIFY2(why.contains(text), qPrintable(why));
}

void SentinelBackendTest::spawned_dies_isStartedAgain()
{
    m_settings.rulePaths = QStringList{QStringLiteral("dies")};
    make(Isolation::Spawned).start();
    AWAIT_EQUAL(times(ScannerState::Open), 1);
    const quint64 id = submit(subjectOf("x"));
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::ScannerUnavailable));
    QVERIFY(m_answers->of(id).front().detail().contains(u"exited with code 3"));
    AWAIT_EQUAL(times(ScannerState::Open), 2);
}

void SentinelBackendTest::auto_prefersTheOneThatRuns()
{
    m_settings.program = QStringLiteral("/no/such/program");
    make(Isolation::Auto).start();
    AWAIT_EQUAL(times(ScannerState::Open), 1);
    QCOMPARE(m_sentinel->connections(), 1);
}

void SentinelBackendTest::auto_nobodyListens_startsOne()
{
    m_sentinel->stopListening();
    make(Isolation::Auto).start();
    AWAIT_EQUAL(times(ScannerState::Open), 1);
    const quint64 id = submit(subjectOf("x"));
    AWAIT_EQUAL(m_answers->count(), 1);
    QCOMPARE(int(m_answers->of(id).front().verdict()), int(Verdict::Clean));
}

void SentinelBackendTest::auto_notWelcome_startsOne_data()
{
    QTest::addColumn<bool>("isRefused");
    QTest::newRow("another version") << true;
    QTest::newRow("it hangs") << false;
}

void SentinelBackendTest::auto_notWelcome_startsOne()
{
    QFETCH(const bool, isRefused);
    m_settings.patience.systemWelcome = 50ms;
    m_sentinel->script = [isRefused](FakePeer &peer, const Message &) {
        if (isRefused)
            peer.send(Refusal{QStringLiteral("update the older one")});
    };
    make(Isolation::Auto).start();
    AWAIT_EQUAL(times(ScannerState::Open), 1);
    QCOMPARE(m_sentinel->connections(), 1);
}

void SentinelBackendTest::stop_answersAll_andMayBeginAgain()
{
    open();
    const quint64 sent = submit(subjectOf("sent"));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    ScanSubject arriving;
    arriving.content = growing(1, "123");
    const quint64 waiting = submit(arriving);
    m_backend->stop();
    QCOMPARE(m_answers->count(), 2);
    for (const quint64 id : {sent, waiting})
        QCOMPARE(int(m_answers->of(id).front().reason()), int(Reason::ScannerUnavailable));
    QCOMPARE(submit(subjectOf("x")), 0);
    AWAIT_EQUAL(times(ScannerState::Stopped), 1);
    AWAIT(peer().isClosed);
    m_backend->start();
    AWAIT_EQUAL(times(ScannerState::Open), 2);
    QVERIFY(submit(subjectOf("x")) != 0);
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
}

void SentinelBackendTest::stop_whileManyAsk_eachIsAnsweredOnce()
{
    m_sentinel->script = FakeSentinel::scan;
    open();
    std::atomic<int> taken = 0;
    std::vector<std::jthread> askers;
    for (int i = 0; i < 3; ++i) {
        askers.emplace_back([&, i](const std::stop_token &end) {
            while (!end.stop_requested()) {
                const quint64 id = submit(subjectOf(QByteArray(i == 0 ? 100'000 : 10, 'x')));
                taken += id != 0;
                if (i == 1)
                    m_backend->cancel(id, ScanResult::notScanned(Reason::Cancelled));
                std::this_thread::yield();
            }
        });
    }
    AWAIT(m_answers->count() > 200);
    m_backend->stop();
    m_backend->start();
    AWAIT_EQUAL(times(ScannerState::Open), 2);
    m_backend->stop();
    askers.clear();
    QCOMPARE(m_answers->count(), int(taken));
    QVERIFY(m_answers->isEachOne());
}

int main(int argc, char **argv)
{
    if (isSpawnedSentinel(argc, argv))
        return runSpawnedSentinel(argc, argv);
    QCoreApplication application(argc, argv);
    SentinelBackendTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_sentinelbackend.moc"
