// SPDX-License-Identifier: MIT
#include "Sentinel/ExitCode.h"
#include "tests/support/CliRun.h"

#include "SecurityTap/Limits.h"

#include <QDateTime>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QRegularExpression>
#include <QTemporaryDir>
#include <QTest>

#include <sys/resource.h>
#include <sys/stat.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

const QString hash(64, u'a');

//! An event of an audit log.
QJsonObject decision(const QString &verdict, const QString &disposition, const QString &reason = {},
    const QString &url = "https://example.org/x"_L)
{
    QJsonObject own{{"verdict"_L, verdict}, {"disposition"_L, disposition}};
    if (!reason.isEmpty())
        own.insert("reason"_L, reason);
    return {{"@timestamp"_L, "2030-05-01T12:00:00.000Z"_L},
        {"event"_L, QJsonObject{{"action"_L, "decision"_L}, {"id"_L, "an-id"_L}}},
        {"url"_L, QJsonObject{{"full"_L, url}}},
        {"file"_L,
            QJsonObject{{"size"_L, 1000}, {"mime_type"_L, "application/zip"_L},
                {"type"_L, "archive"_L}, {"hash"_L, QJsonObject{{"sha256"_L, hash}}}}},
        {"sentinel"_L, own}};
}

QByteArray lineOf(const QJsonObject &object)
{
    return QJsonDocument(object).toJson(QJsonDocument::Compact) + '\n';
}

} // namespace

//! sentinel policy and sentinel allow.
class TestCliPolicy : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanupTestCase();
    void explain_defaults_areNamed_data();
    void explain_defaults_areNamed();
    void explain_clauses_eachIsAccountedFor();
    void explain_settings_areInForce();
    void explain_exception_decides();
    void explain_hold_isTold();
    void explain_bad_saysWhat_data();
    void explain_bad_saysWhat();
    void explain_brokenExceptions_areToldAndDoNotHold();
    void replay_samePolicy_changesNothing();
    void replay_otherPolicy_tellsEachChange();
    void replay_json_isOneObjectALine();
    void replay_brokenLines_areCountedAndNamed();
    void replay_largeLog_needsLittleMemory();
    void replay_noLog_isTrouble_data();
    void replay_noLog_isTrouble();
    void replay_escapes_areNotShownRaw();
    void allow_narrow_isAddedListedAndRemoved();
    void allow_wider_hasToBeSaid_data();
    void allow_wider_hasToBeSaid();
    void allow_bad_changesNothing_data();
    void allow_bad_changesNothing();
    void allow_removeUnknown_isOne();
    void allow_expired_isNotShown();
    void allow_unreadable_isTrouble();
    void allow_atOnce_losesNothing();
    void help_everySubcommand_namesItsExitCodes();

private:
    QString path(const char *name) const
    {
        return m_directory->filePath(QString::fromLatin1(name));
    }
    QString write(const char *name, const QByteArray &text) const
    {
        writeFile(path(name), text);
        return path(name);
    }
    CliRun allow(const QStringList &more) const
    {
        return runSentinel(QStringList{"allow"_L} + more);
    }
    CliRun explain(const QStringList &more) const
    {
        return runSentinel(QStringList{"policy"_L, "explain"_L} + more);
    }
    CliRun replay(const QByteArray &log, const QStringList &more = {}) const
    {
        return runSentinel(QStringList{"policy"_L, "replay"_L, write("log", log)} + more);
    }

    const QByteArray m_dataHome = qgetenv("XDG_DATA_HOME");
    std::unique_ptr<QTemporaryDir> m_directory;
};

void TestCliPolicy::init()
{
    m_directory = std::make_unique<QTemporaryDir>();
    qputenv("XDG_DATA_HOME", QFile::encodeName(m_directory->path()));
    qputenv("SENTINEL_CONFIG", "/dev/null");
}

void TestCliPolicy::cleanupTestCase()
{
    qputenv("XDG_DATA_HOME", m_dataHome);
}

