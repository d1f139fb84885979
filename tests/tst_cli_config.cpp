// SPDX-License-Identifier: MIT
//
// The file of settings, as the commands have it: `sentinel config`, and what each key comes to.
#include "Sentinel/ExitCode.h"
#include "Sentinel/settings/SettingKeys.h"
#include "Sentinel/settings/SettingsText.h"
#include "ipc/ChildProcess.h"
#include "tests/support/CliRun.h"
#include "tests/support/MisbehavingServer.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/SentinelClient.h"
#include "tests/support/ServingSentinel.h"

#include <QJsonArray>
#include <QTemporaryDir>
#include <QTest>

#include <sys/stat.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

const QByteArray badFile = "[scan]\nworkers = 900\nqueu = 1\n[cache]\nenabled = 'yes'\n";

//! The lines that badFile comes to, if it is at \p path.
QByteArray badLines(const QString &path)
{
    const QByteArray file = path.toUtf8();
    return file + ":2:11: scan.workers: 900 is not within 0 to 256\n" + file
        + ":3:1: scan.queu: there is no such key; did you mean scan.queue?\n" + file
        + ":5:11: cache.enabled: must be true or false; this is a text\n";
}

//! What `config show --json` says of \p key.
QJsonObject shown(const CliRun &run, const QString &key)
{
    for (const QJsonValue &one : run.objects().at(0)["settings"_L].toArray()) {
        if (one["key"_L].toString() == key)
            return one.toObject();
    }
    return {};
}

//! What \p client hears instead of a Welcome; empty if it hears nothing like it.
QString refusalOf(SentinelClient &client)
{
    SentinelClient::wait([&client] { return client.refusal || client.welcome || client.closed; });
    return client.refusal ? client.refusal->text : QString();
}

} // namespace

class TestCliConfig : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_directory = std::make_unique<QTemporaryDir>(); // made with mode 0700
        m_rules = std::make_unique<RuleDirectory>(markerRules());
        m_rulePath = m_rules->settings().rulePaths.first();
        writeFile(path("marked"), "THREAT-MARK");
        writeFile(path("clean"), "nothing");
        for (const char *name : {"SENTINEL_CONFIG", "SENTINEL_RULES", "SENTINEL_SOCKET"})
            qunsetenv(name);
        qputenv("SENTINEL_CONFIG", "/dev/null");
    }
    void cleanup() { init(); }

    void usage_wrong_exitsTwoWithOneLine_data();
    void usage_wrong_exitsTwoWithOneLine();
    void help_everywhere_exitsZero_data();
    void help_everywhere_exitsZero();

    void check_good_saysSo();
    void check_bad_saysAll();
    void check_odd_exitsOne_data();
    void check_odd_exitsOne();
    void check_withoutName_takesTheOneInUse();
    void show_printsWhatHolds_andCanBeReadAgain();
    void show_json_everyKey();
    void show_everyOption_wins();
    void example_isGood();

    void anyCommand_badFile_doesNothing_data();
    void anyCommand_badFile_doesNothing();
    void anyCommand_missingFile_isAnError_data();
    void anyCommand_missingFile_isAnError();
    void doctor_badFile_isUnwell();

    void scan_rules_areTheFiles_data();
    void scan_rules_areTheFiles();
    void scan_size_isTheFiles();
    void scan_timeout_isTheFiles();
    void scan_systemIsolation_asksTheOneAtTheSocket();
    void fetch_policy_isTheFiles();
    void serve_everything_isTheFiles();
    void serve_skipBad_isTheFilesUnlessSaid();
    void spawned_foundFile_isNotRead();
    void spawned_namedFile_holdsForWhatIsNotSaid();
    void spawned_badFile_isRefusedToTheClient();

