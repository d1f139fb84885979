// SPDX-License-Identifier: MIT
//
// `sentinel log`: what it shows of a log, and how it follows one.
#include "SecurityTap/Limits.h"
#include "Sentinel/ExitCode.h"
#include "tests/support/AuditBench.h"
#include "tests/support/CliRun.h"
#include "tests/support/Patience.h"

#include <QDateTime>
#include <QDir>
#include <QJsonDocument>
#include <QProcess>
#include <QTemporaryDir>
#include <QTest>

#include <csignal>

using namespace Sentinel;
using namespace Sentinel::Test;

class TestCliLog : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_directory = std::make_unique<QTemporaryDir>();
        qputenv("XDG_STATE_HOME", QFile::encodeName(m_directory->path()));
    }

    void usage_wrong_exitsTwoWithOneLine_data();
    void usage_wrong_exitsTwoWithOneLine();
    void help_saysWhatThereIs();
    void log_none_isNoTrouble();
    void log_namedAndMissing_isTrouble();
    void log_lines_areForPeople();
    void log_json_isTheLinesAsTheyAre();
    void log_choice_showsWhatWasChosen_data();
    void log_choice_showsWhatWasChosen();
    void log_rotated_isShownInOrder();
    void log_brokenLines_areNamedAndCounted();
    void log_hostileContent_isShownHarmlessly();
    void follow_showsWhatIsAddedThroughRotation();
    void follow_fromNothing_showsTheFirst();
    void follow_signal_endsWell_data();
    void follow_signal_endsWell();
    void follow_readerGone_ends();

private:
    QString store() const { return m_directory->filePath("sentinel/audit"_L); }
    //! With events called 1, 2, ... and these actions.
    void write(const std::vector<AuditAction> &actions) const
    {
        const auto log = openedLog(smallFiles(store()));
        int number = 0;
        for (const AuditAction action : actions) {
            AuditEvent event = eventCalled(QString::number(++number));
            event.action = action;
            log->record(event);
        }
    }
    static QStringList itemsOf(const CliRun &run)
    {
        QStringList items;
        for (const QJsonObject &object : run.objects())
            items.append(object["sentinel"_L]["item"_L].toString());
        return items;
    }

    std::unique_ptr<QTemporaryDir> m_directory;
};

namespace {

//! A `sentinel log --follow`, and what it has printed.
class Follower {
public:
    explicit Follower(const QStringList &arguments)
    {
        process.start(
            QStringLiteral(SENTINEL_BINARY), QStringList{"log"_L, "--follow"_L} + arguments);
    }
    ~Follower()
    {
        process.kill();
        process.waitForFinished();
    }
    Q_DISABLE_COPY_MOVE(Follower)

    QByteArrayList lines()
    {
        m_out += process.readAllStandardOutput();
        QByteArrayList lines = m_out.split('\n');
        lines.removeLast();
        return lines;
    }

    QProcess process;

private:
    QByteArray m_out;
};

} // namespace

void TestCliLog::usage_wrong_exitsTwoWithOneLine_data()
{
    QTest::addColumn<QStringList>("arguments");
    for (const char *arguments :
        {"x", "--actions", "--action", "--action nothing", "--action Decision", "--since",
            "--since yesterday", "--since 5", "--since -1", "--lines", "--lines x", "-n -1",
            "-n 99999999999", "--json=1", "--follow=1", "--store", "--store /a --store /b"})
        QTest::newRow(arguments) << QString::fromLatin1(arguments).split(u' ');
}

void TestCliLog::usage_wrong_exitsTwoWithOneLine()
{
    QFETCH(const QStringList, arguments);
    const CliRun run = runSentinel(QStringList{"log"_L} + arguments);
    QVERIFY2(run.exitCode == exitTrouble, tell(run));
    QCOMPARE(run.out, QByteArray());
    QVERIFY2(run.err.size() > 1 && run.err.count('\n') == 1, tell(run));
}