void TestCliPolicy::explain_defaults_areNamed_data()
{
    QTest::addColumn<QString>("arguments");
    QTest::addColumn<QByteArray>("line");
    const auto add = [](const char *arguments, const char *line) {
        QTest::newRow(arguments) << QString::fromLatin1(arguments) << QByteArray(line);
    };
    add("--verdict Clean", "Release: no clause is for it: the default for Clean\n");
    add("--verdict malicious", "Quarantine: no clause is for it: the default for Malicious\n");
    add("--verdict Suspicious", "Warn: no clause is for it: the default for Suspicious\n");
    add("--verdict NotScanned --reason TooLarge",
        "Release: no clause is for it: the default for TooLarge\n");
    add("--verdict NotScanned --reason TooLarge --fail-closed",
        "Block: no clause is for it: the default for TooLarge\n");
    add("--verdict NotScanned --reason Incomplete", "Block: there is no whole content");
}

void TestCliPolicy::explain_defaults_areNamed()
{
    QFETCH(QString, arguments);
    QFETCH(QByteArray, line);
    const CliRun run = explain(arguments.split(u' '));
    QVERIFY2(run.exitCode == exitGood && run.err.isEmpty(), tell(run));
    QVERIFY2(run.out.startsWith(line), tell(run));
}

void TestCliPolicy::explain_clauses_eachIsAccountedFor()
{
    const QStringList arguments{"--verdict"_L, "NotScanned"_L, "--reason"_L, "Encrypted"_L,
        "--url"_L, "https://a.example.org/x.zip"_L, "--type"_L, "archive"_L, "--size"_L, "3M"_L,
        "--mime"_L, "application/zip"_L, "--name"_L, "x.zip"_L, "--sha256"_L, hash, "--clause"_L,
        "release if verdict=Clean"_L, "--clause"_L, "block if origin=https://*.example.net"_L,
        "--clause"_L, "warn if type=archive origin=https://*.example.org size<4MiB"_L, "--clause"_L,
        "block if type=archive"_L};
    const CliRun run = explain(arguments);
    QVERIFY2(run.exitCode == exitGood, tell(run));
    QCOMPARE(run.out,
        QByteArray(
            "Warn: clause 3: warn if origin=https://*.example.org type=archive size<4MiB\n"
            "  clause 1: it is not for NotScanned (release if verdict=Clean)\n"
            "  clause 2: it is not for https://a.example.org (block if "
            "origin=https://*.example.net)\n"
            "  clause 3: decides (warn if origin=https://*.example.org type=archive size<4MiB)\n"
            "  clause 4: not asked (block if type=archive)\n"));
    const CliRun json = explain(arguments + QStringList{"--json"_L});
    QCOMPARE(json.objects().size(), size_t(1));
    const QJsonObject object = json.objects().front();
    QCOMPARE(object["disposition"_L].toString(), "Warn"_L);
    QCOMPARE(object["decided"_L].toString(), "clause 3"_L);
    QCOMPARE(object["clauses"_L].toArray().size(), 4);
    QCOMPARE(object["clauses"_L][2]["decides"_L].toBool(), true);
    QCOMPARE(object["clauses"_L][3]["outcome"_L].toString(), "not asked"_L);
    QCOMPARE(object["exceptions"_L].toArray().size(), 0);
}

void TestCliPolicy::explain_settings_areInForce()
{
    const QString file = write("s.toml",
        "[policy]\nmalicious = 'block'\nsuspicious = 'quarantine'\non-encrypted = 'warn'\n"
        "clauses = [\n  'release if verdict=Malicious origin=file:',\n"
        "  'block if type=script',\n]\n");
    const auto first = [&](const QStringList &arguments) {
        const CliRun run = explain(arguments + QStringList{"--config"_L, file});
        return run.out.left(run.out.indexOf('\n'));
    };
    QCOMPARE(first({"--verdict"_L, "Malicious"_L}).left(6), QByteArray("Block:"));
    QCOMPARE(first({"--verdict"_L, "Suspicious"_L}).left(11), QByteArray("Quarantine:"));
    QCOMPARE(first({"--verdict"_L, "NotScanned"_L, "--reason"_L, "Encrypted"_L}).left(5),
        QByteArray("Warn:"));
    QCOMPARE(first({"--verdict"_L, "Malicious"_L, "--url"_L, "file:///x"_L}),
        QByteArray("Release: clause 1: release if verdict=Malicious origin=file:"));
    QCOMPARE(first({"--verdict"_L, "Suspicious"_L, "--type"_L, "Script"_L}),
        QByteArray("Block: clause 2: block if type=script"));
    // One to try goes before.
    QCOMPARE(first({"--verdict"_L, "Suspicious"_L, "--type"_L, "script"_L, "--clause"_L,
                 "warn if type=script"_L}),
        QByteArray("Warn: clause 1: warn if type=script"));
}

