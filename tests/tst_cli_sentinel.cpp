// SPDX-License-Identifier: MIT
//
// The command line around a sentinel: serve, status, reload, and rules that change.
#include "SecurityTap/history/ReleaseHistory.h"
#include "SecurityTap/jobs/JobRuns.h"
#include "SecurityTap/store/StorePaths.h"
#include "Sentinel/ExitCode.h"
#include "tests/support/CliRun.h"
#include "tests/support/RawPeer.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/ServingSentinel.h"

#include <QJsonArray>
#include <QScopeGuard>
#include <QTest>

#include <csignal>

#include <sys/stat.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

#ifdef SENTINEL_SANITIZED
constexpr bool hasFilter = false; // the sanitizer needs what it forbids
#else
constexpr bool hasFilter = true;
#endif

const QString eicarRules = QStringLiteral(SENTINEL_SOURCE_DIR "/rules/eicar.yar");
const QByteArray otherRules = "rule other { strings: $a = \"OTHER-MARK\" condition: $a }\n";
const QByteArray badRules = "rule fine { condition: true }\nrule bad {\n condition: nonsense }\n";

} // namespace

class TestCliSentinel : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_directory = std::make_unique<QTemporaryDir>(); // made with mode 0700
        m_rules = std::make_unique<RuleDirectory>(markerRules());
        m_rulePaths = m_rules->settings().rulePaths + QStringList{eicarRules};
    }

    void usage_wrong_exitsTwoWithOneLine_data();
    void usage_wrong_exitsTwoWithOneLine();

    void serve_second_isRefused();
    void serve_badPlace_isRefused_data();
    void serve_badPlace_isRefused();
    void serve_badRules_saysFileAndLine();
    void serve_signal_endsWithZeroAndLeavesNothing_data();
    void serve_signal_endsWithZeroAndLeavesNothing();
    void serve_killed_nextTakesItsPlace();
    void client_socketOfAnotherUser_isRefused();

    void status_text_saysHowItIs();
    void status_json_everyField();
    void status_jobs_areShownWithAndWithoutASentinel();
    void status_jobsUnreadable_saysSo();
    void reload_good_isInForce();
    void reload_bad_saysFileAndLineAndChangesNothing();
    void rules_changedOnDisk_areTakenUp();

private:
    QString path(const char *name) const { return m_directory->filePath(QString::fromUtf8(name)); }
    QString socketPath() const { return path("socket"); }
    CliRun serve(const QString &socket, const QStringList &rules) const
    {
        return runSentinel(
            QStringList{"serve"_L, "--socket"_L, socket} + QStringList{"--rules"_L} + rules);
    }
    static CliRun ask(const char *command, const QString &socket, const QStringList &more = {})
    {
        return runSentinel(QStringList{QString::fromUtf8(command), "--socket"_L, socket} + more);
    }
    std::unique_ptr<QTemporaryDir> m_directory;
    std::unique_ptr<RuleDirectory> m_rules;
    QStringList m_rulePaths;
};

void TestCliSentinel::usage_wrong_exitsTwoWithOneLine_data()
{
    QTest::addColumn<QStringList>("arguments");
    for (const char *arguments : {"serve x", "serve --spawned --socket /tmp/x",
             "serve --spawned --systemd", "serve --systemd --socket /tmp/x", "serve --systemd",
             "serve --socket", "serve --socket relative", "serve --socket=", "serve --jobs 0",
             "serve --jobs -1", "serve --jobs 1e3", "serve --max-size huge", "serve --unrated bad",
             "serve --isolation spawned", "status x", "status --json=yes", "status --socket",
             "status --socket /nonexistent/socket", "status --socket /dev/null", "reload x",
             "reload --json", "reload --socket /nonexistent/socket", "doctor x", "doctor --jobs 1",
             "scan --isolation x .", "scan --isolation auto .", "scan --isolation= .",
             "scan --isolation System .", "scan --isolation system --rules /tmp .",
             "scan --isolation system --unrated info .", "scan --isolation spawned --socket /x .",
             "scan --isolation in-process --socket /x .", "fetch --isolation x http://localhost/",
             "fetch --isolation system --rules /tmp http://localhost/"})
        QTest::newRow(arguments) << QString::fromLatin1(arguments).split(u' ');
}