void TestCliLog::help_saysWhatThereIs()
{
    const CliRun run = runSentinel({"log"_L, "--help"_L});
    QVERIFY2(run.exitCode == exitGood && run.err.isEmpty(), tell(run));
    for (const char *text :
        {"--follow", "--since", "--action", "--lines", "--json", "--store", "Exit codes:"})
        QVERIFY2(run.out.contains(text), text);
    QVERIFY(runSentinel({"--help"_L}).out.contains("\n  log "));
}

void TestCliLog::log_none_isNoTrouble()
{
    const CliRun run = runSentinel({"log"_L});
    QVERIFY2(run.exitCode == exitGood && run.out.isEmpty() && run.err.isEmpty(), tell(run));
}

void TestCliLog::log_namedAndMissing_isTrouble()
{
    const QString missing = m_directory->filePath("nowhere"_L);
    const CliRun run = runSentinel({"log"_L, "--store"_L, missing});
    QVERIFY2(run.exitCode == exitTrouble && run.out.isEmpty(), tell(run));
    QVERIFY2(run.err.contains(missing.toUtf8()), tell(run));
    QVERIFY(!QFile::exists(missing));
}

void TestCliLog::log_lines_areForPeople()
{
    {
        const auto log = openedLog(smallFiles(store()));
        log->record(fullEvent(AuditAction::Decision));
        AuditEvent secret = fullEvent(AuditAction::ThreatFound);
        secret.privacy = Download::Privacy::Private;
        secret.item.clear();
        secret.exception.clear();
        secret.job.clear();
        log->record(secret);
        AuditEvent failed = AuditEvent::of(AuditAction::QuarantineRestore, "the disk is full"_L);
        failed.success = AuditEvent::Success::Failed;
        failed.item = "q-17"_L;
        log->record(failed);
        log->record(AuditEvent::of(AuditAction::RulesChanged, "12 rules in 3 files"_L));
    }
    const CliRun run = runSentinel({"log"_L});
    QVERIFY2(run.exitCode == exitGood && run.err.isEmpty(), tell(run));
    const QByteArrayList lines = run.out.split('\n');
    QVERIFY2(lines.size() == 5, tell(run));
    const QByteArray when = QDateTime::fromString("2026-01-31T12:34:56Z"_L, Qt::ISODate)
                                .toLocalTime()
                                .toString("yyyy-MM-dd HH:mm:ss"_L)
                                .toUtf8();
    QCOMPARE(lines[0],
        when
            + "  decision           setup.exe from example.org  Malicious -> Quarantine  "
              "Odd (odd.yar); Bad (bad.yar) in a.zip!b.exe");
    QCOMPARE(lines[1],
        when
            + "  threat-found       (private)  Malicious -> Quarantine  "
              "Bad (bad.yar); Odd (odd.yar)");
    QVERIFY2(lines[2].endsWith("  quarantine-restore  FAILED  q-17  the disk is full"), lines[2]);
    QVERIFY2(lines[3].endsWith("  rules-changed      12 rules in 3 files"), lines[3]);
}

void TestCliLog::log_json_isTheLinesAsTheyAre()
{
    write({AuditAction::Decision, AuditAction::LateThreat});
    QFile file(store() + "/audit.jsonl"_L);
    QVERIFY(file.open(QIODevice::ReadOnly));
    const QByteArray content = file.readAll();
    QCOMPARE(content.count('\n'), 2);
    const CliRun run = runSentinel({"log"_L, "--json"_L});
    QVERIFY2(run.exitCode == exitGood, tell(run));
    QCOMPARE(run.out, content);
    for (const QJsonObject &object : run.objects())
        QCOMPARE(schemaProblemOf(object), QString());
    QCOMPARE(runSentinel({"log"_L, "--json"_L, "--store"_L, store()}).out, content);
}

