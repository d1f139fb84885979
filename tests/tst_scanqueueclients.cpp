// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/ScanQueue.h"
#include "tests/support/Patience.h"

#include <QTest>

#include <algorithm>
#include <atomic>
#include <map>
#include <queue>
#include <thread>

using namespace Sentinel;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

using RequestPtr = std::shared_ptr<ScanRequest>;

constexpr auto noWait = 0ms;
constexpr auto forEver = milliseconds::max();
constexpr qint64 most = std::numeric_limits<qint64>::max();
constexpr ScanQueue::Bounds unbounded{.maxRequests = 1'000'000, .maxBytes = most / 2};

RequestPtr makeRequest(quint64 client, qint64 sizeBytes = 1, Clock::time_point at = Clock::now())
{
    ScanSubject subject;
    subject.client = client;
    subject.sizeBytes = sizeBytes;
    return std::make_shared<ScanRequest>(
        std::move(subject), [](const ScanResult &) {}, at);
}

//! A queue whose time is the test's, and its workers.
struct Bench {
    explicit Bench(ScanQueue::Bounds bounds = unbounded) : queue(bounds, [this] { return now; }) { }

    //! The id; 0 if it is refused.
    quint64 submit(quint64 client, qint64 sizeBytes = 1, Deadline deadline = noDeadline)
    {
        const RequestPtr request = makeRequest(client, sizeBytes, now);
        return queue.submit(request, deadline) ? 0 : request->id();
    }
    void flood(quint64 client, int requests = 1'000)
    {
        while (requests-- > 0)
            QVERIFY(submit(client));
    }
    //! How many requests \p client can submit, up to \p limit.
    int fill(quint64 client, qint64 sizeBytes = 0, int limit = 1'000)
    {
        int accepted = 0;
        while (accepted < limit && submit(client, sizeBytes))
            ++accepted;
        return accepted;
    }
    //! A slice begins.
    RequestPtr take() { return queue.take(noWait); }
    //! Slices begin, and none ends: whose they are.
    QList<quint64> takeClients(int slices)
    {
        QList<quint64> clients;
        while (slices-- > 0)
            clients.append(take()->subject().client);
        return clients;
    }
    //! A whole slice; whose it was.
    quint64 runSlice(milliseconds duration = 10ms)
    {
        const RequestPtr request = take();
        now += duration;
        queue.resume(request->id());
        return request->subject().client;
    }
    QList<quint64> runSlices(int slices)
    {
        QList<quint64> clients;
        while (slices-- > 0)
            clients.append(runSlice());
        return clients;
    }

    Clock::time_point now{1h};
    ScanQueue queue;
};

//! Workers side by side: each takes a slice, works for the time that its client's slices take, and
//! comes again.
class Workers {
public:
    using Durations = std::map<quint64, milliseconds>;

    Workers(Bench &bench, int count, Durations durations)
        : m_bench(bench), m_durations(std::move(durations))
    {
        for (int i = 0; i < count; ++i)
            m_steps.push({bench.now, m_sequence++, nullptr});
    }

    //! The worker time that each client had within \p span.
    Durations run(milliseconds span)
    {
        Durations had;
        const auto end = m_bench.now + span;
        while (m_steps.top().at < end) {
            const Step step = m_steps.top();
            m_steps.pop();
            m_bench.now = step.at;
            if (step.running)
                m_bench.queue.resume(step.running->id());
            const RequestPtr next = m_bench.take();
            const milliseconds duration =
                next ? m_durations.at(next->subject().client) : milliseconds(1);
            if (next)
                had[next->subject().client] += duration;
            m_steps.push({step.at + duration, m_sequence++, next});
        }
        m_bench.now = end;
        return had;
    }

private:
    struct Step {
        Clock::time_point at;
        int sequence = 0;
        RequestPtr running;
        bool operator<(const Step &other) const
        {
            return std::pair(other.at, other.sequence) < std::pair(at, sequence);
        }
    };
    Bench &m_bench;
    const Durations m_durations;
    std::priority_queue<Step> m_steps;
    int m_sequence = 0;
};

enum class End { Resume, Starve, Remove, Expire };

void addEnds()
{
    QTest::addColumn<End>("end");
    QTest::newRow("resume") << End::Resume;
    QTest::newRow("starve") << End::Starve;
    QTest::newRow("remove") << End::Remove;
    QTest::newRow("expire") << End::Expire;
}

//! Nobody has left anything.
bool isEmpty(const ScanQueue &queue)
{
    const ScanQueue::Depths d = queue.depths();
    return d.waiting == 0 && d.underWay == 0 && d.bytes == 0 && d.clients == 0 && !queue.hasReady();
}

} // namespace

class TestScanQueueClients : public QObject {
    Q_OBJECT

private Q_SLOTS:
    // Whose turn it is
    void take_floodOfOne_doesNotDelayAnother();
    void take_floodsOfTwo_takeTurns();
    void take_severalOfOne_keepTheirOrderAmongOthers();
    void take_workersAtOnce_areSpread();
    void take_unequalSlices_shareTheTime_data();
    void take_unequalSlices_shareTheTime();
    void take_slicesThatDoNotEnd_countMeanwhile();
    void endOfASlice_anyKind_isCharged_data() { addEnds(); }
    void endOfASlice_anyKind_isCharged();

