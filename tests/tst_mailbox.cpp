// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/Mailbox.h"
#include "tests/support/Patience.h"

#include <QCoreApplication>
#include <QEventLoop>
#include <QMetaMethod>
#include <QTest>
#include <QThread>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <numeric>
#include <semaphore>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace Sentinel;
using Test::patienceMs;

namespace {

// A thread with an event loop, and an object in it that lives until the thread ends.
class LoopThread {
public:
    LoopThread()
    {
        m_context.moveToThread(&m_thread);
        m_thread.start(); // after all that it will touch
    }
    ~LoopThread()
    {
        m_thread.quit();
        m_thread.wait();
    }
    Q_DISABLE_COPY_MOVE(LoopThread)

    QThread *thread() { return &m_thread; }

    // Runs \p function there and waits for its end.
    void run(const std::function<void()> &function)
    {
        std::promise<void> done;
        m_box.post([&] {
            function();
            done.set_value();
        });
        done.get_future().wait();
    }

private:
    QThread m_thread;
    QObject m_context;
    Mailbox m_box{&m_context};
};

} // namespace

class tst_Mailbox : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void post_manyLetters_runInOrder();
    void post_fromWithinALetter_runsLater();
    void post_fromManyThreads_eachRunsOnceAndInItsOrder();
    void post_fromAnotherThread_runsOnTheTargetsThread();
    void post_targetMovedToThread_runsOnItsNewThread();
    void post_copyOfTheBox_sharesIt();
    void post_noTarget_isRefusedAndFreed();
    void post_targetGone_isRefusedAndFreed();
    void post_emptyFunction_doesNotWedge();
    void target_destroyedWithLetters_dropsAndFreesThem();
    void target_destroyedByItsLetter_restNeverRuns();
    void target_disconnected_isRefusedNotCrashed();
    void target_signalsBlocked_deathIsNoticed();
    void letter_run_isFreedOnce();
    void letter_freedByTheDrop_mayPostAgain();
    void letter_throws_nextOneRuns_data();
    void letter_throws_nextOneRuns();
    void letter_runsAnEventLoop_laterLettersRunInItInOrder();
    void box_copiesGone_lettersStillArrive();
    void box_copiesGone_leavesNoConnection();
    void target_diesWhileOthersPost_neverCrashes();
};

