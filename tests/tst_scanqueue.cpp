// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/ScanQueue.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/ScriptedTask.h"

#include <QTest>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

using namespace Sentinel;
using namespace std::chrono_literals;
using Limits::mib;

namespace {

using RequestPtr = std::shared_ptr<ScanRequest>;

constexpr auto noWait = 0ms;
constexpr auto forEver = std::chrono::milliseconds::max();

RequestPtr makeRequest(qint64 sizeBytes = 1, FileType fileType = FileType::Unknown,
    Clock::time_point createdAt = Clock::now())
{
    ScanSubject subject;
    subject.sizeBytes = sizeBytes;
    subject.fileType = fileType;
    return std::make_shared<ScanRequest>(
        std::move(subject), [](const ScanResult &) {}, createdAt);
}

//! Submits a new request and gives its id; 0 if it is refused.
quint64 submitNew(ScanQueue &queue, qint64 sizeBytes = 1, Deadline deadline = noDeadline)
{
    RequestPtr request = makeRequest(sizeBytes);
    const quint64 id = request->id();
    return queue.submit(std::move(request), deadline) ? 0 : id;
}

//! The id of what can be taken now; 0 if there is nothing.
quint64 takeId(ScanQueue &queue)
{
    const RequestPtr request = queue.take(noWait);
    return request ? request->id() : 0;
}

enum class Stage { Waiting, Running, BetweenSlices, Starved };

//! Submits a request and brings it to \p stage.
quint64 submitAt(ScanQueue &queue, Stage stage, Deadline deadline = noDeadline)
{
    const quint64 id = submitNew(queue, 5, deadline);
    if (stage != Stage::Waiting && takeId(queue) != id)
        return 0;
    if (stage == Stage::BetweenSlices)
        queue.resume(id);
    if (stage == Stage::Starved)
        queue.starve(id);
    return id;
}

void addStages()
{
    QTest::addColumn<Stage>("stage");
    QTest::newRow("waiting") << Stage::Waiting;
    QTest::newRow("running") << Stage::Running;
    QTest::newRow("between slices") << Stage::BetweenSlices;
    QTest::newRow("starved") << Stage::Starved;
}

//! True if no call for \p id has any effect.
bool isGone(ScanQueue &queue, quint64 id)
{
    queue.resume(id);
    queue.starve(id);
    queue.wake(id);
    queue.completeContent(id, 100, Clock::now());
    const ScanQueue::Depths d = queue.depths();
    return !queue.hasReady() && takeId(queue) == 0 && !queue.remove(id) && d.waiting == 0
        && d.underWay == 0 && d.bytes == 0;
}

//! A thread that is about to block: tells when it does.
class Blocked {
public:
    explicit Blocked(std::function<void()> call)
        : m_thread([this, call = std::move(call)] {
            m_id.store(::gettid());
            call();
            m_hasReturned.store(true);
        })
    {
    }
    bool isAsleep() const { return m_id.load() != 0 && Test::isAsleep(m_id.load()); }
    bool hasReturned() const { return m_hasReturned.load(); }

private:
    std::atomic<pid_t> m_id{0};
    std::atomic<bool> m_hasReturned{false};
    std::jthread m_thread; // last: it uses the others
};

} // namespace

class TestScanQueue : public QObject {
    Q_OBJECT

private Q_SLOTS:
    // Bounds
    void submit_hundredAndFirstOnFullQueue_isQueueFullAtOnce();
    void submit_startedRequests_makeRoom();
    void submit_overByteBound_isQueueFull_data();
    void submit_overByteBound_isQueueFull();
    void submit_hostileSizes_countSanely();
    void submit_largerThanBound_isAcceptedByEmptyQueueOnly();
    void submit_announcedSize_takesNoRoom();
    void submit_refusedRequest_isDestroyedOutsideTheLock();
    void depths_lifeOfARequest_areFollowed();

    // Order
    void take_equals_inOrderOfSubmission();
    void take_equalsCreatedAtTheSameTime_inOrderOfSubmission();
    void take_several_bestFirst_data();
    void take_several_bestFirst();
    void take_largeUnderWay_getsItsSliceUnderAStreamOfSmallOnes();
    void take_smallUnderWay_takeTurns();
    void completeContent_waitingRequestTurnsOutLarge_goesBehindSmall();

