// SPDX-License-Identifier: MIT
#include "ipc/Channel.h"
#include "ipc/Codec.h"
#include "ipc/Limits.h"
#include "ipc/LocalSocket.h"
#include "support/ProcessFigures.h"
#include "support/RandomMessages.h"
#include "support/RawFrame.h"
#include "support/RawPeer.h"

#include <QCoreApplication>
#include <QTest>

#include <memory>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

std::pair<FileDescriptor, FileDescriptor> pairOfSockets()
{
    auto ends = LocalSocket::connectedPair();
    if (!ends)
        qFatal("%s", qPrintable(ends.error()));
    return *std::move(ends);
}

// A channel, and all that it has said.
struct Receiver {
    explicit Receiver(FileDescriptor socket) : channel(std::make_unique<Channel>(std::move(socket)))
    {
        QObject::connect(channel.get(), &Channel::messageReceived, channel.get(),
            [this](const Message &message, FileDescriptor &descriptor) {
                messages.push_back(message);
                if (keepsDescriptors && descriptor.isValid())
                    descriptors.push_back(std::move(descriptor));
            });
        QObject::connect(channel.get(), &Channel::closed, channel.get(),
            [this](CloseReason reason, const QString &text) {
                reasons.append(nameOf(reason));
                texts.append(text);
            });
    }

    std::unique_ptr<Channel> channel;
    std::vector<Message> messages;
    std::vector<FileDescriptor> descriptors;
    QStringList reasons;
    QStringList texts;
    bool keepsDescriptors = true;
};

// A file that holds \p bytes.
FileDescriptor fileOf(const QByteArray &bytes)
{
    FileDescriptor file(::memfd_create("content", MFD_CLOEXEC));
    if (::pwrite(file.get(), bytes.constData(), size_t(bytes.size()), 0) != bytes.size())
        qFatal("the file was not written");
    return file;
}

ScanBegin scanBegin(quint64 id)
{
    ScanBegin begin;
    begin.id = id;
    return begin;
}

// A message of nearly the largest frame.
ScanVerdict largeVerdict(quint64 id)
{
    Finding finding;
    finding.rule = QStringLiteral("Rule");
    for (int i = 0; i < IpcLimits::maxMetaPerFinding; ++i)
        finding.meta.emplace_back(QStringLiteral("key"), QString(IpcLimits::maxTextBytes, u'v'));
    ScanVerdict verdict;
    verdict.id = id;
    verdict.result = ScanResult::judge({}, {finding, finding, finding}, {});
    return verdict;
}

void processAll()
{
    for (int i = 0; i < 20; ++i)
        QCoreApplication::processEvents();
}

} // namespace

class tst_IpcChannel : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void send_everyType_arrivesInOrder();
    void send_largeFramesToASlowReader_allArrive();
    void send_fromWithinASlot_arrives();
    void descriptor_sent_arrivesUsableAndClosedAtExec();
    void descriptor_queued_outlivesItsSender();
    void descriptor_nobodyTakes_isClosed();
    void descriptor_doesNotFit_isRefusedAndClosed();
    void peer_destroyed_closesOnce();
    void peer_killed_closesOnce();
    void peer_closedWithoutReading_lastWordsArrive();
    void peer_gone_sendIsRefusedWithoutASignal();
    void peer_neverReads_sendQueueFullAndNothingLeaks();
    void breach_fromARawPeer_closesWithItsReason_data();
    void breach_fromARawPeer_closesWithItsReason();
    void breach_betweenMessages_nothingArrivesAfterIt();
    void descriptors_noRoomForThem_closes();
    void frames_mutated_neverLeakNorCrash();
    void channel_destroyedByItsMessage_restNeverArrives();
    void channel_destroyedByItsEnd_neverCrashes();
    void channel_destroyedBeforeItsEndIsTold_isSilent();
    void channel_destroyedWithDescriptorsUnread_closesThem();
    void channel_ofAnotherSocket_endsAtOnce_data();
    void channel_ofAnotherSocket_endsAtOnce();
    void channels_manyMadeAndDropped_leaveNothing();
    void credentials_ofAPair_areOurs();
    void credentials_ofAFile_areAnError();
};

