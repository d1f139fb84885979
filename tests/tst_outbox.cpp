// SPDX-License-Identifier: MIT
#include "ipc/Channel.h"
#include "ipc/Limits.h"
#include "ipc/LocalSocket.h"
#include "support/Patience.h"
#include "support/ProcessFigures.h"

#include <QCoreApplication>
#include <QTest>

#include <atomic>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include <sys/mman.h>

using namespace Sentinel;
using namespace Sentinel::Test;
using Sending = Outbox::Sending;

namespace {

constexpr int senders = 4;

std::pair<FileDescriptor, FileDescriptor> pairOfSockets()
{
    auto ends = LocalSocket::connectedPair();
    if (!ends)
        qFatal("%s", qPrintable(ends.error()));
    return *std::move(ends);
}

// A ping that says who has sent it, and which of his it is.
Ping pingOf(int sender, quint64 count)
{
    return {(quint64(sender) << 32) | count};
}

} // namespace

//! What other threads send by a channel's outbox.
class TestOutbox : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void send_byManyThreads_arrivesOnceAndInEachOnesOrder();
    void send_toOneWhoDoesNotRead_waitsAndIsTold();
    void send_wrongDescriptor_isRefused();
    void send_tooMuch_endsTheChannelOnItsThread();
    void channel_destroyedWhileOthersSend_refusesFromThenOn();
    void channel_endsWhileOthersSend_leavesNoDescriptor();
};

void TestOutbox::send_byManyThreads_arrivesOnceAndInEachOnesOrder()
{
    constexpr quint64 each = 5'000;
    auto [one, two] = pairOfSockets();
    Channel sender(std::move(one));
    Channel receiver(std::move(two));
    std::map<quint64, quint64> last;
    quint64 received = 0;
    bool isInOrder = true;
    connect(&receiver, &Channel::messageReceived, this, [&](const Message &message) {
        const quint64 number = std::get<Ping>(message).number;
        isInOrder = isInOrder && last[number >> 32]++ == (number & 0xffffffff);
        ++received;
    });
    std::atomic<bool> isRefused = false;
    std::vector<std::jthread> threads;
    for (int i = 0; i < senders; ++i) {
        threads.emplace_back([i, &isRefused, outbox = sender.outbox()] {
            for (quint64 count = 0; count < each;) {
                if (outbox->unsentMessages() >= IpcLimits::maxSendQueueMessages / 2) {
                    std::this_thread::yield(); // as one who paces itself
                    continue;
                }
                if (outbox->send(pingOf(i, count)) == Sending::Refused)
                    isRefused = true;
                ++count;
            }
        });
    }
    QTRY_COMPARE_WITH_TIMEOUT(received, each * senders, patienceMs);
    threads.clear();
    QVERIFY(isInOrder);
    QVERIFY(!isRefused);
    QCOMPARE(sender.unsentMessages(), 0);
}

void TestOutbox::send_toOneWhoDoesNotRead_waitsAndIsTold()
{
    auto [one, two] = pairOfSockets();
    Channel sender(std::move(one));
    int drained = 0;
    connect(&sender, &Channel::drained, this, [&drained] { ++drained; });
    quint64 sent = 0;
    std::thread([&sent, outbox = sender.outbox()] {
        while (outbox->send(Ping{sent++}) == Sending::Sent) { }
        outbox->send(Ping{sent++});
    }).join();
    QCOMPARE(sender.unsentMessages(), 2);
    QCoreApplication::processEvents();
    QCOMPARE(drained, 0);
    Channel receiver(std::move(two));
    quint64 received = 0;
    connect(&receiver, &Channel::messageReceived, this, [&](const Message &message) {
        QCOMPARE(std::get<Ping>(message).number, received);
        ++received;
    });
    QTRY_COMPARE_WITH_TIMEOUT(received, sent, patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(drained, 1, patienceMs);
}

void TestOutbox::send_wrongDescriptor_isRefused()
{
    auto [one, two] = pairOfSockets();
    Channel sender(std::move(one));
    QCOMPARE(sender.outbox()->send(ScanBegin()), Sending::Refused);
    QCOMPARE(sender.outbox()->send(Ping{1}, FileDescriptor(::memfd_create("content", MFD_CLOEXEC))),
        Sending::Refused);
    QCOMPARE(sender.outbox()->send(Ping{1}), Sending::Sent);
}

void TestOutbox::send_tooMuch_endsTheChannelOnItsThread()
{
    auto [one, two] = pairOfSockets();
    Channel sender(std::move(one));
    QStringList reasons;
    connect(&sender, &Channel::closed, this, [&reasons](CloseReason reason) {
        QCOMPARE(QThread::currentThread(), QCoreApplication::instance()->thread());
        reasons.append(nameOf(reason));
    });
    std::thread([outbox = sender.outbox()] {
        while (outbox->send(Ping{1}) != Sending::Refused) { }
    }).join();
    QVERIFY(!sender.isOpen());
    QVERIFY(reasons.isEmpty());
    QTRY_COMPARE_WITH_TIMEOUT(reasons, QStringList{nameOf(CloseReason::SendQueueFull)}, patienceMs);
    QCOMPARE(sender.outbox()->send(Ping{1}), Sending::Refused);
}

void TestOutbox::channel_destroyedWhileOthersSend_refusesFromThenOn()
{
    for (int round = 0; round < 200; ++round) {
        auto [one, two] = pairOfSockets();
        auto sender = std::make_unique<Channel>(std::move(one));
        std::vector<std::jthread> threads;
        std::atomic<int> underWay = 0;
        for (int i = 0; i < senders; ++i) {
            threads.emplace_back([&underWay, outbox = sender->outbox()] {
                ++underWay;
                while (outbox->send(Ping{1}) != Sending::Refused) { }
            });
        }
        while (underWay < senders)
            QCoreApplication::processEvents();
        sender.reset();
        threads.clear(); // they end, as they are refused
    }
}

void TestOutbox::channel_endsWhileOthersSend_leavesNoDescriptor()
{
    const int before = descriptorCount();
    for (int round = 0; round < 100; ++round) {
        auto [one, two] = pairOfSockets();
        Channel sender(std::move(one));
        int endings = 0;
        connect(&sender, &Channel::closed, this, [&endings] { ++endings; });
        std::jthread thread([outbox = sender.outbox()] {
            ScanBegin begin;
            do
                ++begin.id;
            while (outbox->send(begin, FileDescriptor(::memfd_create("content", MFD_CLOEXEC)))
                != Sending::Refused);
        });
        two = FileDescriptor(); // the peer goes, with what it has not read
        QTRY_COMPARE_WITH_TIMEOUT(endings, 1, patienceMs);
    }
    QTRY_COMPARE_WITH_TIMEOUT(descriptorCount(), before, patienceMs);
}

QTEST_GUILESS_MAIN(TestOutbox)
#include "tst_outbox.moc"