void TestCliPolicy::explain_exception_decides()
{
    const CliRun other = allow({"add"_L, "--sha256"_L, QString(64, u'b'), "--origin"_L,
        "https://example.org"_L, "--why"_L, "another"_L, "--json"_L});
    const CliRun added = allow({"add"_L, "--sha256"_L, hash, "--url"_L,
        "https://example.org/a/b?c"_L, "--why"_L, "our own build"_L, "--json"_L});
    QVERIFY2(other.exitCode == exitGood && added.exitCode == exitGood, tell(added));
    const QString id = added.objects().front()["id"_L].toString();
    const QStringList known{"--verdict"_L, "Malicious"_L, "--sha256"_L, hash};
    const CliRun run = explain(known + QStringList{"--url"_L, "https://example.org/z"_L});
    QVERIFY2(run.out.startsWith("Release: exception " + id.toUtf8()), tell(run));
    QVERIFY2(run.out.contains("our own build\n"), tell(run));
    QVERIFY2(run.out.contains("it is for another content"), tell(run));
    QVERIFY2(run.out.contains("  exception " + id.toUtf8() + ": decides"), tell(run));
    const CliRun elsewhere = explain(known + QStringList{"--url"_L, "https://example.com/z"_L});
    QVERIFY2(elsewhere.out.startsWith("Quarantine: "), tell(elsewhere));
    QVERIFY2(elsewhere.out.contains("it is for another origin"), tell(elsewhere));
}

void TestCliPolicy::explain_hold_isTold()
{
    const QString file = write("s.toml", "policy.hold = '3 s'\n");
    const QStringList arguments{"--verdict"_L, "NotScanned"_L, "--config"_L, file, "--reason"_L};
    const CliRun run = explain(arguments + QStringList{"QueueFull"_L});
    QVERIFY2(run.out.contains("up to 3 s of waiting"), tell(run));
    QVERIFY(!explain(arguments + QStringList{"TooLarge"_L}).out.contains("waiting"));
    const CliRun json = explain(arguments + QStringList{"QueueFull"_L, "--json"_L});
    QCOMPARE(json.objects().front()["holdMs"_L].toInt(), 3000);
}

void TestCliPolicy::explain_bad_saysWhat_data()
{
    QTest::addColumn<QStringList>("arguments");
    QTest::addColumn<QByteArray>("message");
    const auto add = [](const char *name, const QStringList &arguments, const char *message) {
        QTest::newRow(name) << arguments << QByteArray(message);
    };
    const QStringList threat{"--verdict"_L, "Malicious"_L};
    add("nothing", {}, "--verdict takes Clean");
    add("verdict", {"--verdict"_L, "Bad"_L}, "not \"Bad\"");
    add("no reason", {"--verdict"_L, "NotScanned"_L}, "belong together");
    add("reason of a threat", threat + QStringList{"--reason"_L, "TooLarge"_L}, "belong together");
    add("reason", {"--verdict"_L, "NotScanned"_L, "--reason"_L, "Full"_L}, "not \"Full\"");
    add("reason none", {"--verdict"_L, "NotScanned"_L, "--reason"_L, "None"_L}, "not \"None\"");
    add("type", threat + QStringList{"--type"_L, "zip"_L}, "not \"zip\"");
    add("size", threat + QStringList{"--size"_L, "-1"_L}, "not \"-1\"");
    add("hash", threat + QStringList{"--sha256"_L, "abc"_L}, "64 hexadecimal digits");
    add("url", threat + QStringList{"--url"_L, "example"_L}, "a whole address");
    add("clause", threat + QStringList{"--clause"_L, "allow all"_L}, "--clause: at 1: \"allow\"");
    add("argument", threat + QStringList{"file"_L}, "one argument too many");
    add("deceiving", threat + QStringList{"--type"_L, "a\u202e"_L}, "a\\u{202e}");
}

