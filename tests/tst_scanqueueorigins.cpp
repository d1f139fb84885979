// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/ScanQueue.h"

#include <QTest>

#include <algorithm>
#include <map>

using namespace Sentinel;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

using RequestPtr = std::shared_ptr<ScanRequest>;
using Party = ClientLines::Party;

constexpr auto noWait = 0ms;
constexpr qint64 most = std::numeric_limits<qint64>::max();
constexpr ScanQueue::Bounds unbounded{.maxRequests = 1'000'000, .maxBytes = most / 2};

// Two origins and two connections of one client.
constexpr quint64 flooder = 100;
constexpr quint64 other = 200;
constexpr quint64 here = 1;
constexpr quint64 there = 2;

//! A queue whose time is the test's, and one worker.
struct Bench {
    explicit Bench(ScanQueue::Bounds bounds = unbounded) : queue(bounds, [this] { return now; }) { }

    //! The id; 0 if it is refused.
    quint64 submit(const Party &party, qint64 sizeBytes = 1)
    {
        ScanSubject subject;
        subject.client = party.client;
        subject.origin = party.origin;
        subject.connection = party.connection;
        subject.sizeBytes = sizeBytes;
        const auto request = std::make_shared<ScanRequest>(
            std::move(subject), [](const ScanResult &) {}, now);
        return queue.submit(request) ? 0 : request->id();
    }
    //! How many requests \p party can submit, up to \p limit.
    int fill(const Party &party, int limit = 1'000, qint64 sizeBytes = 0)
    {
        int accepted = 0;
        while (accepted < limit && submit(party, sizeBytes))
            ++accepted;
        return accepted;
    }
    //! A whole slice; whose it was.
    ScanSubject runSlice(milliseconds duration = 10ms)
    {
        const RequestPtr request = queue.take(noWait);
        now += duration;
        queue.resume(request->id());
        return request->subject();
    }
    //! A whole scan of one slice.
    ScanSubject runScan(milliseconds duration = 10ms)
    {
        const RequestPtr request = queue.take(noWait);
        now += duration;
        queue.remove(request->id());
        return request->subject();
    }

    Clock::time_point now{1h};
    ScanQueue queue;
};

} // namespace

//! What the origins and connections of one client have of the queue.
class tst_ScanQueueOrigins : public QObject {
    Q_OBJECT

private Q_SLOTS:
    // Time
    void take_floodOfOneOrigin_doesNotDelayAnother();
    void take_floodsOfTwoOrigins_takeTurns();
    void take_manyOriginsBehindOneConnection_areOneShare();
    void take_oneOriginByManyConnections_isOneShare();
    void take_longAloneOnAConnection_savesNothingUpElsewhere();
    void take_withinOneOrigin_keepsTheOrder();
    void take_unequalSlices_shareTheTime();
    void take_originsOfOneClient_takeNothingFromAnotherClient();
    void originsThatComeAndGo_oneThatStays_getsItsPart();

    // Room
    void submit_noOrigin_mayFillTheQueue();
    void submit_onlyOrigin_hasHalf();
    void submit_floodOfOneOrigin_leavesRoomForOthers();
    void submit_manyOriginsBehindOneConnection_leaveRoom();
    void submit_oneOriginByManyConnections_leavesRoom();
    void submit_originOfAClient_hasHalfOfTheClientsRoom();
    void submit_smallBounds_oneIsAlwaysAllowed();
    void submit_overShareOfBytes_isRefusedForItAlone();
    void submit_largerThanShare_onlyForWhoHasNothing();
    void submit_startedRequests_makeRoomInTheShare();
    void remove_all_leavesNoTrace();
};

void tst_ScanQueueOrigins::take_floodOfOneOrigin_doesNotDelayAnother()
{
    Bench bench;
    bench.fill({.origin = flooder});
    for (int i = 0; i < 100; ++i)
        QCOMPARE(bench.runScan().origin, flooder);
    for (int i = 0; i < 50; ++i) {
        QVERIFY(bench.submit({.origin = other}));
        QCOMPARE(bench.runScan().origin, other); // the very next slice, each time
        QCOMPARE(bench.runScan().origin, flooder);
    }
}

void tst_ScanQueueOrigins::take_floodsOfTwoOrigins_takeTurns()
{
    Bench bench;
    bench.fill({.origin = flooder});
    bench.fill({.origin = other});
    std::map<quint64, int> slices;
    for (int i = 0; i < 100; ++i)
        ++slices[bench.runSlice().origin];
    QCOMPARE(slices[flooder], 50);
    QCOMPARE(slices[other], 50);
}

void tst_ScanQueueOrigins::take_manyOriginsBehindOneConnection_areOneShare()
{
    Bench bench;
    for (quint64 origin = 1'000; origin < 1'100; ++origin)
        bench.fill({.origin = origin, .connection = here}, 3);
    bench.fill({.origin = other, .connection = there}, 100);
    std::map<quint64, int> slices;
    for (int i = 0; i < 100; ++i)
        ++slices[bench.runSlice().connection];
    QCOMPARE_GE(slices[there], 48); // not one of a hundred
}