private:
    QString path(const char *name) const { return m_directory->filePath(QString::fromUtf8(name)); }
    QString write(const QByteArray &text, const char *name = "x.toml") const
    {
        writeFile(path(name), text);
        return path(name);
    }
    QByteArray rulesLine() const { return "rules.paths = ['" + m_rulePath.toUtf8() + "']\n"; }
    //! With a file that holds \p text.
    CliRun scan(const QByteArray &text, const QStringList &arguments) const
    {
        return runSentinel(
            QStringList{"scan"_L, "--json"_L, "--config"_L, write(text)} + arguments);
    }
    static std::unique_ptr<SentinelClient> spawn(
        const QByteArrayList &arguments, std::unique_ptr<ChildProcess> &process)
    {
        auto started =
            ChildProcess::start(SENTINEL_BINARY, QByteArrayList{"serve", "--spawned"} + arguments);
        if (!started)
            return nullptr;
        process = std::move(started->process);
        return std::make_unique<SentinelClient>(std::move(started->socket));
    }

    std::unique_ptr<QTemporaryDir> m_directory;
    std::unique_ptr<RuleDirectory> m_rules;
    QString m_rulePath;
};

void TestCliConfig::usage_wrong_exitsTwoWithOneLine_data()
{
    QTest::addColumn<QStringList>("arguments");
    for (const char *arguments : {"config", "config x", "config checkk", "config check a b",
             "config check --config x", "config check --json=x", "config check -x", "config show x",
             "config show --config", "config show --config=", "config show --jobs 0",
             "config show --jobs many", "config show --unrated x", "config show --isolation auto",
             "config show --max-size 1T", "config show --socket=", "status --socket=",
             "config show --timeout 0", "config show --fail-open --fail-closed",
             "config show --skip-bad-rules --refuse-bad-rules", "config example x",
             "config show --config a --config b", "scan --config", "scan --config /nonexistent .",
             "serve --config /nonexistent", "status --config /nonexistent", "reload --config /tmp",
             "fetch --config /nonexistent http://localhost/",
             "serve --skip-bad-rules --refuse-bad-rules"})
        QTest::newRow(arguments) << QString::fromLatin1(arguments).split(u' ');
}

void TestCliConfig::usage_wrong_exitsTwoWithOneLine()
{
    QFETCH(QStringList, arguments);
    const CliRun run = runSentinel(arguments);
    QVERIFY2(run.exitCode == exitTrouble, tell(run));
    QCOMPARE(run.out, QByteArray());
    QVERIFY2(run.err.size() > 1 && run.err.count('\n') == 1, tell(run));
}

void TestCliConfig::help_everywhere_exitsZero_data()
{
    QTest::addColumn<QStringList>("arguments");
    for (const char *arguments : {"config --help", "config -h", "config check --help",
             "config show --help", "config example --help", "scan --help", "serve --help",
             "status --help", "reload --help", "doctor --help", "fetch --help"})
        QTest::newRow(arguments) << QString::fromLatin1(arguments).split(u' ');
}

void TestCliConfig::help_everywhere_exitsZero()
{
    QFETCH(QStringList, arguments);
    const CliRun run = runSentinel(arguments);
    QVERIFY2(run.exitCode == exitGood && run.err.isEmpty(), tell(run));
    QVERIFY2(run.out.contains("Exit codes:"), tell(run));
    if (arguments.first() != "config"_L)
        QVERIFY2(run.out.contains("--config FILE"), tell(run));
}

void TestCliConfig::check_good_saysSo()
{
    const QString file = write("preset = 'server'\n");
    const CliRun run = runSentinel({"config"_L, "check"_L, file});
    QVERIFY2(run.exitCode == exitGood && run.err.isEmpty(), tell(run));
    QCOMPARE(run.out, file.toUtf8() + " is good\n");
    const CliRun json = runSentinel({"config"_L, "check"_L, "--json"_L, file});
    QCOMPARE(json.exitCode, exitGood);
    QCOMPARE(json.objects().at(0)["good"_L].toBool(), true);
    QCOMPARE(json.objects()[0]["file"_L].toString(), file);
    QVERIFY(json.objects()[0]["problems"_L].toArray().isEmpty());
}

