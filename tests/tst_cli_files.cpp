// SPDX-License-Identifier: MIT
//
// `sentinel scan` on files that want to be trouble: names, kinds, sizes, changes, stuck scans.
#include "SecurityTap/Limits.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/FileWalk.h"
#include "tests/support/CliRun.h"
#include "tests/support/RuleSamples.h"

#include <QDir>
#include <QTemporaryDir>
#include <QTest>

#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;

class TestCliFiles : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init() { m_directory = std::make_unique<QTemporaryDir>(); }
    void cleanup()
    {
        // Qt cannot remove what has no name for it.
        std::error_code error;
        std::filesystem::remove_all(m_directory->path().toStdString(), error);
        QVERIFY(!error);
    }

    void scan_unreadablePath_exitsTwoAndSaysSo_data()
    {
        QTest::addColumn<QString>("name");
        for (const char *name : {"missing", "dangling", "loop", "file/below", "fifo"})
            QTest::newRow(name) << QString::fromLatin1(name);
        QTest::newRow("device") << QStringLiteral("/dev/null");
    }
    void scan_unreadablePath_exitsTwoAndSaysSo()
    {
        QFETCH(QString, name);
        write("file", "x");
        QVERIFY(QFile::link(path("nothing"), path("dangling")));
        QVERIFY(QFile::link(path("loop"), path("loop")));
        QCOMPARE(::mkfifo(path("fifo").toUtf8().constData(), 0600), 0);
        const QString target = QDir(m_directory->path()).absoluteFilePath(name);
        const CliRun run = runSentinel({"scan"_L, target});
        QCOMPARE(run.exitCode, exitTrouble);
        QVERIFY2(run.out.startsWith(target.toUtf8() + ": NotScanned Unreadable: "), tell(run));
    }

    void scan_forbidden_isUnreadable()
    {
        if (::geteuid() == 0)
            QSKIP("root may read everything");
        const QString file = write("secret", "x");
        QVERIFY(QFile::setPermissions(file, {}));
        const CliRun run = runSentinel({"scan"_L, m_directory->path()});
        QCOMPARE(run.exitCode, exitTrouble);
        QVERIFY2(run.out.contains("NotScanned Unreadable"), tell(run));
    }

    void scan_hostileNames_areNeverRaw()
    {
        const QList<QByteArray> names{"a\nb", "\x1b]0;owned\a", "\x1b[2J",
            "gpj.\xe2\x80\xae"
            "exe",
            "\xff\xfe", "del\x7f",
            "c1\xc2\x9b"
            "31m",
            "fine \xc3\xa9"};
        for (const QByteArray &name : names) {
            const QByteArray target = QFile::encodeName(m_directory->path()) + '/' + name;
            const int file = ::open(target.constData(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
            QVERIFY(file >= 0);
            QCOMPARE(::write(file, eicar().constData(), size_t(eicar().size())), 68);
            ::close(file);
        }
        for (const QStringList &options : {QStringList(), QStringList{"--json"_L}}) {
            const CliRun run =
                runSentinel(QStringList{"scan"_L} + options + QStringList{m_directory->path()});
            QCOMPARE(run.exitCode, exitThreat);
            const QByteArray all = run.out + run.err;
            for (const char *raw :
                {"\x1b", "\a", "\xe2\x80\xae", "\xff", "\xfe", "\x7f", "\xc2\x9b"})
                QVERIFY2(!all.contains(raw), tell(run));
            QVERIFY2(all.contains("fine \xc3\xa9"), tell(run));
            const int summaryLines = options.isEmpty() ? 1 : 0;
            QCOMPARE(run.out.count('\n'), names.size() + summaryLines);
            if (options.isEmpty())
                continue;
            QSet<QByteArray> found;
            for (const QJsonObject &object : run.objects()) {
                const QString base64 = object["pathBase64"_L].toString();
                const QByteArray bytes = base64.isEmpty()
                    ? object["path"_L].toString().toUtf8()
                    : QByteArray::fromBase64(base64.toLatin1());
                found.insert(bytes.sliced(m_directory->path().size() + 1));
            }
            QCOMPARE(found, QSet<QByteArray>(names.begin(), names.end()));
        }
    }

    void scan_nameThatIsNoText_isTakenFromTheCommandLine()
    {
        const CliRun run = runProgram(QStringLiteral("/bin/sh"),
            {"-c"_L,
                "f=$(printf '%s/\\377' \"$1\"); printf x > \"$f\"; exec \"$0\" scan --json \"$f\""_L,
                QStringLiteral(SENTINEL_BINARY), m_directory->path()});
        QCOMPARE(run.exitCode, exitGood);
        QCOMPARE(QByteArray::fromBase64(run.objects().at(0)["pathBase64"_L].toString().toLatin1()),
            m_directory->path().toUtf8() + "/\xff");
    }

    void scan_specialFilesAndLinks_arePassedOver()
    {
        QTemporaryDir elsewhere;
        writeFile(elsewhere.filePath("test.com"_L), eicar());
        QCOMPARE(::mkfifo(path("fifo").toUtf8().constData(), 0600), 0);
        const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::snprintf(
            address.sun_path, sizeof address.sun_path, "%s", qUtf8Printable(path("socket")));
        QCOMPARE(::bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
        QVERIFY(QFile::link(elsewhere.filePath("test.com"_L), path("link")));
        QVERIFY(QFile::link(elsewhere.path(), path("directory-link")));
        QVERIFY(QFile::link(m_directory->path(), path("back")));
        write("clean.txt", "nothing to see");

        const CliRun run = runSentinel({"scan"_L, m_directory->path()});
        ::close(listener);
        QCOMPARE(run.exitCode, exitGood);
        QVERIFY2(run.out.startsWith("1 file,"), tell(run));
        // But where the user gave it, a link is followed.
        QCOMPARE(runSentinel({"scan"_L, path("link")}).exitCode, exitThreat);
        QCOMPARE(runSentinel({"scan"_L, path("directory-link")}).exitCode, exitThreat);
    }

    void scan_deepTree_isScannedOrSaidSo()
    {
        QString deep;
        for (int i = 0; i < FileWalk::maxDepth + 20; ++i)
            deep += "d/"_L;
        QVERIFY(QDir(m_directory->path()).mkpath(deep));
        write(qPrintable(deep.left(400) + "test.com"_L), eicar());
        const CliRun run = runSentinel({"scan"_L, m_directory->path()});
        QCOMPARE(run.exitCode, exitThreat);
        QVERIFY2(run.out.contains("test.com: Malicious"), tell(run));
        QVERIFY2(run.out.contains("too deep"), tell(run));
    }

    void scan_fileThatChanges_isReadAsItIs()
    {
        const QString file = write("changing", QByteArray(3'000'000, 'x'));
        QTemporaryDir many;
        for (int i = 0; i < 60; ++i) {
            const QByteArray name = QFile::encodeName(many.filePath(QString::number(i)));
            if (::link(QFile::encodeName(file).constData(), name.constData()) != 0)
                QSKIP("no hard links here");
        }
        // A process and not a thread: ThreadSanitizer knows no threads beside QProcess's forks.
        QProcess writer;
        writer.start(QStringLiteral("/bin/sh"),
            {"-c"_L,
                "while :; do for s in 0 9000000 1500000; do truncate -s $s \"$0\"; done; done"_L,
                file});
        QVERIFY(writer.waitForStarted());
        const CliRun run = runSentinel({"scan"_L, "--json"_L, many.path()});
        QCOMPARE(writer.state(), QProcess::Running);
        writer.kill();
        QVERIFY(writer.waitForFinished());
        QCOMPARE(run.exitCode, exitGood);
        QCOMPARE(run.objects().size(), size_t(60));
        for (const QJsonObject &object : run.objects()) {
            const QJsonObject coverage = object["coverage"_L].toObject();
            QCOMPARE(coverage["bytesScanned"_L].toInt(), object["size"_L].toInt());
        }
    }

    void scan_fileThatSaysItIsEmpty_isReadToItsEnd()
    {
        const CliRun run = runSentinel({"scan"_L, "--json"_L, "/proc/self/status"_L});
        QCOMPARE(run.exitCode, exitGood);
        QVERIFY(run.objects().at(0)["size"_L].toInt() > 100);
        // And no further than it may be.
        const CliRun bounded =
            runSentinel({"scan"_L, "--max-size"_L, "100"_L, "/proc/self/status"_L});
        QCOMPARE(bounded.exitCode, exitTrouble);
        QVERIFY2(bounded.out.contains("NotScanned TooLarge"), tell(bounded));
    }

    void scan_maxSize_isTheLargestScanned()
    {
        write("fits", QByteArray(2048, 'x'));
        const QString large = write("large", QByteArray(2049, 'x'));
        const CliRun run = runSentinel({"scan"_L, "--max-size"_L, "2K"_L, m_directory->path()});
        QCOMPARE(run.exitCode, exitTrouble);
        QVERIFY2(run.out.startsWith(large.toUtf8() + ": NotScanned TooLarge: "), tell(run));
        QVERIFY2(run.out.contains("\n2 files, 2.0 KiB, 0 threats, 1 not scanned"), tell(run));
    }

    void scan_stuckFile_timesOutAlone()
    {
        // Evaluated for hours, in one go, where the file begins with SLOW.
        const QString rules = write("slow.yar",
            "rule slow { condition: filesize == 4 and uint32be(0) == 0x534C4F57 and\n"
            "  for all i in (1..900000000000) : (uint8(i % 4) >= 0) and false }");
        QVERIFY(QDir(m_directory->path()).mkdir("files"_L));
        for (int i = 0; i < 30; ++i)
            write(qPrintable("files/"_L + QString::number(i)), i % 15 == 3 ? "SLOW" : "quick");
        const CliRun run = runSentinel({"scan"_L, "--jobs"_L, "1"_L, "--timeout"_L, "1"_L,
            "--json"_L, "--rules"_L, rules, path("files")});
        QCOMPARE(run.exitCode, exitTrouble);
        int timedOut = 0;
        for (const QJsonObject &object : run.objects())
            timedOut += object["reason"_L].toString() == "TimedOut"_L;
        QCOMPARE(run.objects().size(), size_t(30));
        QCOMPARE(timedOut, 2);
    }

    void scan_moreStuckFilesThanWorkersCanBeReplaced_endsAllTheSame()
    {
        const QString rules = write("slow.yar",
            "rule slow { condition: filesize == 4 and uint32be(0) == 0x534C4F57 and\n"
            "  for all i in (1..900000000000) : (uint8(i % 4) >= 0) and false }");
        QVERIFY(QDir(m_directory->path()).mkdir("files"_L));
        constexpr int stuck = 1 + Limits::maxReplacementWorkers;
        for (int i = 0; i < stuck + 4; ++i)
            write(qPrintable("files/"_L + QString::number(100 + i)), i < stuck ? "SLOW" : "quick");
        const CliRun run = runSentinel({"scan"_L, "--jobs"_L, "1"_L, "--timeout"_L, "1"_L,
            "--json"_L, "--rules"_L, rules, path("files")});
        QCOMPARE(run.exitCode, exitTrouble);
        QCOMPARE(run.objects().size(), size_t(stuck + 4));
    }

private:
    QString path(const char *name) const { return m_directory->filePath(QString::fromUtf8(name)); }
    QString write(const char *name, const QByteArray &content) const
    {
        writeFile(path(name), content);
        return path(name);
    }

    std::unique_ptr<QTemporaryDir> m_directory;
};

QTEST_GUILESS_MAIN(TestCliFiles)
#include "tst_cli_files.moc"
