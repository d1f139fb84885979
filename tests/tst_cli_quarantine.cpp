// SPDX-License-Identifier: MIT
//
// `sentinel quarantine`, on stores that other processes made.
#include "Sentinel/ExitCode.h"
#include "tests/support/CliRun.h"
#include "tests/support/QuarantineBench.h"
#include "tests/support/Slowness.h"

#include <QJsonArray>
#include <QStandardPaths>
#include <QTest>

using namespace Sentinel;
using namespace Sentinel::Test;

class TestCliQuarantine : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_place = std::make_unique<FastDirectory>();
        m_out = m_place->path("out"_L);
        beginAgain();
    }

    void usage_wrong_exitsTwoWithOneLine_data();
    void usage_wrong_exitsTwoWithOneLine();
    void help_everywhere_exitsZero_data();
    void help_everywhere_exitsZero();
    void list_isTheItems_theOldestFirst();
    void list_hostileNames_areNeverRaw();
    void list_oneDamaged_exitsOne();
    void show_isAllThatIsKnown();
    void restore_goesWhereItWas();
    void restore_to_directoryOrFile();
    void restore_unfit_exitsTwoAndNothingIsWritten_data();
    void restore_unfit_exitsTwoAndNothingIsWritten();
    void restore_damaged_exitsOne();
    void delete_severalIds_deletesWhatItCan();
    void purge_takesTheOldest();
    void everyCommand_unknownId_exitsOne_data();
    void everyCommand_unknownId_exitsOne();
    void store_ofTheUser_isTheDefault();
    void restoreDeletePurge_killedByStrace_losesNothing_data();
    void restoreDeletePurge_killedByStrace_losesNothing();

private:
    QStringList arguments(const QStringList &command) const
    {
        return QStringList{"quarantine"_L} + command
            + QStringList{"--store"_L, m_place->path("data"_L)};
    }
    CliRun run(const QStringList &command) const { return runSentinel(arguments(command)); }
    QString id(const QByteArray &bytes, int hour = 0) const
    {
        QuarantineRecord record = recordOf(bytes);
        record.directory = m_out;
        record.storedAt = QDateTime(QDate(2026, 1, 1), QTime(hour, 0), Qt::UTC);
        return takeBytes(*m_quarantine, bytes, record).id;
    }

    //! Nothing in quarantine, and nothing restored.
    void beginAgain()
    {
        for (const char *name : {"data", "out"})
            QDir(m_place->path(QString::fromLatin1(name))).removeRecursively();
        QDir().mkpath(m_out);
        m_quarantine = openQuarantine(m_place->path("data/quarantine"_L));
    }

    std::unique_ptr<FastDirectory> m_place;
    QString m_out;
    std::unique_ptr<Quarantine> m_quarantine;
};

void TestCliQuarantine::usage_wrong_exitsTwoWithOneLine_data()
{
    QTest::addColumn<QStringList>("command");
    QTest::newRow("nothing") << QStringList{};
    QTest::newRow("unknown") << QStringList{"dance"_L};
    QTest::newRow("list, an argument") << QStringList{"list"_L, "x"_L};
    QTest::newRow("show, none") << QStringList{"show"_L};
    QTest::newRow("show, two") << QStringList{"show"_L, "x"_L, "y"_L};
    QTest::newRow("delete, none") << QStringList{"delete"_L};
    QTest::newRow("restore, none") << QStringList{"restore"_L, "--reason"_L, "x"_L};
    QTest::newRow("purge, nothing said") << QStringList{"purge"_L};
    QTest::newRow("purge, no age") << QStringList{"purge"_L, "--older-than"_L, "soon"_L};
    QTest::newRow("purge, negative age") << QStringList{"purge"_L, "--older-than=-1d"_L};
    QTest::newRow("purge, no size") << QStringList{"purge"_L, "--keep-bytes"_L, "many"_L};
    QTest::newRow("purge, no number") << QStringList{"purge"_L, "--keep-items"_L, "-1"_L};
}

void TestCliQuarantine::usage_wrong_exitsTwoWithOneLine()
{
    QFETCH(const QStringList, command);
    id("bytes");
    const CliRun done = run(command);
    QVERIFY2(done.exitCode == exitTrouble, tell(done));
    QVERIFY(done.out.isEmpty());
    QCOMPARE(done.err.count('\n'), 1);
    QCOMPARE(m_quarantine->list()->items.size(), size_t(1));
}

void TestCliQuarantine::help_everywhere_exitsZero_data()
{
    QTest::addColumn<QString>("command");
    for (const char *name : {"list", "show", "restore", "delete", "purge"})
        QTest::newRow(name) << QString::fromLatin1(name);
}

