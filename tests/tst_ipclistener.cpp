// SPDX-License-Identifier: MIT
#include "ipc/Channel.h"
#include "ipc/Limits.h"
#include "ipc/Listener.h"
#include "ipc/LocalSocket.h"
#include "support/ProcessFigures.h"
#include "support/RawPeer.h"

#include <QCoreApplication>
#include <QFileInfo>
#include <QTemporaryDir>
#include <QTest>

#include <cstring>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

// A listener, and all that it has said.
struct Door {
    explicit Door(std::expected<std::unique_ptr<Listener>, QString> made)
    {
        if (!made)
            qFatal("%s", qPrintable(made.error()));
        listener = *std::move(made);
        QObject::connect(listener.get(), &Listener::connected, listener.get(),
            [this](FileDescriptor &socket, const LocalSocket::PeerCredentials &peer) {
                sockets.push_back(std::move(socket));
                peers.push_back(peer.pid);
            });
        QObject::connect(listener.get(), &Listener::refused, listener.get(),
            [this](const LocalSocket::PeerCredentials &peer) { refused.push_back(peer.uid); });
        QObject::connect(listener.get(), &Listener::stalled, listener.get(), [this] { ++stalls; });
    }

    std::unique_ptr<Listener> listener;
    std::vector<FileDescriptor> sockets;
    std::vector<pid_t> peers;
    std::vector<uid_t> refused;
    int stalls = 0;
};

} // namespace

class tst_IpcListener : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init();
    void listen_aClientConnects_bothKnowTheOther();
    void listen_directoryMissing_isMadePrivate();
    void listen_socketFile_isRemovedAtTheEnd();
    void listen_staleSocket_isTakenOver();
    void listen_otherListens_isRefusedAndLeftAlone();
    void listen_badPlace_isRefused_data();
    void listen_badPlace_isRefused();
    void listen_anotherUsersDirectory_isRefused();
    void listen_fileReplacedByHand_isLeftAlone();
    void listen_failures_leakNothing();
    void peer_ofAnotherUser_isRefused();
    void peer_notWanted_isClosed();
    void peers_more_thanATurn_allGetIn();
    void descriptors_usedUp_waitsAndGoesOn();
    void listener_destroyedInItsSlot_neverCrashes();
    void adopt_aListeningSocket_servesAndLeavesTheFile();
    void adopt_anotherDescriptor_isRefused_data();
    void adopt_anotherDescriptor_isRefused();
    void connect_badPlace_isAnError_data();
    void connect_badPlace_isAnError();
    void connect_listenerOfAnotherUser_isRefused();
    void connect_listenerFull_neverBlocks();

private:
    std::unique_ptr<QTemporaryDir> m_directory;
    QString m_path;
};

void tst_IpcListener::init()
{
    m_directory = std::make_unique<QTemporaryDir>(); // made with mode 0700
    m_path = m_directory->filePath(QStringLiteral("socket"));
}

void tst_IpcListener::listen_aClientConnects_bothKnowTheOther()
{
    Door door(Listener::listenAt(m_path));
    QCOMPARE(door.listener->path(), m_path);
    auto client = LocalSocket::connectTo(m_path);
    QVERIFY2(client, qPrintable(client ? QString() : client.error()));
    QTRY_COMPARE(door.sockets.size(), size_t(1));
    QCOMPARE(door.peers[0], ::getpid());
    QVERIFY(::fcntl(door.sockets[0].get(), F_GETFD) & FD_CLOEXEC);

    Channel here(*std::move(client));
    Channel there(std::move(door.sockets[0]));
    quint64 arrived = 0;
    connect(&there, &Channel::messageReceived, this,
        [&](const Message &message) { arrived = std::get<Ping>(message).number; });
    QVERIFY(here.send(Ping{7}));
    QTRY_COMPARE(arrived, quint64(7));
}