void tst_IpcChannel::send_everyType_arrivesInOrder()
{
    auto [one, two] = pairOfSockets();
    Channel sender(std::move(one));
    Receiver receiver(std::move(two));
    RandomMessages random(1);
    std::vector<Message> messages;
    for (int round = 0; round < 20; ++round) {
        for (size_t type = 0; type < std::variant_size_v<Message>; ++type) {
            const Message &message = messages.emplace_back(random.make(type));
            QVERIFY(sender.send(
                message, carriesDescriptor(message) ? fileOf("content") : FileDescriptor()));
        }
        QTRY_COMPARE(receiver.messages.size(), messages.size());
    }
    QVERIFY(receiver.messages == messages);
    QCOMPARE(receiver.descriptors.size(), size_t(20));
    QVERIFY(receiver.reasons.isEmpty());
}

void tst_IpcChannel::send_largeFramesToASlowReader_allArrive()
{
    auto [one, two] = pairOfSockets();
    Channel sender(std::move(one));
    constexpr quint64 count = 30;
    qsizetype bytes = 0;
    for (quint64 id = 0; id < count; ++id) {
        const ScanVerdict verdict = largeVerdict(id);
        bytes += encode(verdict).size();
        QVERIFY(sender.send(verdict));
    }
    QVERIFY(bytes > 90'000 * qsizetype(count));
    QVERIFY(sender.unsentMessages() > 0); // else nothing was tried
    Receiver receiver(std::move(two));
    QTRY_COMPARE(receiver.messages.size(), size_t(count));
    for (quint64 id = 0; id < count; ++id)
        QVERIFY(receiver.messages[id] == Message(largeVerdict(id)));
    QCOMPARE(sender.unsentMessages(), 0);
}

void tst_IpcChannel::send_fromWithinASlot_arrives()
{
    auto [one, two] = pairOfSockets();
    Receiver asking(std::move(one));
    Receiver answering(std::move(two));
    connect(answering.channel.get(), &Channel::messageReceived, this, [&](const Message &message) {
        answering.channel->send(Pong{std::get<Ping>(message).number});
    });
    for (quint64 number = 0; number < 100; ++number)
        QVERIFY(asking.channel->send(Ping{number}));
    QTRY_COMPARE(asking.messages.size(), size_t(100));
    QVERIFY(asking.messages.back() == Message(Pong{99}));
}

void tst_IpcChannel::descriptor_sent_arrivesUsableAndClosedAtExec()
{
    auto [one, two] = pairOfSockets();
    Channel sender(std::move(one));
    Receiver receiver(std::move(two));
    QVERIFY(sender.send(scanBegin(1), fileOf("content")));
    QTRY_COMPARE(receiver.descriptors.size(), size_t(1));
    const int descriptor = receiver.descriptors[0].get();
    QByteArray bytes(7, ' ');
    QCOMPARE(::pread(descriptor, bytes.data(), 7, 0), ssize_t(7));
    QCOMPARE(bytes, QByteArray("content"));
    QVERIFY(::fcntl(descriptor, F_GETFD) & FD_CLOEXEC);
}

void tst_IpcChannel::descriptor_queued_outlivesItsSender()
{
    auto [one, two] = pairOfSockets();
    Channel sender(std::move(one));
    while (sender.unsentMessages() == 0)
        QVERIFY(sender.send(largeVerdict(0)));
    QVERIFY(sender.send(scanBegin(1), fileOf("late"))); // waits, its file is nobody else's
    QVERIFY(sender.unsentMessages() > 1);
    Receiver receiver(std::move(two));
    QTRY_COMPARE(receiver.descriptors.size(), size_t(1));
    QByteArray bytes(4, ' ');
    QCOMPARE(::pread(receiver.descriptors[0].get(), bytes.data(), 4, 0), ssize_t(4));
    QCOMPARE(bytes, QByteArray("late"));
}

void tst_IpcChannel::descriptor_nobodyTakes_isClosed()
{
    auto [one, two] = pairOfSockets();
    Channel sender(std::move(one));
    Receiver receiver(std::move(two));
    receiver.keepsDescriptors = false;
    const int before = descriptorCount();
    for (quint64 id = 0; id < 100; ++id)
        QVERIFY(sender.send(scanBegin(id), fileOf("x")));
    QTRY_COMPARE(receiver.messages.size(), size_t(100));
    QCOMPARE(descriptorCount(), before);
}

void tst_IpcChannel::descriptor_doesNotFit_isRefusedAndClosed()
{
    auto [one, two] = pairOfSockets();
    Channel sender(std::move(one));
    Receiver receiver(std::move(two));
    const int before = descriptorCount();
    QVERIFY(!sender.send(ScanBegin()));
    QVERIFY(!sender.send(Ping{1}, fileOf("x")));
    QCOMPARE(descriptorCount(), before);
    QVERIFY(sender.send(Ping{2})); // the channel is none the worse
    QTRY_COMPARE(receiver.messages.size(), size_t(1));
    QVERIFY(receiver.reasons.isEmpty());
}

void tst_IpcChannel::peer_destroyed_closesOnce()
{
    auto [one, two] = pairOfSockets();
    auto sender = std::make_unique<Channel>(std::move(one));
    Receiver receiver(std::move(two));
    QVERIFY(sender->send(Ping{1}));
    sender.reset();
    QTRY_COMPARE(receiver.reasons, QStringList{QStringLiteral("PeerGone")});
    processAll();
    QCOMPARE(receiver.reasons.size(), 1);
    QCOMPARE(receiver.messages.size(), size_t(1)); // sent before the end, so it arrived
    QVERIFY(!receiver.channel->isOpen());
}

void tst_IpcChannel::peer_killed_closesOnce()
{
    auto [one, two] = pairOfSockets();
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(two.get());
        ::pause();
        ::_exit(0);
    }
    one = FileDescriptor();
    Receiver receiver(std::move(two));
    QVERIFY(receiver.channel->send(Ping{1}));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    QTRY_COMPARE(receiver.reasons, QStringList{QStringLiteral("PeerGone")});
}

