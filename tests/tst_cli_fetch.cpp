// SPDX-License-Identifier: MIT
//
// `sentinel fetch` against a real server and against one that misbehaves: the file appears whole
// and after its verdict, or not at all.
#include "Sentinel/ExitCode.h"
#include "tests/support/CliRun.h"
#include "tests/support/FileAttribute.h"
#include "tests/support/MisbehavingServer.h"
#include "tests/support/NginxServer.h"
#include "tests/support/Patience.h"
#include "tests/support/RuleSamples.h"
#include "tests/support/Slowness.h"

#include <QCryptographicHash>
#include <QDir>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QJsonArray>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <csignal>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

constexpr qint64 mib = 1024 * 1024;

CliRun fetch(const QStringList &arguments, const CliSetting &setting = {})
{
    return runSentinel(QStringList{"fetch"_L} + arguments, setting);
}

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray("cannot be read");
}

} // namespace

#define NEED_NGINX()                                                                               \
    do {                                                                                           \
        if (!m_nginx)                                                                              \
            QSKIP("nginx is not installed");                                                       \
    } while (false)

class TestCliFetch : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        QVERIFY(m_server.isListening());
        if (!NginxServer::isInstalled())
            return;
        auto nginx = NginxServer::start();
        QVERIFY2(nginx, nginx ? "" : qPrintable(nginx.error()));
        m_nginx = std::move(*nginx);
        m_nginx->addFile("file.txt"_L, "content");
        m_nginx->addFile("eicar.com"_L, eicar());
        m_nginx->addFile("missing.html"_L, "<p>not here");
        m_nginx->addFile("empty"_L, {});
    }
    void init() { m_target = std::make_unique<QTemporaryDir>(); }

    void fetch_cleanFile_isReleased()
    {
        NEED_NGINX();
        const CliRun run = fetch({"--json"_L, "-o"_L, m_target->path(), real("/file.txt")});
        QCOMPARE(run.exitCode, exitGood);
        QCOMPARE(contentOf(path("file.txt")), QByteArray("content"));
        QCOMPARE(entriesOf(m_target->path()).size(), 1);
        QCOMPARE(run.objects().size(), size_t(1));
        const QJsonObject object = run.objects()[0];
        QCOMPARE(object.keys(),
            QStringList(
                {"clause"_L, "coverage"_L, "detail"_L, "disposition"_L, "error"_L, "findings"_L,
                    "item"_L, "path"_L, "reason"_L, "sha256"_L, "size"_L, "url"_L, "verdict"_L}));
        QCOMPARE(object["path"_L].toString(), path("file.txt"));
        QCOMPARE(object["size"_L].toInt(), 7);
        QCOMPARE(object["verdict"_L].toString(), "Clean"_L);
        QCOMPARE(object["disposition"_L].toString(), "Release"_L);
        QCOMPARE(object["url"_L].toString(), real("/file.txt"));
        QCOMPARE(object["sha256"_L].toString().toLatin1(),
            QCryptographicHash::hash("content", QCryptographicHash::Sha256).toHex());
    }

    void fetch_withoutOption_savesHere()
    {
        NEED_NGINX();
        CliSetting here;
        here.directory = m_target->path();
        QCOMPARE(fetch({real("/redirect/file.txt")}, here).exitCode, exitGood);
        QCOMPARE(fetch({real("/empty")}, here).exitCode, exitGood);
        QCOMPARE(fetch({real("/attachment/file.txt")}, here).exitCode, exitGood);
        QCOMPARE(
            entriesOf(m_target->path()), QStringList({"empty"_L, "file.txt"_L, "named.bin"_L}));
    }

    void fetch_released_saysWhereItCameFrom()
    {
        NEED_NGINX();
        QFile other(path("other"));
        QVERIFY(other.open(QIODevice::WriteOnly));
        if (::fsetxattr(other.handle(), "user.test", "x", 1, 0) != 0)
            QSKIP("the file system keeps no extended attributes");
        QCOMPARE(
            fetch({"-o"_L, path("a"), real("/file.txt") + "?token=secret"_L}).exitCode, exitGood);
        const auto origin = [](const QString &path) {
            return attribute(path, "user.xdg.origin.url");
        };
        QCOMPARE(origin(path("a")), real("/file.txt").toLatin1());
        QCOMPARE(fetch({"--private"_L, "-o"_L, path("b"), real("/file.txt")}).exitCode, exitGood);
        QCOMPARE(origin(path("b")), QByteArray("(none)"));
    }

    void fetch_eicar_leavesNothing()
    {
        NEED_NGINX();
        const CliRun run = fetch({"-o"_L, m_target->path(), real("/eicar.com")});
        QCOMPARE(run.exitCode, exitThreat);
        QVERIFY2(run.err.contains("EICAR_Test_File"), tell(run));
        QCOMPARE(entriesOf(m_target->path()), QStringList());
        const CliRun json = fetch({"--json"_L, "-o"_L, path("x"), real("/eicar.com")});
        QVERIFY(json.objects().at(0)["path"_L].isNull());
        QCOMPARE(json.objects().at(0)["disposition"_L].toString(), "Quarantine"_L);
        QCOMPARE(json.objects().at(0)["findings"_L].toArray().size(), 1);
        QCOMPARE(entriesOf(m_target->path()), QStringList());
    }

    void fetch_noFile_exitsTwoAndLeavesNothing_data()
    {
        QTest::addColumn<QString>("urlPath");
        QTest::addColumn<QByteArray>("message");
        QTest::newRow("404") << "/missing/x"_L << QByteArray("404");
        QTest::newRow("204") << "/nothing"_L << QByteArray("no file");
        QTest::newRow("loop") << "/loop"_L << QByteArray("redirect");
        QTest::newRow("401") << "/private/file.txt"_L << QByteArray("401");
    }
    void fetch_noFile_exitsTwoAndLeavesNothing()
    {
        NEED_NGINX();
        QFETCH(QString, urlPath);
        QFETCH(QByteArray, message);
        const CliRun run = fetch({"-o"_L, m_target->path(), real(urlPath.toUtf8())});
        QCOMPARE(run.exitCode, exitTrouble);
        QVERIFY2(run.err.contains(message), tell(run));
        QCOMPARE(entriesOf(m_target->path()), QStringList());
    }

    void fetch_refusedConnection_exitsTwo()
    {
        QTcpServer gone;
        QVERIFY(gone.listen(QHostAddress::LocalHost));
        const QString url = "http://127.0.0.1:%1/x"_L.arg(gone.serverPort());
        gone.close();
        const CliRun run = fetch({"--json"_L, "-o"_L, m_target->path(), url});
        QCOMPARE(run.exitCode, exitTrouble);
        QVERIFY2(run.err.contains("refused"), tell(run));
        QVERIFY(run.objects().at(0)["error"_L].isString());
        QCOMPARE(run.objects().at(0)["verdict"_L].toString(), "NotScanned"_L);
    }

    void fetch_existingFile_isKept()
    {
        m_server.answer("/x"_L, {MisbehavingServer::response("new", 3)});
        writeFile(path("x"), "old");
        // The name is known: the server is not even asked.
        const CliRun known = fetch({"-o"_L, path("x"), "http://127.0.0.1:1/x"_L});
        QCOMPARE(known.exitCode, exitTrouble);
        QVERIFY2(known.err.contains("exists"), tell(known));
        const CliRun proposed = fetch({"-o"_L, m_target->path(), odd("/x")});
        QCOMPARE(proposed.exitCode, exitTrouble);
        QVERIFY2(proposed.err.contains("exists"), tell(proposed));
        QCOMPARE(contentOf(path("x")), QByteArray("old"));

        QCOMPARE(fetch({"--force"_L, "-o"_L, path("x"), odd("/x")}).exitCode, exitGood);
        QCOMPARE(contentOf(path("x")), QByteArray("new"));
        QCOMPARE(entriesOf(m_target->path()), QStringList{"x"_L});
    }

    void fetch_force_replacesFilesOnly()
    {
        m_server.answer("/x"_L, {MisbehavingServer::response("new", 3)});
        writeFile(path("victim"), "old");
        QVERIFY(QFile::link(path("victim"), path("x")));
        QCOMPARE(fetch({"--force"_L, "-o"_L, path("x"), odd("/x")}).exitCode, exitTrouble);
        QCOMPARE(fetch({"--force"_L, "-o"_L, m_target->path(), odd("/x")}).exitCode, exitTrouble);
        QVERIFY(QFileInfo(path("x")).isSymLink());
        QCOMPARE(contentOf(path("victim")), QByteArray("old"));
    }

    void fetch_proposedName_staysInTheDirectory_data()
    {
        QTest::addColumn<QByteArray>("disposition");
        QTest::newRow("up") << QByteArray("attachment; filename=\"../../x\"");
        QTest::newRow("absolute") << QByteArray("attachment; filename=\"/etc/cron.d/x\"");
        QTest::newRow("hidden") << QByteArray("attachment; filename=\".bashrc\"");
        QTest::newRow("control") << QByteArray("attachment; filename*=UTF-8''a%1b%5b2Jb%0a.txt");
        QTest::newRow("bidi") << QByteArray("attachment; filename*=UTF-8''x%E2%80%AEgpj.exe");
        QTest::newRow("raw escape") << QByteArray("attachment; filename=\"a\x1b[2J.txt\"");
        QTest::newRow("long") << QByteArray(
            "attachment; filename=\"" + QByteArray(2000, 'n') + "\"");
    }
    void fetch_proposedName_staysInTheDirectory()
    {
        QFETCH(QByteArray, disposition);
        QTemporaryDir outer;
        QVERIFY(QDir(outer.path()).mkpath("a/b"_L));
        const QString inner = outer.filePath("a/b"_L);
        m_server.answer("/x"_L,
            {MisbehavingServer::response(
                "new", 3, "Content-Disposition: " + disposition + "\r\n")});
        // The rules shipped find some of these names suspicious by themselves.
        writeFile(path("none.yar"), "rule nothing { condition: false }");
        const CliRun run = fetch({"--rules"_L, path("none.yar"), "-o"_L, inner, odd("/x")});
        QVERIFY2(run.exitCode == exitGood, tell(run));
        QCOMPARE(entriesOf(inner).size(), 1);
        QVERIFY(!entriesOf(inner).first().startsWith(u'.'));
        QCOMPARE(entriesOf(outer.path()), QStringList{"a"_L});
        QCOMPARE(entriesOf(outer.filePath("a"_L)), QStringList{"b"_L});
        for (const char *raw : {"\x1b", "\xe2\x80\xae"})
            QVERIFY(!(run.out + run.err).contains(raw));
    }

    void fetch_nameThatDeceives_isRefused()
    {
        QCOMPARE(fetch({"-o"_L, path(".hidden"), odd("/x")}).exitCode, exitTrouble);
        QCOMPARE(fetch({"-o"_L, path("a\x1b"), odd("/x")}).exitCode, exitTrouble);
        QCOMPARE(fetch({"-o"_L, path("nowhere/"), odd("/x")}).exitCode, exitTrouble);
        QCOMPARE(entriesOf(m_target->path()), QStringList());
    }

    void fetch_cutOff_leavesNothing()
    {
        m_server.answer("/cut"_L, {MisbehavingServer::response("beginning", 1000)});
        const CliRun run = fetch({"-o"_L, m_target->path(), odd("/cut")});
        QVERIFY2(run.exitCode == exitTrouble, tell(run));
        QCOMPARE(entriesOf(m_target->path()), QStringList());
    }

    void fetch_tooLarge_isReleasedUnlessClosed()
    {
        NEED_NGINX();
        m_nginx->addFile("large"_L, QByteArray(101 * mib, 'x'));
        const CliRun closed = fetch({"--fail-closed"_L, "-o"_L, path("x"), real("/large")});
        QCOMPARE(closed.exitCode, exitNotScanned);
        QVERIFY2(closed.err.startsWith("Not released: NotScanned: larger"), tell(closed));
        QCOMPARE(entriesOf(m_target->path()), QStringList());

        const CliRun open = fetch({"-o"_L, path("x"), real("/large")});
        QCOMPARE(open.exitCode, exitNotScanned);
        QVERIFY2(open.err.contains("larger") && open.err.contains("released"), tell(open));
        QCOMPARE(QFileInfo(path("x")).size(), 101 * mib);
    }

    void fetch_badRules_exitsTwo()
    {
        writeFile(path("bad.yar"), "rule a { condition: true }\nrule oops {\n nonsense\n}\n");
        const CliRun run = fetch({"--rules"_L, path("bad.yar"), odd("/x")});
        QCOMPARE(run.exitCode, exitTrouble);
        QVERIFY2(run.err.contains("bad.yar:3: error: "), tell(run));
    }

    void fetch_limitOfFileSize_leavesNothing()
    {
        m_server.answer("/x"_L, {MisbehavingServer::response(QByteArray(3 * mib, 'x'), 3 * mib)});
        CliSetting small;
        small.inChild = [] {
            const rlimit limit{rlim_t(mib), rlim_t(mib)};
            ::setrlimit(RLIMIT_FSIZE, &limit);
        };
        const CliRun run = fetch({"-o"_L, m_target->path(), odd("/x")}, small);
        QVERIFY2(run.exitCode == exitTrouble, tell(run));
        QVERIFY2(run.err.startsWith("Nothing was saved"), tell(run));
        QCOMPARE(entriesOf(m_target->path()), QStringList());
    }

    void fetch_fullDisk_leavesNothing()
    {
        const QByteArray disk = QFile::encodeName(m_target->path());
        if (::mount("none", disk.constData(), "tmpfs", 0, "size=1m") != 0)
            QSKIP("may not mount a small disk");
        m_server.answer("/x"_L, {MisbehavingServer::response(QByteArray(3 * mib, 'x'), 3 * mib)});
        const CliRun run = fetch({"-o"_L, m_target->path(), odd("/x")});
        const QStringList left = entriesOf(m_target->path());
        QCOMPARE(::umount2(disk.constData(), MNT_DETACH), 0);
        QVERIFY2(run.exitCode == exitTrouble, tell(run));
        QVERIFY2(run.err.contains("space"), tell(run));
        QCOMPARE(left, QStringList());
    }

    void fetch_interrupted_leavesNothing_data()
    {
        QTest::addColumn<int>("signalNumber");
        QTest::newRow("SIGINT") << SIGINT;
        QTest::newRow("SIGTERM") << SIGTERM;
    }
    void fetch_interrupted_leavesNothing()
    {
        QFETCH(int, signalNumber);
        hang("/x", 3 * mib, mib);
        QProcess process;
        beginFetch(process);
        ::kill(pid_t(process.processId()), signalNumber);
        QVERIFY(
            QTest::qWaitFor([&] { return process.state() == QProcess::NotRunning; }, patienceMs));
        QCOMPARE(process.exitStatus(), QProcess::NormalExit);
        QCOMPARE(process.exitCode(), exitTrouble);
        QVERIFY(process.readAllStandardError().startsWith("Cancelled"));
        QCOMPARE(entriesOf(m_target->path()), QStringList());
    }

    //! Thirty points from the first byte to the release; in memory and, by the size announced, on
    //! the disk of the destination.
    void fetch_killed_leavesNothingOrAll()
    {
        constexpr int partialPoints = slowness > 1 ? 8 : 24;
        constexpr int points = partialPoints + 6;
        int appeared = 0;
        for (int point = 0; point < points; ++point) {
            const bool isPartial = point < partialPoints;
            const qint64 announced = isPartial && point % 2 ? 70 * mib : 3 * mib;
            const qint64 most = std::min(announced, 12 * mib);
            const qint64 sent = isPartial ? most * point / partialPoints : announced;
            hang("/x", announced, sent);
            QProcess process;
            beginFetch(process, sent);
            if (!isPartial) {
                QElapsedTimer timer; // its verdict and its release are under way
                timer.start();
                const auto isDue = [&, point] {
                    return point == points - 1 ? QFile::exists(path("x"))
                                               : timer.elapsed() >= (point - partialPoints) * 15;
                };
                QVERIFY(QTest::qWaitFor(isDue, patienceMs));
            }
            process.kill();
            QVERIFY(QTest::qWaitFor(
                [&] { return process.state() == QProcess::NotRunning; }, patienceMs));
            const QStringList left = entriesOf(m_target->path());
            if (isPartial)
                QCOMPARE(left, QStringList());
            if (left.isEmpty())
                continue;
            ++appeared;
            QCOMPARE(left, QStringList{"x"_L});
            QCOMPARE(QFileInfo(path("x")).size(), announced);
            QVERIFY(QFile::remove(path("x")));
        }
        QVERIFY(appeared > 0);
        qInfo("of %d complete downloads %d had appeared", points - partialPoints, appeared);
    }