void TestCliLog::log_choice_showsWhatWasChosen_data()
{
    QTest::addColumn<QStringList>("arguments");
    QTest::addColumn<QString>("items");
    const auto row = [](const char *arguments, const char *items) {
        QTest::newRow(arguments) << QString::fromLatin1(arguments).split(u' ')
                                 << QString::fromLatin1(items);
    };
    row("--lines 2", "5 6");
    row("-n 0", "");
    row("-n 100", "1 2 3 4 5 6");
    row("--action decision", "2 4");
    row("--action decision --action job-run", "2 4 6");
    row("--action decision -n 1", "4");
    row("--action rate-limit", "");
    row("--since 3|min", "3 4 5 6");
    row("--since 3min -n 1 --action decision", "4");
    row("--since 2000-01-01T00:00:00", "1 2 3 4 5 6");
    row("--since 2000-01-01", "1 2 3 4 5 6");
    row("--since 2999-01-01T00:00:00Z", "");
}

void TestCliLog::log_choice_showsWhatWasChosen()
{
    QFETCH(QStringList, arguments);
    QFETCH(const QString, items);
    {
        const auto log = openedLog(smallFiles(store()));
        const std::array actions{AuditAction::ThreatFound, AuditAction::Decision,
            AuditAction::LateThreat, AuditAction::Decision, AuditAction::RulesChanged,
            AuditAction::JobRun};
        for (size_t i = 0; i < actions.size(); ++i) {
            AuditEvent event = eventCalled(QString::number(i + 1));
            event.action = actions[i];
            event.when -= i < 2 ? std::chrono::minutes(5) : std::chrono::minutes(1);
            log->record(event);
        }
    }
    arguments.replaceInStrings("|"_L, " "_L);
    const CliRun run = runSentinel(QStringList{"log"_L, "--json"_L} + arguments);
    QVERIFY2(run.exitCode == exitGood && run.err.isEmpty(), tell(run));
    QCOMPARE(itemsOf(run).join(u' '), items);
}

void TestCliLog::log_rotated_isShownInOrder()
{
    write(std::vector<AuditAction>(800, AuditAction::Decision));
    QVERIFY(QFile::exists(store() + "/audit.jsonl.2"_L));
    const QStringList items = itemsOf(runSentinel({"log"_L, "--json"_L}));
    QCOMPARE(items.size(), 800);
    for (int i = 0; i < 800; ++i)
        QCOMPARE(items[i], QString::number(i + 1));
    const CliRun run = runSentinel({"log"_L, "--json"_L, "-n"_L, "500"_L});
    QCOMPARE(itemsOf(run), items.sliced(300));
}

void TestCliLog::log_brokenLines_areNamedAndCounted()
{
    write({AuditAction::Decision});
    QFile file(store() + "/audit.jsonl"_L);
    QVERIFY(file.open(QIODevice::Append));
    file.write(QByteArray("nonsense\n").repeated(150));
    file.close();
    write({AuditAction::Decision});
    QVERIFY(file.open(QIODevice::Append));
    file.write("{\"event\":");
    file.close();
    const CliRun run = runSentinel({"log"_L, "--json"_L});
    QVERIFY2(run.exitCode == exitUnwell, tell(run));
    QCOMPARE(run.objects().size(), size_t(2));
    QVERIFY2(run.err.startsWith("audit.jsonl:2: "), tell(run));
    QCOMPARE(run.err.count('\n'), 101);
    QVERIFY2(run.err.contains("broken lines: 151\n"), tell(run));
}