void TestCliConfig::check_bad_saysAll()
{
    const QString file = write(badFile);
    const CliRun run = runSentinel({"config"_L, "check"_L, file});
    QVERIFY2(run.exitCode == exitBadSettings && run.err.isEmpty(), tell(run));
    QCOMPARE(run.out, badLines(file));
    // As it was named.
    CliSetting here;
    here.directory = m_directory->path();
    QCOMPARE(runSentinel({"config"_L, "check"_L, "x.toml"_L}, here).out, badLines("x.toml"_L));

    const CliRun json = runSentinel({"config"_L, "check"_L, "--json"_L, file});
    QCOMPARE(json.exitCode, exitBadSettings);
    const QJsonArray problems = json.objects().at(0)["problems"_L].toArray();
    QCOMPARE(problems.size(), 3);
    QCOMPARE(problems[1]["line"_L].toInt(), 3);
    QCOMPARE(problems[1]["column"_L].toInt(), 1);
    QCOMPARE(problems[1]["key"_L].toString(), "scan.queu"_L);
    QVERIFY(problems[1]["message"_L].toString().contains("scan.queue"_L));
    QCOMPARE(json.objects()[0]["good"_L].toBool(true), false);
}

void TestCliConfig::check_odd_exitsOne_data()
{
    QTest::addColumn<QString>("file");
    for (const char *file : {"/nonexistent", "/tmp", "/dev/zero", "fifo", "deceptive", ""})
        QTest::newRow(*file ? file : "empty name") << QString::fromLatin1(file);
}

void TestCliConfig::check_odd_exitsOne()
{
    QFETCH(QString, file);
    QCOMPARE(::mkfifo(QFile::encodeName(path("fifo")).constData(), 0600), 0);
    write("\"\\u001b[2J\\n\\u202ex\" = 1\nscan.isolation = '\xe2\x80\xae'\n", "deceptive");
    CliSetting here;
    here.directory = m_directory->path();
    const CliRun run = runSentinel({"config"_L, "check"_L, file}, here);
    QVERIFY2(run.exitCode == exitBadSettings && run.err.isEmpty(), tell(run));
    QCOMPARE(run.out.count('\n'), file == "deceptive"_L ? 2 : 1);
    QVERIFY2(!run.out.contains('\x1b') && !run.out.contains("\xe2\x80\xae"), tell(run));
    const CliRun json = runSentinel({"config"_L, "check"_L, "--json"_L, file}, here);
    QCOMPARE(json.exitCode, exitBadSettings);
    QCOMPARE(json.objects().size(), size_t(1));
}

void TestCliConfig::check_withoutName_takesTheOneInUse()
{
    qunsetenv("SENTINEL_CONFIG");
    const QByteArray home = qgetenv("XDG_CONFIG_HOME");
    qputenv("XDG_CONFIG_HOME", QFile::encodeName(m_directory->path()));
    QVERIFY(QDir(m_directory->path()).mkdir("sentinel"_L));
    write(badFile, "sentinel/sentinel.toml");
    const CliRun run = runSentinel({"config"_L, "check"_L});
    const CliRun scan = runSentinel({"scan"_L, path("clean")});
    if (home.isNull())
        qunsetenv("XDG_CONFIG_HOME");
    else
        qputenv("XDG_CONFIG_HOME", home);
    QCOMPARE(run.exitCode, exitBadSettings);
    QCOMPARE(run.out, badLines(path("sentinel/sentinel.toml")));
    QCOMPARE(scan.exitCode, exitTrouble);
    QCOMPARE(scan.err, run.out);
    qputenv("SENTINEL_CONFIG", "/nonexistent");
    QCOMPARE(runSentinel({"config"_L, "check"_L}).exitCode, exitBadSettings);
}