void TestCliPolicy::explain_bad_saysWhat()
{
    QFETCH(QStringList, arguments);
    QFETCH(QByteArray, message);
    const CliRun run = explain(arguments);
    QVERIFY2(run.exitCode == exitTrouble && run.out.isEmpty(), tell(run));
    QVERIFY2(run.err.contains(message), tell(run));
}

void TestCliPolicy::explain_brokenExceptions_areToldAndDoNotHold()
{
    QVERIFY(QDir().mkpath(path("sentinel")));
    write("sentinel/exceptions.json", "{]");
    const CliRun run = explain({"--verdict"_L, "Malicious"_L});
    QVERIFY2(run.exitCode == exitTrouble && run.out.startsWith("Quarantine:"), tell(run));
    QVERIFY2(run.err.contains("exceptions.json is no JSON"), tell(run));
}

void TestCliPolicy::replay_samePolicy_changesNothing()
{
    QByteArray log;
    log += lineOf(decision("Clean"_L, "Release"_L));
    log += lineOf(decision("Malicious"_L, "Quarantine"_L));
    log += lineOf(decision("NotScanned"_L, "Release"_L, "TooLarge"_L));
    QJsonObject other = decision("Malicious"_L, "Release"_L);
    other["event"_L] = QJsonObject{{"action"_L, "threat-found"_L}};
    log += lineOf(other);
    const CliRun run = replay(log);
    QVERIFY2(run.exitCode == exitGood && run.err.isEmpty(), tell(run));
    QCOMPARE(run.out,
        QByteArray("Release -> Release: 2 as they were\nQuarantine -> Quarantine: 1 as they "
                   "were\n"));
    QVERIFY(replay({}).out.startsWith("There is no decision"));
}

void TestCliPolicy::replay_otherPolicy_tellsEachChange()
{
    QByteArray log;
    log += lineOf(decision("Clean"_L, "Release"_L));
    log += lineOf(decision("NotScanned"_L, "Release"_L, "Encrypted"_L));
    log += lineOf(decision("NotScanned"_L, "Release"_L, "Encrypted"_L, "https://other.example/"_L));
    log += lineOf(decision("Malicious"_L, "Quarantine"_L));
    const QString file = write("p.toml",
        "policy.on-encrypted = 'block'\npolicy.malicious = 'warn'\n"
        "policy.clauses = ['warn if origin=https://other.example mime=application/* type=archive "
        "size<=1000B reason=Encrypted']\n");
    const CliRun run = replay(log, {"--policy"_L, file});
    QVERIFY2(run.exitCode == exitChanged && run.err.isEmpty(), tell(run));
    QCOMPARE(run.out,
        QByteArray("line 2: Release -> Block: NotScanned, Encrypted, https://example.org/x (no "
                   "clause is for it: the default for Encrypted)\n"
                   "line 3: Release -> Warn: NotScanned, Encrypted, https://other.example/ (clause "
                   "1: warn if reason=Encrypted origin=https://other.example mime=application/* "
                   "type=archive size<=1000B)\n"
                   "line 4: Quarantine -> Warn: Malicious, https://example.org/x (no clause is for "
                   "it: the default for Malicious)\n"
                   "Release -> Release: 1 as they were\n"
                   "Release -> Block: 1\n"
                   "Release -> Warn: 1\n"
                   "Quarantine -> Warn: 1\n"));
    const CliRun closed = replay(log, {"--fail-closed"_L});
    QVERIFY2(closed.out.contains("Release -> Block: 2\n"), tell(closed));
    // Exceptions hold: of this content, from there.
    const CliRun added = allow(
        {"add"_L, "--sha256"_L, hash, "--origin"_L, "https://example.org"_L, "--why"_L, "x"_L});
    QVERIFY2(added.exitCode == exitGood, tell(added));
    QVERIFY(replay(log).out.contains("line 4: Quarantine -> Release"));
}