void tst_IpcListener::listen_directoryMissing_isMadePrivate()
{
    const QString inside = m_directory->filePath(QStringLiteral("run/socket"));
    const mode_t before = ::umask(0); // as careless as it gets
    const Door door(Listener::listenAt(inside));
    ::umask(before);
    struct stat status { };
    QCOMPARE(::stat(QFileInfo(inside).path().toLocal8Bit(), &status), 0);
    QCOMPARE(status.st_mode & 0777, mode_t(0700));
    QVERIFY(!Listener::listenAt(m_directory->filePath(QStringLiteral("two/levels/socket"))));
}

void tst_IpcListener::listen_socketFile_isRemovedAtTheEnd()
{
    {
        const Door door(Listener::listenAt(m_path));
        QVERIFY(QFileInfo::exists(m_path));
    }
    QVERIFY(!QFileInfo::exists(m_path));
    QVERIFY(!LocalSocket::connectTo(m_path));
}

void tst_IpcListener::listen_staleSocket_isTakenOver()
{
    listeningSocket(m_path.toLocal8Bit()); // dies at once, its file stays
    QVERIFY(QFileInfo::exists(m_path));
    Door door(Listener::listenAt(m_path));
    const auto client = LocalSocket::connectTo(m_path);
    QVERIFY(client);
    QTRY_COMPARE(door.sockets.size(), size_t(1));
}

void tst_IpcListener::listen_otherListens_isRefusedAndLeftAlone()
{
    Door first(Listener::listenAt(m_path));
    const auto second = Listener::listenAt(m_path);
    QVERIFY(!second);
    QVERIFY2(
        second.error().contains(QStringLiteral("another process")), qPrintable(second.error()));
    QVERIFY(LocalSocket::connectTo(m_path));
    QTRY_COMPARE(first.sockets.size(), size_t(2)); // the question whether it lives was one, too
}

void tst_IpcListener::listen_badPlace_isRefused_data()
{
    QTest::addColumn<QString>("place"); // below the directory, unless absolute or empty
    QTest::addColumn<QString>("error");
    const auto add = [](const char *name, const char *place, const char *error) {
        QTest::newRow(name) << QString::fromLatin1(place) << QString::fromLatin1(error);
    };
    add("empty", "", "no absolute path");
    add("relative", "relative", "no absolute path");
    add("a directory", "/", "no absolute path");
    QTest::newRow("too long") << QStringLiteral("D/") + QString(200, u'x')
                              << QStringLiteral("no absolute path");
    add("a file", "D/file", "no socket");
    add("a link", "D/link", "no socket");
    add("open to others", "D/open/socket", "chmod 700");
    add("open to the group", "D/group/socket", "chmod 700");
    add("below a link", "D/linkToPrivate/socket", "open the directory");
    add("below a file", "D/file/socket", "open the directory");
    add("world", "/tmp/sentinel-test-socket", "");
}

