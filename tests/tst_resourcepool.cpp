// SPDX-License-Identifier: MIT
#include "Sentinel/pool/ResourcePool.h"

#include <QTest>

#include <atomic>
#include <future>
#include <semaphore>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace Sentinel;
using namespace std::chrono_literals;

namespace {

constexpr int poolSize = 2;

//! What is dear to make. Knows its number, and how many there are.
struct Resource {
    Resource(int theNumber, std::atomic<int> &theAlive) : number(theNumber), alive(theAlive)
    {
        ++alive;
    }
    ~Resource() { --alive; }
    Q_DISABLE_COPY_MOVE(Resource)

    const int number;
    std::atomic<int> &alive;
    bool isHealthy = true;
    std::atomic<bool> isLent = false;
};

//! A pool with a clock of the test's own, and what it makes.
class Bench {
public:
    using Pool = ResourcePool<Resource>;

    explicit Bench(PoolSettings settings = {.maxSize = poolSize})
    {
        settings.now = [this] { return now.load(); };
        pool.emplace(
            [this](Deadline) -> std::expected<std::unique_ptr<Resource>, QString> {
                if (onMake)
                    onMake();
                if (refusesToMake)
                    return std::unexpected(QStringLiteral("out of resources"));
                return std::make_unique<Resource>(++made, alive);
            },
            settings,
            [this](Resource &resource, Deadline) {
                ++checked;
                if (onCheck)
                    onCheck();
                return resource.isHealthy;
            });
    }

    Pool::Lease take()
    {
        auto lease = pool->acquire(Clock::now());
        if (!lease)
            qFatal("nothing in the pool");
        return std::move(*lease);
    }
    std::optional<PoolError::Code> refusal()
    {
        auto lease = pool->acquire(Clock::now());
        return lease ? std::nullopt : std::optional(lease.error().code);
    }
    void awaitWaiters(int count) const
    {
        while (pool->counts().waiting != count)
            std::this_thread::yield();
    }

    std::atomic<int> alive = 0;
    std::atomic<int> made = 0;
    std::atomic<int> checked = 0;
    std::atomic<bool> refusesToMake = false;
    std::atomic<Clock::time_point> now = Clock::now();
    std::function<void()> onMake;
    std::function<void()> onCheck;
    std::optional<Pool> pool;
};

using Code = PoolError::Code;

} // namespace

class tst_ResourcePool : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void pool_unused_makesNothing();
    void lease_ended_resourceIsReused();
    void lease_moved_isGivenBackOnce();
    void lease_assignedOver_givesBackWhatItHeld();
    void lease_discarded_resourceIsDestroyedAndReplaced();
    void lease_movedToAnotherThread_endsThere();
    void acquire_severalIdle_takesTheOneUsedLast();
    void acquire_allInUse_timesOut();
    void acquire_allInUse_getsTheOneThatComesBack();
    void acquire_severalWait_areServedInTheirOrder();
    void acquire_othersWait_comingLateIsServedLate();
    void waiter_timesOut_nextOneIsServed();
    void factory_fails_saysWhyAndKeepsThePlaceFree();
    void factory_fails_nextWaiterTries();
    void factory_throws_keepsThePlaceFree();
    void factory_asksThePool_isNotLocked();
    void healthCheck_notIdleForLong_isNotAsked();
    void healthCheck_fails_anotherOneIsLent();
    void healthCheck_throws_resourceAndPlaceAreFreed();
    void resource_idleTooLong_isReplaced();
    void resource_tooOld_isReplaced_data();
    void resource_tooOld_isReplaced();
    void resource_usedUp_isReplaced();
    void prune_someIdleTooLong_destroysThemOnly();
    void drain_idleAndOnLoan_newOnesFromNowOn();
    void drain_whileOneIsMade_itIsNotKept();
    void close_idle_destroysAndRefuses();
    void close_waiters_areRefused();
    void close_onLoan_waitsUntilTheDeadlineOnly();
    void close_onLoan_waitsForTheirReturn();
    void close_whileOneIsMade_itIsNotLent();
    void pool_destroyed_leaseOutlivesIt();
    void counts_afterAll_addUp();
    void pool_manyThreads_neverSharesNorExceeds_data();
    void pool_manyThreads_neverSharesNorExceeds();
    void pool_closedUnderLoad_losesNothing();
};