void tst_ScanQueueOrigins::take_oneOriginByManyConnections_isOneShare()
{
    Bench bench;
    for (quint64 connection = 1'000; connection < 1'100; ++connection)
        bench.fill({.origin = flooder, .connection = connection}, 3);
    bench.fill({.origin = other, .connection = there}, 100);
    std::map<quint64, int> slices;
    for (int i = 0; i < 100; ++i)
        ++slices[bench.runSlice().origin];
    QCOMPARE_GE(slices[other], 48);
}

void tst_ScanQueueOrigins::take_longAloneOnAConnection_savesNothingUpElsewhere()
{
    Bench bench;
    bench.fill({.origin = flooder, .connection = here}, 1);
    for (int i = 0; i < 1'000; ++i)
        bench.runSlice();
    // A new origin behind the connection that has used much: what that held back is no credit.
    bench.fill({.origin = other, .connection = here}, 100);
    bench.runSlice();
    bench.runSlice();
    bench.fill({.origin = other}, 100);
    bench.fill({.origin = 300}, 100);
    std::map<quint64, int> slices;
    for (int i = 0; i < 90; ++i)
        ++slices[bench.runSlice().origin];
    QCOMPARE_GE(slices[300], 28);
}

void tst_ScanQueueOrigins::take_withinOneOrigin_keepsTheOrder()
{
    Bench bench;
    const quint64 large = bench.submit({.origin = other}, 10 * Limits::mib);
    const quint64 small = bench.submit({.origin = other}, 1);
    QCOMPARE(bench.queue.take(noWait)->id(), small);
    QCOMPARE(bench.queue.take(noWait)->id(), large);
}

void tst_ScanQueueOrigins::take_unequalSlices_shareTheTime()
{
    Bench bench;
    bench.fill({.origin = flooder}, 100);
    bench.fill({.origin = other}, 100);
    std::map<quint64, milliseconds> had;
    for (int i = 0; i < 300; ++i) {
        const RequestPtr request = bench.queue.take(noWait);
        const milliseconds duration = request->subject().origin == flooder ? 40ms : 10ms;
        bench.now += duration;
        had[request->subject().origin] += duration;
        bench.queue.resume(request->id());
    }
    QCOMPARE_LE(std::chrono::abs(had[flooder] - had[other]).count(), 50);
}

void tst_ScanQueueOrigins::take_originsOfOneClient_takeNothingFromAnotherClient()
{
    Bench bench;
    for (quint64 origin = 1'000; origin < 1'100; ++origin)
        bench.fill({.client = 1, .origin = origin}, 3);
    bench.fill({.client = 2, .origin = other}, 100);
    std::map<quint64, int> slices;
    for (int i = 0; i < 100; ++i)
        ++slices[bench.runSlice().client];
    QCOMPARE(slices[1], 50);
    QCOMPARE(slices[2], 50);
}

void tst_ScanQueueOrigins::originsThatComeAndGo_oneThatStays_getsItsPart()
{
    Bench bench;
    bench.fill({.origin = other}, 1);
    quint64 origin = 1'000;
    bench.submit({.origin = ++origin});
    bench.submit({.origin = ++origin});
    int had = 0;
    for (int i = 0; i < 300; ++i) {
        const RequestPtr request = bench.queue.take(noWait);
        bench.now += 10ms;
        if (request->subject().origin == other) {
            ++had;
            bench.queue.resume(request->id());
        } else {
            bench.queue.remove(request->id()); // and another comes from elsewhere
            bench.submit({.origin = ++origin});
        }
    }
    QCOMPARE_GE(had, 90);
}

void tst_ScanQueueOrigins::submit_noOrigin_mayFillTheQueue()
{
    Bench bench(ScanQueue::Bounds{});
    QCOMPARE(bench.fill({}), 100);
    QVERIFY(!bench.submit({}));
    QVERIFY(!bench.submit({.origin = other}));
}

void tst_ScanQueueOrigins::submit_onlyOrigin_hasHalf()
{
    Bench bench(ScanQueue::Bounds{});
    QCOMPARE(bench.fill({.origin = flooder}), 50);
    QCOMPARE(bench.fill({}), 50); // what has none fills the rest
}

void tst_ScanQueueOrigins::submit_floodOfOneOrigin_leavesRoomForOthers()
{
    Bench bench(ScanQueue::Bounds{});
    bench.fill({.origin = flooder});
    QCOMPARE(bench.fill({.origin = other}), 25);
    bench.fill({.origin = flooder});
    for (quint64 origin = 1; origin <= 5; ++origin)
        QVERIFY(bench.submit({.origin = origin}));
}

void tst_ScanQueueOrigins::submit_manyOriginsBehindOneConnection_leaveRoom()
{
    Bench bench(ScanQueue::Bounds{});
    int accepted = 0;
    for (quint64 origin = 1'000; origin < 2'000; ++origin)
        accepted += bench.fill({.origin = origin, .connection = here}, 1);
    QCOMPARE(accepted, 50);
    QCOMPARE(bench.fill({.origin = other, .connection = there}), 25);
}

void tst_ScanQueueOrigins::submit_oneOriginByManyConnections_leavesRoom()
{
    Bench bench(ScanQueue::Bounds{});
    int accepted = 0;
    for (quint64 connection = 1'000; connection < 2'000; ++connection)
        accepted += bench.fill({.origin = flooder, .connection = connection}, 1);
    QCOMPARE(accepted, 50);
    QCOMPARE(bench.fill({.origin = other, .connection = there}), 25);
}

void tst_ScanQueueOrigins::submit_originOfAClient_hasHalfOfTheClientsRoom()
{
    Bench bench(ScanQueue::Bounds{});
    QCOMPARE(bench.fill({.client = 1, .origin = flooder}), 25);
    QCOMPARE(bench.fill({.client = 1}), 25); // the client's own 50 are full
    QVERIFY(!bench.submit({.client = 1, .origin = other}));
    QVERIFY(bench.submit({.client = 2, .origin = flooder}));
}

void tst_ScanQueueOrigins::submit_smallBounds_oneIsAlwaysAllowed()
{
    Bench bench({.maxRequests = 1});
    QCOMPARE(bench.fill({.client = 1, .origin = other, .connection = here}), 1);
    Bench two({.maxRequests = 2});
    QVERIFY(two.submit({.origin = flooder}));
    QVERIFY(!two.submit({.origin = flooder}));
    QVERIFY(two.submit({.origin = other}));
}

void tst_ScanQueueOrigins::submit_overShareOfBytes_isRefusedForItAlone()
{
    const auto withBytes = [](Bench &bench, const Party &party, qsizetype bytes) {
        ScanSubject subject;
        subject.origin = party.origin;
        subject.connection = party.connection;
        subject.content = Content::fromByteArray(QByteArray(bytes, 'x'));
        return !bench.queue.submit(
            std::make_shared<ScanRequest>(std::move(subject), [](const ScanResult &) {}));
    };
    Bench bench({.maxBytes = 1'000});
    QVERIFY(withBytes(bench, {.origin = flooder}, 400));
    QVERIFY(!withBytes(bench, {.origin = flooder}, 101));
    QVERIFY(withBytes(bench, {.origin = flooder}, 100));
    QVERIFY(!withBytes(bench, {.origin = flooder}, 1));
    QVERIFY(withBytes(bench, {.origin = other}, 200));
    QVERIFY(!withBytes(bench, {.origin = other}, 51)); // half of the 500 that are left is 250
    QVERIFY(withBytes(bench, {.origin = other}, 50));
    QVERIFY(withBytes(bench, {}, 250)); // what has no origin: all that is left
    QVERIFY(!withBytes(bench, {}, 1));
}

void tst_ScanQueueOrigins::submit_largerThanShare_onlyForWhoHasNothing()
{
    Bench bench({.maxBytes = 1'000});
    ScanSubject subject;
    subject.origin = other;
    subject.content = Content::fromByteArray(QByteArray(900, 'x'));
    QVERIFY(!bench.queue.submit(std::make_shared<ScanRequest>(subject, [](const ScanResult &) {})));
    subject.content = Content::fromByteArray(QByteArray(1, 'x'));
    QCOMPARE(bench.queue.submit(std::make_shared<ScanRequest>(subject, [](const ScanResult &) {})),
        std::optional(Reason::QueueFull));
}

void tst_ScanQueueOrigins::submit_startedRequests_makeRoomInTheShare()
{
    Bench bench(ScanQueue::Bounds{});
    bench.fill({.origin = flooder, .connection = here});
    bench.runSlice();
    QCOMPARE(bench.fill({.origin = flooder, .connection = here}), 1);
    bench.runScan();
    QVERIFY(bench.submit({.origin = flooder, .connection = there})
        || bench.submit({.origin = flooder, .connection = here}));
}

void tst_ScanQueueOrigins::remove_all_leavesNoTrace()
{
    Bench bench(ScanQueue::Bounds{});
    bench.fill({.origin = flooder, .connection = here});
    bench.fill({.origin = other, .connection = here});
    bench.fill({.client = 1, .origin = other, .connection = there});
    bench.runSlice();
    for (const auto &request : bench.queue.shutDown())
        QVERIFY(request);
    bench.queue.reopen();
    QCOMPARE(bench.queue.depths().waiting, 0);
    QCOMPARE(bench.queue.depths().bytes, 0);
    QCOMPARE(bench.queue.depths().clients, 0);
    QCOMPARE(bench.fill({.origin = flooder, .connection = here}), 50); // as in a new queue
}

QTEST_GUILESS_MAIN(tst_ScanQueueOrigins)
#include "tst_scanqueueorigins.moc"