void tst_IpcListener::listen_badPlace_isRefused()
{
    QFETCH(QString, place);
    QFETCH(QString, error);
    const auto in = [this](const char *name) {
        return m_directory->filePath(QString::fromLatin1(name)).toLocal8Bit();
    };
    const FileDescriptor file(::open(in("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    QCOMPARE(::symlink("file", in("link")), 0);
    QCOMPARE(::mkdir(in("open"), 0700) | ::chmod(in("open"), 0701), 0);
    QCOMPARE(::mkdir(in("group"), 0700) | ::chmod(in("group"), 0720), 0);
    QCOMPARE(::mkdir(in("private"), 0700) | ::symlink("private", in("linkToPrivate")), 0);
    if (place.startsWith(u'D'))
        place.replace(0, 1, m_directory->path());
    const auto listener = Listener::listenAt(place);
    QVERIFY(!listener);
    QVERIFY2(listener.error().contains(error), qPrintable(listener.error()));
    QVERIFY(QFileInfo::exists(QString::fromLocal8Bit(in("file"))));
}

void tst_IpcListener::listen_anotherUsersDirectory_isRefused()
{
    if (::geteuid() != 0)
        QSKIP("only root can give a directory away");
    QCOMPARE(::chown(m_directory->path().toLocal8Bit(), 65534, 65534), 0);
    const auto listener = Listener::listenAt(m_path);
    QVERIFY(!listener);
    QVERIFY2(
        listener.error().contains(QStringLiteral("another user")), qPrintable(listener.error()));
}

void tst_IpcListener::listen_fileReplacedByHand_isLeftAlone()
{
    auto door = std::make_unique<Door>(Listener::listenAt(m_path));
    QCOMPARE(::unlink(m_path.toLocal8Bit()), 0);
    const FileDescriptor other = listeningSocket(m_path.toLocal8Bit());
    door.reset();
    QVERIFY(QFileInfo::exists(m_path));
}

void tst_IpcListener::listen_failures_leakNothing()
{
    const Door door(Listener::listenAt(m_path));
    const int before = descriptorCount();
    for (int i = 0; i < 100; ++i)
        QVERIFY(!Listener::listenAt(m_path));
    QCoreApplication::processEvents();
    for (int i = 0; i < 100; ++i)
        QVERIFY(!LocalSocket::connectTo(m_path + QStringLiteral("x")));
    QVERIFY(descriptorCount() - int(door.sockets.size()) <= before);
}

void tst_IpcListener::peer_ofAnotherUser_isRefused()
{
    if (::geteuid() != 0)
        QSKIP("only root can become another user");
    Door door(Listener::listenAt(m_path));
    // The directory keeps others out; here it is opened so that the second lock is tried.
    QCOMPARE(::chmod(m_directory->path().toLocal8Bit(), 0755), 0);
    QCOMPARE(::chmod(m_path.toLocal8Bit(), 0777), 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const QByteArray name = m_path.toLocal8Bit();
    std::memcpy(address.sun_path, name.constData(), size_t(name.size()));
    const pid_t child = ::fork();
    if (child == 0) {
        const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
        char byte = 0;
        if (::setresuid(65534, 65534, 65534) != 0
            || ::connect(socket, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0)
            ::_exit(2);
        ::_exit(::recv(socket, &byte, 1, 0) <= 0 ? 0 : 1); // until it is thrown out
    }
    QTRY_COMPARE(door.refused.size(), size_t(1));
    QCOMPARE(door.refused[0], uid_t(65534));
    int status = -1;
    QCOMPARE(::waitpid(child, &status, 0), child);
    QCOMPARE(status, 0);
    QVERIFY(door.sockets.empty());
}

void tst_IpcListener::peer_notWanted_isClosed()
{
    auto listener = Listener::listenAt(m_path);
    QVERIFY(listener);
    auto client = LocalSocket::connectTo(m_path);
    QVERIFY(client);
    Channel channel(*std::move(client));
    int ends = 0;
    connect(&channel, &Channel::closed, this, [&] { ++ends; });
    QTRY_COMPARE(ends, 1);
}

void tst_IpcListener::peers_more_thanATurn_allGetIn()
{
    Door door(Listener::listenAt(m_path));
    std::vector<FileDescriptor> clients;
    for (int i = 0; i < IpcLimits::maxPendingConnections; ++i) {
        auto client = LocalSocket::connectTo(m_path);
        QVERIFY(client);
        clients.push_back(*std::move(client));
    }
    QTRY_COMPARE(door.sockets.size(), clients.size());
}

void tst_IpcListener::descriptors_usedUp_waitsAndGoesOn()
{
    Door door(Listener::listenAt(m_path));
    const auto client = LocalSocket::connectTo(m_path);
    QVERIFY(client);
    {
        const NoMoreDescriptors limit;
        QTRY_VERIFY(door.stalls > 0);
        for (int i = 0; i < 100; ++i)
            QCoreApplication::processEvents();
        QVERIFY(door.stalls < 50); // it does not spin
        QVERIFY(door.sockets.empty());
    }
    QTRY_COMPARE(door.sockets.size(), size_t(1));
}

void tst_IpcListener::listener_destroyedInItsSlot_neverCrashes()
{
    Door door(Listener::listenAt(m_path));
    connect(door.listener.get(), &Listener::connected, this, [&] { door.listener.reset(); });
    const auto one = LocalSocket::connectTo(m_path);
    const auto two = LocalSocket::connectTo(m_path);
    QVERIFY(one && two);
    QTRY_VERIFY(!door.listener);
    QCoreApplication::processEvents();
    QCOMPARE(door.sockets.size(), size_t(1));
    QVERIFY(!QFileInfo::exists(m_path));
}

void tst_IpcListener::adopt_aListeningSocket_servesAndLeavesTheFile()
{
    {
        Door door(Listener::adopt(listeningSocket(m_path.toLocal8Bit())));
        QVERIFY(door.listener->path().isEmpty());
        const auto client = LocalSocket::connectTo(m_path);
        QVERIFY(client);
        QTRY_COMPARE(door.sockets.size(), size_t(1));
    }
    QVERIFY(QFileInfo::exists(m_path)); // systemd's, for the next one
}

void tst_IpcListener::adopt_anotherDescriptor_isRefused_data()
{
    QTest::addColumn<int>("kind");
    QTest::newRow("none") << 0;
    QTest::newRow("a file") << 1;
    QTest::newRow("a stream that listens") << 2;
    QTest::newRow("a socket that does not listen") << 3;
    QTest::newRow("a network socket") << 4;
}

void tst_IpcListener::adopt_anotherDescriptor_isRefused()
{
    QFETCH(int, kind);
    const int before = descriptorCount();
    FileDescriptor descriptor;
    if (kind == 1)
        descriptor = FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    else if (kind == 2)
        descriptor = listeningSocket(m_path.toLocal8Bit(), SOCK_STREAM);
    else if (kind == 3)
        descriptor = FileDescriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    else if (kind == 4)
        descriptor = FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto listener = Listener::adopt(std::move(descriptor));
    QVERIFY(!listener);
    QVERIFY(!listener.error().isEmpty());
    QCOMPARE(descriptorCount(), before);
}

void tst_IpcListener::connect_badPlace_isAnError_data()
{
    QTest::addColumn<QString>("path");
    QTest::newRow("empty") << QString();
    QTest::newRow("with a NUL") << QStringLiteral("/tmp/a\0b");
    QTest::newRow("too long") << QStringLiteral("/tmp/") + QString(200, u'x');
    QTest::newRow("missing") << QStringLiteral("/nonexistent/socket");
    QTest::newRow("a directory") << QStringLiteral("/tmp");
    QTest::newRow("a device") << QStringLiteral("/dev/null");
}

void tst_IpcListener::connect_badPlace_isAnError()
{
    QFETCH(QString, path);
    const int before = descriptorCount();
    const auto socket = LocalSocket::connectTo(path);
    QVERIFY(!socket);
    QVERIFY(!socket.error().isEmpty());
    QCOMPARE(descriptorCount(), before);
}

void tst_IpcListener::connect_listenerOfAnotherUser_isRefused()
{
    if (::geteuid() != 0)
        QSKIP("only root can become another user");
    // The kernel notes who listens: nobody, while this process is nobody.
    QCOMPARE(::chmod(m_directory->path().toLocal8Bit(), 0777), 0);
    QCOMPARE(::seteuid(65534), 0);
    const FileDescriptor other = listeningSocket(m_path.toLocal8Bit());
    QCOMPARE(::seteuid(0), 0);
    const auto socket = LocalSocket::connectTo(m_path);
    QVERIFY(!socket);
    QVERIFY2(socket.error().contains(QStringLiteral("another user")), qPrintable(socket.error()));
}

void tst_IpcListener::connect_listenerFull_neverBlocks()
{
    const FileDescriptor busy = listeningSocket(m_path.toLocal8Bit()); // never accepts
    std::vector<FileDescriptor> waiting;
    for (int i = 0; i < 100; ++i) {
        auto socket = LocalSocket::connectTo(m_path);
        if (!socket)
            return; // refused at once: what was to be shown
        waiting.push_back(*std::move(socket));
    }
    QFAIL("100 clients of a listener for five");
}

QTEST_GUILESS_MAIN(tst_IpcListener)
#include "tst_ipclistener.moc"