void tst_ResourcePool::pool_unused_makesNothing()
{
    const Bench bench;
    QCOMPARE(bench.made, 0);
}

void tst_ResourcePool::lease_ended_resourceIsReused()
{
    Bench bench;
    for (int i = 0; i < 5; ++i)
        QCOMPARE(bench.take()->number, 1);
    const PoolCounts counts = bench.pool->counts();
    QCOMPARE(counts.created, quint64(1));
    QCOMPARE(counts.acquires, quint64(5));
    QCOMPARE(counts.reuses, quint64(4));
    QCOMPARE(counts.idle, 1);
    QCOMPARE(counts.inUse, 0);
}

void tst_ResourcePool::lease_moved_isGivenBackOnce()
{
    Bench bench;
    Bench::Pool::Lease first = bench.take();
    Bench::Pool::Lease second = std::move(first);
    QVERIFY(!first.isValid()); // NOLINT(bugprone-use-after-move)
    QVERIFY(second.isValid());
    first.giveBack(); // nothing
    first.discard();
    QCOMPARE(bench.pool->counts().inUse, 1);
    second.giveBack();
    second.giveBack();
    QCOMPARE(bench.pool->counts().inUse, 0);
    QCOMPARE(bench.pool->counts().idle, 1);
}

void tst_ResourcePool::lease_assignedOver_givesBackWhatItHeld()
{
    Bench bench;
    Bench::Pool::Lease lease = bench.take();
    lease = bench.take();
    QCOMPARE(lease->number, 2);
    QCOMPARE(bench.pool->counts().inUse, 1);
    QCOMPARE(bench.take()->number, 1);
}

void tst_ResourcePool::lease_discarded_resourceIsDestroyedAndReplaced()
{
    Bench bench;
    Bench::Pool::Lease lease = bench.take();
    lease.discard();
    QVERIFY(!lease.isValid());
    QCOMPARE(bench.alive, 0);
    QCOMPARE(bench.take()->number, 2);
    QCOMPARE(bench.pool->counts().destroyed, quint64(1));
}

void tst_ResourcePool::lease_movedToAnotherThread_endsThere()
{
    Bench bench;
    std::thread([lease = bench.take()] { QVERIFY(lease.isValid()); }).join();
    QCOMPARE(bench.pool->counts().idle, 1);
}

void tst_ResourcePool::acquire_severalIdle_takesTheOneUsedLast()
{
    Bench bench;
    Bench::Pool::Lease one = bench.take();
    bench.take().giveBack(); // the second
    one.giveBack();
    QCOMPARE(bench.take()->number, 1);
}

void tst_ResourcePool::acquire_allInUse_timesOut()
{
    Bench bench({.maxSize = 1});
    const Bench::Pool::Lease held = bench.take();
    QCOMPARE(bench.refusal(), Code::Timeout);
    const auto waited = bench.pool->acquire(Clock::now() + 1ms);
    QCOMPARE(waited.error().code, Code::Timeout);
    QCOMPARE(bench.pool->counts().timeouts, quint64(2));
    QCOMPARE(bench.pool->counts().waiting, 0);
    QCOMPARE(bench.made, 1);
}

void tst_ResourcePool::acquire_allInUse_getsTheOneThatComesBack()
{
    Bench bench({.maxSize = 1});
    Bench::Pool::Lease held = bench.take();
    std::thread waiter([&] {
        const auto lease = bench.pool->acquire(noDeadline);
        QVERIFY(lease);
        QCOMPARE((*lease)->number, 1);
    });
    bench.awaitWaiters(1);
    held.giveBack();
    waiter.join();
}