void TestCliSentinel::usage_wrong_exitsTwoWithOneLine()
{
    QFETCH(QStringList, arguments);
    const CliRun run = runSentinel(arguments);
    QVERIFY2(run.exitCode == exitTrouble, tell(run));
    QCOMPARE(run.out, QByteArray());
    QVERIFY2(run.err.size() > 1 && run.err.count('\n') == 1, tell(run));
}

void TestCliSentinel::serve_second_isRefused()
{
    const ServingSentinel sentinel(m_rulePaths);
    const CliRun run = serve(sentinel.socketPath(), m_rulePaths.mid(0, 1));
    QCOMPARE(run.exitCode, exitTrouble);
    QVERIFY2(run.err.contains("another process listens at '" + sentinel.socketPath().toUtf8()),
        tell(run));
    QCOMPARE(sentinel.status().pid, sentinel.pid());
}

void TestCliSentinel::serve_badPlace_isRefused_data()
{
    QTest::addColumn<QByteArray>("place");
    QTest::addColumn<QByteArray>("message");
    QTest::newRow("open") << QByteArray("open") << QByteArray("is open to others: chmod 700 it");
    QTest::newRow("file") << QByteArray("file") << QByteArray("is there and no socket: remove it");
    QTest::newRow("foreign") << QByteArray("foreign") << QByteArray("belongs to another user");
    QTest::newRow("deep") << QByteArray("a/b/c") << QByteArray("cannot make the directory");
    QTest::newRow("long") << QByteArray(200, 'x') << QByteArray("no absolute path of a socket");
}

void TestCliSentinel::serve_badPlace_isRefused()
{
    QFETCH(const QByteArray, place);
    QFETCH(const QByteArray, message);
    const QByteArray directory = QFile::encodeName(m_directory->path());
    QString socket = socketPath();
    if (place == "open")
        QCOMPARE(::chmod(directory, 0711), 0);
    else if (place == "file")
        writeFile(socket, "not to be removed");
    else if (place == "foreign" && ::geteuid() != 0)
        QSKIP("only root can give a directory away");
    else if (place == "foreign")
        QCOMPARE(::chown(directory, 65534, 65534), 0);
    else
        socket = path(place);
    const CliRun run = serve(socket, m_rulePaths.mid(0, 1));
    QCOMPARE(run.exitCode, exitTrouble);
    QVERIFY2(run.err.contains(message), tell(run));
    QCOMPARE(entriesOf(m_directory->path()).size(), place == "file" ? 1 : 0);
}

void TestCliSentinel::serve_badRules_saysFileAndLine()
{
    m_rules->write(badRules);
    const CliRun run = serve(socketPath(), m_rulePaths.mid(0, 1));
    QCOMPARE(run.exitCode, exitTrouble);
    QVERIFY2(run.err.startsWith("test.yar:3: error: "), tell(run));
    QCOMPARE(entriesOf(m_directory->path()), QStringList());
    const CliRun missing = serve(socketPath(), {path("no-rules")});
    QCOMPARE(missing.exitCode, exitTrouble);
    QVERIFY2(missing.err.contains("no-rules"), tell(missing));
}

void TestCliSentinel::serve_signal_endsWithZeroAndLeavesNothing_data()
{
    QTest::addColumn<int>("signal");
    QTest::newRow("SIGTERM") << SIGTERM;
    QTest::newRow("SIGINT") << SIGINT;
}

void TestCliSentinel::serve_signal_endsWithZeroAndLeavesNothing()
{
    QFETCH(const int, signal);
    ServingSentinel sentinel(m_rulePaths);
    QCOMPARE(entriesOf(sentinel.directory()).size(), 1);
    QCOMPARE(::kill(pid_t(sentinel.pid()), signal), 0);
    QCOMPARE(sentinel.exitCode(), exitGood);
    QCOMPARE(entriesOf(sentinel.directory()), QStringList());
}

void TestCliSentinel::serve_killed_nextTakesItsPlace()
{
    listeningSocket(socketPath().toUtf8()); // nobody listens there any more
    const ServingSentinel sentinel(m_rulePaths, socketPath());
    QCOMPARE(sentinel.status().pid, sentinel.pid());
}