void tst_IpcChannel::peer_closedWithoutReading_lastWordsArrive()
{
    auto [one, two] = pairOfSockets();
    RawPeer peer(std::move(one));
    Receiver receiver(std::move(two));
    QVERIFY(receiver.channel->send(Hello())); // never read: the system calls that a reset
    QVERIFY(peer.send(encode(Refusal{QStringLiteral("too old")})));
    peer.close();
    QVERIFY(!receiver.channel->send(Ping{1})); // finds out before the last words are read
    QTRY_COMPARE(receiver.reasons, QStringList{QStringLiteral("PeerGone")});
    QCOMPARE(receiver.messages.size(), size_t(1));
    QVERIFY(receiver.messages[0] == Message(Refusal{QStringLiteral("too old")}));
}

void tst_IpcChannel::peer_gone_sendIsRefusedWithoutASignal()
{
    auto [one, two] = pairOfSockets();
    Receiver sender(std::move(one));
    two = FileDescriptor();
    QVERIFY(!sender.channel->send(Ping{1})); // and no SIGPIPE
    QVERIFY(sender.reasons.isEmpty()); // never within send()
    QTRY_COMPARE(sender.reasons, QStringList{QStringLiteral("PeerGone")});
    QVERIFY(!sender.channel->send(Ping{2}));
}

void tst_IpcChannel::peer_neverReads_sendQueueFullAndNothingLeaks()
{
    auto [one, two] = pairOfSockets();
    Receiver sender(std::move(one));
    const int before = descriptorCount();
    int sent = 0;
    while (sender.channel->send(scanBegin(1), fileOf("x"))) {
        QVERIFY(sender.channel->unsentMessages() <= IpcLimits::maxSendQueueMessages);
        QVERIFY(++sent < 10'000);
    }
    QVERIFY(sent > IpcLimits::maxSendQueueMessages);
    QVERIFY(sender.reasons.isEmpty()); // never within send()
    QTRY_COMPARE(sender.reasons, QStringList{QStringLiteral("SendQueueFull")});
    QCOMPARE(descriptorCount(), before - 1); // its own socket is closed too
    QVERIFY(!sender.channel->send(Ping{1}));

    auto [three, four] = pairOfSockets(); // the same by bytes
    Receiver large(std::move(three));
    qsizetype bytes = 0;
    const qsizetype frameBytes = encode(largeVerdict(0)).size();
    while (large.channel->send(largeVerdict(0)))
        bytes += frameBytes;
    QVERIFY(bytes > IpcLimits::maxSendQueueBytes - frameBytes);
    QVERIFY(bytes < IpcLimits::maxSendQueueBytes + 2 * 1024 * 1024);
    QTRY_COMPARE(large.reasons, QStringList{QStringLiteral("SendQueueFull")});
}

void tst_IpcChannel::breach_fromARawPeer_closesWithItsReason_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<int>("descriptors");
    QTest::addColumn<int>("reason");
    const auto add = [](const char *name, const QByteArray &bytes, int descriptors,
                         CloseReason reason) {
        QTest::newRow(name) << bytes << descriptors << int(reason);
    };
    const QByteArray ping = encode(Ping{1});
    const QByteArray begin = encode(ScanBegin());
    add("garbage", "GET / HTTP/1.1\r\n\r\n", 0, CloseReason::Malformed);
    add("garbage with a descriptor", "GET / HTTP/1.1\r\n\r\n", 1, CloseReason::Malformed);
    add("garbage with two", "GET / HTTP/1.1\r\n\r\n", 2, CloseReason::TooManyDescriptors);
    add("empty", "", 0, CloseReason::PeerGone);
    add("empty with a descriptor", "", 1, CloseReason::PeerGone);
    add("half a frame", ping.left(9), 0, CloseReason::Malformed);
    add("two frames in one", ping + ping, 0, CloseReason::Malformed);
    add("zeros, largest", QByteArray(IpcLimits::maxFrameBytes, '\0'), 0, CloseReason::Malformed);
    add("a byte too large", QByteArray(IpcLimits::maxFrameBytes + 1, '\0'), 0,
        CloseReason::FrameTooLarge);
    add("far too large", QByteArray(3 * IpcLimits::maxFrameBytes, '\x14'), 1,
        CloseReason::FrameTooLarge);
    add("Ping with a descriptor", ping, 1, CloseReason::UnexpectedDescriptor);
    add("Ping with two", ping, 2, CloseReason::TooManyDescriptors);
    add("ScanBegin with none", begin, 0, CloseReason::MissingDescriptor);
    add("ScanBegin with two", begin, 2, CloseReason::TooManyDescriptors);
    add("ScanBegin with four", begin, 4, CloseReason::TooManyDescriptors);
    add("ScanBegin with five, truncated", begin, 5, CloseReason::TooManyDescriptors);
    add("ScanBegin with 253, truncated", begin, 253, CloseReason::TooManyDescriptors);
}