void tst_ResourcePool::acquire_severalWait_areServedInTheirOrder()
{
    constexpr int waiters = 20;
    Bench bench({.maxSize = 1});
    Bench::Pool::Lease held = bench.take();
    std::vector<int> order; // guarded by the lease
    std::vector<std::thread> threads;
    for (int i = 0; i < waiters; ++i) {
        threads.emplace_back([&, i] {
            const auto lease = bench.pool->acquire(noDeadline);
            order.push_back(i);
        });
        bench.awaitWaiters(i + 1);
    }
    held.giveBack();
    for (std::thread &thread : threads)
        thread.join();
    QCOMPARE(int(order.size()), waiters);
    QVERIFY(std::ranges::is_sorted(order));
}

void tst_ResourcePool::acquire_othersWait_comingLateIsServedLate()
{
    Bench bench({.maxSize = 1});
    Bench::Pool::Lease held = bench.take();
    std::binary_semaphore isDone(0);
    std::binary_semaphore hasLease(0);
    std::thread waiter([&] {
        const auto lease = bench.pool->acquire(noDeadline);
        hasLease.release();
        isDone.acquire();
    });
    bench.awaitWaiters(1);
    held.giveBack();
    // Whether the waiter has woken or not: the place is its own.
    const auto refused = bench.refusal();
    hasLease.acquire();
    isDone.release();
    waiter.join();
    QCOMPARE(refused, Code::Timeout);
}

void tst_ResourcePool::waiter_timesOut_nextOneIsServed()
{
    Bench bench({.maxSize = 1});
    Bench::Pool::Lease held = bench.take();
    std::thread impatient([&] { QVERIFY(!bench.pool->acquire(Clock::now() + 20ms)); });
    std::thread patient([&] { QVERIFY(bench.pool->acquire(noDeadline)); });
    impatient.join();
    bench.awaitWaiters(1);
    held.giveBack();
    patient.join();
    QCOMPARE(bench.pool->counts().timeouts, quint64(1));
}

void tst_ResourcePool::factory_fails_saysWhyAndKeepsThePlaceFree()
{
    Bench bench({.maxSize = 1});
    bench.refusesToMake = true;
    for (int i = 0; i < 3; ++i) {
        const auto lease = bench.pool->acquire(Clock::now());
        QVERIFY(!lease);
        QCOMPARE(lease.error().code, Code::Failed);
        QCOMPARE(lease.error().message, QStringLiteral("out of resources"));
    }
    QCOMPARE(bench.pool->counts().creationFailures, quint64(3));
    QCOMPARE(bench.pool->counts().inUse, 0);
    bench.refusesToMake = false;
    QCOMPARE(bench.take()->number, 1);
}

void tst_ResourcePool::factory_fails_nextWaiterTries()
{
    Bench bench({.maxSize = 1});
    Bench::Pool::Lease held = bench.take();
    bench.refusesToMake = true;
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            const auto lease = bench.pool->acquire(noDeadline);
            failures += !lease && lease.error().code == Code::Failed ? 1 : 0;
        });
    }
    bench.awaitWaiters(4);
    held.discard(); // one place for four, none of whom keeps it
    for (std::thread &thread : threads)
        thread.join();
    QCOMPARE(failures, 4);
}

void tst_ResourcePool::factory_throws_keepsThePlaceFree()
{
    Bench bench({.maxSize = 1});
    bench.onMake = [] { throw std::runtime_error("made to fail"); };
    QVERIFY_EXCEPTION_THROWN((void)bench.pool->acquire(Clock::now()), std::runtime_error);
    bench.onMake = nullptr;
    QCOMPARE(bench.take()->number, 1);
}

