// SPDX-License-Identifier: MIT
#include "Sentinel/broker/ServiceNotify.h"
#include "support/ChildProcess.h"

#include <QTemporaryDir>
#include <QTest>

#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace std::chrono_literals;

namespace {

constexpr int firstPassed = 3; // systemd's convention
constexpr const char *variables[] = {
    "NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC"};

FileDescriptor socketAt(const QByteArray &path, int type)
{
    FileDescriptor socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.constData(), size_t(path.size()));
    if (::bind(socket.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) != 0)
        qFatal("no socket at %s", path.constData());
    return socket;
}

// In the child: what systemd does between fork and exec.
void pass(std::initializer_list<int> descriptors, const QByteArray &count)
{
    int target = firstPassed;
    for (const int descriptor : descriptors)
        ::dup2(descriptor, target++);
    qputenv("LISTEN_FDS", count);
    qputenv("LISTEN_PID", QByteArray::number(::getpid()));
    qputenv("LISTEN_FDNAMES", "socket");
}

enum End { Listener, Nothing, Error, Wrong };

// In the child: what inheritedListener() answers; Wrong if an error does not say \p advice.
int answer(const QString &advice = {})
{
    const auto listener = ServiceNotify().inheritedListener();
    if (qEnvironmentVariableIsSet("LISTEN_FDS") || qEnvironmentVariableIsSet("LISTEN_PID"))
        return Wrong;
    if (!listener) {
        std::fprintf(stderr, "%s\n", qPrintable(listener.error()));
        return listener.error().contains(advice) ? Error : Wrong;
    }
    return listener->has_value() ? Listener : Nothing;
}

QString exitWith(End end)
{
    return QStringLiteral("exit %1").arg(int(end));
}

} // namespace

class tst_ServiceNotify : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();
    void word_anyOne_reachesTheSupervisor_data();
    void word_anyOne_reachesTheSupervisor();
    void word_nobodySupervises_isSaidToNobody();
    void word_supervisorIsGone_isNoError();
    void status_withLineFeeds_staysOneField();
    void watchdog_environment_saysHowOften_data();
    void watchdog_environment_saysHowOften();
    void listener_nonePassed_isNone();
    void listener_passedToAnother_isNone();
    void listener_onePassed_isTakenAndClosedAtExec();
    void listener_twoPassed_isRefused();
    void listener_ofAnotherKind_isRefused_data();
    void listener_ofAnotherKind_isRefused();
    void listener_countIsNonsense_isRefused_data();
    void listener_countIsNonsense_isRefused();

private:
    QByteArray pathOf(const char *name)
    {
        return m_directory->filePath(QLatin1String(name)).toLocal8Bit();
    }
    QByteArray heard()
    {
        char buffer[1024];
        const ssize_t size = ::recv(m_supervisor.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        return size < 0 ? QByteArray() : QByteArray(buffer, size);
    }

    std::unique_ptr<QTemporaryDir> m_directory;
    FileDescriptor m_supervisor;
};

void tst_ServiceNotify::init()
{
    cleanup();
    m_directory = std::make_unique<QTemporaryDir>();
    m_supervisor = socketAt(pathOf("notify"), SOCK_DGRAM);
    qputenv("NOTIFY_SOCKET", pathOf("notify"));
}

void tst_ServiceNotify::cleanup()
{
    for (const char *variable : variables)
        qunsetenv(variable);
}

void tst_ServiceNotify::word_anyOne_reachesTheSupervisor_data()
{
    using Word = std::function<void(ServiceNotify &)>;
    QTest::addColumn<Word>("word");
    QTest::addColumn<QByteArray>("expected");
    QTest::newRow("ready") << Word([](auto &service) {
        service.ready(QStringLiteral("4 workers, \u00e9"));
    }) << QByteArray("READY=1\nSTATUS=4 workers, \xc3\xa9");
    QTest::newRow("reloading") << Word(&ServiceNotify::reloading) << QByteArray("RELOADING=1");
    QTest::newRow("stopping") << Word(&ServiceNotify::stopping) << QByteArray("STOPPING=1");
    QTest::newRow("alive") << Word(&ServiceNotify::keepAlive) << QByteArray("WATCHDOG=1");
}

void tst_ServiceNotify::word_anyOne_reachesTheSupervisor()
{
    QFETCH(std::function<void(ServiceNotify &)>, word);
    QFETCH(QByteArray, expected);
    ServiceNotify service;
    word(service);
    QCOMPARE(heard(), expected);
    word(service); // again, as the environment is still there
    QCOMPARE(heard(), expected);
    QCOMPARE(heard(), QByteArray());
}

void tst_ServiceNotify::word_nobodySupervises_isSaidToNobody()
{
    qunsetenv("NOTIFY_SOCKET");
    ServiceNotify service;
    service.ready(QStringLiteral("here"));
    service.keepAlive();
    QCOMPARE(heard(), QByteArray());
}

void tst_ServiceNotify::word_supervisorIsGone_isNoError()
{
    m_supervisor = {};
    ServiceNotify service;
    service.ready(QStringLiteral("here"));
    m_directory.reset(); // and its file, too
    service.stopping();
}

void tst_ServiceNotify::status_withLineFeeds_staysOneField()
{
    ServiceNotify().ready(QStringLiteral("one\nSTOPPING=1\nMAINPID=1"));
    QCOMPARE(heard(), QByteArray("READY=1\nSTATUS=one STOPPING=1 MAINPID=1"));
}