void TestCliSentinel::client_socketOfAnotherUser_isRefused()
{
    if (::geteuid() != 0)
        QSKIP("only root can become another user");
    // The kernel notes who listens: nobody, while this process is nobody.
    QCOMPARE(::chmod(QFile::encodeName(m_directory->path()), 0777), 0);
    QCOMPARE(::seteuid(65534), 0);
    const FileDescriptor other = listeningSocket(socketPath().toUtf8());
    QCOMPARE(::seteuid(0), 0);
    const QString file = path("file");
    writeFile(file, "content");
    const QStringList scan{"scan"_L, "--isolation"_L, "system"_L, "--socket"_L, socketPath(), file};
    for (const CliRun &run :
        {ask("status", socketPath()), ask("reload", socketPath()), runSentinel(scan)}) {
        QCOMPARE(run.exitCode, exitTrouble);
        QVERIFY2(run.err.contains("belongs to another user (65534)"), tell(run));
        QCOMPARE(run.out, QByteArray());
    }
}

void TestCliSentinel::status_text_saysHowItIs()
{
    const ServingSentinel sentinel(m_rulePaths);
    const CliRun run = ask("status", sentinel.socketPath());
    QCOMPARE(run.exitCode, exitGood);
    QCOMPARE(run.err, QByteArray());
    QVERIFY2(
        run.out.contains(", process " + QByteArray::number(sentinel.pid()) + ", up "), tell(run));
    for (const char *line :
        {"sentinel ", "rules ", "clients ", "queue ", "scans ", "worker ", "sandbox "})
        QVERIFY2(run.out.startsWith(line) || run.out.contains(QByteArray("\n") + line), tell(run));
    QVERIFY2(!run.out.contains("trouble"), tell(run));

    // Rules that do not find EICAR are something to be told.
    const ServingSentinel blind(m_rulePaths.mid(0, 1));
    const CliRun troubled = ask("status", blind.socketPath());
    QCOMPARE(troubled.exitCode, exitUnwell);
    QVERIFY2(troubled.out.contains("\ntrouble"), tell(troubled));
}

void TestCliSentinel::status_jobs_areShownWithAndWithoutASentinel()
{
    const auto restore =
        qScopeGuard([before = qgetenv("XDG_STATE_HOME")] { qputenv("XDG_STATE_HOME", before); });
    qputenv("XDG_STATE_HOME", QFile::encodeName(path("state-home")));
    JobRuns runs(ReleaseHistory::fileIn(StorePaths::ofUser().state));
    const auto good = runs.claim("purge\x1b[31m"_L, std::chrono::hours(1));
    QVERIFY(*runs.finish(
        **good, "3 items purged"_L, std::chrono::milliseconds(12), std::chrono::hours(1)));
    const auto bad = runs.claim("rescan"_L, std::chrono::hours(1));
    QVERIFY(*runs.finish(**bad, std::unexpected("the disk is full"_L), std::chrono::milliseconds(1),
        std::chrono::minutes(1)));
    QVERIFY(runs.claim("running"_L, std::chrono::hours(1))->has_value());

    const CliRun none = ask("status", path("no-socket"));
    QCOMPARE(none.exitCode, exitTrouble);
    QVERIFY2(none.out.contains("job       purge"), tell(none));
    QVERIFY2(none.out.contains("took 12 ms") && none.out.contains("3 items purged"), tell(none));
    QVERIFY2(none.out.contains("failed: the disk is full"), tell(none));
    QVERIFY2(none.out.contains("running, running, has not run yet"), tell(none));
    QVERIFY2(!none.out.contains('\x1b'), tell(none));

    const ServingSentinel sentinel(m_rulePaths);
    const CliRun text = ask("status", sentinel.socketPath());
    QCOMPARE(text.exitCode, exitGood);
    QVERIFY2(text.out.contains("3 items purged"), tell(text));
    const CliRun json = ask("status", sentinel.socketPath(), {"--json"_L});
    const QJsonArray jobs = json.objects().front()["jobs"_L].toArray();
    QCOMPARE(jobs.size(), 3);
    const QJsonObject first = jobs[0].toObject();
    QCOMPARE(first.keys(),
        QStringList({"dueAt"_L, "failures"_L, "name"_L, "ranAt"_L, "result"_L, "running"_L,
            "runs"_L, "succeeded"_L, "tookMs"_L}));
    QCOMPARE(first["tookMs"_L].toInt(), 12);
    QCOMPARE(first["succeeded"_L].toBool(), true);
    QCOMPARE(jobs[1].toObject()["result"_L].toString(), "the disk is full"_L);
    QCOMPARE(jobs[1].toObject()["failures"_L].toInt(), 1);
    QVERIFY(jobs[2].toObject()["running"_L].toBool());
    QVERIFY(jobs[2].toObject()["ranAt"_L].isNull());
}

