// SPDX-License-Identifier: MIT
//
// A sentinel among clients that mean it harm: they are answered, or dropped, and those who behave
// are served all the time.
#include "ipc/Codec.h"
#include "tests/support/ChildProcess.h"
#include "tests/support/RawPeer.h"
#include "tests/support/ServingBroker.h"
#include "tests/support/Slowness.h"

#include <QLoggingCategory>
#include <QTest>

#include <algorithm>
#include <array>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

const QByteArray marked = "a THREAT-MARK";

//! A nameless file that its owner can shorten whenever he likes.
FileDescriptor shrinkableFile(const QByteArray &bytes)
{
    FileDescriptor file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (::write(file.get(), bytes.constData(), size_t(bytes.size())) != bytes.size())
        qFatal("no file");
    return file;
}

} // namespace

class TestHostileClients : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*=false")); // it would be long
    }
    void init() { m_broker = std::make_unique<ServingBroker>(); }
    void cleanup() { m_broker.reset(); }

    void flood_verdictsUnread_isDropped();
    void flood_reloads_isAnsweredOrDropped();
    void silence_noHello_isDropped();
    void connections_thousands_leaveNothing();
    void content_shrinksUnderTheScan_isNeverClean();
    void content_growsForever_isTooLarge();
    void otherUser_isClosedWithoutAWord();

private:
    std::unique_ptr<ServingBroker> m_broker;
};

void TestHostileClients::flood_verdictsUnread_isDropped()
{
    const auto good = m_broker->connectClient();
    QVERIFY(m_broker->serves(*good));
    const FileDescriptor file = contentFile(marked);
    const int before = m_broker->descriptors();
    {
        RawPeer peer(m_broker->connectSocket());
        QVERIFY(peer.send(encode(Hello{2, 2, Hello::Role::Tap, {}})));
        for (quint64 id = 1; id <= 10'000 && m_broker->endings() == 0;) {
            if (peer.sendWith(encode(beginOf(id, marked.size())), {file.get()}))
                ++id;
            else
                QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
        }
        QTRY_COMPARE_WITH_TIMEOUT(m_broker->endings(), 1u, patienceMs);
        QCOMPARE(m_broker->endings(CloseReason::SendQueueFull), 1u);
        QVERIFY(m_broker->serves(*good));
    }
    QCOMPARE(m_broker->endings(), 1u);
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->descriptors(), before, patienceMs);
}

void TestHostileClients::flood_reloads_isAnsweredOrDropped()
{
    QByteArray slowRules; // to compile
    for (int i = 0; i < 5'000; ++i) {
        const QByteArray number = QByteArray::number(i);
        slowRules +=
            "rule r" + number + " { strings: $a = \"never said " + number + "\" condition: $a }\n";
    }
    m_broker = std::make_unique<ServingBroker>(slowRules);
    const auto good = m_broker->connectClient();
    RawPeer peer(m_broker->connectSocket());
    QVERIFY(peer.send(encode(Hello{2, 2, Hello::Role::Control, {}})));
    const QByteArray question = encode(ReloadRequest{1});
    constexpr int most = 100'000;
    int asked = 0;
    while (asked < most && m_broker->endings() == 0) {
        if (peer.send(question))
            ++asked;
        else
            QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
    }
    // All but a few are answered at once, and nobody reads the answers.
    QCOMPARE(m_broker->endings(CloseReason::SendQueueFull), 1u);
    qInfo("%d questions", asked);
    QVERIFY(asked < most / 10);
    QVERIFY(m_broker->serves(*good));

    // Who reads has an answer to each.
    const int before = int(good->others.size());
    constexpr quint64 patient = 3 * Limits::maxReloadsOfClient;
    for (quint64 id = 1; id <= patient; ++id)
        QVERIFY(good->channel.send(ReloadRequest{id}));
    QTRY_COMPARE_WITH_TIMEOUT(good->others.size(), size_t(before) + patient, patienceMs);
    const auto activated = std::ranges::count_if(good->others, [](const Message &message) {
        const auto *result = std::get_if<ReloadResult>(&message);
        return result && result->isActivated;
    });
    QVERIFY(activated >= Limits::maxReloadsOfClient);
    QVERIFY(activated < qint64(patient));
}

void TestHostileClients::silence_noHello_isDropped()
{
    const auto good = m_broker->connectClient();
    std::vector<RawPeer> silent;
    for (int i = 1; i < Limits::maxClients; ++i)
        silent.emplace_back(m_broker->connectSocket());
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->status().clients, qint64(Limits::maxClients), patienceMs);
    SentinelClient refused(m_broker->connectSocket());
    QTRY_VERIFY_WITH_TIMEOUT(refused.closed, patienceMs);
    QVERIFY(refused.refusal);
    while (m_broker->status().clients > 1)
        QVERIFY(m_broker->serves(*good));
    QCOMPARE(m_broker->endings(CloseReason::OutOfOrder), quint64(Limits::maxClients));
    QVERIFY(m_broker->serves(*m_broker->connectClient()));
}