void TestCliPolicy::replay_json_isOneObjectALine()
{
    QByteArray log;
    log += lineOf(decision("Malicious"_L, "Release"_L));
    log += "{}\n"; // of no decision
    log += lineOf(decision("NotScanned"_L, "Block"_L, "QueueFull"_L, {}));
    const CliRun run = replay(log, {"--json"_L});
    QVERIFY2(run.exitCode == exitChanged, tell(run));
    const auto objects = run.objects();
    QCOMPARE(objects.size(), size_t(3));
    QCOMPARE(objects[0]["line"_L].toInt(), 1);
    QCOMPARE(objects[0]["id"_L].toString(), "an-id"_L);
    QCOMPARE(objects[0]["before"_L].toString(), "Release"_L);
    QCOMPARE(objects[0]["after"_L].toString(), "Quarantine"_L);
    QVERIFY(objects[0]["reason"_L].isNull());
    QCOMPARE(objects[1]["line"_L].toInt(), 3);
    QCOMPARE(objects[1]["reason"_L].toString(), "QueueFull"_L);
    QVERIFY(objects[1]["url"_L].isNull());
    QCOMPARE(objects[2]["changes"_L].toInt(), 2);
    QCOMPARE(objects[2]["brokenLines"_L].toInt(), 0);
    QCOMPARE(objects[2]["counts"_L].toArray().size(), 2);
}

void TestCliPolicy::replay_brokenLines_areCountedAndNamed()
{
    QByteArray log;
    log += "{\"event\":\n";
    log += lineOf(decision("Clean"_L, "Release"_L));
    log += "[1]\n\n \n";
    log += QByteArray(2 * Limits::mib, 'x') + '\n';
    log += lineOf(decision("Bad\u202e"_L, "Release"_L));
    log += lineOf(decision("Clean"_L, "Drop"_L));
    log += lineOf(decision("NotScanned"_L, "Release"_L));
    log += lineOf(decision("NotScanned"_L, "Release"_L, "Whim"_L));
    log += QByteArray("\xff\xfe\0\n", 4);
    log += lineOf(decision("Malicious"_L, "Release"_L)).chopped(1); // the last is read without end
    const CliRun run = replay(log);
    QVERIFY2(run.exitCode == exitTrouble, tell(run));
    QCOMPARE(run.err,
        QByteArray("line 1 is no object of JSON\nline 3 is no object of JSON\nline 6 is too long\n"
                   "line 7 has an unknown sentinel.verdict, \"Bad\\u{202e}\"\n"
                   "line 8 has an unknown sentinel.disposition, \"Drop\"\n"
                   "line 9 has no sentinel.reason\n"
                   "line 10 has an unknown sentinel.reason, \"Whim\"\n"
                   "line 11 is no object of JSON\n"));
    QVERIFY2(run.out.startsWith("line 12: Release -> Quarantine: "), tell(run));
    const CliRun many = replay(QByteArray("x\n").repeated(100));
    QCOMPARE(many.err.count('\n'), 21);
    QVERIFY2(many.err.endsWith("... and 80 more broken lines\n"), tell(many));
}