void tst_ResourcePool::factory_asksThePool_isNotLocked()
{
    Bench bench;
    int inUse = 0;
    bench.onMake = [&] {
        inUse = std::async(std::launch::async, [&] { return bench.pool->counts().inUse; }).get();
    };
    bench.take();
    QCOMPARE(inUse, 1);
}

void tst_ResourcePool::healthCheck_notIdleForLong_isNotAsked()
{
    Bench bench({.idleTime = 100s, .uncheckedIdleTime = 10s});
    bench.take();
    bench.now = bench.now.load() + 9s;
    bench.take();
    QCOMPARE(bench.checked, 0);
    bench.now = bench.now.load() + 10s;
    bench.take();
    QCOMPARE(bench.checked, 1);
    QCOMPARE(bench.made, 1);
}

void tst_ResourcePool::healthCheck_fails_anotherOneIsLent()
{
    Bench bench({.maxSize = poolSize, .idleTime = 100s, .uncheckedIdleTime = 10s});
    int inUse = 0;
    bench.onCheck = [&] { inUse = bench.pool->counts().inUse; }; // would hang if it were locked
    Bench::Pool::Lease healthy = bench.take();
    Bench::Pool::Lease ill = bench.take();
    ill->isHealthy = false;
    healthy.giveBack();
    ill.giveBack(); // and would be lent first
    bench.now = bench.now.load() + 10s;
    QCOMPARE(bench.take()->number, 1);
    QCOMPARE(inUse, 1);
    QCOMPARE(bench.checked, 2);
    QCOMPARE(bench.alive, 1);
    QCOMPARE(bench.pool->counts().healthFailures, quint64(1));
}

void tst_ResourcePool::healthCheck_throws_resourceAndPlaceAreFreed()
{
    Bench bench({.maxSize = 1, .idleTime = 100s, .uncheckedIdleTime = 10s});
    bench.take();
    bench.now = bench.now.load() + 10s;
    bench.onCheck = [] { throw std::runtime_error("made to fail"); };
    QVERIFY_EXCEPTION_THROWN((void)bench.pool->acquire(Clock::now()), std::runtime_error);
    QCOMPARE(bench.alive, 0);
    QCOMPARE(bench.take()->number, 2);
}

void tst_ResourcePool::resource_idleTooLong_isReplaced()
{
    Bench bench({.idleTime = 30s});
    bench.take();
    bench.now = bench.now.load() + 29s;
    QCOMPARE(bench.take()->number, 1);
    bench.now = bench.now.load() + 30s;
    QCOMPARE(bench.take()->number, 2);
    QCOMPARE(bench.alive, 1);
}

void tst_ResourcePool::resource_tooOld_isReplaced_data()
{
    QTest::addColumn<bool>("whileOnLoan");
    QTest::newRow("while idle") << false;
    QTest::newRow("while on loan") << true;
}