void tst_ServiceNotify::watchdog_environment_saysHowOften_data()
{
    QTest::addColumn<QByteArray>("interval");
    QTest::addColumn<QByteArray>("process");
    QTest::addColumn<qint64>("expected");
    const QByteArray self = QByteArray::number(::getpid());
    const QByteArray parent = QByteArray::number(::getppid());
    QTest::newRow("ours") << QByteArray("30000000") << self << qint64(30'000'000);
    QTest::newRow("anybody's") << QByteArray("500000") << QByteArray() << qint64(500'000);
    QTest::newRow("another's") << QByteArray("30000000") << parent << qint64(0);
    QTest::newRow("none") << QByteArray() << self << qint64(0);
    QTest::newRow("no number") << QByteArray("30s") << self << qint64(0);
    QTest::newRow("negative") << QByteArray("-1") << self << qint64(0);
    QTest::newRow("zero") << QByteArray("0") << self << qint64(0);
    QTest::newRow("no process") << QByteArray("30000000") << QByteArray("me") << qint64(0);
}

void tst_ServiceNotify::watchdog_environment_saysHowOften()
{
    QFETCH(QByteArray, interval);
    QFETCH(QByteArray, process);
    QFETCH(qint64, expected);
    if (!interval.isEmpty())
        qputenv("WATCHDOG_USEC", interval);
    if (!process.isEmpty())
        qputenv("WATCHDOG_PID", process);
    const ServiceNotify service;
    QCOMPARE(qint64(service.watchdogInterval().count()), expected);
    QCOMPARE(qint64(service.watchdogInterval().count()), expected);
}

void tst_ServiceNotify::listener_nonePassed_isNone()
{
    QCOMPARE(runInChild([] { return answer(); }), exitWith(Nothing));
}

void tst_ServiceNotify::listener_passedToAnother_isNone()
{
    QCOMPARE(runInChild([] {
        qputenv("LISTEN_FDS", "1");
        qputenv("LISTEN_PID", QByteArray::number(::getppid())); // from which it was inherited
        return answer();
    }),
        exitWith(Nothing));
}

void tst_ServiceNotify::listener_onePassed_isTakenAndClosedAtExec()
{
    const FileDescriptor socket = socketAt(pathOf("socket"), SOCK_SEQPACKET);
    QCOMPARE(::listen(socket.get(), 1), 0);
    QCOMPARE(runInChild([&socket] {
        pass({socket.get()}, "1");
        const auto listener = ServiceNotify().inheritedListener();
        if (!listener || !*listener || (*listener)->get() != firstPassed)
            return Wrong;
        return ::fcntl(firstPassed, F_GETFD) == FD_CLOEXEC ? Listener : Wrong;
    }),
        exitWith(Listener));
    QCOMPARE(runInChild([&socket] {
        pass({socket.get()}, "1");
        return answer();
    }),
        exitWith(Listener));
    QCOMPARE(runInChild([&socket] { // it is asked once
        pass({socket.get()}, "1");
        const auto kept = ServiceNotify().inheritedListener();
        return answer();
    }),
        exitWith(Nothing));
}

void tst_ServiceNotify::listener_twoPassed_isRefused()
{
    const FileDescriptor socket = socketAt(pathOf("socket"), SOCK_SEQPACKET);
    QCOMPARE(::listen(socket.get(), 1), 0);
    QCOMPARE(runInChild([&socket] {
        pass({socket.get(), socket.get()}, "2");
        return answer(QStringLiteral("one Listen line"));
    }),
        exitWith(Error));
}

void tst_ServiceNotify::listener_ofAnotherKind_isRefused_data()
{
    QTest::addColumn<int>("type");
    QTest::addColumn<bool>("listens");
    QTest::newRow("stream") << int(SOCK_STREAM) << true;
    QTest::newRow("datagram") << int(SOCK_DGRAM) << false;
    QTest::newRow("does not listen") << int(SOCK_SEQPACKET) << false;
    QTest::newRow("no socket") << 0 << false;
}

void tst_ServiceNotify::listener_ofAnotherKind_isRefused()
{
    QFETCH(int, type);
    QFETCH(bool, listens);
    const FileDescriptor passed = type == 0
        ? FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC))
        : socketAt(pathOf("socket"), type);
    if (listens)
        QCOMPARE(::listen(passed.get(), 1), 0);
    QCOMPARE(runInChild([&passed] {
        pass({passed.get()}, "1");
        return answer(QStringLiteral("ListenSequentialPacket="));
    }),
        exitWith(Error));
}

void tst_ServiceNotify::listener_countIsNonsense_isRefused_data()
{
    QTest::addColumn<QByteArray>("count");
    for (const char *count : {"one", "-1", "0", "", "2147483647", "99999999999999999999"})
        QTest::newRow(count) << QByteArray(count);
    QTest::newRow("more than there are") << QByteArray("100000");
}

void tst_ServiceNotify::listener_countIsNonsense_isRefused()
{
    QFETCH(QByteArray, count);
    QCOMPARE(runInChild([&count] {
        pass({}, count);
        return answer(QStringLiteral("LISTEN_FDS"));
    }),
        exitWith(Error));
}

QTEST_GUILESS_MAIN(tst_ServiceNotify)
#include "tst_servicenotify.moc"