void tst_IpcChannel::breach_fromARawPeer_closesWithItsReason()
{
    QFETCH(QByteArray, bytes);
    QFETCH(int, descriptors);
    QFETCH(int, reason);
    auto [one, two] = pairOfSockets();
    RawPeer peer(std::move(one));
    Receiver receiver(std::move(two));
    const int before = descriptorCount();
    QVERIFY(peer.send(bytes, descriptors));
    QTRY_COMPARE(receiver.reasons, QStringList{nameOf(CloseReason(reason))});
    QVERIFY(!receiver.texts[0].isEmpty());
    QVERIFY(receiver.messages.empty());
    QCOMPARE(descriptorCount(), before - 1); // the channel's own, and none that was sent
    QVERIFY(!peer.send(encode(Ping{1}))); // the peer notices
    processAll();
    QCOMPARE(receiver.reasons.size(), 1);
    QVERIFY(!receiver.channel->send(Ping{1}));
}

void tst_IpcChannel::breach_betweenMessages_nothingArrivesAfterIt()
{
    auto [one, two] = pairOfSockets();
    RawPeer peer(std::move(one));
    Receiver receiver(std::move(two));
    const int before = descriptorCount();
    QVERIFY(peer.send(encode(Ping{1})));
    QVERIFY(peer.send("garbage"));
    QVERIFY(peer.send(encode(Ping{2})));
    QVERIFY(peer.send(encode(ScanBegin()), 1));
    QTRY_COMPARE(receiver.reasons, QStringList{QStringLiteral("Malformed")});
    processAll();
    QCOMPARE(receiver.messages.size(), size_t(1));
    QCOMPARE(descriptorCount(), before - 1);
}

void tst_IpcChannel::descriptors_noRoomForThem_closes()
{
    auto [one, two] = pairOfSockets();
    RawPeer peer(std::move(one));
    Receiver receiver(std::move(two));
    QVERIFY(peer.send(encode(ScanBegin()), 1));
    {
        const NoMoreDescriptors limit;
        processAll();
    }
    QCOMPARE(receiver.reasons, QStringList{QStringLiteral("DescriptorsLost")});
    QVERIFY(receiver.messages.empty());
}

void tst_IpcChannel::frames_mutated_neverLeakNorCrash()
{
    RandomMessages messages(2);
    QRandomGenerator &random = messages.random();
    const int before = descriptorCount();
    int breaches = 0;
    for (int round = 0; round < 2'000; ++round) {
        auto [one, two] = pairOfSockets();
        RawPeer peer(std::move(one));
        Receiver receiver(std::move(two));
        for (int i = random.bounded(4); i >= 0; --i) {
            const Message message = messages.make(size_t(random.bounded(16)));
            QByteArray frame = encode(message);
            if (random.bounded(2) == 0)
                frame[random.bounded(int(frame.size()))] = char(random.bounded(256));
            const int proper = carriesDescriptor(message) ? 1 : 0;
            peer.send(frame, random.bounded(4) == 0 ? random.bounded(6) : proper);
        }
        if (random.bounded(2) == 0)
            processAll();
        peer.close();
        if (random.bounded(4) != 0) {
            QTRY_COMPARE(receiver.reasons.size(), 1);
            breaches += receiver.reasons[0] != QStringLiteral("PeerGone");
        }
    }
    QVERIFY(breaches > 100);
    QCOMPARE(descriptorCount(), before);
}