void tst_ResourcePool::resource_tooOld_isReplaced()
{
    QFETCH(bool, whileOnLoan);
    Bench bench({.idleTime = 1'000s, .maxAge = 300s});
    Bench::Pool::Lease lease = bench.take();
    if (!whileOnLoan)
        lease.giveBack();
    bench.now = bench.now.load() + 300s;
    lease.giveBack();
    QCOMPARE(bench.alive, whileOnLoan ? 0 : 1);
    QCOMPARE(bench.take()->number, 2);
    QCOMPARE(bench.alive, 1);
}

void tst_ResourcePool::resource_usedUp_isReplaced()
{
    Bench bench({.maxUses = 3});
    std::vector<int> numbers;
    for (int i = 0; i < 7; ++i)
        numbers.push_back(bench.take()->number);
    QCOMPARE(numbers, (std::vector{1, 1, 1, 2, 2, 2, 3}));
    QCOMPARE(bench.alive, 1);
}

void tst_ResourcePool::prune_someIdleTooLong_destroysThemOnly()
{
    Bench bench({.maxSize = 4, .idleTime = 30s});
    {
        const Bench::Pool::Lease one = bench.take();
        const Bench::Pool::Lease two = bench.take();
        const Bench::Pool::Lease three = bench.take();
    }
    bench.now = bench.now.load() + 20s;
    const int used = bench.take()->number;
    bench.pool->prune();
    QCOMPARE(bench.alive, 3);
    bench.now = bench.now.load() + 20s;
    bench.pool->prune();
    QCOMPARE(bench.alive, 1);
    QCOMPARE(bench.pool->counts().inUse, 0);
    QCOMPARE(bench.take()->number, used);
}

void tst_ResourcePool::drain_idleAndOnLoan_newOnesFromNowOn()
{
    Bench bench({.maxSize = 3});
    Bench::Pool::Lease onLoan = bench.take();
    bench.take();
    QCOMPARE(bench.alive, 2);
    bench.pool->drain();
    QCOMPARE(bench.alive, 1);
    QVERIFY(onLoan.isValid());
    QCOMPARE(bench.take()->number, 3);
    onLoan.giveBack();
    QCOMPARE(bench.alive, 1);
    QCOMPARE(bench.take()->number, 3);
}

void tst_ResourcePool::drain_whileOneIsMade_itIsNotKept()
{
    Bench bench;
    bench.onMake = [&] { bench.pool->drain(); };
    bench.take();
    bench.onMake = nullptr;
    QCOMPARE(bench.alive, 0);
    QCOMPARE(bench.take()->number, 2);
}

void tst_ResourcePool::close_idle_destroysAndRefuses()
{
    Bench bench;
    bench.take();
    QVERIFY(bench.pool->close(Clock::now()));
    QCOMPARE(bench.alive, 0);
    QCOMPARE(bench.refusal(), Code::Closed);
    QVERIFY(bench.pool->close(Clock::now())); // again
    bench.pool->prune();
    bench.pool->drain();
    QCOMPARE(bench.refusal(), Code::Closed);
}

void tst_ResourcePool::close_waiters_areRefused()
{
    Bench bench({.maxSize = 1});
    Bench::Pool::Lease held = bench.take();
    std::atomic<int> refused = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
            const auto lease = bench.pool->acquire(noDeadline);
            refused += !lease && lease.error().code == Code::Closed ? 1 : 0;
        });
    }
    bench.awaitWaiters(3);
    QVERIFY(!bench.pool->close(Clock::now()));
    for (std::thread &thread : threads)
        thread.join();
    QCOMPARE(refused, 3);
}

void tst_ResourcePool::close_onLoan_waitsUntilTheDeadlineOnly()
{
    Bench bench;
    Bench::Pool::Lease held = bench.take();
    QVERIFY(!bench.pool->close(Clock::now() + 5ms));
    QVERIFY(held.isValid());
    QCOMPARE(bench.alive, 1);
    held.giveBack();
    QCOMPARE(bench.alive, 0);
}

void tst_ResourcePool::close_onLoan_waitsForTheirReturn()
{
    Bench bench;
    std::thread holder([&bench, lease = bench.take()]() mutable {
        while (bench.refusal() != Code::Closed) { }
        lease.giveBack();
    });
    QVERIFY(bench.pool->close(noDeadline));
    QCOMPARE(bench.alive, 0);
    holder.join();
}

void tst_ResourcePool::close_whileOneIsMade_itIsNotLent()
{
    Bench bench;
    bench.onMake = [&] { QVERIFY(!bench.pool->close(Clock::now())); };
    QCOMPARE(bench.refusal(), Code::Closed);
    QCOMPARE(bench.alive, 0);
    QVERIFY(bench.pool->close(Clock::now()));
}

void tst_ResourcePool::pool_destroyed_leaseOutlivesIt()
{
    Bench bench;
    Bench::Pool::Lease held = bench.take();
    bench.pool.reset();
    QCOMPARE(held->number, 1);
    held.giveBack();
    QCOMPARE(bench.alive, 0);
}

