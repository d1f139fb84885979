// SPDX-License-Identifier: MIT
#include "ipc/ChildProcess.h"
#include "ipc/LocalSocket.h"
#include "tests/support/ChildProcess.h"

#include <QTest>

#include <array>
#include <csignal>

#include <poll.h>
#include <sys/socket.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

constexpr int patience = 10'000;

//! What a shell that was started says with \p script at its socket; "?" if it says nothing.
std::string saidBy(const QByteArray &script)
{
    auto ends = LocalSocket::connectedPair();
    if (!ends)
        return "no sockets";
    const auto child = ChildProcess::start("/bin/sh", {"-c", script}, ends->second.get());
    if (!child)
        return "no child";
    ends->second = FileDescriptor();
    pollfd said{ends->first.get(), POLLIN, 0};
    std::array<char, 64> text{};
    if (::poll(&said, 1, patience) != 1)
        return "?";
    const ssize_t size = ::recv(ends->first.get(), text.data(), text.size(), 0);
    return size > 0 ? std::string(text.data(), size_t(size)) : "?";
}

//! Each standard descriptor that it has, and each of the next few.
const QByteArray listDescriptors = "for i in 0 1 2 3 4 5 6; do "
                                   "test -e /proc/$$/fd/$i && all=$all$i; done; printf $all >&3";

} // namespace

//! What a process that is started gets from us, and that only itself is ended.
class ChildProcessTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void start_hasStandardDescriptorsAndItsSocket();
    void start_withoutStandardDescriptors_hasThemToo();
    void end_isTold_data();
    void end_isTold();
    void end_nobodyIsToHearOfIt_isNoticed();
};

void ChildProcessTest::start_hasStandardDescriptorsAndItsSocket()
{
    QCOMPARE(saidBy(listDescriptors), "0123");
}

void ChildProcessTest::start_withoutStandardDescriptors_hasThemToo()
{
    QCOMPARE(runInChild([] {
        for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
            ::close(standard);
        return saidBy(listDescriptors) == "0123" ? 0 : 1;
    }),
        QStringLiteral("exit 0"));
}

void ChildProcessTest::end_isTold_data()
{
    QTest::addColumn<QByteArray>("script");
    QTest::addColumn<QString>("ending");
    QTest::newRow("exits") << QByteArray("exit 7") << QStringLiteral("exited with code 7");
    QTest::newRow("a signal") << QByteArray("kill -9 $$")
                              << QStringLiteral("was ended by signal 9");
}

void ChildProcessTest::end_isTold()
{
    QFETCH(const QByteArray, script);
    QFETCH(const QString, ending);
    auto ends = LocalSocket::connectedPair();
    QVERIFY(ends);
    const auto child = ChildProcess::start("/bin/sh", {"-c", script}, ends->second.get());
    QVERIFY(child);
    pollfd end{(*child)->endDescriptor(), POLLIN, 0};
    QCOMPARE(::poll(&end, 1, patience), 1);
    QVERIFY((*child)->hasEnded());
    QCOMPARE((*child)->ending(), ending);
}

void ChildProcessTest::end_nobodyIsToHearOfIt_isNoticed()
{
    QCOMPARE(runInChild([] {
        std::signal(SIGCHLD, SIG_IGN);
        auto ends = LocalSocket::connectedPair();
        const auto child = ChildProcess::start("/bin/sh", {"-c", "read x <&3"}, ends->second.get());
        if (!child || (*child)->hasEnded())
            return 1;
        (*child)->kill();
        pollfd end{(*child)->endDescriptor(), POLLIN, 0};
        if (::poll(&end, 1, patience) != 1)
            return 2;
        return (*child)->hasEnded() && (*child)->ending() == QStringLiteral("has ended") ? 0 : 3;
    }),
        QStringLiteral("exit 0"));
}

QTEST_GUILESS_MAIN(ChildProcessTest)

#include "tst_childprocess.moc"