    // Waiting
    void take_nothingReady_endsWithPatience();
    void take_blocked_isWokenBySubmit();
    void take_blocked_sleeps();
    void take_raced_everyRequestComesOnce();

    // Slices
    void wake_duringSlice_isNotLost();
    void wake_duringEarlierSlice_doesNotCountForThisOne();
    void wake_otherStates_hasNoEffect();
    void resume_notRunning_hasNoEffect();
    void starveAndWake_raced_neverLoseAWake();

    // Ends
    void remove_anyStage_takesOut_data() { addStages(); }
    void remove_anyStage_takesOut();
    void remove_unknown_isNull();
    void takeExpired_anyStage_takesOut_data() { addStages(); }
    void takeExpired_anyStage_takesOut();
    void takeExpired_several_givesOnlyTheOverdue();
    void takeExpired_earlierDeadlineArrives_isWoken();
    void takeExpired_contentStillArrives_onlyItsSliceHasADeadline();
    void takeExpired_nothingToWatchFor_sleeps_data();
    void takeExpired_nothingToWatchFor_sleeps();
    void completeContent_starved_wakesAndSetsDeadline();
    void completeContent_laterDeadline_replacesTheEarlier();
    void shutDown_anyStage_givesOut_data() { addStages(); }
    void shutDown_anyStage_givesOut();
    void shutDown_several_oldestFirst();
    void shutDown_followedByReopenAtOnce_wakesEveryWaiter();
    void shutDown_untilReopened_refuses();
    void takeRemoveExpireShutDown_raced_everyRequestLeavesOnce();
};

void TestScanQueue::submit_hundredAndFirstOnFullQueue_isQueueFullAtOnce()
{
    ScanQueue queue({});
    for (int i = 0; i < 100; ++i)
        QVERIFY(submitNew(queue));
    QCOMPARE(queue.submit(makeRequest()), std::optional(Reason::QueueFull));
    QCOMPARE(queue.depths().waiting, 100);
    QCOMPARE(queue.depths().peakWaiting, 100);
    while (takeId(queue)) { }
    QCOMPARE(queue.depths().waiting, 0);
    QCOMPARE(queue.depths().peakWaiting, 100);
}

void TestScanQueue::submit_startedRequests_makeRoom()
{
    ScanQueue queue({.maxRequests = 1});
    for (const Stage stage : {Stage::Running, Stage::Starved, Stage::Running})
        QVERIFY(submitAt(queue, stage));
    const quint64 resumed = submitAt(queue, Stage::BetweenSlices);
    QVERIFY(resumed);
    QVERIFY(submitNew(queue));
    QCOMPARE(queue.submit(makeRequest()), std::optional(Reason::QueueFull));
    QCOMPARE(queue.depths().underWay, 4);
}

void TestScanQueue::submit_overByteBound_isQueueFull_data()
{
    QTest::addColumn<QList<qint64>>("sizes");
    QTest::addColumn<QList<bool>>("accepted");
    QTest::newRow("up to the bound") << QList<qint64>{60, 40} << QList<bool>{true, true};
    QTest::newRow("one byte over") << QList<qint64>{60, 41} << QList<bool>{true, false};
    QTest::newRow("a smaller one still fits")
        << QList<qint64>{60, 41, 40, 1} << QList<bool>{true, false, true, false};
    QTest::newRow("unknown sizes weigh nothing")
        << QList<qint64>{100, 0, 0} << QList<bool>{true, true, true};
    QTest::newRow("largest possible size after a small one") << QList<qint64>{
        1, std::numeric_limits<qint64>::max(), 99} << QList<bool>{true, false, true};
}

void TestScanQueue::submit_overByteBound_isQueueFull()
{
    QFETCH(const QList<qint64>, sizes);
    QFETCH(const QList<bool>, accepted);
    ScanQueue queue({.maxBytes = 100});
    for (qsizetype i = 0; i < sizes.size(); ++i) {
        const std::optional<Reason> refusal = queue.submit(makeRequest(sizes.at(i)));
        QCOMPARE(!refusal, accepted.at(i));
        QVERIFY(!refusal || refusal == Reason::QueueFull);
    }
}

