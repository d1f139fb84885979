// SPDX-License-Identifier: MIT
#include "ipc/ChildProcess.h"
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
    const auto child = ChildProcess::start("/bin/sh", {"-c", script});
    if (!child)
        return "no child";
    pollfd said{child->socket.get(), POLLIN, 0};
    std::array<char, 64> text{};
    if (::poll(&said, 1, patience) != 1)
        return "?";
    const ssize_t size = ::recv(child->socket.get(), text.data(), text.size(), 0);
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
    const auto child = ChildProcess::start("/bin/sh", {"-c", script});
    QVERIFY(child);
    pollfd end{child->process->endDescriptor(), POLLIN, 0};
    QCOMPARE(::poll(&end, 1, patience), 1);
    QVERIFY(child->process->hasEnded());
    QCOMPARE(child->process->ending(), ending);
}

void ChildProcessTest::end_nobodyIsToHearOfIt_isNoticed()
{
    QCOMPARE(runInChild([] {
        std::signal(SIGCHLD, SIG_IGN);
        const auto child = ChildProcess::start("/bin/sh", {"-c", "read x <&3"});
        if (!child || child->process->hasEnded())
            return 1;
        child->process->kill();
        pollfd end{child->process->endDescriptor(), POLLIN, 0};
        if (::poll(&end, 1, patience) != 1)
            return 2;
        return child->process->hasEnded() && child->process->ending() == QStringLiteral("has ended")
            ? 0
            : 3;
    }),
        QStringLiteral("exit 0"));
}

QTEST_GUILESS_MAIN(ChildProcessTest)

#include "tst_childprocess.moc"