void TestCliLog::log_hostileContent_isShownHarmlessly()
{
    QVERIFY(QDir().mkpath(store()));
    writeFile(store() + "/audit.jsonl"_L,
        "{\"@timestamp\":\"\\u001b[2J\",\"event\":{\"action\":\"\xe2\x80\xae\",\"reason\":"
        "\"\\u009b\"},"
        "\"file\":{\"name\":\"\xe2\x80\xae\\u001b]0;x\\u0007\\nfake line\"}}\n"
        "{\"event\":{\"action\":7},\"sentinel\":[],\"url\":\"x\",\"file\":null}\n");
    const CliRun lines = runSentinel({"log"_L});
    const CliRun json = runSentinel({"log"_L, "--json"_L});
    for (const CliRun &run : {lines, json}) {
        QVERIFY2(run.exitCode == exitGood, tell(run));
        QCOMPARE(run.out.count('\n'), 2);
        for (const char *raw : {"\x1b", "\xe2\x80\xae", "\xc2\x9b", "\x07"})
            QVERIFY2(!run.out.contains(raw), tell(run));
    }
    QCOMPARE(json.objects().at(0)["event"_L]["action"_L].toString(), "\u202e"_L);
}

void TestCliLog::follow_showsWhatIsAddedThroughRotation()
{
    write({AuditAction::Decision, AuditAction::Decision, AuditAction::Decision});
    Follower follower({"--json"_L, "-n"_L, "1"_L});
    QTRY_COMPARE_WITH_TIMEOUT(follower.lines().size(), 1, patienceMs);
    constexpr int events = 1'000; // some files
    {
        const auto log = openedLog(smallFiles(store()));
        for (int i = 0; i < events; ++i)
            log->record(eventCalled("n%1"_L.arg(i)));
        QVERIFY(log->flush(patience));
    }
    QTRY_COMPARE_WITH_TIMEOUT(follower.lines().size(), 1 + events, patienceMs);
    for (int i = 0; i < events; ++i) {
        const QJsonObject object = QJsonDocument::fromJson(follower.lines().at(1 + i)).object();
        QCOMPARE(object["sentinel"_L]["item"_L].toString(), "n%1"_L.arg(i));
        if (i % 100 != 0)
            i += 96; // looked at one by one they take long
    }
    QCOMPARE(follower.process.state(), QProcess::Running);
    QCOMPARE(follower.process.readAllStandardError(), QByteArray());
}

void TestCliLog::follow_fromNothing_showsTheFirst()
{
    Follower follower({});
    QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(store()), patienceMs);
    write({AuditAction::PathTraversal});
    QTRY_COMPARE_WITH_TIMEOUT(follower.lines().size(), 1, patienceMs);
    QVERIFY(follower.lines()[0].contains("path-traversal"));
    write({AuditAction::RateLimit});
    QTRY_COMPARE_WITH_TIMEOUT(follower.lines().size(), 2, patienceMs);
}

void TestCliLog::follow_signal_endsWell_data()
{
    QTest::addColumn<int>("signal");
    QTest::newRow("SIGINT") << SIGINT;
    QTest::newRow("SIGTERM") << SIGTERM;
}

void TestCliLog::follow_signal_endsWell()
{
    QFETCH(const int, signal);
    write({AuditAction::Decision});
    Follower follower({});
    QTRY_COMPARE_WITH_TIMEOUT(follower.lines().size(), 1, patienceMs);
    // What is added after the first look has been seen: so it watches, and for signals, too.
    write({AuditAction::Decision});
    QTRY_COMPARE_WITH_TIMEOUT(follower.lines().size(), 2, patienceMs);
    QCOMPARE(::kill(pid_t(follower.process.processId()), signal), 0);
    QVERIFY(follower.process.waitForFinished(patienceMs));
    QCOMPARE(follower.process.exitStatus(), QProcess::NormalExit);
    QCOMPARE(follower.process.exitCode(), int(exitGood));
}

void TestCliLog::follow_readerGone_ends()
{
    write({AuditAction::Decision});
    // The shell ends when both have ended. Nothing is added that could not be written.
    const CliRun run = runProgram("/bin/sh"_L,
        {"-c"_L, "\"$0\" log --follow | head -n 1"_L, QStringLiteral(SENTINEL_BINARY)});
    QVERIFY2(run.exitCode == 0 && run.out.count('\n') == 1, tell(run));
}

QTEST_GUILESS_MAIN(TestCliLog)
#include "tst_cli_log.moc"