void tst_ResourcePool::counts_afterAll_addUp()
{
    Bench bench({.maxSize = 3, .maxUses = 4});
    for (int i = 0; i < 10; ++i) {
        const Bench::Pool::Lease one = bench.take();
        bench.take();
        if (i % 3 == 0)
            bench.take().discard();
    }
    const PoolCounts counts = bench.pool->counts();
    QCOMPARE(counts.acquires, quint64(24));
    QCOMPARE(counts.acquires - counts.reuses, counts.created);
    QCOMPARE(counts.created - counts.destroyed, quint64(counts.idle));
    QCOMPARE(counts.idle, bench.alive.load());
}

void tst_ResourcePool::pool_manyThreads_neverSharesNorExceeds_data()
{
    QTest::addColumn<int>("maxSize");
    QTest::newRow("one for all") << 1;
    QTest::newRow("few for many") << 3;
    QTest::newRow("more than enough") << 16;
}

void tst_ResourcePool::pool_manyThreads_neverSharesNorExceeds()
{
    QFETCH(int, maxSize);
    constexpr int threads = 8;
    constexpr int rounds = 2'000;
    Bench bench({.maxSize = maxSize, .idleTime = 50s, .maxAge = 200s, .maxUses = 20});
    std::atomic<int> faults = 0;
    bench.onMake = [&] { faults += bench.alive >= maxSize ? 1 : 0; };
    std::atomic<quint64> given = 0;
    std::vector<std::thread> users;
    for (int t = 0; t < threads; ++t) {
        users.emplace_back([&, t] {
            for (int i = 0; i < rounds; ++i) {
                const auto patience = i % 7 == 0 ? 0us : 500us;
                auto lease = bench.pool->acquire(Clock::now() + patience);
                if (!lease)
                    continue;
                ++given;
                faults += (*lease)->isLent.exchange(true) ? 1 : 0;
                bench.now = bench.now.load() + 1s;
                if ((i + t) % 11 == 0)
                    (*lease)->isHealthy = false;
                (*lease)->isLent = false;
                if ((i + t) % 13 == 0)
                    lease->discard();
                if ((i + t) % 101 == 0)
                    bench.pool->prune();
                if ((i + t) % 211 == 0)
                    bench.pool->drain();
            }
        });
    }
    for (std::thread &user : users)
        user.join();
    QCOMPARE(faults, 0);
    const PoolCounts counts = bench.pool->counts();
    QCOMPARE(counts.acquires, given.load());
    QCOMPARE(counts.inUse, 0);
    QCOMPARE(counts.waiting, 0);
    QCOMPARE(counts.created - counts.destroyed, quint64(counts.idle));
    QCOMPARE(counts.idle, bench.alive.load());
    QVERIFY(bench.pool->close(noDeadline));
    QCOMPARE(bench.alive, 0);
}

void tst_ResourcePool::pool_closedUnderLoad_losesNothing()
{
    constexpr int threads = 6;
    for (int round = 0; round < 50; ++round) {
        Bench bench;
        std::counting_semaphore<threads> isUnderWay(0);
        std::vector<std::thread> users;
        for (int t = 0; t < threads; ++t) {
            users.emplace_back([&] {
                bool isFirst = true;
                while (auto lease = bench.pool->acquire(noDeadline)) {
                    if (std::exchange(isFirst, false))
                        isUnderWay.release();
                }
                if (isFirst)
                    isUnderWay.release();
            });
        }
        isUnderWay.acquire();
        QVERIFY(bench.pool->close(noDeadline));
        QCOMPARE(bench.alive, 0);
        for (std::thread &user : users)
            user.join();
        QCOMPARE(bench.pool->counts().created, bench.pool->counts().destroyed);
    }
}

QTEST_GUILESS_MAIN(tst_ResourcePool)
#include "tst_resourcepool.moc"