void TestCliSentinel::status_jobsUnreadable_saysSo()
{
    const auto restore =
        qScopeGuard([before = qgetenv("XDG_STATE_HOME")] { qputenv("XDG_STATE_HOME", before); });
    qputenv("XDG_STATE_HOME", QFile::encodeName(path("state-home")));
    const QString file = ReleaseHistory::fileIn(StorePaths::ofUser().state);
    QVERIFY(QDir().mkpath(QFileInfo(file).path()));
    writeFile(file, QByteArray("no database").repeated(1000));
    const ServingSentinel sentinel(m_rulePaths);
    const CliRun run = ask("status", sentinel.socketPath());
    QCOMPARE(run.exitCode, exitGood);
    QVERIFY2(run.err.contains("history.sqlite") && run.err.contains("broken"), tell(run));
}

void TestCliSentinel::status_json_everyField()
{
    const ServingSentinel sentinel(m_rulePaths);
    writeFile(path("a"), "THREAT-MARK");
    writeFile(path("b"), "THREAT-MARK");
    const QStringList jobs{"--jobs"_L, "1"_L};
    const QStringList scan =
        QStringList{"scan"_L, path("a"), path("b")} + isolated("system"_L, {}, sentinel) + jobs;
    QCOMPARE(runSentinel(scan).exitCode, exitThreat);
    const CliRun run = ask("status", sentinel.socketPath(), {"--json"_L});
    QCOMPARE(run.exitCode, exitGood);
    QCOMPARE(run.objects().size(), size_t(1));
    const QJsonObject status = run.objects().front();
    QCOMPARE(status.keys(),
        QStringList({"clamd"_L, "clients"_L, "jobs"_L, "pid"_L, "queue"_L, "rules"_L, "sandbox"_L,
            "scans"_L, "troubles"_L, "uptimeMs"_L, "version"_L, "workers"_L}));
    QCOMPARE(status["version"_L].toString().toUtf8(),
        runSentinel({"--version"_L}).out.trimmed().mid(int(strlen("sentinel "))));
    QCOMPARE(status["pid"_L].toInteger(), sentinel.pid());
    QVERIFY(status["uptimeMs"_L].toDouble() > 0);
    QCOMPARE(status["clients"_L].toInt(), 1); // the one who asks
    QCOMPARE(status["troubles"_L].toArray(), QJsonArray());
    QVERIFY(status["clamd"_L].isNull()); // off
    const QJsonObject idle{{"bytes"_L, 0}, {"underWay"_L, 0}, {"waiting"_L, 0}};
    QCOMPARE(status["queue"_L].toObject(), idle);

    const QJsonObject rules = status["rules"_L].toObject();
    QCOMPARE(rules.keys(), QStringList({"digest"_L, "files"_L, "rules"_L}));
    QCOMPARE(rules["digest"_L].toString().size(), 64);
    QCOMPARE(rules["files"_L].toInt(), 2);
    QVERIFY(rules["rules"_L].toInt() > 2);

    const QJsonArray workers = status["workers"_L].toArray();
    QVERIFY(!workers.isEmpty());
    int scans = 0;
    for (const QJsonValue &worker : workers) {
        QCOMPARE(worker.toObject().keys(), QStringList({"ageMs"_L, "pid"_L, "scans"_L, "state"_L}));
        QCOMPARE(worker["state"_L].toString(), "idle"_L);
        QVERIFY(::kill(pid_t(worker["pid"_L].toInteger()), 0) == 0);
        QVERIFY(worker["ageMs"_L].toDouble() >= 0);
        scans += worker["scans"_L].toInt();
    }
    QVERIFY(scans >= 1);

    QVERIFY(status["sandbox"_L].toArray().size() > 5);
    for (const QJsonValue &wall : status["sandbox"_L].toArray()) {
        QCOMPARE(wall.toObject().keys(), QStringList({"inForce"_L, "name"_L, "whyNot"_L}));
        QCOMPARE(wall["whyNot"_L].toString().isEmpty(), wall["inForce"_L].toBool());
        if (wall["name"_L].toString() == "system-call-filter"_L)
            QCOMPARE(wall["inForce"_L].toBool(), hasFilter);
    }

    const QJsonObject all = status["scans"_L].toObject();
    QCOMPARE(all.keys(),
        QStringList({"averageMs"_L, "bytesScanned"_L, "cacheHits"_L, "cancelled"_L, "completed"_L,
            "failed"_L, "maxMs"_L, "maxQueueDepthSeen"_L, "minMs"_L, "notScannedByReason"_L,
            "timedOut"_L, "workersReplaced"_L}));
    QCOMPARE(all["completed"_L].toInt(), 2);
    for (const QString &none : {"cancelled"_L, "failed"_L, "timedOut"_L, "workersReplaced"_L})
        QCOMPARE(all[none].toInt(-1), 0);
    QVERIFY(all["bytesScanned"_L].toInt() >= 11);
    QVERIFY(all["maxQueueDepthSeen"_L].toInt() >= 1);
    QVERIFY(all["minMs"_L].toDouble() <= all["averageMs"_L].toDouble());
    QVERIFY(all["averageMs"_L].toDouble() <= all["maxMs"_L].toDouble());
    const QJsonObject reasons = all["notScannedByReason"_L].toObject();
    QCOMPARE(reasons.size(), qsizetype(allReasons.size()) - 1);
    for (const QString &reason : reasons.keys())
        QCOMPARE(reasons[reason].toInt(-1), 0);
}