void TestHostileClients::connections_thousands_leaveNothing()
{
    constexpr quint64 connections = 2'000 / slowness;
    const auto good = m_broker->connectClient();
    QVERIFY(m_broker->serves(*good));
    const FileDescriptor file = contentFile(hang());
    const int before = m_broker->descriptors();
    for (quint64 i = 0; i < connections; ++i) {
        RawPeer peer(m_broker->connectSocket());
        if (i % 3 != 0)
            QVERIFY(peer.send(encode(Hello{2, 2, Hello::Role::Tap, {}})));
        if (i % 3 == 2)
            QVERIFY(peer.sendWith(encode(beginOf(1, hang().size())), {file.get()}));
        if (i % 2 != 0)
            QCoreApplication::processEvents();
        if (i % 200 == 0)
            QVERIFY(m_broker->serves(*good));
        peer.close();
        QTRY_VERIFY_WITH_TIMEOUT(
            m_broker->endings() + 20 > i, patienceMs); // the listener's line is short
    }
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->endings(), connections, patienceMs);
    QCOMPARE(m_broker->status().clients, 1);
    QVERIFY(m_broker->serves(*good));
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->status().queue.underWay, 0, patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->descriptors(), before, patienceMs);
}

void TestHostileClients::content_shrinksUnderTheScan_isNeverClean()
{
    const auto good = m_broker->connectClient();
    const auto bad = m_broker->connectClient();
    // The evaluation reads from it until it is gone.
    const QByteArray bytes = hang(4'000'000'000U);
    const FileDescriptor file = shrinkableFile(bytes);
    bad->channel.send(beginOf(++bad->lastId, bytes.size()), FileDescriptor(::dup(file.get())));
    QTRY_VERIFY_WITH_TIMEOUT(m_broker->isScanning(), patienceMs);
    QCOMPARE(::ftruncate(file.get(), 0), 0);
    const auto result = bad->verdictOf(bad->lastId);
    QVERIFY(result);
    QCOMPARE(result->verdict(), Verdict::NotScanned);
    QVERIFY(m_broker->serves(*good));

    // Begun whole, ended short.
    const FileDescriptor other = shrinkableFile(noise(3 * Limits::mib));
    bad->channel.send(
        beginOf(++bad->lastId, 3 * Limits::mib, false), FileDescriptor(::dup(other.get())));
    QVERIFY(m_broker->serves(*good));
    QCOMPARE(::ftruncate(other.get(), Limits::mib), 0);
    bad->channel.send(ScanEnd{bad->lastId, 3 * Limits::mib, {}});
    QCOMPARE(bad->verdictOf(bad->lastId)->reason(), Reason::Unreadable);

    // What is sealed stays as it is.
    const FileDescriptor sealed = contentFile("sealed");
    QVERIFY(::ftruncate(sealed.get(), 0) != 0);
    QVERIFY(m_broker->serves(*bad));
}

void TestHostileClients::content_growsForever_isTooLarge()
{
    const auto good = m_broker->connectClient();
    const auto bad = m_broker->connectClient();
    const FileDescriptor file = contentFile({});
    bad->channel.send(beginOf(++bad->lastId, 0, false), FileDescriptor(::dup(file.get())));
    for (qint64 size = 0; size < 2 * Limits::maxScanBytes; size += Limits::mib) {
        QCOMPARE(::ftruncate(file.get(), size), 0); // holes cost nothing
        QVERIFY(bad->channel.send(ScanGrow{bad->lastId, size}));
        QVERIFY(bad->channel.send(ScanGrow{bad->lastId, size})); // nothing new, and legal
        QCoreApplication::processEvents(); // the broker is on this thread
        if (size % (20 * Limits::mib) == 0)
            QVERIFY(m_broker->serves(*good));
    }
    QCOMPARE(bad->verdictOf(bad->lastId)->reason(), Reason::TooLarge);
    for (qint64 size = 0; size < 1'000; ++size) { // it has crossed the verdict, for all we know
        QVERIFY(bad->channel.send(ScanGrow{bad->lastId, size}));
        QCoreApplication::processEvents();
    }
    QVERIFY(m_broker->serves(*bad));
    QVERIFY(m_broker->serves(*good));
    QCOMPARE(bad->verdictsHeard, 3);
}

void TestHostileClients::otherUser_isClosedWithoutAWord()
{
    if (::geteuid() != 0)
        QSKIP("only root can become another user");
    const auto good = m_broker->connectClient();
    // As if somebody had opened the directory later on.
    QCOMPARE(::chmod(QFile::encodeName(m_broker->directory()), 0755), 0);
    QCOMPARE(::chmod(QFile::encodeName(m_broker->path()), 0777), 0);
    enum : int { Closed, NotConnected, Answered };
    const pid_t child = startChild([path = QFile::encodeName(m_broker->path())] {
        if (::setgid(65534) != 0 || ::setuid(65534) != 0)
            return int(NotConnected);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.constData(), size_t(path.size()));
        const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
        if (::connect(socket, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0)
            return int(NotConnected);
        const QByteArray hello = encode(Hello{2, 2, Hello::Role::Control, {}});
        ::send(socket, hello.constData(), size_t(hello.size()), MSG_NOSIGNAL);
        std::array<char, 1024> answer{};
        return int(::recv(socket, answer.data(), answer.size(), 0) > 0 ? Answered : Closed);
    });
    int status = -1;
    QVERIFY(SentinelClient::wait(
        [child, &status] { return ::waitpid(child, &status, WNOHANG) == child; }));
    QCOMPARE(describeEnd(status), QStringLiteral("exit 0"));
    QCOMPARE(m_broker->status().clients, 1);
    QCOMPARE(m_broker->endings(), 0u); // it never was a client
    QVERIFY(m_broker->serves(*good));
}

QTEST_GUILESS_MAIN(TestHostileClients)
#include "tst_hostileclients.moc"