void TestCliConfig::show_printsWhatHolds_andCanBeReadAgain()
{
    qputenv("SENTINEL_SOCKET", "/from/environment");
    const QString file = write("preset = 'low-end'\n[cache]\nentries = 5\n");
    const CliRun run =
        runSentinel({"config"_L, "show"_L, "--config"_L, file, "--max-size"_L, "3M"_L});
    QVERIFY2(run.exitCode == exitGood && run.err.isEmpty(), tell(run));
    const QByteArray where = file.toUtf8();
    for (const QByteArray &line :
        {"preset = \"low-end\" # " + where + ":1", QByteArray("workers = 2 # preset"),
            "entries = 5 # " + where + ":3", QByteArray("max-size = \"3 MiB\" # command line"),
            QByteArray("timeout-small = \"10 s\" # default"),
            QByteArray("socket = \"/from/environment\" # environment")})
        QVERIFY2(run.out.contains('\n' + line + '\n'), line + '\n' + tell(run));

    const QString again = write(run.out, "again.toml");
    qunsetenv("SENTINEL_SOCKET");
    QCOMPARE(runSentinel({"config"_L, "check"_L, again}).exitCode, exitGood);
    const auto values = [](const CliRun &one) {
        QJsonObject all;
        for (const QJsonValue &key : one.objects().at(0)["settings"_L].toArray())
            all[key["key"_L].toString()] = key["value"_L];
        return all;
    };
    const CliRun second = runSentinel({"config"_L, "show"_L, "--json"_L, "--config"_L, again});
    qputenv("SENTINEL_SOCKET", "/from/environment");
    const CliRun first =
        runSentinel({"config"_L, "show"_L, "--json"_L, "--config"_L, file, "--max-size"_L, "3M"_L});
    QCOMPARE(values(first), values(second));
    QCOMPARE(shown(second, "cache.entries"_L)["origin"_L].toString(), "file"_L);
}