    // Coming and going
    void client_starvedForHours_hasNoCredit();
    void client_oneSliceAtATime_savesNothingUp();
    void client_longAlone_hasNoDebt();
    void client_forgotten_beginsAsNew();
    void clientsThatComeAndGo_oneThatStays_getsItsPart_data();
    void clientsThatComeAndGo_oneThatStays_getsItsPart();
    void client_leftAfterALongSlice_othersDoNotPay();

    // Room
    void submit_overShareOfRequests_isQueueFullForItAlone();
    void submit_startedRequest_makesRoomInTheShare();
    void submit_smallBounds_oneIsAlwaysAllowed();
    void submit_manyFloods_leaveRoomForOneMore();
    void submit_overShareOfBytes_isQueueFullForItAlone();
    void submit_largerThanShare_onlyForWhoHasNothing();
    void submit_contentGrows_countsInTheShare();
    void submit_hostileSizesAndClients_countSanely();
    void submit_thisProcess_mayFillTheQueue();

    // Ends
    void remove_anyStageOfManyClients_leavesNoTrace();
    void shutDown_anyStageOfManyClients_leavesNoTrace();
    void submit_refusedNewClient_isNotRemembered();
    void completeContent_sameOrder_keepsTheRequest();
    void everything_raced_everyRequestLeavesOnceAndNoClientStays();
};

void TestScanQueueClients::take_floodOfOne_doesNotDelayAnother()
{
    Bench bench;
    bench.flood(1);
    QCOMPARE(bench.runSlices(20), QList<quint64>(20, 1));
    bench.submit(2, 100 * Limits::mib); // and late and large at that
    QCOMPARE(bench.runSlices(4), (QList<quint64>{2, 1, 2, 1}));

    const RequestPtr running = bench.take();
    bench.submit(3);
    QVERIFY(running);
    QCOMPARE(bench.runSlice(), quint64(3));
}

void TestScanQueueClients::take_floodsOfTwo_takeTurns()
{
    Bench bench;
    bench.flood(7);
    bench.flood(0); // this process has its turns as everybody
    QCOMPARE(bench.runSlices(6), (QList<quint64>{7, 0, 7, 0, 7, 0}));
}

void TestScanQueueClients::take_severalOfOne_keepTheirOrderAmongOthers()
{
    Bench bench;
    bench.flood(2);
    const quint64 large = bench.submit(1, 50 * Limits::mib);
    const quint64 middle = bench.submit(1, 5 * Limits::mib);
    const quint64 small = bench.submit(1);
    const quint64 alsoSmall = bench.submit(1);
    QList<quint64> taken;
    while (taken.size() < 4) {
        const RequestPtr request = bench.take();
        bench.now += 10ms;
        bench.queue.remove(request->id());
        if (request->subject().client == 1)
            taken.append(request->id());
    }
    QCOMPARE(taken, (QList<quint64>{small, alsoSmall, middle, large}));
}

void TestScanQueueClients::take_workersAtOnce_areSpread()
{
    Bench bench;
    bench.flood(1);
    bench.flood(2);
    bench.flood(3);
    QCOMPARE(bench.takeClients(6), (QList<quint64>{1, 2, 3, 1, 2, 3}));
}

void TestScanQueueClients::take_unequalSlices_shareTheTime_data()
{
    QTest::addColumn<int>("workers");
    QTest::addColumn<QList<int>>("slices"); // of client 1, 2, ..., in ms
    for (const int workers : {1, 2, 4}) {
        QTest::addRow("equal, %d workers", workers) << workers << QList<int>{10, 10};
        QTest::addRow("3:1, %d workers", workers) << workers << QList<int>{30, 10};
        QTest::addRow("1:100, %d workers", workers) << workers << QList<int>{1, 100};
        QTest::addRow("five, %d workers", workers) << workers << QList<int>{1, 7, 10, 40, 90};
    }
}

void TestScanQueueClients::take_unequalSlices_shareTheTime()
{
    QFETCH(const int, workers);
    QFETCH(const QList<int>, slices);
    Bench bench;
    Workers::Durations durations;
    for (qsizetype i = 0; i < slices.size(); ++i) {
        bench.flood(quint64(i + 1));
        durations[quint64(i + 1)] = milliseconds(slices.at(i));
    }
    Workers crew(bench, workers, durations);
    const Workers::Durations had = crew.run(20s);
    const milliseconds part = workers * milliseconds(20s) / slices.size();
    const milliseconds longest(workers * *std::ranges::max_element(slices));
    for (const auto &[client, time] : durations) {
        const milliseconds off = had.at(client) - part;
        QVERIFY2(off <= longest && -off <= longest,
            qPrintable(QStringLiteral("client %1: %2 ms off").arg(client).arg(off.count())));
    }
}

void TestScanQueueClients::take_slicesThatDoNotEnd_countMeanwhile()
{
    Bench bench;
    bench.flood(1);
    QCOMPARE(bench.takeClients(2), (QList<quint64>{1, 1}));
    bench.flood(2);
    // Two workers have been with client 1 all the time: the third stays with client 2.
    for (int slice = 0; slice < 500; ++slice)
        QCOMPARE(bench.runSlice(), quint64(2));
}

void TestScanQueueClients::endOfASlice_anyKind_isCharged()
{
    QFETCH(const End, end);
    Bench bench;
    for (const quint64 client : {1, 1, 2, 2})
        QVERIFY(bench.submit(client, 1, end == End::Expire ? bench.now + 10ms : noDeadline));
    const quint64 first = bench.take()->id();
    bench.now += 10ms;
    switch (end) {
    case End::Resume:
        bench.queue.resume(first);
        break;
    case End::Starve:
        bench.queue.starve(first);
        break;
    case End::Remove:
        QVERIFY(bench.queue.remove(first));
        break;
    case End::Expire:
        QCOMPARE(bench.queue.takeExpired().size(), size_t(4));
        QVERIFY(bench.submit(1) && bench.submit(1) && bench.submit(2));
        QCOMPARE(bench.takeClients(3), (QList<quint64>{1, 2, 1}));
        return;
    }
    // It has had its 10 ms, so the other one goes first; and it has them no more than once.
    QCOMPARE(bench.takeClients(1), QList<quint64>{2});
    bench.now += 5ms;
    QCOMPARE(bench.takeClients(1), QList<quint64>{1});
}

void TestScanQueueClients::client_starvedForHours_hasNoCredit()
{
    Bench bench;
    const quint64 stalled = bench.submit(1);
    QCOMPARE(bench.take()->id(), stalled);
    bench.queue.starve(stalled);
    bench.flood(2);
    for (int slice = 0; slice < 1'000; ++slice)
        QCOMPARE(bench.runSlice(), quint64(2));
    bench.flood(1);
    bench.queue.wake(stalled);
    QCOMPARE(bench.runSlices(6), (QList<quint64>{1, 2, 1, 2, 1, 2}));
}

void TestScanQueueClients::client_oneSliceAtATime_savesNothingUp()
{
    Bench bench;
    QVERIFY(bench.submit(1));
    bench.flood(2);
    Workers crew(bench, 4, {{1, 10ms}, {2, 10ms}});
    const auto before = crew.run(100s);
    QVERIFY(before.at(1) > 99s && before.at(2) > 299s); // nobody idles for the sake of fairness
    bench.flood(1);
    const auto after = crew.run(1s);
    QVERIFY(after.at(1) < 2'100ms);
    QVERIFY(after.at(2) > 1'900ms);
}

void TestScanQueueClients::client_longAlone_hasNoDebt()
{
    Bench bench;
    bench.flood(1);
    for (int slice = 0; slice < 1'000; ++slice)
        bench.runSlice(1s);
    bench.flood(2);
    int turnsOfFirst = 0;
    for (int slice = 0; slice < 240; ++slice)
        turnsOfFirst += bench.runSlice() == 1;
    // Its last slice, of a second, is what the other one may draw level with: 100 slices.
    QCOMPARE(turnsOfFirst, 70);
}

void TestScanQueueClients::client_forgotten_beginsAsNew()
{
    Bench bench;
    bench.flood(2);
    for (int round = 0; round < 3; ++round) {
        const quint64 running = bench.take()->id();
        const quint64 id = bench.submit(1);
        QCOMPARE(bench.queue.depths().clients, 2);
        bench.now += 10ms;
        bench.queue.resume(running);
        QCOMPARE(bench.take()->id(), id);
        bench.now += 10ms;
        bench.queue.remove(id);
        QCOMPARE(bench.queue.depths().clients, 1);
        // Back at once: its turn comes after one of the other, not before, not later.
        const quint64 again = bench.submit(1);
        QCOMPARE(bench.runSlices(2), (QList<quint64>{2, 1}));
        bench.queue.remove(again);
    }
}

void TestScanQueueClients::clientsThatComeAndGo_oneThatStays_getsItsPart_data()
{
    QTest::addColumn<int>("guests");
    QTest::addColumn<bool>("areNew");
    for (const int guests : {1, 2, 5, 20}) {
        QTest::addRow("%d that come back", guests) << guests << false;
        QTest::addRow("%d, always new", guests) << guests << true;
    }
}

void TestScanQueueClients::clientsThatComeAndGo_oneThatStays_getsItsPart()
{
    QFETCH(const int, guests);
    QFETCH(const bool, areNew);
    Bench bench;
    const quint64 stays = bench.submit(1);
    quint64 newest = 1;
    for (int i = 0; i < guests; ++i)
        QVERIFY(bench.submit(++newest));
    constexpr int slices = 4'000;
    int had = 0;
    for (int slice = 0; slice < slices; ++slice) {
        const RequestPtr request = bench.take();
        bench.now += 10ms;
        if (request->id() == stays) {
            ++had;
            bench.queue.resume(stays);
            continue;
        }
        // Answered, and asks again at once.
        bench.queue.remove(request->id());
        QVERIFY(bench.submit(areNew ? ++newest : request->subject().client));
    }
    const int part = slices / (guests + 1);
    QVERIFY2(qAbs(had - part) <= 1, qPrintable(QString::number(had)));
    QCOMPARE(bench.queue.depths().clients, guests + 1);
}

void TestScanQueueClients::client_leftAfterALongSlice_othersDoNotPay()
{
    Bench bench;
    bench.flood(1);
    const quint64 running = bench.take()->id();
    const quint64 hangs = bench.submit(2);
    QCOMPARE(bench.take()->id(), hangs);
    bench.queue.resume(running);
    bench.now += 1h;
    bench.queue.remove(hangs);
    bench.submit(3);
    QCOMPARE(bench.runSlices(4), (QList<quint64>{1, 1, 3, 1}));
}

void TestScanQueueClients::submit_overShareOfRequests_isQueueFullForItAlone()
{
    Bench bench({.maxRequests = 100});
    QCOMPARE(bench.fill(1), 50);
    QCOMPARE(bench.queue.submit(makeRequest(1)), std::optional(Reason::QueueFull));
    QCOMPARE(bench.fill(2), 25); // half of what is left
    QCOMPARE(bench.fill(3), 12);
    QCOMPARE(bench.fill(0), 13); // this process has all that is left
    QCOMPARE(bench.queue.depths().waiting, 100);
    QVERIFY(!bench.submit(4));
    QCOMPARE(bench.queue.depths().clients, 4);
}

void TestScanQueueClients::submit_startedRequest_makesRoomInTheShare()
{
    Bench bench({.maxRequests = 10});
    QCOMPARE(bench.fill(1), 5);
    const quint64 started = bench.take()->id();
    QCOMPARE(bench.fill(1), 1);
    bench.queue.resume(started); // always finds room again
    QVERIFY(!bench.submit(1));
    QVERIFY(bench.queue.remove(started)); // did not wait to be started
    QVERIFY(!bench.submit(1));
}

void TestScanQueueClients::submit_smallBounds_oneIsAlwaysAllowed()
{
    Bench one({.maxRequests = 1});
    QCOMPARE(one.fill(1), 1);
    QCOMPARE(one.fill(2), 0);
    QCOMPARE(one.fill(0), 0);
    QVERIFY(one.take());
    QCOMPARE(one.fill(1), 1); // also for who has one under way
    Bench two({.maxRequests = 2});
    QCOMPARE(two.fill(1), 1);
    QCOMPARE(two.fill(2), 1);
    Bench none({.maxRequests = 0});
    QCOMPARE(none.fill(1), 0);
}

void TestScanQueueClients::submit_manyFloods_leaveRoomForOneMore()
{
    Bench bench({.maxRequests = 100});
    for (int round = 0; round < 5'000; ++round) {
        for (quint64 client = 1; client <= 9; ++client)
            bench.submit(client);
        bench.queue.remove(bench.take()->id());
    }
    QVERIFY(bench.queue.depths().waiting <= 90);
    QVERIFY(bench.fill(10) >= 4);
}

void TestScanQueueClients::submit_overShareOfBytes_isQueueFullForItAlone()
{
    Bench bench({.maxBytes = 1'000});
    QVERIFY(bench.submit(1, 300));
    QVERIFY(!bench.submit(1, 201));
    QVERIFY(bench.submit(1, 200));
    QVERIFY(!bench.submit(1, 1));
    QVERIFY(bench.submit(1, 0));
    QVERIFY(bench.submit(2, 250));
    QVERIFY(!bench.submit(2, 1)); // 250 is half of what client 1 leaves
    QVERIFY(bench.submit(0, 250));
    QCOMPARE(bench.queue.depths().bytes, 1'000);
}

void TestScanQueueClients::submit_largerThanShare_onlyForWhoHasNothing()
{
    Bench bench({.maxBytes = 1'000});
    QVERIFY(bench.submit(1, 0)); // weighs nothing
    const quint64 large = bench.submit(1, 900);
    QVERIFY(large);
    QVERIFY(!bench.submit(1, 1));
    QVERIFY(!bench.submit(2, 101)); // over the bound of all
    QVERIFY(bench.submit(2, 100));
    QVERIFY(bench.queue.remove(large));
    QVERIFY(bench.submit(1, 1));
    QVERIFY(!bench.submit(1, 500));
    bench.queue.shutDown();
    bench.queue.reopen();
    QVERIFY(bench.submit(1, 5'000)); // the whole queue for itself
    QVERIFY(!bench.submit(2, 1));
}

void TestScanQueueClients::submit_contentGrows_countsInTheShare()
{
    Bench bench({.maxBytes = 1'000});
    const quint64 growing = bench.submit(1, 0);
    QVERIFY(bench.submit(1, 100));
    bench.queue.growContent(growing, 450);
    QVERIFY(!bench.submit(1, 1));
    bench.queue.growContent(growing, 5'000); // was let in: others have to wait, too
    QVERIFY(!bench.submit(2, 1));
    bench.queue.completeContent(growing, 200, noDeadline);
    QVERIFY(bench.submit(2, 350));
    QVERIFY(!bench.submit(1, 26)); // of 650, 300 are its own
    QVERIFY(bench.submit(1, 25));
    bench.queue.remove(growing);
    QVERIFY(bench.submit(1, 200));
}

void TestScanQueueClients::submit_hostileSizesAndClients_countSanely()
{
    Bench bench({.maxRequests = std::numeric_limits<int>::max(), .maxBytes = most});
    const quint64 last = std::numeric_limits<quint64>::max();
    QVERIFY(bench.submit(last, -1));
    QVERIFY(bench.submit(last, std::numeric_limits<qint64>::min()));
    QVERIFY(bench.submit(last, most));
    QVERIFY(bench.submit(last - 1, most));
    bench.queue.growContent(bench.submit(last), most);
    QVERIFY(bench.queue.depths().bytes > 0);
    QCOMPARE(bench.queue.shutDown().size(), size_t(5));
    QVERIFY(isEmpty(bench.queue));
}

void TestScanQueueClients::submit_thisProcess_mayFillTheQueue()
{
    Bench bench({.maxRequests = 10, .maxBytes = 100});
    QVERIFY(bench.submit(0, 60));
    QVERIFY(bench.submit(0, 40));
    QCOMPARE(bench.fill(0), 8);
    QCOMPARE(bench.fill(1), 0);
}

void TestScanQueueClients::remove_anyStageOfManyClients_leavesNoTrace()
{
    Bench bench;
    std::vector<quint64> ids;
    for (quint64 client = 0; client < 12; ++client) {
        for (int i = 0; i < 4; ++i)
            ids.push_back(bench.submit(client, 5));
    }
    QCOMPARE(bench.queue.depths().clients, 12);
    for (int i = 0; i < 30; ++i) {
        const quint64 id = bench.take()->id();
        bench.now += 1ms;
        if (i % 3 == 0)
            bench.queue.resume(id);
        else if (i % 3 == 1)
            bench.queue.starve(id);
        if (i % 5 == 0)
            bench.queue.wake(id);
    }
    for (const quint64 id : ids)
        QVERIFY(bench.queue.remove(id));
    QVERIFY(isEmpty(bench.queue));
    for (const quint64 id : ids) {
        bench.queue.resume(id);
        bench.queue.starve(id);
        bench.queue.wake(id);
        bench.queue.completeContent(id, 7, bench.now);
    }
    QVERIFY(isEmpty(bench.queue));
}

void TestScanQueueClients::shutDown_anyStageOfManyClients_leavesNoTrace()
{
    Bench bench;
    for (quint64 client = 1; client <= 4; ++client)
        bench.flood(client, 3);
    bench.queue.resume(bench.take()->id());
    bench.queue.starve(bench.take()->id());
    bench.take();
    bench.now += 1h;
    QCOMPARE(bench.queue.shutDown().size(), size_t(12));
    QVERIFY(isEmpty(bench.queue));
    bench.queue.reopen();
    bench.flood(2);
    bench.flood(1);
    QCOMPARE(bench.runSlices(4), (QList<quint64>{2, 1, 2, 1}));
}

void TestScanQueueClients::submit_refusedNewClient_isNotRemembered()
{
    Bench bench({.maxRequests = 1});
    QVERIFY(bench.submit(0));
    for (quint64 client = 1; client < 100; ++client)
        QVERIFY(!bench.submit(client));
    QCOMPARE(bench.queue.depths().clients, 1);
    bench.queue.shutDown();
    QVERIFY(!bench.submit(1));
    QVERIFY(isEmpty(bench.queue));
}

void TestScanQueueClients::completeContent_sameOrder_keepsTheRequest()
{
    Bench bench;
    const quint64 id = bench.submit(1);
    bench.queue.completeContent(id, 1, bench.now + 1h);
    QVERIFY(bench.queue.hasReady());
    QCOMPARE(bench.take()->id(), id);
}

void TestScanQueueClients::everything_raced_everyRequestLeavesOnceAndNoClientStays()
{
    constexpr int clients = 5;
    constexpr int perClient = 600;
    ScanQueue queue(unbounded);
    std::mutex mutex;
    std::map<quint64, int> left;
    const auto note = [&](const RequestPtr &request) {
        const std::lock_guard lock(mutex);
        ++left[request->id()];
    };
    const auto work = [&] {
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
        for (auto expired = queue.takeExpired(); !expired.empty(); expired = queue.takeExpired())
            std::ranges::for_each(expired, note);
    };
    std::atomic<int> accepted{0};
    const auto ask = [&](quint64 client) {
        for (int i = 0; i < perClient; ++i) {
            const RequestPtr request = makeRequest(client, i);
            accepted += !queue.submit(request, Clock::now() + std::chrono::microseconds(i % 900));
            queue.growContent(request->id(), i * 3);
            queue.wake(request->id());
            queue.completeContent(request->id(), i * 4, Clock::now() + 1ms);
            if (i % 7 == 0) {
                if (const RequestPtr removed = queue.remove(request->id()))
                    note(removed);
            }
        }
    };
    {
        std::jthread workers[]{std::jthread(work), std::jthread(work), std::jthread(work)};
        std::jthread watcher(watch);
        {
            std::vector<std::jthread> askers;
            for (quint64 client = 0; client < clients; ++client)
                askers.emplace_back(ask, client);
        }
        QTRY_VERIFY_WITH_TIMEOUT(queue.depths().clients == 0, Test::patienceMs);
        std::ranges::for_each(queue.shutDown(), note);
    }
    QCOMPARE(accepted.load(), clients * perClient);
    QCOMPARE(left.size(), size_t(clients * perClient));
    QVERIFY(std::ranges::all_of(left, [](const auto &entry) { return entry.second == 1; }));
    QVERIFY(isEmpty(queue));
}

QTEST_GUILESS_MAIN(TestScanQueueClients)
#include "tst_scanqueueclients.moc"