void TestCliSentinel::reload_good_isInForce()
{
    const ServingSentinel sentinel(m_rulePaths);
    const QByteArray before = sentinel.status().rules.digest;
    m_rules->write(otherRules);
    const CliRun run = ask("reload", sentinel.socketPath());
    QCOMPARE(run.exitCode, exitGood);
    const QByteArray digest = sentinel.status().rules.digest;
    QVERIFY(digest != before);
    QVERIFY2(
        run.out.startsWith("In force: ") && run.out.contains(digest.toHex().first(8)), tell(run));
    QCOMPARE(run.err, QByteArray());
}

void TestCliSentinel::reload_bad_saysFileAndLineAndChangesNothing()
{
    const ServingSentinel sentinel(m_rulePaths);
    const QByteArray before = sentinel.status().rules.digest;
    const QByteArray harmful = "rule all { condition: true }\n"; // compiles, and finds everything
    for (const QByteArray &rules : {badRules, harmful}) {
        m_rules->write(rules);
        const CliRun run = ask("reload", sentinel.socketPath());
        QCOMPARE(run.exitCode, exitBadRules);
        QVERIFY2(run.err.contains("test.yar"), tell(run));
        QVERIFY2(rules == harmful || run.err.contains("test.yar:3: error: "), tell(run));
        QVERIFY2(run.out.startsWith("Still in force: "), tell(run));
        QVERIFY2(run.out.contains(before.toHex().first(8)), tell(run));
        QCOMPARE(sentinel.status().rules.digest, before);
    }
}

void TestCliSentinel::rules_changedOnDisk_areTakenUp()
{
    const ServingSentinel sentinel(m_rulePaths);
    const QByteArray before = sentinel.status().rules.digest;
    m_rules->write(otherRules);
    QTRY_VERIFY_WITH_TIMEOUT(sentinel.status().rules.digest != before, patienceMs);
    const QByteArray good = sentinel.status().rules.digest;
    m_rules->write(badRules);
    QTRY_COMPARE_WITH_TIMEOUT(
        ask("status", sentinel.socketPath()).exitCode, exitUnwell, patienceMs);
    const SentinelStatus status = sentinel.status();
    QCOMPARE(status.rules.digest, good);
    QVERIFY(status.troubles.front().contains("test.yar:3"_L));
    m_rules->write(markerRules());
    QTRY_COMPARE_WITH_TIMEOUT(ask("status", sentinel.socketPath()).exitCode, exitGood, patienceMs);
    QCOMPARE(sentinel.status().rules.digest, before);
}

QTEST_GUILESS_MAIN(TestCliSentinel)
#include "tst_cli_sentinel.moc"