void TestScanQueue::submit_hostileSizes_countSanely()
{
    constexpr qint64 most = std::numeric_limits<qint64>::max();
    ScanQueue queue({.maxBytes = most});
    QVERIFY(submitNew(queue, -1));
    QVERIFY(submitNew(queue, std::numeric_limits<qint64>::min()));
    QCOMPARE(queue.depths().bytes, 0);
    for (int i = 0; i < 10; ++i) {
        const quint64 id = submitNew(queue, most);
        QVERIFY(id);
        queue.completeContent(id, most, noDeadline);
    }
    QVERIFY(queue.depths().bytes > 0); // no overflow (the sanitizers watch, too)
    QVERIFY(!queue.shutDown().empty());
    QCOMPARE(queue.depths().bytes, 0);
}

void TestScanQueue::submit_largerThanBound_isAcceptedByEmptyQueueOnly()
{
    ScanQueue queue({.maxBytes = 100});
    const quint64 huge = submitNew(queue, 1'000);
    QVERIFY(huge);
    QCOMPARE(queue.submit(makeRequest(1)), std::optional(Reason::QueueFull));
    QCOMPARE(takeId(queue), huge);
    QCOMPARE(queue.submit(makeRequest(1)), std::optional(Reason::QueueFull)); // not answered yet
    QVERIFY(queue.remove(huge));
    QVERIFY(submitNew(queue, 1));
    QCOMPARE(queue.submit(makeRequest(1'000)), std::optional(Reason::QueueFull));
}

void TestScanQueue::submit_announcedSize_takesNoRoom()
{
    ScanQueue queue({.maxBytes = 1000});
    const auto content = std::make_shared<Content>(nullptr, nullptr);
    content->grow(100);
    ScanSubject subject;
    subject.content = content;
    subject.sizeBytes = 3 * Limits::gib;
    auto request = std::make_shared<ScanRequest>(subject, ScanRequest::Answer());
    const quint64 growing = request->id();
    QVERIFY(!queue.submit(std::move(request)));
    QCOMPARE(queue.depths().bytes, 100);
    QVERIFY(submitNew(queue, 500));
    QCOMPARE(queue.depths().bytes, 600);

    queue.growContent(growing, 450);
    QCOMPARE(queue.depths().bytes, 950);
    QVERIFY(!submitNew(queue, 100));
    QVERIFY(queue.remove(growing));
    QCOMPARE(queue.depths().bytes, 500);
}

void TestScanQueue::submit_refusedRequest_isDestroyedOutsideTheLock()
{
    // What a request holds may come back to the queue when it goes.
    ScanQueue queue({});
    int waiting = -1;
    const auto holdsOneThatAsks = [&] {
        const std::shared_ptr<void> asks(
            nullptr, [&](void *) { waiting = queue.depths().waiting; });
        return std::make_shared<ScanRequest>(ScanSubject(), [asks](const ScanResult &) {});
    };
    RequestPtr request = holdsOneThatAsks();
    const quint64 id = request->id();
    QVERIFY(!queue.submit(std::move(request)));
    queue.remove(id);
    QCOMPARE(waiting, 0);

    waiting = -1;
    QVERIFY(!queue.submit(holdsOneThatAsks()));
    queue.shutDown();
    QCOMPARE(waiting, 0);

    waiting = -1;
    QCOMPARE(queue.submit(holdsOneThatAsks()), std::optional(Reason::ScannerUnavailable));
    QCOMPARE(waiting, 0);
}

void TestScanQueue::depths_lifeOfARequest_areFollowed()
{
    ScanQueue queue({});
    const auto figures = [&queue] {
        const ScanQueue::Depths d = queue.depths();
        return QList<qint64>{d.waiting, d.underWay, d.bytes};
    };
    const quint64 id = submitNew(queue, 7);
    QCOMPARE(figures(), (QList<qint64>{1, 0, 7}));
    QVERIFY(queue.hasReady());
    QCOMPARE(takeId(queue), id);
    QCOMPARE(figures(), (QList<qint64>{0, 1, 7}));
    QVERIFY(!queue.hasReady());
    queue.resume(id);
    QCOMPARE(figures(), (QList<qint64>{0, 1, 7}));
    QCOMPARE(takeId(queue), id);
    queue.starve(id);
    QCOMPARE(figures(), (QList<qint64>{0, 1, 7}));
    queue.completeContent(id, 19, noDeadline);
    QCOMPARE(figures(), (QList<qint64>{0, 1, 19}));
    QVERIFY(queue.remove(id));
    QCOMPARE(figures(), (QList<qint64>{0, 0, 0}));
    QCOMPARE(queue.depths().peakWaiting, 1);
}

void TestScanQueue::take_equals_inOrderOfSubmission()
{
    ScanQueue queue({});
    QList<quint64> submitted;
    for (int i = 0; i < 50; ++i)
        submitted.append(submitNew(queue, 3 * mib + i * 1'000)); // of the same size in MiB
    QList<quint64> taken;
    while (const quint64 id = takeId(queue))
        taken.append(id);
    QCOMPARE(taken, submitted);
}

void TestScanQueue::take_equalsCreatedAtTheSameTime_inOrderOfSubmission()
{
    ScanQueue queue({});
    const auto now = Clock::now();
    std::vector<RequestPtr> requests;
    for (int i = 0; i < 50; ++i)
        requests.push_back(makeRequest(1, FileType::Unknown, now));
    // Not in the order of the ids: it must be the submission that counts.
    std::ranges::reverse(requests);
    for (const RequestPtr &request : requests)
        QVERIFY(!queue.submit(request));
    for (const RequestPtr &request : requests)
        QCOMPARE(takeId(queue), request->id());
}

namespace {

struct Candidate {
    QString name;
    qint64 sizeBytes;
    FileType fileType;
    std::chrono::milliseconds age;
};

} // namespace

void TestScanQueue::take_several_bestFirst_data()
{
    using List = QList<Candidate>; // in the order expected; submitted in the reverse
    const auto unknown = FileType::Unknown;
    const auto named = [](const char *name) { return QString::fromLatin1(name); };
    QTest::addColumn<List>("candidates");
    QTest::newRow("small before large") << List{{named("1 KB"), 1'000, unknown, 0ms},
        {named("2 MiB"), 2 * mib, unknown, 0ms}, {named("10 MiB"), 10 * mib, unknown, 0ms},
        {named("100 MiB"), 100 * mib, unknown, 0ms}};
    QTest::newRow("executables first, then scripts and all else by size")
        << List{{named("exe"), 1'000, FileType::Executable, 0ms},
               {named("2 MiB exe"), 2 * mib, FileType::Executable, 0ms},
               {named("text"), 1'000, FileType::Text, 0ms},
               {named("3 MiB script"), 3 * mib, FileType::Script, 0ms},
               {named("1 MiB document"), mib, FileType::Document, 0ms}};
    QTest::newRow("a large one has aged enough") << List{
        {named("100 MiB, old"), 100 * mib, unknown, 2'001ms}, {named("new"), 1'000, unknown, 0ms}};
    QTest::newRow("a large one has not aged enough") << List{{named("new"), 1'000, unknown, 0ms},
        {named("100 MiB, not so old"), 100 * mib, unknown, 1'999ms}};
    QTest::newRow("beyond 100 MiB no more handicap, also for the largest possible")
        << List{{named("largest"), std::numeric_limits<qint64>::max(), unknown, 2'001ms},
               {named("new"), 1'000, unknown, 0ms}};
    QTest::newRow("a large one ages past new executables")
        << List{{named("10 MiB, old"), 10 * mib, unknown, 251ms},
               {named("new exe"), 1'000, FileType::Executable, 0ms}};
}

void TestScanQueue::take_several_bestFirst()
{
    QFETCH(const QList<Candidate>, candidates);
    ScanQueue queue({.maxBytes = std::numeric_limits<qint64>::max()});
    const auto now = Clock::now();
    QHash<quint64, QString> names;
    for (auto it = candidates.rbegin(); it != candidates.rend(); ++it) {
        const RequestPtr request = makeRequest(it->sizeBytes, it->fileType, now - it->age);
        names.insert(request->id(), it->name);
        QVERIFY(!queue.submit(request));
    }
    for (const Candidate &candidate : candidates)
        QCOMPARE(names.value(takeId(queue)), candidate.name);
}

void TestScanQueue::take_largeUnderWay_getsItsSliceUnderAStreamOfSmallOnes()
{
    ScanQueue queue({});
    const quint64 large = submitNew(queue, 100 * mib);
    QCOMPARE(takeId(queue), large);

    const auto before = Clock::now();
    queue.resume(large);
    const auto after = Clock::now();
    const RequestPtr soon = makeRequest(1, FileType::Unknown, before + 99ms);
    const RequestPtr late = makeRequest(1, FileType::Unknown, after + 101ms);
    QVERIFY(!queue.submit(late));
    QVERIFY(!queue.submit(soon));
    QCOMPARE(takeId(queue), soon->id());
    QCOMPARE(takeId(queue), large);
    QCOMPARE(takeId(queue), late->id());
}

void TestScanQueue::take_smallUnderWay_takeTurns()
{
    ScanQueue queue({});
    const quint64 first = submitAt(queue, Stage::Running);
    const quint64 second = submitAt(queue, Stage::Running);
    queue.resume(first);
    for (int turn = 0; turn < 3; ++turn) {
        queue.resume(second);
        QCOMPARE(takeId(queue), first);
        queue.resume(first);
        QCOMPARE(takeId(queue), second);
    }
}

void TestScanQueue::completeContent_waitingRequestTurnsOutLarge_goesBehindSmall()
{
    ScanQueue queue({});
    const quint64 growing = submitNew(queue, 0);
    const quint64 shrinking = submitNew(queue, 50 * mib);
    const quint64 small = submitNew(queue, 1);
    queue.completeContent(growing, 40 * mib, noDeadline);
    queue.completeContent(shrinking, 10, noDeadline);
    QCOMPARE(takeId(queue), shrinking);
    QCOMPARE(takeId(queue), small);
    QCOMPARE(takeId(queue), growing);
    QCOMPARE(queue.depths().bytes, 40 * mib + 10 + 1);
}

void TestScanQueue::take_nothingReady_endsWithPatience()
{
    ScanQueue queue({});
    QVERIFY(submitAt(queue, Stage::Running));
    QVERIFY(submitAt(queue, Stage::Starved));
    const auto start = Clock::now();
    QVERIFY(!queue.take(20ms));
    QVERIFY(Clock::now() - start >= 20ms);
    QVERIFY(!queue.take(-5ms));
    QVERIFY(!queue.take(std::chrono::milliseconds::min()));
}

void TestScanQueue::take_blocked_isWokenBySubmit()
{
    ScanQueue queue({});
    std::atomic<quint64> taken{0};
    Blocked taker([&] {
        if (const RequestPtr request = queue.take(forEver))
            taken = request->id();
    });
    QTRY_VERIFY(taker.isAsleep());
    const quint64 id = submitNew(queue);
    QTRY_VERIFY(taker.hasReturned());
    QCOMPARE(taken.load(), id);
}

void TestScanQueue::take_blocked_sleeps()
{
    ScanQueue queue({});
    QVERIFY(submitAt(queue, Stage::Starved));
    std::vector<std::jthread> takers;
    for (int i = 0; i < 4; ++i)
        takers.emplace_back([&queue] { queue.take(400ms); });
    const auto before = Test::processCpuTime();
    takers.clear(); // joins
    QVERIFY(Test::processCpuTime() - before < 100ms);
}

void TestScanQueue::take_raced_everyRequestComesOnce()
{
    constexpr int submitters = 4;
    constexpr int takers = 4;
    constexpr int perSubmitter = 2'500;
    ScanQueue queue({.maxRequests = submitters * perSubmitter});
    std::atomic<int> taken{0};
    std::mutex mutex;
    std::set<quint64> ids;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < takers; ++i) {
            threads.emplace_back([&] {
                while (const RequestPtr request = queue.take(forEver)) {
                    {
                        const std::lock_guard lock(mutex);
                        ids.insert(request->id());
                    }
                    queue.remove(request->id());
                    if (++taken == submitters * perSubmitter)
                        queue.shutDown();
                }
            });
        }
        for (int i = 0; i < submitters; ++i) {
            threads.emplace_back([&queue] {
                for (int n = 0; n < perSubmitter; ++n)
                    submitNew(queue);
            });
        }
    }
    QCOMPARE(taken.load(), submitters * perSubmitter);
    QCOMPARE(int(ids.size()), submitters * perSubmitter);
}

void TestScanQueue::wake_duringSlice_isNotLost()
{
    ScanQueue queue({});
    const quint64 id = submitAt(queue, Stage::Running);
    queue.wake(id); // arrives after the task has looked, before the worker says so
    queue.starve(id);
    QCOMPARE(takeId(queue), id);
}

void TestScanQueue::wake_duringEarlierSlice_doesNotCountForThisOne()
{
    ScanQueue queue({});
    const quint64 id = submitAt(queue, Stage::Running);
    queue.wake(id);
    queue.resume(id);
    QCOMPARE(takeId(queue), id); // sees what the wake was about
    queue.starve(id);
    QVERIFY(!queue.hasReady());
    queue.wake(id);
    QCOMPARE(takeId(queue), id);
}

void TestScanQueue::wake_otherStates_hasNoEffect()
{
    ScanQueue queue({});
    const quint64 id = submitNew(queue);
    queue.wake(id);
    queue.wake(id);
    queue.starve(id); // not running: no effect either
    QCOMPARE(takeId(queue), id);
    QCOMPARE(takeId(queue), quint64(0));
    queue.wake(~quint64(0));
    QVERIFY(!queue.hasReady());
}

void TestScanQueue::resume_notRunning_hasNoEffect()
{
    ScanQueue queue({});
    const quint64 starved = submitAt(queue, Stage::Starved);
    queue.resume(starved);
    QVERIFY(!queue.hasReady());
    queue.wake(starved);
    QCOMPARE(takeId(queue), starved);
    queue.resume(starved);
    queue.resume(starved);
    QCOMPARE(takeId(queue), starved);
    QCOMPARE(takeId(queue), quint64(0));
}

void TestScanQueue::starveAndWake_raced_neverLoseAWake()
{
    constexpr int pieces = 20'000;
    ScanQueue queue({});
    const quint64 id = submitNew(queue);
    std::atomic<int> arrived{0};
    const std::jthread producer([&] {
        for (int i = 0; i < pieces; ++i) {
            arrived.fetch_add(1, std::memory_order_release);
            queue.wake(id);
        }
    });
    int seen = 0;
    while (seen < pieces) {
        const RequestPtr request = queue.take(Test::patience);
        QVERIFY2(request, "a wake was lost");
        seen = arrived.load(std::memory_order_acquire);
        queue.starve(id);
    }
}

void TestScanQueue::remove_anyStage_takesOut()
{
    QFETCH(const Stage, stage);
    ScanQueue queue({});
    const quint64 id = submitAt(queue, stage, Clock::now() + 1h);
    QVERIFY(id);
    const RequestPtr removed = queue.remove(id);
    QVERIFY(removed);
    QCOMPARE(removed->id(), id);
    QVERIFY(isGone(queue, id));
}

void TestScanQueue::remove_unknown_isNull()
{
    ScanQueue queue({});
    QVERIFY(!queue.remove(0));
    QVERIFY(isGone(queue, ~quint64(0)));
}

void TestScanQueue::takeExpired_anyStage_takesOut()
{
    QFETCH(const Stage, stage);
    ScanQueue queue({});
    const Deadline deadline = Clock::now() + 5ms;
    const quint64 id = submitAt(queue, stage, deadline);
    QVERIFY(id);
    const std::vector<RequestPtr> expired = queue.takeExpired();
    QVERIFY(Clock::now() >= deadline);
    QCOMPARE(expired.size(), size_t(1));
    QCOMPARE(expired.front()->id(), id);
    QVERIFY(isGone(queue, id));
}

void TestScanQueue::takeExpired_several_givesOnlyTheOverdue()
{
    ScanQueue queue({});
    const auto now = Clock::now();
    const quint64 kept = submitNew(queue, 1, now + 1h);
    const quint64 second = submitNew(queue, 1, now - 1ms);
    const quint64 first = submitNew(queue, 1, now - 2ms);
    const quint64 longAgo = submitNew(queue, 1, Deadline::min());
    QVERIFY(submitNew(queue));
    QList<quint64> expired;
    for (const RequestPtr &request : queue.takeExpired())
        expired.append(request->id());
    QCOMPARE(expired, (QList<quint64>{longAgo, first, second}));
    QCOMPARE(takeId(queue), kept);
    QCOMPARE(queue.depths().waiting, 1);
}

void TestScanQueue::takeExpired_earlierDeadlineArrives_isWoken()
{
    ScanQueue queue({});
    QVERIFY(submitNew(queue, 1, Clock::now() + 1h));
    std::atomic<quint64> expired{0};
    Blocked watch([&] {
        for (const RequestPtr &request : queue.takeExpired())
            expired = request->id();
    });
    QTRY_VERIFY(watch.isAsleep());
    const quint64 id = submitNew(queue, 1, Clock::now() + 5ms);
    QTRY_VERIFY(watch.hasReturned());
    QCOMPARE(expired.load(), id);
}

void TestScanQueue::takeExpired_contentStillArrives_onlyItsSliceHasADeadline()
{
    ScanQueue queue({.longestSlice = 5ms});
    const quint64 inTime = submitNew(queue, 1);
    const quint64 late = submitNew(queue, 2);
    QCOMPARE(takeId(queue), inTime);
    queue.starve(inTime);
    QCOMPARE(takeId(queue), late);
    const std::vector<RequestPtr> expired = queue.takeExpired();
    QCOMPARE(expired.size(), size_t(1));
    QCOMPARE(expired.front()->id(), late);

    // The deadline of the request itself takes the place of its slice's.
    queue.wake(inTime);
    QCOMPARE(takeId(queue), inTime);
    queue.completeContent(inTime, 1, Clock::now() + 1h);
    queue.resume(inTime);
    QVERIFY(submitNew(queue, 1, Clock::now() + 10ms));
    QVERIFY(queue.takeExpired().front()->id() != inTime);
}

void TestScanQueue::takeExpired_nothingToWatchFor_sleeps_data()
{
    QTest::addColumn<Deadline>("deadline");
    QTest::newRow("no deadline") << noDeadline;
    QTest::newRow("an hour") << Clock::now() + 1h;
    QTest::newRow("the last but one moment of the clock") << noDeadline - 1ns;
}

void TestScanQueue::takeExpired_nothingToWatchFor_sleeps()
{
    QFETCH(const Deadline, deadline);
    ScanQueue queue({});
    QVERIFY(submitNew(queue, 1, deadline));
    Blocked watch([&queue] { queue.takeExpired(); });
    QTRY_VERIFY(watch.isAsleep());
    const auto before = Test::processCpuTime();
    QVERIFY(!Test::Gate().wait(200ms));
    QVERIFY(Test::processCpuTime() - before < 50ms);
    QVERIFY(!watch.hasReturned());
    QCOMPARE(queue.shutDown().size(), size_t(1));
    QTRY_VERIFY(watch.hasReturned());
}

void TestScanQueue::completeContent_starved_wakesAndSetsDeadline()
{
    ScanQueue queue({});
    const quint64 id = submitAt(queue, Stage::Starved);
    queue.completeContent(id, 9, Clock::now() + 5ms);
    QVERIFY(queue.hasReady());
    const std::vector<RequestPtr> expired = queue.takeExpired();
    QCOMPARE(expired.size(), size_t(1));
    QVERIFY(isGone(queue, id));

    const quint64 running = submitAt(queue, Stage::Running);
    queue.completeContent(running, 9, noDeadline);
    queue.starve(running);
    QCOMPARE(takeId(queue), running); // it counts as a wake during the slice
}

void TestScanQueue::completeContent_laterDeadline_replacesTheEarlier()
{
    ScanQueue queue({});
    const auto now = Clock::now();
    const quint64 extended = submitNew(queue, 1, now - 1s);
    const quint64 freed = submitNew(queue, 1, now - 1s);
    const quint64 overdue = submitNew(queue, 1, now - 1s);
    queue.completeContent(extended, 1, now + 1h);
    queue.completeContent(freed, 1, noDeadline);
    const std::vector<RequestPtr> expired = queue.takeExpired();
    QCOMPARE(expired.size(), size_t(1));
    QCOMPARE(expired.front()->id(), overdue);
}

void TestScanQueue::shutDown_anyStage_givesOut()
{
    QFETCH(const Stage, stage);
    ScanQueue queue({});
    const quint64 id = submitAt(queue, stage, Clock::now() + 1h);
    const std::vector<RequestPtr> unanswered = queue.shutDown();
    QCOMPARE(unanswered.size(), size_t(1));
    QCOMPARE(unanswered.front()->id(), id);
    QVERIFY(isGone(queue, id));
    QVERIFY(queue.takeExpired().empty());
    QVERIFY(queue.shutDown().empty());
}

void TestScanQueue::shutDown_several_oldestFirst()
{
    ScanQueue queue({});
    QList<quint64> submitted;
    for (int i = 0; i < 20; ++i)
        submitted.append(submitNew(queue, (i * 7 % 20) * mib));
    takeId(queue);
    QList<quint64> given;
    for (const RequestPtr &request : queue.shutDown())
        given.append(request->id());
    QCOMPARE(given, submitted);
}

void TestScanQueue::shutDown_followedByReopenAtOnce_wakesEveryWaiter()
{
    // Who is slow to wake finds the queue open again; so it takes a few rounds to meet one.
    for (int round = 0; round < 200; ++round) {
        ScanQueue queue({});
        Blocked taker([&queue] { queue.take(forEver); });
        Blocked another([&queue] { queue.take(forEver); });
        Blocked watch([&queue] { queue.takeExpired(); });
        const auto all = [&](bool (Blocked::*is)() const) {
            const Deadline limit = Clock::now() + Test::patience;
            while (!((taker.*is)() && (another.*is)() && (watch.*is)()) && Clock::now() < limit)
                std::this_thread::yield();
            return Clock::now() < limit;
        };
        QVERIFY(all(&Blocked::isAsleep));
        queue.shutDown();
        queue.reopen();
        const bool haveAllReturned = all(&Blocked::hasReturned);
        queue.shutDown(); // lets go whom the first one missed
        QVERIFY(haveAllReturned);
    }
}

void TestScanQueue::shutDown_untilReopened_refuses()
{
    ScanQueue queue({});
    queue.shutDown();
    QCOMPARE(queue.submit(makeRequest()), std::optional(Reason::ScannerUnavailable));
    QVERIFY(!queue.take(forEver));
    queue.reopen();
    const quint64 id = submitNew(queue);
    QVERIFY(id);
    QCOMPARE(takeId(queue), id);
}

void TestScanQueue::takeRemoveExpireShutDown_raced_everyRequestLeavesOnce()
{
    constexpr int count = 3'000;
    for (int round = 0; round < 3; ++round) {
        ScanQueue queue({.maxRequests = count});
        std::mutex mutex;
        std::map<quint64, int> left;
        const auto note = [&](const RequestPtr &request) {
            const std::lock_guard lock(mutex);
            ++left[request->id()];
        };
        std::atomic<quint64> newest{0};
        const auto worker = [&] {
            while (const RequestPtr request = queue.take(forEver)) {
                const quint64 id = request->id();
                if (id % 3 == 0)
                    queue.resume(id);
                else if (id % 3 == 1)
                    queue.starve(id);
                else if (const RequestPtr removed = queue.remove(id))
                    note(removed);
            }
        };
        const auto watch = [&] {
            for (auto expired = queue.takeExpired(); !expired.empty();
                 expired = queue.takeExpired())
                std::ranges::for_each(expired, note);
        };
        {
            std::jthread workers[]{std::jthread(worker), std::jthread(worker)};
            std::jthread watcher(watch);
            std::jthread canceller([&] {
                while (newest.load() != ~quint64(0)) {
                    if (const RequestPtr removed = queue.remove(newest.load() - 5))
                        note(removed);
                    queue.wake(newest.load() - 9);
                }
            });
            int accepted = 0;
            for (int i = 0; i < count; ++i) {
                const quint64 id =
                    submitNew(queue, 1, Clock::now() + std::chrono::microseconds(i % 500));
                accepted += id != 0;
                newest = id;
            }
            QCOMPARE(accepted, count);
            newest = ~quint64(0);
            canceller.join();
            for (const RequestPtr &request : queue.shutDown())
                note(request);
        }
        QCOMPARE(left.size(), size_t(count));
        for (const auto &[id, times] : left)
            QCOMPARE(times, 1);
        QCOMPARE(queue.depths().bytes, 0);
        QCOMPARE(queue.depths().underWay, 0);
    }
}

QTEST_GUILESS_MAIN(TestScanQueue)
#include "tst_scanqueue.moc"