void TestCliQuarantine::help_everywhere_exitsZero()
{
    QFETCH(const QString, command);
    const CliRun done = runSentinel({"quarantine"_L, command, "--help"_L});
    QVERIFY2(done.exitCode == exitGood && done.out.contains("Exit codes:"), tell(done));
}

void TestCliQuarantine::list_isTheItems_theOldestFirst()
{
    const QString younger = id("younger", 2);
    const QString older = id("older", 1);
    const CliRun done = run({"list"_L});
    QVERIFY2(done.exitCode == exitGood, tell(done));
    const QList<QByteArray> lines = done.out.trimmed().split('\n');
    QCOMPARE(lines.size(), 2);
    QVERIFY(lines[0].startsWith(older.toLatin1()) && lines[1].startsWith(younger.toLatin1()));
    QVERIFY(lines[0].contains("Malicious") && lines[0].contains("setup.exe"));

    const CliRun json = run({"list"_L, "--json"_L});
    const auto objects = json.objects();
    QCOMPARE(objects.size(), size_t(2));
    QCOMPARE(objects[0]["id"_L].toString(), older);
    QCOMPARE(objects[0]["verdict"_L].toString(), "Malicious"_L);
    QCOMPARE(objects[0]["findings"_L].toArray().first().toString(), "EICAR_Test_File"_L);
    QCOMPARE(objects[0]["size"_L].toInteger(), 5);
}

void TestCliQuarantine::list_hostileNames_areNeverRaw()
{
    const QString name = "\x1b[2J\r\n"_L + QChar(0x202e) + "gpj.exe"_L;
    QuarantineRecord record = recordOf("bytes");
    record.name = record.directory = record.clause = record.mimeType = name;
    record.findings = {name};
    const QString item = takeBytes(*m_quarantine, "bytes", record).id;
    for (const QStringList &command : {QStringList{"list"_L}, QStringList{"list"_L, "--json"_L},
             QStringList{"show"_L, item}, QStringList{"show"_L, item, "--json"_L},
             QStringList{"purge"_L, "--keep-items"_L, "0"_L}}) {
        const CliRun done = run(command);
        QVERIFY2(done.exitCode == exitGood, tell(done));
        QVERIFY(!done.out.contains('\x1b') && !done.out.contains('\r'));
        QVERIFY(!done.out.contains(QString(QChar(0x202e)).toUtf8()));
        if (command.contains("--json"_L))
            QCOMPARE(done.objects().at(0)["name"_L].toString(), name);
    }
}

void TestCliQuarantine::list_oneDamaged_exitsOne()
{
    const QString damaged = id("damaged");
    const QString other = id("other");
    QVERIFY(QFile::remove(m_place->path("data/quarantine/"_L + damaged + "/content"_L)));
    const CliRun done = run({"list"_L, "--json"_L});
    QVERIFY2(done.exitCode == exitBadItem, tell(done));
    QCOMPARE(done.objects().at(0)["id"_L].toString(), other);
    QCOMPARE(done.objects().at(1)["id"_L].toString(), damaged);
    QVERIFY(done.objects().at(1)["error"_L].toString().contains("content"_L));
    QVERIFY(done.err.contains(damaged.toLatin1()));
}

void TestCliQuarantine::show_isAllThatIsKnown()
{
    const QString item = id("bytes");
    const CliRun done = run({"show"_L, item});
    QVERIFY2(done.exitCode == exitGood, tell(done));
    const QByteArray hash = QCryptographicHash::hash("bytes", QCryptographicHash::Sha256).toHex();
    for (const QByteArray &part :
        {item.toLatin1(), hash, QByteArray("https://example.org/setup.exe"),
            QByteArray("malicious = quarantine"), QByteArray("EICAR_Test_File")})
        QVERIFY2(done.out.contains(part), part);
    QCOMPARE(
        run({"show"_L, item, "--json"_L}).objects().at(0)["sha256"_L].toString().toLatin1(), hash);
}