void TestCliConfig::show_json_everyKey()
{
    const QString file = write("[rules]\npaths = ['/x']\n\n[scan]\nmax-size = 1000\n");
    const CliRun run = runSentinel({"config"_L, "show"_L, "--json"_L, "--config"_L, file});
    QCOMPARE(run.objects().size(), size_t(1));
    QCOMPARE(run.objects()[0]["file"_L].toString(), file);
    QCOMPARE(size_t(run.objects()[0]["settings"_L].toArray().size()), settingKeys().size());
    for (const SettingKey *key : settingKeys())
        QVERIFY2(!shown(run, QString::fromLatin1(key->name)).isEmpty(), key->name);
    QCOMPARE(shown(run, "rules.paths"_L)["value"_L].toArray(), QJsonArray{"/x"_L});
    QCOMPARE(shown(run, "scan.max-size"_L)["value"_L].toInt(), 1000);
    QCOMPARE(shown(run, "scan.max-size"_L)["line"_L].toInt(), 5);
    QCOMPARE(shown(run, "scan.timeout-large"_L)["value"_L].toInt(), 60'000);
    QVERIFY(shown(run, "scan.timeout-large"_L)["line"_L].isNull());
}

void TestCliConfig::show_everyOption_wins()
{
    const QString file = write("service.socket = '/f'\n"
                               "rules = {paths = ['/f'], skip-bad = true, unrated = 'info'}\n"
                               "scan = {workers = 7, isolation = 'system', max-size = 7}\n"
                               "fetch.fail-closed = true\n");
    const CliRun run = runSentinel({"config"_L, "show"_L, "--json"_L, "--config"_L, file,
        "--socket"_L, "/o"_L, "--rules"_L, "/o"_L, "--refuse-bad-rules"_L, "--unrated"_L,
        "suspicious"_L, "--jobs"_L, "3"_L, "--isolation"_L, "spawned"_L, "--max-size"_L, "1K"_L,
        "--timeout"_L, "9"_L, "--fail-open"_L});
    QVERIFY2(run.exitCode == exitGood, tell(run));
    const QJsonObject expected{{"service.socket"_L, "/o"_L}, {"rules.paths"_L, QJsonArray{"/o"_L}},
        {"rules.skip-bad"_L, false}, {"rules.unrated"_L, "suspicious"_L}, {"scan.workers"_L, 3},
        {"scan.isolation"_L, "spawned"_L}, {"scan.max-size"_L, 1024},
        {"scan.timeout-small"_L, 9000}, {"scan.timeout-large"_L, 9000},
        {"fetch.fail-closed"_L, false}};
    for (const QString &key : expected.keys()) {
        QCOMPARE(shown(run, key)["value"_L], expected[key]);
        QCOMPARE(shown(run, key)["origin"_L].toString(), "command line"_L);
    }
    // A relative path is shown as one that can be read from elsewhere.
    CliSetting here;
    here.directory = m_directory->path();
    const CliRun relative = runSentinel({"config"_L, "show"_L, "--rules"_L, "r"_L}, here);
    QVERIFY2(relative.out.contains("paths = [\"" + path("r").toUtf8() + "\"]"), tell(relative));
}

void TestCliConfig::example_isGood()
{
    const CliRun run = runSentinel({"config"_L, "example"_L});
    QCOMPARE(run.exitCode, exitGood);
    const auto written = parseSettings(run.out, "x"_L);
    QVERIFY(written && written->empty());
    QFile shipped(QStringLiteral(SENTINEL_SOURCE_DIR "/packaging/sentinel.toml"));
    QVERIFY(shipped.open(QIODevice::ReadOnly));
    QCOMPARE(run.out, shipped.readAll());
}

void TestCliConfig::anyCommand_badFile_doesNothing_data()
{
    QTest::addColumn<QString>("arguments");
    for (const char *arguments : {"scan clean", "fetch -o out http://127.0.0.1:1/x",
             "serve --socket socket", "status", "reload", "config show", "serve --spawned"})
        QTest::newRow(arguments) << QString::fromLatin1(arguments);
}

void TestCliConfig::anyCommand_badFile_doesNothing()
{
    QFETCH(QString, arguments);
    const QString file = write(badFile);
    const QStringList before = entriesOf(m_directory->path());
    CliSetting here;
    here.directory = m_directory->path();
    const CliRun run = runSentinel(arguments.split(u' ') + QStringList{"--config"_L, file}, here);
    QVERIFY2(run.exitCode == exitTrouble, tell(run));
    QCOMPARE(run.out, QByteArray());
    QCOMPARE(run.err, badLines(file));
    QCOMPARE(entriesOf(m_directory->path()), before);
    if (arguments.contains("--spawned"_L))
        return;
    // The same if nobody has named it here.
    qputenv("SENTINEL_CONFIG", QFile::encodeName(file));
    QCOMPARE(runSentinel(arguments.split(u' '), here).err, badLines(file));
}

void TestCliConfig::anyCommand_missingFile_isAnError_data()
{
    anyCommand_badFile_doesNothing_data();
}

void TestCliConfig::anyCommand_missingFile_isAnError()
{
    QFETCH(QString, arguments);
    CliSetting here;
    here.directory = m_directory->path();
    const CliRun run =
        runSentinel(arguments.split(u' ') + QStringList{"--config"_L, "/nonexistent"_L}, here);
    QVERIFY2(run.exitCode == exitTrouble, tell(run));
    QVERIFY2(run.err == "/nonexistent: No such file or directory\n", tell(run));
}

void TestCliConfig::doctor_badFile_isUnwell()
{
    const CliRun run = runSentinel({"doctor"_L, "--config"_L, write(badFile)});
    QVERIFY2(run.exitCode == exitUnwell, tell(run));
    QCOMPARE(run.out.count("WRONG  settings"), 3);
    QVERIFY2(run.out.contains("scan.workers: 900"), tell(run));
    const CliRun good =
        runSentinel({"doctor"_L, "--config"_L, write("service.socket = '/nonexistent/socket'")});
    QVERIFY2(!good.out.contains("WRONG  settings"), tell(good)); // of walls others tell
    QVERIFY2(good.out.contains("ok     settings  " + path("x.toml").toUtf8()), tell(good));
    QVERIFY2(good.out.contains("none at /nonexistent/socket"), tell(good));
}

void TestCliConfig::scan_rules_areTheFiles_data()
{
    QTest::addColumn<QByteArray>("isolation");
    QTest::newRow("in-process") << QByteArray("in-process");
    QTest::newRow("spawned") << QByteArray("spawned");
}

void TestCliConfig::scan_rules_areTheFiles()
{
    QFETCH(QByteArray, isolation);
    const QByteArray text = "scan.isolation = '" + isolation + "'\n" + rulesLine();
    const CliRun found = scan(text, {path("marked")});
    QVERIFY2(found.exitCode == exitThreat && found.out.contains("\"marked\""), tell(found));
    const CliRun suspicious = scan(text + "rules.unrated = 'suspicious'", {path("marked")});
    QVERIFY2(suspicious.out.contains("\"Suspicious\""), tell(suspicious));
    const CliRun info = scan(text + "rules.unrated = 'info'", {path("marked")});
    QVERIFY2(info.exitCode == exitGood, tell(info));
    // What is said on the command line, or in the environment, is nearer.
    const CliRun option =
        scan(text + "rules.unrated = 'info'", {"--unrated"_L, "malicious"_L, path("marked")});
    QVERIFY2(option.exitCode == exitThreat, tell(option));
    writeFile(path("other.yar"), "rule other { condition: false }\n");
    QCOMPARE(scan(text, {"--rules"_L, path("other.yar"), path("marked")}).exitCode, exitGood);
    qputenv("SENTINEL_RULES", QFile::encodeName(path("other.yar")));
    QCOMPARE(scan(text, {path("marked")}).exitCode, exitGood);
}

void TestCliConfig::scan_size_isTheFiles()
{
    const QByteArray text = rulesLine() + "scan.max-size = '10 B'\n";
    const CliRun run = scan(text, {path("marked")}); // which has eleven
    QVERIFY2(run.exitCode == exitTrouble && run.out.contains("\"TooLarge\""), tell(run));
    QCOMPARE(scan(text, {path("clean")}).exitCode, exitGood);
    QCOMPARE(scan(text, {"--max-size"_L, "11"_L, path("marked")}).exitCode, exitThreat);
}

void TestCliConfig::scan_timeout_isTheFiles()
{
    writeFile(path("hangs"), hang(4'000'000'000));
    const CliRun run = scan(
        rulesLine() + "scan.timeout-small = '300 ms'\nscan.timeout-large = '1 s'", {path("hangs")});
    QVERIFY2(run.exitCode == exitTrouble && run.out.contains("\"TimedOut\""), tell(run));
}

void TestCliConfig::scan_systemIsolation_asksTheOneAtTheSocket()
{
    const ServingSentinel sentinel({m_rulePath});
    const QByteArray text =
        "scan.isolation = 'system'\nservice.socket = '" + sentinel.socketPath().toUtf8() + "'\n";
    const CliRun run = scan(text, {path("marked")});
    QVERIFY2(run.exitCode == exitThreat && run.out.contains("\"marked\""), tell(run));
    QCOMPARE(sentinel.status().telemetry.totalScansCompleted, quint64(1));
    // The rules of the file are for those that scan by themselves; an option is for this scan.
    QCOMPARE(scan(text + "rules.paths = ['/nonexistent']", {path("marked")}).exitCode, exitThreat);
    const CliRun rules = scan(text, {"--rules"_L, m_rulePath, path("marked")});
    QVERIFY2(rules.exitCode == exitTrouble && rules.err.contains("--rules does not go with"),
        tell(rules));
    const CliRun nobody =
        scan("scan.isolation = 'system'\nservice.socket = '/nonexistent/socket'", {path("marked")});
    QVERIFY2(
        nobody.exitCode == exitTrouble && nobody.err.contains("/nonexistent/socket"), tell(nobody));
    // Where others find it.
    const QString file = write(text);
    for (const QString &command : {"status"_L, "reload"_L}) {
        const CliRun asked = runSentinel({command, "--config"_L, file});
        QVERIFY2(asked.exitCode != exitTrouble && asked.out.contains("2 rules"), tell(asked));
    }
    QVERIFY(runSentinel({"status"_L, "--config"_L, file, "--socket"_L, "/nonexistent/socket"_L})
                .exitCode
        == exitTrouble);
}

void TestCliConfig::fetch_policy_isTheFiles()
{
    MisbehavingServer server;
    QVERIFY(server.isListening());
    server.answer("/x"_L, {MisbehavingServer::response("THREAT-MARK", 11)});
    const auto fetch = [&](const QByteArray &text, const QStringList &more = {}) {
        QFile::remove(path("got"));
        return runSentinel(QStringList{"fetch"_L, "--config"_L, write(rulesLine() + text), "-o"_L,
                               path("got"), server.url("/x"_L).toString()}
            + more);
    };
    const CliRun threat = fetch({});
    QVERIFY2(threat.exitCode == exitThreat && !QFile::exists(path("got")), tell(threat));
    for (const QByteArray &isolation : {QByteArray("in-process"), QByteArray("spawned")}) {
        const QByteArray where = "scan.isolation = '" + isolation + "'\n";
        const CliRun open = fetch(where + "scan.max-size = '10 B'\n");
        QVERIFY2(open.exitCode == exitNotScanned && QFile::exists(path("got")), tell(open));
        const CliRun closed = fetch(where + "scan.max-size = '10 B'\nfetch.fail-closed = true\n");
        QVERIFY2(closed.exitCode == exitNotScanned && !QFile::exists(path("got")), tell(closed));
        const CliRun blocks = fetch(where + "rules.unrated = 'suspicious'\n");
        QVERIFY2(blocks.exitCode == exitThreat && !QFile::exists(path("got")), tell(blocks));
        const CliRun lets =
            fetch(where + "rules.unrated = 'suspicious'\nfetch.block-suspicious = false\n");
        QVERIFY2(QFile::exists(path("got")), tell(lets));
    }
    const CliRun said =
        fetch("scan.max-size = '10 B'\nfetch.fail-closed = true\n", {"--fail-open"_L});
    QVERIFY2(said.exitCode == exitNotScanned && QFile::exists(path("got")), tell(said));
}

void TestCliConfig::serve_everything_isTheFiles()
{
    const QString socket = path("own/socket");
    // All that it is told, it is told by its file.
    qputenv("SENTINEL_CONFIG",
        QFile::encodeName(write(rulesLine() + "service.socket = '" + socket.toUtf8()
            + "'\nscan.max-size = '1 KiB'\nscan.workers = 1\nscan.queue = 1\n"
              "workers.processes = 2\ncache.enabled = false\nscan.timeout-small = '300 ms'\n"
              "scan.timeout-large = '300 ms'\n")));
    QProcess process;
    process.setStandardInputFile(QProcess::nullDevice());
    process.start(QStringLiteral(SENTINEL_BINARY), {"serve"_L});
    std::unique_ptr<SentinelClient> client;
    QTRY_VERIFY_WITH_TIMEOUT(
        (client =
                [&] {
                    auto to = LocalSocket::connectTo(socket);
                    return to ? std::make_unique<SentinelClient>(std::move(*to)) : nullptr;
                }()),
        patienceMs);
    QVERIFY(client->open());
    const auto reasonOf = [&client](quint64 id) {
        const auto result = client->verdictOf(id);
        return result ? int(result->reason()) : -1;
    };
    QCOMPARE(client->scan("THREAT-MARK")->verdict(), Verdict::Malicious);
    QCOMPARE(reasonOf(client->begin(QByteArray(1025, 'x'))), int(Reason::TooLarge));
    // One hangs, one waits, the third has no room; and nobody hangs for longer than the file says.
    const quint64 hangs = client->begin(hang(4'000'000'000));
    const quint64 waits = client->begin("one");
    std::vector<quint64> more;
    for (int i = 0; i < 8; ++i)
        more.push_back(client->begin("more"));
    int full = 0;
    for (const quint64 id : more)
        full += reasonOf(id) == int(Reason::QueueFull);
    QVERIFY2(full >= 6, qPrintable(QString::number(full)));
    QCOMPARE(reasonOf(hangs), int(Reason::TimedOut));
    QVERIFY(reasonOf(waits) >= 0);
    process.terminate();
    QVERIFY(process.waitForFinished(patienceMs));
    QCOMPARE(process.exitCode(), int(exitGood));
}

void TestCliConfig::serve_skipBad_isTheFilesUnlessSaid()
{
    writeFile(path("bad.yar"), "rule bad { condition: nonsense }\n");
    const QByteArray text = "rules.skip-bad = true\nrules.paths = ['" + m_rulePath.toUtf8() + "', '"
        + path("bad.yar").toUtf8() + "']\n";
    const QByteArray file = QFile::encodeName(write(text));
    std::unique_ptr<ChildProcess> process;
    const auto skips = spawn({"--config", file}, process);
    QVERIFY(skips && skips->open());
    QCOMPARE(skips->scan("THREAT-MARK")->verdict(), Verdict::Malicious);
    const auto refuses = spawn({"--config", file, "--refuse-bad-rules"}, process);
    QVERIFY(refuses && refusalOf(*refuses).contains("bad.yar"_L));
}

void TestCliConfig::spawned_foundFile_isNotRead()
{
    // Neither one with a slip in it,
    qputenv("SENTINEL_CONFIG", QFile::encodeName(write(badFile)));
    std::unique_ptr<ChildProcess> process;
    auto client = spawn({"--rules", QFile::encodeName(m_rulePath)}, process);
    QVERIFY(client && client->open());
    QCOMPARE(client->scan("THREAT-MARK")->verdict(), Verdict::Malicious);
    // nor one that would change what is found.
    write("rules.unrated = 'info'\nscan.max-size = '1 B'\n");
    client = spawn({"--rules", QFile::encodeName(m_rulePath)}, process);
    QVERIFY(client && client->open());
    QCOMPARE(client->scan("THREAT-MARK")->verdict(), Verdict::Malicious);
}

void TestCliConfig::spawned_namedFile_holdsForWhatIsNotSaid()
{
    const QByteArray file = QFile::encodeName(write(
        "rules = {paths = ['/nonexistent'], unrated = 'suspicious'}\nscan.max-size = '20 B'\n"));
    std::unique_ptr<ChildProcess> process;
    auto client = spawn({"--config", file, "--rules", QFile::encodeName(m_rulePath)}, process);
    QVERIFY(client && client->open());
    QCOMPARE(client->scan("THREAT-MARK")->verdict(), Verdict::Suspicious);
    QCOMPARE(client->scan(QByteArray(21, 'x'))->reason(), Reason::TooLarge);
    client = spawn({"--config", file, "--rules", QFile::encodeName(m_rulePath), "--unrated",
                       "malicious", "--max-size", "100M"},
        process);
    QVERIFY(client && client->open());
    QCOMPARE(client->scan("THREAT-MARK")->verdict(), Verdict::Malicious);
    QCOMPARE(client->scan(QByteArray(21, 'x'))->verdict(), Verdict::Clean);
}

void TestCliConfig::spawned_badFile_isRefusedToTheClient()
{
    const QString file = write(badFile);
    std::unique_ptr<ChildProcess> process;
    const auto client = spawn({"--config", QFile::encodeName(file)}, process);
    QVERIFY(client);
    QCOMPARE(
        refusalOf(*client).toUtf8() + '\n', badLines(file).left(badLines(file).indexOf('\n') + 1));
}

QTEST_GUILESS_MAIN(TestCliConfig)
#include "tst_cli_config.moc"