void TestCliPolicy::replay_largeLog_needsLittleMemory()
{
#ifdef SENTINEL_SANITIZED
    QSKIP("a sanitizer needs more memory than there may be");
#endif
    const QByteArray line = lineOf(decision("Clean"_L, "Release"_L));
    const QByteArray log = line.repeated(40'000) + QByteArray(64 * Limits::mib, 'y');
    write("large", log);
    CliSetting setting;
    setting.inChild = [] {
        const rlimit bound{300 * Limits::mib, 300 * Limits::mib};
        ::setrlimit(RLIMIT_AS, &bound);
    };
    const CliRun run = runSentinel({"policy"_L, "replay"_L, path("large")}, setting);
    QVERIFY2(run.exitCode == exitTrouble, tell(run)); // for its last line
    QCOMPARE(run.out, QByteArray("Release -> Release: 40000 as they were\n"));
    QCOMPARE(run.err, QByteArray("line 40001 is too long\n"));
}

void TestCliPolicy::replay_noLog_isTrouble_data()
{
    QTest::addColumn<QStringList>("arguments");
    QTest::addColumn<QByteArray>("message");
    QTest::newRow("none named") << QStringList() << QByteArray("AUDITLOG is missing");
    QTest::newRow("missing") << QStringList{"/nonexistent"_L}
                             << QByteArray("/nonexistent: No such file");
    QTest::newRow("directory") << QStringList{"/"_L} << QByteArray("/: ");
    QTest::newRow("no policy") << QStringList{"/dev/null"_L, "--policy"_L, "/nonexistent"_L}
                               << QByteArray("/nonexistent: No such file");
}

void TestCliPolicy::replay_noLog_isTrouble()
{
    QFETCH(QStringList, arguments);
    QFETCH(QByteArray, message);
    const CliRun run = runSentinel(QStringList{"policy"_L, "replay"_L} + arguments);
    QVERIFY2(run.exitCode == exitTrouble && run.out.isEmpty(), tell(run));
    QVERIFY2(run.err.startsWith(message), tell(run));
    QCOMPARE(::mkfifo(QFile::encodeName(path("fifo")).constData(), 0600), 0);
    QCOMPARE(runSentinel({"policy"_L, "replay"_L, path("fifo")}).exitCode, exitTrouble);
    // A bad policy tries nothing.
    const QString bad = write("bad.toml", "policy.clauses = ['release all']\n");
    const CliRun tried = replay(lineOf(decision("Clean"_L, "Block"_L)), {"--policy"_L, bad});
    QVERIFY2(tried.exitCode == exitTrouble && tried.out.isEmpty(), tell(tried));
    QVERIFY2(
        tried.err.contains("policy.clauses: clause 1: at 9: here \"if\" is missing"), tell(tried));
}

void TestCliPolicy::replay_escapes_areNotShownRaw()
{
    const QByteArray log =
        lineOf(decision("Malicious"_L, "Release"_L, {}, "https://example.org/\u202e\x1b[2J"_L));
    for (const QStringList &form : {QStringList(), QStringList{"--json"_L}}) {
        const CliRun run = replay(log, form);
        QVERIFY2(!run.out.contains('\x1b') && !run.out.contains("\u202e"), tell(run));
    }
}

void TestCliPolicy::allow_narrow_isAddedListedAndRemoved()
{
    const CliRun none = allow({"list"_L});
    QVERIFY2(none.exitCode == exitGood && none.out.isEmpty(), tell(none));
    QVERIFY(!QFile::exists(path("sentinel")));
    const CliRun added = allow({"add"_L, "--sha256"_L, hash.toUpper(), "--url"_L,
        "https://user:secret@Example.org/a?token=1#x"_L, "--why"_L, "our own\x1b[2J build"_L});
    QVERIFY2(added.exitCode == exitGood && added.err.isEmpty(), tell(added));
    QVERIFY2(added.out.contains(": content aaaaaaaaaaaa... from https://example.org, until "),
        tell(added));
    QVERIFY2(added.out.contains("our own\\u{1b}[2J build"), tell(added));
    QVERIFY(!added.out.contains("secret") && !added.out.contains("token"));
    QCOMPARE(allow({"list"_L}).out, added.out);

    const CliRun json = allow({"list"_L, "--json"_L});
    QCOMPARE(json.objects().size(), size_t(1));
    const QJsonObject one = json.objects().front();
    QCOMPARE(one["sha256"_L].toString(), hash);
    QCOMPARE(one["origin"_L].toString(), "https://example.org"_L);
    QCOMPARE(one["rules"_L].toArray(), QJsonArray());
    QCOMPARE(one["unscanned"_L].toBool(), false);
    QVERIFY(!one["who"_L].toString().isEmpty());
    const auto made = QDateTime::fromString(one["made"_L].toString(), Qt::ISODate);
    const auto expires = QDateTime::fromString(one["expires"_L].toString(), Qt::ISODate);
    QCOMPARE(made.daysTo(expires), 30);
    QVERIFY(qAbs(made.secsTo(QDateTime::currentDateTimeUtc())) < 300);

    const QString id = one["id"_L].toString();
    const CliRun removed = allow({"remove"_L, id, "--json"_L});
    QVERIFY2(removed.exitCode == exitGood && removed.objects().front() == one, tell(removed));
    QVERIFY(allow({"list"_L}).out.isEmpty());
}

void TestCliPolicy::allow_wider_hasToBeSaid_data()
{
    QTest::addColumn<QString>("arguments");
    QTest::addColumn<QByteArray>("shown");
    const auto add = [](const char *arguments, const char *shown) {
        QTest::newRow(arguments) << QString::fromLatin1(arguments) << QByteArray(shown);
    };
    add("--sha256 H --any-origin", ": content aaaaaaaaaaaa... from anywhere, until");
    add("--rule R --rule S --origin https://example.org:8443",
        "any content from https://example.org:8443, if R, S found it, until");
    add("--rule R --any-origin", "any content from anywhere, if R found it, until");
    add("--any-content --origin https://example.org",
        "any content from https://example.org, until");
    add("--sha256 H --origin file: --rule R --unscanned --expires never",
        "content aaaaaaaaaaaa... from file:, if R found it, scanned or not, without end");
    add("--sha256 H --origin https://[::1]:99 --expires 366d", "from https://[::1]:99, until");
    add("--sha256 H --any-origin --expires 90s", "from anywhere, until");
}

void TestCliPolicy::allow_wider_hasToBeSaid()
{
    QFETCH(QString, arguments);
    QFETCH(QByteArray, shown);
    const QStringList all =
        arguments.replace(" H "_L, u' ' + hash + u' ').split(u' ') + QStringList{"--why=x"_L};
    const CliRun added = allow(QStringList{"add"_L} + all);
    QVERIFY2(added.exitCode == exitGood && added.out.contains(shown), tell(added));
    QCOMPARE(allow({"list"_L}).out, added.out);
}

void TestCliPolicy::allow_bad_changesNothing_data()
{
    QTest::addColumn<QString>("arguments");
    QTest::addColumn<QByteArray>("message");
    const auto add = [](const char *arguments, const char *message) {
        QTest::newRow(arguments) << QString::fromUtf8(arguments) << QByteArray(message);
    };
    add("--why=x", "needs one of --url");
    add("--why=x --sha256 H", "needs one of --url");
    add("--why=x --sha256 H --url https://a/ --any-origin", "needs one of --url");
    add("--why=x --sha256 H --url https://a/ --origin https://a", "needs one of --url");
    add("--why=x --url https://example.org/", "needs --sha256");
    add("--why=x --any-origin", "needs --sha256");
    add("--why=x --any-content --any-origin", "would allow everything");
    add("--why=x --any-content --sha256 H --url https://a/", "exclude each other");
    add("--sha256 H --any-origin", "needs --why");
    add("--why= --sha256 H --any-origin", "does not say why");
    add("--why=x --sha256 HH --any-origin", "64 hexadecimal digits");
    add("--why=x --sha256 * --any-origin", "64 hexadecimal digits");
    add("--why=x --sha256= --any-origin", "64 hexadecimal digits");
    add("--why=x --sha256 H --origin https://*.example.org", "is no address");
    add("--why=x --sha256 H --origin example.org", "is no address");
    add("--why=x --sha256 H --origin https://", "is no address");
    add("--why=x --sha256 H --origin https://example.org/only/here", "is more than an origin");
    add("--why=x --sha256 H --origin https://example.org?x", "is more than an origin");
    add("--why=x --sha256 H --any-origin --expires 367d", "--expires takes");
    add("--why=x --sha256 H --any-origin --expires 0d", "--expires takes");
    add("--why=x --sha256 H --any-origin --expires 0s", "--expires takes");
    add("--why=x --sha256 H --any-origin --expires d", "--expires takes");
    add("--why=x --sha256 H --any-origin --expires -3d", "--expires takes");
    add("--why=x --sha256 H --any-origin --expires 99999999h", "--expires takes");
    add("--why=x --sha256 H --any-origin --expires soon", "--expires takes");
    add("--why=x --sha256 H --any-origin --rule=", "name of a rule");
    add("--why=x --sha256 H --any-origin more", "one argument too many");
}

void TestCliPolicy::allow_bad_changesNothing()
{
    QFETCH(QString, arguments);
    QFETCH(QByteArray, message);
    QStringList all = arguments.split(u' ');
    all.replaceInStrings(QRegularExpression("^H(H?)$"_L), hash + "\\1"_L);
    const CliRun run = allow(QStringList{"add"_L} + all);
    QVERIFY2(run.exitCode == exitTrouble && run.out.isEmpty(), tell(run));
    QVERIFY2(run.err.contains(message), tell(run));
    QVERIFY(!QFile::exists(path("sentinel/exceptions.json")));
}

void TestCliPolicy::allow_removeUnknown_isOne()
{
    const CliRun run = allow({"remove"_L, "1234\u202e"_L});
    QVERIFY2(run.exitCode == exitNoSuch && run.out.isEmpty(), tell(run));
    QCOMPARE(run.err, QByteArray("there is no exception 1234\\u{202e}\n"));
    QCOMPARE(allow({"remove"_L}).exitCode, exitTrouble);
}

void TestCliPolicy::allow_expired_isNotShown()
{
    const CliRun added = allow(
        {"add"_L, "--sha256"_L, hash, "--any-origin"_L, "--why"_L, "x"_L, "--expires"_L, "1ms"_L});
    QVERIFY2(added.exitCode == exitGood, tell(added));
    QTRY_VERIFY_WITH_TIMEOUT(allow({"list"_L}).out.isEmpty(), 30'000);
    const CliRun explained =
        explain({"--verdict"_L, "Malicious"_L, "--sha256"_L, hash, "--url"_L, "https://a/"_L});
    QVERIFY2(explained.out.startsWith("Quarantine:"), tell(explained));
    QVERIFY2(explained.out.contains("it has expired"), tell(explained));
}

void TestCliPolicy::allow_unreadable_isTrouble()
{
    QVERIFY(QDir().mkpath(path("sentinel")));
    const QString file = write("sentinel/exceptions.json", "{\"version\": 7}");
    const QStringList add{"add"_L, "--sha256"_L, hash, "--any-origin"_L, "--why"_L, "x"_L};
    for (const QStringList &arguments : {add, QStringList{"list"_L}, {"remove"_L, "x"_L}}) {
        const CliRun run = allow(arguments);
        QVERIFY2(run.exitCode == exitTrouble && run.out.isEmpty(), tell(run));
        QVERIFY2(run.err.startsWith(file.toUtf8() + " is not of version 1"), tell(run));
    }
    QFile left(file);
    QVERIFY(left.open(QIODevice::ReadOnly));
    QCOMPARE(left.readAll(), QByteArray("{\"version\": 7}"));
}

void TestCliPolicy::allow_atOnce_losesNothing()
{
    constexpr int processes = 12;
    std::vector<std::unique_ptr<QProcess>> running;
    for (int i = 0; i < processes; ++i) {
        running.push_back(std::make_unique<QProcess>());
        running.back()->start(QStringLiteral(SENTINEL_BINARY),
            {"allow"_L, "add"_L, "--sha256"_L, hash, "--origin"_L,
                QStringLiteral("https://h%1.example").arg(i), "--why"_L, "x"_L});
    }
    for (const auto &process : running) {
        QVERIFY(process->waitForFinished());
        QCOMPARE(process->exitCode(), int(exitGood));
    }
    QCOMPARE(allow({"list"_L, "--json"_L}).objects().size(), size_t(processes));
}

void TestCliPolicy::help_everySubcommand_namesItsExitCodes()
{
    for (const QStringList &command :
        {QStringList{"policy"_L, "explain"_L}, {"policy"_L, "replay"_L}, {"allow"_L, "add"_L},
            {"allow"_L, "list"_L}, {"allow"_L, "remove"_L}, {"policy"_L}, {"allow"_L}}) {
        const CliRun run = runSentinel(command + QStringList{"--help"_L});
        QVERIFY2(run.exitCode == exitGood && run.out.contains("Exit codes:"), tell(run));
    }
    for (const QStringList &command :
        {QStringList{"policy"_L}, {"allow"_L}, {"policy"_L, "change"_L}, {"allow"_L, "all"_L}}) {
        const CliRun run = runSentinel(command);
        QVERIFY2(run.exitCode == exitTrouble && run.err.contains("needs to be told"), tell(run));
    }
}

QTEST_GUILESS_MAIN(TestCliPolicy)
#include "tst_cli_policy.moc"