void TestCliQuarantine::restore_goesWhereItWas()
{
    const QByteArray bytes = patternOf(200'000);
    const QString item = id(bytes);
    const CliRun done = run({"restore"_L, item, "--reason"_L, "it is mine"_L, "--json"_L});
    QVERIFY2(done.exitCode == exitGood, tell(done));
    QCOMPARE(bytesOf(m_out + "/setup.exe"_L), bytes);
    QCOMPARE(done.objects().at(0)["path"_L].toString(), m_out + "/setup.exe"_L);
    QCOMPARE(done.objects().at(0)["reason"_L].toString(), "it is mine"_L);
    QCOMPARE(m_quarantine->list()->items.size(), size_t(1)); // it stays

    const CliRun again = run({"restore"_L, item, "--reason"_L, "again"_L});
    QVERIFY2(again.exitCode == exitTrouble, tell(again));
    QCOMPARE(entriesOf(m_out), QStringList{"setup.exe"_L});
}

void TestCliQuarantine::restore_to_directoryOrFile()
{
    QuarantineRecord record = recordOf("bytes");
    record.name = "../../evil.exe"_L;
    const QString item = takeBytes(*m_quarantine, "bytes", record).id;
    QVERIFY2(
        run({"restore"_L, item, "--reason"_L, "x"_L, "--to"_L, m_out}).exitCode == exitGood, "");
    QCOMPARE(entriesOf(m_out).size(), 1); // one clean name
    QCOMPARE(bytesOf(m_out + u'/' + entriesOf(m_out).first()), QByteArray("bytes"));
    const QString file = m_out + "/another"_L;
    QVERIFY2(
        run({"restore"_L, item, "--reason"_L, "x"_L, "--to"_L, file}).exitCode == exitGood, "");
    QCOMPARE(bytesOf(file), QByteArray("bytes"));
}

void TestCliQuarantine::restore_unfit_exitsTwoAndNothingIsWritten_data()
{
    QTest::addColumn<QStringList>("options");
    const QString why = "--reason=x"_L;
    QTest::newRow("no reason") << QStringList{};
    QTest::newRow("an empty reason") << QStringList{"--reason="_L};
    QTest::newRow("place not known") << QStringList{why};
    QTest::newRow("missing directory") << QStringList{why, "--to=/nonexistent/x"_L};
    QTest::newRow("a file that is there") << QStringList{why, "--to=%"_L};
    QTest::newRow("below a file") << QStringList{why, "--to=%/x"_L};
}

void TestCliQuarantine::restore_unfit_exitsTwoAndNothingIsWritten()
{
    QFETCH(QStringList, options);
    QuarantineRecord record = recordOf("bytes");
    record.directory.clear();
    const QString item = takeBytes(*m_quarantine, "bytes", record).id;
    const QString there = m_out + "/there"_L;
    writeFile(there, "mine");
    options.replaceInStrings("%"_L, there);
    const CliRun done = run(QStringList{"restore"_L, item} + options);
    QVERIFY2(done.exitCode == exitTrouble, tell(done));
    QCOMPARE(done.err.count('\n'), 1);
    QCOMPARE(entriesOf(m_out), QStringList{"there"_L});
    QCOMPARE(bytesOf(there), QByteArray("mine"));
}

void TestCliQuarantine::restore_damaged_exitsOne()
{
    const QString item = id("bytes");
    const QString content = m_place->path("data/quarantine/"_L + item + "/content"_L);
    QByteArray bytes = bytesOf(content);
    bytes[40] = char(bytes[40] ^ 1);
    QFile::setPermissions(content, QFile::ReadOwner | QFile::WriteOwner);
    writeFile(content, bytes);
    const CliRun done = run({"restore"_L, item, "--reason=x"_L});
    QVERIFY2(done.exitCode == exitBadItem, tell(done));
    QVERIFY(done.err.contains(item.toLatin1()) && done.err.contains("chunk 1 of 1"));
    QVERIFY(entriesOf(m_out).isEmpty());
}

void TestCliQuarantine::delete_severalIds_deletesWhatItCan()
{
    const QString first = id("first");
    const QString second = id("second");
    const QString third = id("third");
    const CliRun done = run({"delete"_L, first, QString(32, u'0'), second, "--json"_L});
    QVERIFY2(done.exitCode == exitBadItem, tell(done));
    QCOMPARE(done.objects().size(), size_t(3));
    QCOMPARE(done.objects().at(0)["action"_L].toString(), "quarantine-delete"_L);
    QCOMPARE(done.objects().at(1)["id"_L].toString(), QString(32, u'0'));
    QVERIFY(!done.objects().at(1)["error"_L].toString().isEmpty());
    QCOMPARE(m_quarantine->list()->items.size(), size_t(1));
    QVERIFY(m_quarantine->find(third));
}

void TestCliQuarantine::purge_takesTheOldest()
{
    id("oldest", 1);
    id("older", 2);
    const QString youngest = id("youngest", 3);
    const CliRun none = run({"purge"_L, "--keep-bytes=1K"_L, "--older-than=36500d"_L});
    QVERIFY2(none.exitCode == exitGood && none.out.isEmpty(), tell(none));
    const CliRun done = run({"purge"_L, "--keep-items=1"_L, "--json"_L});
    QVERIFY2(done.exitCode == exitGood && done.objects().size() == 2, tell(done));
    QVERIFY(m_quarantine->find(youngest));
    QCOMPARE(run({"purge"_L, "--older-than"_L, "1h"_L}).out.count('\n'), 1);
    QVERIFY(m_quarantine->list()->items.empty());
}

void TestCliQuarantine::everyCommand_unknownId_exitsOne_data()
{
    QTest::addColumn<QStringList>("command");
    for (const QString &id : {QString(32, u'0'), "../x"_L, "\x1b[2J"_L, QString()}) {
        QTest::addRow("show %d", int(id.size())) << QStringList{"show"_L, id};
        QTest::addRow("delete %d", int(id.size())) << QStringList{"delete"_L, id};
        QTest::addRow("restore %d", int(id.size())) << QStringList{"restore"_L, id, "--reason=x"_L};
    }
}

void TestCliQuarantine::everyCommand_unknownId_exitsOne()
{
    QFETCH(const QStringList, command);
    const CliRun done = run(command);
    QVERIFY2(done.exitCode == exitBadItem, tell(done));
    QVERIFY(!done.err.contains('\x1b'));
}

void TestCliQuarantine::store_ofTheUser_isTheDefault()
{
    qputenv("XDG_DATA_HOME", QFile::encodeName(m_place->path("xdg"_L)));
    const auto usual = openQuarantine(m_place->path("xdg/sentinel/quarantine"_L));
    const QString item = takeBytes(*usual, "bytes").id;
    const CliRun done = runSentinel({"quarantine"_L, "list"_L});
    qunsetenv("XDG_DATA_HOME");
    QVERIFY2(done.exitCode == exitGood && done.out.startsWith(item.toLatin1()), tell(done));
}

void TestCliQuarantine::restoreDeletePurge_killedByStrace_losesNothing_data()
{
    QTest::addColumn<QStringList>("command"); // "%": the younger of two items
    QTest::newRow("restore") << QStringList{"restore"_L, "%"_L, "--reason=x"_L};
    QTest::newRow("delete") << QStringList{"delete"_L, "%"_L};
    QTest::newRow("purge") << QStringList{"purge"_L, "--keep-items=1"_L};
}

// The whole program; tst_quarantinefaults has every call of the operations themselves.
void TestCliQuarantine::restoreDeletePurge_killedByStrace_losesNothing()
{
    QFETCH(QStringList, command);
    if (slowness > 1)
        QSKIP("a sanitizer does not work in a process that is traced");
    const QString strace = QStandardPaths::findExecutable("strace"_L);
    if (strace.isEmpty()
        || runProgram(strace, {"-o"_L, "/dev/null"_L, "/bin/true"_L}).exitCode != 0)
        QSKIP("there is no strace, or processes may not be traced here");
    for (const char *call : {"renameat2", "unlinkat", "fsync", "linkat", "flock"}) {
        for (int n = 1; n < 20; ++n) {
            beginAgain();
            const QString kept = id("kept", 1);
            const QString other = id("other", 2);
            const bool isPurge = command.first() == "purge"_L;
            QStringList now = command;
            now.replaceInStrings("%"_L, other);
            const QString inject =
                QStringLiteral("inject=%1:signal=KILL:when=%2").arg(QLatin1String(call)).arg(n);
            const CliRun done = runProgram(strace,
                QStringList{
                    "-f"_L, "-o"_L, "/dev/null"_L, "-e"_L, inject, QStringLiteral(SENTINEL_BINARY)}
                    + arguments(now));
            m_quarantine = openQuarantine(m_place->path("data/quarantine"_L));
            const auto listing = m_quarantine->list();
            QVERIFY2(listing && listing->unreadable.empty(), inject.toLatin1());
            QVERIFY2(m_quarantine->find(isPurge ? other : kept), inject.toLatin1());
            const QString maybe = isPurge ? kept : other;
            const QByteArray bytes = contentOfItem(*m_quarantine, maybe, m_place->path());
            QVERIFY(!m_quarantine->find(maybe) || bytes == (isPurge ? "kept" : "other"));
            QVERIFY(entriesOf(m_out).isEmpty() || bytesOf(m_out + "/setup.exe"_L) == "other");
            if (done.exitCode == exitGood)
                break; // there is no such call any more
        }
    }
}

QTEST_GUILESS_MAIN(TestCliQuarantine)
#include "tst_cli_quarantine.moc"