void tst_IpcChannel::channel_destroyedByItsMessage_restNeverArrives()
{
    auto [one, two] = pairOfSockets();
    RawPeer peer(std::move(one));
    Receiver receiver(std::move(two));
    const int before = descriptorCount();
    connect(
        receiver.channel.get(), &Channel::messageReceived, this, [&] { receiver.channel.reset(); });
    for (quint64 id = 0; id < 10; ++id)
        QVERIFY(peer.send(encode(scanBegin(id)), 1));
    QTRY_VERIFY(!receiver.channel);
    processAll();
    QCOMPARE(receiver.messages.size(), size_t(1));
    receiver.descriptors.clear();
    QCOMPARE(descriptorCount(), before - 1);
}

void tst_IpcChannel::channel_destroyedByItsEnd_neverCrashes()
{
    auto [one, two] = pairOfSockets();
    RawPeer peer(std::move(one));
    Receiver receiver(std::move(two));
    connect(receiver.channel.get(), &Channel::closed, this, [&] { receiver.channel.reset(); });
    QVERIFY(peer.send("garbage"));
    QTRY_VERIFY(!receiver.channel);
    processAll();
    QCOMPARE(receiver.reasons.size(), 1);
}

void tst_IpcChannel::channel_destroyedBeforeItsEndIsTold_isSilent()
{
    auto [one, two] = pairOfSockets();
    Receiver sender(std::move(one));
    while (sender.channel->send(largeVerdict(0))) { }
    QVERIFY(!sender.channel->isOpen()); // over its bound; closed() waits in the event loop
    sender.channel.reset();
    processAll();
    QVERIFY(sender.reasons.isEmpty());
}

void tst_IpcChannel::channel_destroyedWithDescriptorsUnread_closesThem()
{
    const int before = descriptorCount();
    {
        auto [one, two] = pairOfSockets();
        Channel sender(std::move(one));
        const Channel receiver(std::move(two));
        while (sender.unsentMessages() < 10)
            QVERIFY(sender.send(scanBegin(1), fileOf("x")));
    }
    QCOMPARE(descriptorCount(), before);
}

void tst_IpcChannel::channel_ofAnotherSocket_endsAtOnce_data()
{
    QTest::addColumn<int>("type");
    QTest::newRow("stream") << int(SOCK_STREAM);
    QTest::newRow("datagram") << int(SOCK_DGRAM);
    QTest::newRow("a file") << 0;
    QTest::newRow("none") << -1;
}

void tst_IpcChannel::channel_ofAnotherSocket_endsAtOnce()
{
    QFETCH(int, type);
    FileDescriptor socket = type == 0 ? fileOf("x") : FileDescriptor();
    if (type > 0)
        socket = FileDescriptor(::socket(AF_UNIX, type, 0));
    Receiver receiver(std::move(socket));
    QVERIFY(!receiver.channel->isOpen());
    QVERIFY(!receiver.channel->send(Ping{1}));
    QTRY_COMPARE(receiver.reasons, QStringList{QStringLiteral("SystemError")});
}

void tst_IpcChannel::channels_manyMadeAndDropped_leaveNothing()
{
    const int before = descriptorCount();
    for (quint64 round = 0; round < 500; ++round) {
        auto [one, two] = pairOfSockets();
        Channel sender(std::move(one));
        Receiver receiver(std::move(two));
        QVERIFY(sender.send(scanBegin(round), fileOf("x")));
        QTRY_COMPARE(receiver.messages.size(), size_t(1));
    }
    QCOMPARE(descriptorCount(), before);
}

void tst_IpcChannel::credentials_ofAPair_areOurs()
{
    const auto [one, two] = pairOfSockets();
    const auto peer = LocalSocket::peerCredentials(one.get());
    QVERIFY(peer);
    QCOMPARE(peer->pid, ::getpid());
    QCOMPARE(peer->uid, ::geteuid());
    QCOMPARE(peer->gid, ::getegid());
}

void tst_IpcChannel::credentials_ofAFile_areAnError()
{
    QVERIFY(!LocalSocket::peerCredentials(fileOf("x").get()));
    QVERIFY(!LocalSocket::peerCredentials(-1));
}

QTEST_GUILESS_MAIN(tst_IpcChannel)
#include "tst_ipcchannel.moc"