void tst_Mailbox::post_manyLetters_runInOrder()
{
    QObject target;
    const Mailbox box(&target);
    std::vector<int> order;
    for (int i = 0; i < 1'000; ++i)
        QVERIFY(box.post([&order, i] { order.push_back(i); }));
    QVERIFY(order.empty()); // never within post()
    QTRY_COMPARE_WITH_TIMEOUT(order.size(), size_t(1'000), patienceMs);
    QVERIFY(std::is_sorted(order.begin(), order.end()));
}

void tst_Mailbox::post_fromWithinALetter_runsLater()
{
    QObject target;
    const Mailbox box(&target);
    std::vector<int> order;
    box.post([&] {
        box.post([&] { order.push_back(3); });
        order.push_back(1);
    });
    box.post([&] { order.push_back(2); });
    QTRY_COMPARE_WITH_TIMEOUT(order, (std::vector{1, 2, 3}), patienceMs);
}

void tst_Mailbox::post_fromManyThreads_eachRunsOnceAndInItsOrder()
{
    constexpr int threads = 4;
    constexpr int letters = 2'000;
    QObject target;
    const Mailbox box(&target);
    std::array<int, threads> next{};
    int outOfOrder = 0;
    std::vector<std::thread> posters;
    for (size_t t = 0; t < threads; ++t) {
        posters.emplace_back([&, t] {
            for (int i = 0; i < letters; ++i)
                box.post([&, t, i] { outOfOrder += next[t]++ != i; });
        });
    }
    QTRY_COMPARE_WITH_TIMEOUT(
        std::accumulate(next.begin(), next.end(), 0), threads * letters, patienceMs);
    for (std::thread &poster : posters)
        poster.join();
    QCOMPARE(outOfOrder, 0);
}

void tst_Mailbox::post_fromAnotherThread_runsOnTheTargetsThread()
{
    QObject target;
    const Mailbox box(&target);
    QThread *ranOn = nullptr;
    std::thread([&] { box.post([&] { ranOn = QThread::currentThread(); }); }).join();
    QTRY_COMPARE_WITH_TIMEOUT(ranOn, QThread::currentThread(), patienceMs);
}

void tst_Mailbox::post_targetMovedToThread_runsOnItsNewThread()
{
    auto *target = new QObject;
    const Mailbox box(target);
    LoopThread other;
    std::atomic<QThread *> first = nullptr;
    std::atomic<QThread *> second = nullptr;
    box.post([&] { first = QThread::currentThread(); }); // waits, and moves with its target
    target->moveToThread(other.thread());
    box.post([&] { second = QThread::currentThread(); });
    QTRY_COMPARE_WITH_TIMEOUT(second.load(), other.thread(), patienceMs);
    QCOMPARE(first.load(), other.thread());
    other.run([target] { delete target; });
    QVERIFY(!box.post([] {}));
}

void tst_Mailbox::post_copyOfTheBox_sharesIt()
{
    QObject target;
    const Mailbox box(&target);
    const Mailbox copy = box; // NOLINT(performance-unnecessary-copy-initialization)
    std::vector<int> order;
    box.post([&] { order.push_back(1); });
    copy.post([&] { order.push_back(2); });
    box.post([&] { order.push_back(3); });
    QTRY_COMPARE_WITH_TIMEOUT(order, (std::vector{1, 2, 3}), patienceMs);
}

void tst_Mailbox::post_noTarget_isRefusedAndFreed()
{
    const Mailbox box(nullptr);
    auto capture = std::make_shared<int>();
    const std::weak_ptr<int> watch = capture;
    QVERIFY(!box.post([capture = std::move(capture)] {}));
    QVERIFY(watch.expired());
}

void tst_Mailbox::post_targetGone_isRefusedAndFreed()
{
    auto target = std::make_unique<QObject>();
    const Mailbox box(target.get());
    target.reset();
    auto capture = std::make_shared<int>();
    const std::weak_ptr<int> watch = capture;
    QVERIFY(!box.post([capture = std::move(capture)] { QFAIL("ran"); }));
    QVERIFY(watch.expired());
}

void tst_Mailbox::post_emptyFunction_doesNotWedge()
{
    QObject target;
    const Mailbox box(&target);
    bool ran = false;
    QTest::ignoreMessage(QtCriticalMsg, "A posted function threw: bad_function_call");
    box.post(nullptr);
    box.post([&] { ran = true; });
    QTRY_VERIFY_WITH_TIMEOUT(ran, patienceMs);
}

void tst_Mailbox::target_destroyedWithLetters_dropsAndFreesThem()
{
    auto target = std::make_unique<QObject>();
    const Mailbox box(target.get());
    auto capture = std::make_shared<int>();
    const std::weak_ptr<int> watch = capture;
    bool ran = false;
    for (int i = 0; i < 10; ++i)
        box.post([&ran, capture] { ran = true; });
    capture.reset();
    QVERIFY(!watch.expired());
    target.reset();
    QVERIFY(watch.expired());
    QCoreApplication::processEvents();
    QVERIFY(!ran);
}

void tst_Mailbox::target_destroyedByItsLetter_restNeverRuns()
{
    auto target = std::make_unique<QObject>();
    const Mailbox box(target.get());
    auto capture = std::make_shared<int>();
    const std::weak_ptr<int> watch = capture;
    int ran = 0;
    box.post([&ran, capture] { ++ran; });
    box.post([&ran, &target, capture] {
        target.reset();
        ++ran;
    });
    box.post([&ran, capture] { ran += 100; });
    capture.reset();
    QTRY_COMPARE_WITH_TIMEOUT(ran, 2, patienceMs);
    QCoreApplication::processEvents();
    QCOMPARE(ran, 2);
    QVERIFY(watch.expired());
    QVERIFY(!box.post([] {}));
}

void tst_Mailbox::target_disconnected_isRefusedNotCrashed()
{
    auto target = std::make_unique<QObject>();
    const Mailbox box(target.get());
    bool ran = false;
    box.post([&] { ran = true; });
    target->disconnect(); // also what would have told us of its death
    QVERIFY(!box.post([&] { ran = true; }));
    QCoreApplication::processEvents();
    QVERIFY(!ran);
    target.reset();
    QVERIFY(!box.post([] {}));
}

void tst_Mailbox::target_signalsBlocked_deathIsNoticed()
{
    auto target = std::make_unique<QObject>();
    const Mailbox box(target.get());
    target->blockSignals(true);
    target.reset();
    QVERIFY(!box.post([] {}));
}

void tst_Mailbox::letter_run_isFreedOnce()
{
    QObject target;
    const Mailbox box(&target);
    auto capture = std::make_shared<int>();
    const std::weak_ptr<int> watch = capture;
    long uses = 0;
    box.post([&uses, watch, capture = std::move(capture)] { uses = watch.use_count(); });
    QTRY_COMPARE_WITH_TIMEOUT(
        uses, 1L, patienceMs); // no copy of the letter is left in the box while it runs
    QTRY_VERIFY_WITH_TIMEOUT(watch.expired(), patienceMs);
}

void tst_Mailbox::letter_freedByTheDrop_mayPostAgain()
{
    auto target = std::make_unique<QObject>();
    const Mailbox box(target.get());
    struct Poster {
        Mailbox box;
        bool *wasRefused;
        ~Poster()
        {
            *wasRefused = !box.post([] {});
        }
    };
    bool wasRefused = false;
    box.post([poster = std::make_shared<Poster>(box, &wasRefused)] {});
    target.reset(); // a deadlock if letters were freed under the lock
    QVERIFY(wasRefused);

    wasRefused = false;
    QVERIFY(!box.post([poster = std::make_shared<Poster>(box, &wasRefused)] {}));
    QVERIFY(wasRefused);
}

void tst_Mailbox::letter_throws_nextOneRuns_data()
{
    QTest::addColumn<bool>("isStandard");
    QTest::addColumn<QByteArray>("message");
    QTest::newRow("exception") << true << QByteArray("A posted function threw: fault");
    QTest::newRow("anything else") << false << QByteArray("A posted function threw");
}

void tst_Mailbox::letter_throws_nextOneRuns()
{
    QFETCH(bool, isStandard);
    QFETCH(QByteArray, message);
    QObject target;
    const Mailbox box(&target);
    bool ran = false;
    QTest::ignoreMessage(QtCriticalMsg, message.constData());
    box.post([isStandard] {
        if (isStandard)
            throw std::runtime_error("fault");
        throw 1;
    });
    box.post([&] { ran = true; });
    QTRY_VERIFY_WITH_TIMEOUT(ran, patienceMs);
    ran = false;
    box.post([&] { ran = true; });
    QTRY_VERIFY_WITH_TIMEOUT(ran, patienceMs);
}

void tst_Mailbox::letter_runsAnEventLoop_laterLettersRunInItInOrder()
{
    QObject target;
    const Mailbox box(&target);
    std::vector<int> order;
    QEventLoop loop;
    box.post([&] {
        order.push_back(1);
        box.post([&] { order.push_back(3); });
        box.post([&] { loop.quit(); });
        loop.exec(); // as a dialogue would; never ends if the others wait for this one
        order.push_back(4);
    });
    box.post([&] { order.push_back(2); });
    QTRY_COMPARE_WITH_TIMEOUT(order, (std::vector{1, 2, 3, 4}), patienceMs);
}

void tst_Mailbox::box_copiesGone_lettersStillArrive()
{
    QObject target;
    bool ran = false;
    Mailbox(&target).post([&] { ran = true; });
    QTRY_VERIFY_WITH_TIMEOUT(ran, patienceMs);
}

void tst_Mailbox::box_copiesGone_leavesNoConnection()
{
    struct Target final : QObject {
        bool isWatched() const
        {
            return isSignalConnected(QMetaMethod::fromSignal(&QObject::destroyed));
        }
    } target;
    {
        const Mailbox box(&target);
        const Mailbox copy = box; // NOLINT(performance-unnecessary-copy-initialization)
        QVERIFY(target.isWatched());
    }
    QVERIFY(!target.isWatched());
}

void tst_Mailbox::target_diesWhileOthersPost_neverCrashes()
{
    constexpr int rounds = 2'000;
    constexpr int mostLetters = 1'000'000; // far more than there is time for
    LoopThread owner;
    QThread *const ownersThread = owner.thread();
    auto capture = std::make_shared<int>();
    const std::weak_ptr<int> watch = capture;
    std::atomic<int> delivered = 0;
    std::atomic<int> onWrongThread = 0;
    std::atomic<int> diedWhilePosting = 0;
    std::atomic<const Mailbox *> handOver = nullptr;
    std::binary_semaphore hasBegun(0);

    std::thread poster([&] {
        for (int round = 0; round < rounds; ++round) {
            handOver.wait(nullptr);
            const std::unique_ptr<const Mailbox> box(handOver.exchange(nullptr));
            bool isTaken = true;
            for (int i = 0; isTaken && i < mostLetters; ++i) {
                isTaken = box->post([&, capture] {
                    ++delivered;
                    onWrongThread += QThread::currentThread() != ownersThread;
                });
                if (i == 0)
                    hasBegun.release();
            }
            diedWhilePosting += !isTaken;
        }
    });
    for (int round = 0; round < rounds; ++round) {
        owner.run([&, round] {
            auto *target = new QObject;
            handOver = new Mailbox(target);
            handOver.notify_one();
            hasBegun.acquire();
            if (round % 2 == 0)
                delete target;
            else
                target->deleteLater(); // after some of the letters
        });
    }
    poster.join();
    owner.run([] { QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete); });
    qInfo(
        "%d letters arrived, %d targets died meanwhile", delivered.load(), diedWhilePosting.load());
    QCOMPARE(onWrongThread.load(), 0);
    QVERIFY(delivered > 0);
    QVERIFY(diedWhilePosting > 0); // else nothing was tried
    capture.reset();
    QTRY_VERIFY_WITH_TIMEOUT(watch.expired(), patienceMs);
}

QTEST_GUILESS_MAIN(tst_Mailbox)
#include "tst_mailbox.moc"