private:
    QString path(const char *name) const { return m_target->filePath(QString::fromUtf8(name)); }
    QString real(const QByteArray &urlPath) const
    {
        return m_nginx->url(QString::fromUtf8(urlPath)).toString();
    }
    QString odd(const char *urlPath) const
    {
        return m_server.url(QString::fromLatin1(urlPath)).toString();
    }
    //! Announces \p announced bytes and sends \p sent of them.
    void hang(const char *urlPath, qint64 announced, qint64 sent)
    {
        m_server.answer(QString::fromLatin1(urlPath),
            {MisbehavingServer::response(QByteArray(sent, 'x'), announced),
                MisbehavingServer::Then::Hang});
    }
    //! Returns when the kernel took \p sent bytes of the answer.
    void beginFetch(QProcess &process, qint64 sent = 0)
    {
        const qint64 before = m_server.sentBytes();
        process.start(
            QStringLiteral(SENTINEL_BINARY), {"fetch"_L, "-o"_L, m_target->path(), odd("/x")});
        QVERIFY(QTest::qWaitFor([&] { return m_server.sentBytes() > before + sent; }, patienceMs));
    }

    std::unique_ptr<NginxServer> m_nginx;
    MisbehavingServer m_server;
    std::unique_ptr<QTemporaryDir> m_target;
};

QTEST_GUILESS_MAIN(TestCliFetch)
#include "tst_cli_fetch.moc"
