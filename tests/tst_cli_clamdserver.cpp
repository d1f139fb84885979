// SPDX-License-Identifier: MIT
//
// `sentinel serve --clamd-socket` and the programs that it is for: clamdscan and pyclamd, and what
// a clamd answers to the same bytes. What is not installed is skipped.
#include "Sentinel/ExitCode.h"
#include "tests/support/CliRun.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/ServingClamd.h"
#include "tests/support/ServingSentinel.h"

#include <QCryptographicHash>
#include <QDir>
#include <QFileInfo>
#include <QRegularExpression>
#include <QStandardPaths>
#include <QTest>

#include <csignal>

#include <fcntl.h>
#include <sys/stat.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

const QString python = QStringLiteral("/usr/bin/python3"); // the one that has Debian's packages
const QByteArray marked = "a THREAT-MARK";

QString programOf(const QString &name)
{
    const QString program = QStandardPaths::findExecutable(name);
    return program.isEmpty() ? QStandardPaths::findExecutable(name, {QStringLiteral("/usr/sbin")})
                             : program;
}

//! \brief A clamd that knows the marked content, and where to find it once it is ready.
class RealClamd {
public:
    RealClamd()
    {
        const QByteArray hash =
            QCryptographicHash::hash(marked, QCryptographicHash::Md5).toHex() + ":13:marked\n";
        const QString database = m_place.filePath(QStringLiteral("database"));
        const QString settings = m_place.filePath(QStringLiteral("clamd.conf"));
        if (!QDir().mkdir(database))
            qFatal("no directory");
        writeFile(database + QStringLiteral("/test.hdb"), hash);
        writeFile(settings,
            "Foreground yes\nLocalSocket " + socketPath().toUtf8() + "\nDatabaseDirectory "
                + database.toUtf8() + "\nStreamMaxLength 5M\n");
        m_process.start(
            programOf(QStringLiteral("clamd")), {QStringLiteral("--config-file=") + settings});
    }
    ~RealClamd()
    {
        m_process.terminate();
        m_process.waitForFinished(patienceMs);
    }
    QString socketPath() const { return m_place.filePath(QStringLiteral("socket")); }

private:
    const QTemporaryDir m_place;
    QProcess m_process;
};

//! What \p server answers, sorted as answers in a session come in any order, without what has to
//! differ. A byte 1 stands for one with the descriptor of \p file.
QByteArray answersTo(const QString &server, const QByteArray &said, const FileDescriptor &file = {})
{
    ClamdPeer peer = ClamdPeer::connectTo(server);
    const qsizetype at = said.indexOf('\1');
    if (!peer.send(said.first(at < 0 ? said.size() : at)))
        return "not taken"_ba;
    if (at >= 0 && (!peer.sendWith("\1", {file.get()}) || !peer.send(said.sliced(at + 1))))
        return "not taken"_ba;
    static const QRegularExpression differs(QStringLiteral("fd\\[\\d+\\]|YARA\\.|\\.UNOFFICIAL"));
    const QString answer = QString::fromLatin1(peer.all());
    QStringList lines = QString(answer).remove(differs).split(
        QRegularExpression(QStringLiteral("(?<=[\n\\x{0}])")));
    lines.sort();
    return lines.join(QString()).toLatin1();
}

QByteArray difference(const QByteArray &said, const QByteArray &ours, const QByteArray &theirs)
{
    return (said + " -> " + ours + " | " + theirs).toPercentEncoding(" |>:");
}

} // namespace

class TestCliClamdServer : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        m_rules = std::make_unique<RuleDirectory>(markerRules());
        QVERIFY(m_files.isValid());
        write("marked", marked);
        write("clean", "clean");
        write("empty", {});
        write("large", noise(4 * Limits::mib));
        write("too large", noise(6 * Limits::mib));
        write("client.conf", "LocalSocket " + socketPath().toUtf8() + '\n');
        write("settings.toml",
            "[clamdserver]\nsocket = '" + socketPath().toUtf8()
                + "'\nallow-reload = true\n[scan]\nmax-size = '5 MiB'\n");
        m_sentinel = std::make_unique<ServingSentinel>(m_rules->settings().rulePaths, QString(),
            QStringList{QStringLiteral("--config"), path("settings.toml")});
    }
    void cleanupTestCase()
    {
        const qint64 pid = m_sentinel->pid();
        QCOMPARE(::kill(pid_t(pid), SIGTERM), 0);
        QCOMPARE(m_sentinel->exitCode(), int(exitGood));
        QVERIFY(!QFile::exists(socketPath()));
    }

    void clamdscan_eachWay_isRight_data();
    void clamdscan_eachWay_isRight();
    void clamdscan_manyFilesAtOnce_findsAll_data();
    void clamdscan_manyFilesAtOnce_findsAll();
    void clamdscan_severalAtOnce_areAllServed();
    void clamdscan_otherCommands_areAnswered();
    void pyclamd_isRight();
    void status_countsClients();
    void conversations_asOfARealClamd();
    void paths_allowed_asOfARealClamd();
    void usage_wrong_isToldInOneLine_data();
    void usage_wrong_isToldInOneLine();
    void serve_socketInUse_isRefused();

private:
    QString path(const QByteArray &name) const { return m_files.filePath(QString::fromUtf8(name)); }
    QString socketPath() const { return path("clamd"); }
    void write(const QByteArray &name, const QByteArray &content) const
    {
        writeFile(path(name), content);
    }
    CliRun clamdscan(const QStringList &arguments) const
    {
        return runProgram(programOf(QStringLiteral("clamdscan")),
            QStringList{QStringLiteral("--config-file=") + path("client.conf")} + arguments);
    }

    const QTemporaryDir m_files; // made with mode 0700
    std::unique_ptr<RuleDirectory> m_rules;
    std::unique_ptr<ServingSentinel> m_sentinel;
};

#define SKIP_WITHOUT(program)                                                                      \
    if (programOf(QStringLiteral(program)).isEmpty())                                              \
    QSKIP(program " is not installed")

void TestCliClamdServer::clamdscan_eachWay_isRight_data()
{
    QTest::addColumn<QStringList>("options");
    QTest::addColumn<QByteArray>("file");
    QTest::addColumn<QByteArray>("answer");
    QTest::addColumn<int>("exitCode");
    for (const char *ways :
        {"--stream", "--fdpass", "--stream --multiscan", "--fdpass --multiscan"}) {
        const QStringList options = QString::fromLatin1(ways).split(u' ');
        const auto row = [&](const char *file, const char *answer, int exitCode) {
            QTest::addRow("%s %s", ways, file)
                << options << QByteArray(file) << QByteArray(answer) << exitCode;
        };
        row("marked", "YARA.marked FOUND", 1);
        row("clean", "OK", 0);
        row("large", "OK", 0);
        if (options.first() == QStringLiteral("--fdpass")) {
            row("empty", "OK", 0);
            row("too large", "larger than the largest scan ERROR", 2);
        }
    }
    const QByteArray refused = "paths are not opened for clients, use INSTREAM or FILDES ERROR";
    QTest::newRow("by path") << QStringList{} << "marked"_ba << refused << 2;
}

void TestCliClamdServer::clamdscan_eachWay_isRight()
{
    SKIP_WITHOUT("clamdscan");
    QFETCH(const QStringList, options);
    QFETCH(const QByteArray, file);
    QFETCH(const QByteArray, answer);
    QFETCH(const int, exitCode);
    const CliRun run = clamdscan(options + QStringList{QStringLiteral("--no-summary"), path(file)});
    QCOMPARE(run.out, path(file).toUtf8() + ": " + answer + '\n');
    QCOMPARE(run.exitCode, exitCode);
}

void TestCliClamdServer::clamdscan_manyFilesAtOnce_findsAll_data()
{
    QTest::addColumn<QString>("way");
    QTest::newRow("stream") << QStringLiteral("--stream");
    QTest::newRow("descriptor") << QStringLiteral("--fdpass");
}

void TestCliClamdServer::clamdscan_manyFilesAtOnce_findsAll()
{
    SKIP_WITHOUT("clamdscan");
    QFETCH(const QString, way);
    const QTemporaryDir many;
    for (int i = 0; i < 300; ++i) {
        const QByteArray content = noise(100 + i * 30, quint32(i)) + (i % 50 == 7 ? marked : "");
        writeFile(many.filePath(QString::number(i)), content);
    }
    const CliRun run = clamdscan({way, QStringLiteral("--multiscan"), many.path()});
    QCOMPARE(run.exitCode, 1);
    QCOMPARE(run.out.count(": YARA.marked FOUND\n"), 6);
    QVERIFY2(run.out.contains("Infected files: 6\n"), run.out.constData());
    QVERIFY2(!run.out.contains("ERROR") && run.err.isEmpty(), (run.out + run.err).constData());
}

void TestCliClamdServer::clamdscan_severalAtOnce_areAllServed()
{
    SKIP_WITHOUT("clamdscan");
    std::vector<std::unique_ptr<QProcess>> runs;
    for (int i = 0; i < 16; ++i) {
        auto run = std::make_unique<QProcess>();
        run->start(programOf(QStringLiteral("clamdscan")),
            {QStringLiteral("--config-file=") + path("client.conf"),
                i % 2 ? QStringLiteral("--stream") : QStringLiteral("--fdpass"),
                QStringLiteral("--no-summary"), path(i % 4 < 2 ? "marked" : "large")});
        runs.push_back(std::move(run));
    }
    for (size_t i = 0; i < runs.size(); ++i) {
        QTRY_COMPARE_WITH_TIMEOUT(runs[i]->state(), QProcess::NotRunning, patienceMs);
        QCOMPARE(runs[i]->exitCode(), i % 4 < 2 ? 1 : 0);
    }
}

void TestCliClamdServer::clamdscan_otherCommands_areAnswered()
{
    SKIP_WITHOUT("clamdscan");
    const CliRun ping = clamdscan({QStringLiteral("--ping"), QStringLiteral("1")});
    QCOMPARE(ping.out, "PONG\n"_ba);
    QCOMPARE(ping.exitCode, 0);
    const CliRun version = clamdscan({QStringLiteral("--version")});
    QVERIFY2(version.out.startsWith("Sentinel " SENTINEL_VERSION "/"), version.out.constData());
    QCOMPARE(clamdscan({QStringLiteral("--reload")}).exitCode, 0);
}

void TestCliClamdServer::pyclamd_isRight()
{
    if (runProgram(python, {QStringLiteral("-c"), QStringLiteral("import pyclamd")}).exitCode != 0)
        QSKIP("python3-pyclamd is not installed");
    const QString script = QStringLiteral(R"(
import pyclamd, sys
server = pyclamd.ClamdUnixSocket(sys.argv[1])
print(server.ping())
print(server.version().startswith('Sentinel '))
print(server.stats().startswith('POOLS: 1'))
print(server.scan_stream(b'a THREAT-MARK'))
print(server.scan_stream(b'clean'))
print(server.scan_stream(b'x' * 2 * 1024))
print(server.scan_stream(open(sys.argv[2], 'rb')))
print(server.scan_file(sys.argv[2])[sys.argv[2]][0])
print(server.reload())
)");
    const CliRun run =
        runProgram(python, {QStringLiteral("-c"), script, socketPath(), path("marked")});
    QCOMPARE(run.out,
        "True\nTrue\nTrue\n{'stream': ('FOUND', 'YARA.marked')}\nNone\nNone\n"
        "{'stream': ('FOUND', 'YARA.marked')}\nERROR\nRELOADING\n"_ba);
    QCOMPARE(run.err, QByteArray());
}

void TestCliClamdServer::status_countsClients()
{
    const qint64 before = m_sentinel->status().clients;
    ClamdPeer peer = ClamdPeer::connectTo(socketPath());
    QVERIFY(peer.send("nIDSESSION\nnPING\n"));
    QCOMPARE(peer.first(8), "1: PONG\n"_ba);
    QCOMPARE(m_sentinel->status().clients, before + 1);
}

//! The same bytes for both, and the answers without what has to differ.
void TestCliClamdServer::conversations_asOfARealClamd()
{
    SKIP_WITHOUT("clamd");
    RealClamd real;
    QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(real.socketPath()), patienceMs);
    const FileDescriptor file(::open(qPrintable(path("marked")), O_RDONLY | O_CLOEXEC));
    const QByteArray stream = chunks(marked);
    for (const QByteArray &said : std::initializer_list<QByteArray>{"nPING\n", "zPING\0"_ba, "PING",
             "PING\r\n", "nPING \n", "nFOO\n", "zFOO\0"_ba, "\n", "z\0"_ba, "nEND\n", "IDSESSION\n",
             "nINSTREAM\n" + stream, "zINSTREAM\0"_ba + stream, "nINSTREAM\n" + chunks({}),
             "nINSTREAM\n" + chunks(marked, 5), "INSTREAM\n", "nINSTREAM\n\xff\xff\xff\xff"_ba,
             "zFILDES\0\1"_ba, "nFILDES\n\1", "nFILDES\nx", "nSCAN\n",
             "zIDSESSION\0zPING\0zPING\0zEND\0"_ba, "nIDSESSION\nzPING\0nPING\nzEND\0"_ba,
             "nIDSESSION\nnINSTREAM\n" + stream + "zINSTREAM\0"_ba + chunks("hi") + "nPING\nnEND\n",
             "nIDSESSION\nnFILDES\n\1nPING\nnEND\n", "nIDSESSION\nnFOO\nnPING\n",
             "nIDSESSION\nnRELOAD\n", "nIDSESSION\nnIDSESSION\n"}) {
        const QByteArray ours = answersTo(socketPath(), said, file);
        const QByteArray theirs = answersTo(real.socketPath(), said, file);
        QVERIFY2(ours == theirs, difference(said, ours, theirs).constData());
    }
}

void TestCliClamdServer::paths_allowed_asOfARealClamd()
{
    SKIP_WITHOUT("clamd");
    SKIP_WITHOUT("clamdscan");
    const QTemporaryDir tree;
    const auto at = [&tree](const char *name) { return tree.filePath(QLatin1String(name)); };
    for (const char *directory : {"clean/deep/er", "one/below", "empty"})
        QVERIFY(QDir(tree.path()).mkpath(QLatin1String(directory)));
    for (const char *name : {"clean/a", "clean/deep/b", "clean/deep/er/c", "one/a", "one/z"})
        writeFile(at(name), name);
    writeFile(at("one/below/marked"), marked);
    writeFile(at("marked"), marked);
    QVERIFY(QFile::link(at("marked"), at("clean/link")));
    QCOMPARE(::mkfifo(qPrintable(at("clean/pipe")), 0600), 0);

    const QString socket = path("open");
    ServingSentinel sentinel(m_rules->settings().rulePaths, QString(),
        QStringLiteral("--clamd-socket %1 --clamd-allow paths --clamd-allow shutdown")
            .arg(socket)
            .split(u' '));
    RealClamd real;
    QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(real.socketPath()), patienceMs);
    const QByteArrayList goOn{"CONTSCAN", "MULTISCAN"};
    for (const QByteArray &command : QByteArrayList{"SCAN", "ALLMATCHSCAN"} + goOn) {
        for (const char *name : {"marked", "clean", "clean/a", "one", "one/", "."}) {
            if (name == "."_ba && !goOn.contains(command))
                continue; // which of two threats is the first is not said
            // Some versions of clamd take the "." away.
            const QString named = name == "."_ba ? tree.path() : at(name);
            const QByteArray said = 'z' + command + ' ' + named.toUtf8() + '\0';
            const QByteArray ours = answersTo(socket, said);
            const QByteArray theirs = answersTo(real.socketPath(), said);
            QVERIFY2(ours == theirs, difference(said, ours, theirs).constData());
        }
    }

    writeFile(path("open.conf"), "LocalSocket " + socket.toUtf8() + '\n');
    const CliRun run = runProgram(programOf(QStringLiteral("clamdscan")),
        {QStringLiteral("--config-file=") + path("open.conf"), at("one")});
    QCOMPARE(run.exitCode, 1);
    QVERIFY2(run.out.startsWith(at("one/below/marked").toUtf8() + ": YARA.marked FOUND\n"),
        run.out.constData());

    QCOMPARE(answersTo(socket, "nSHUTDOWN\n"), QByteArray());
    QCOMPARE(sentinel.exitCode(), int(exitGood));
    QVERIFY(!QFile::exists(socket));
}

void TestCliClamdServer::usage_wrong_isToldInOneLine_data()
{
    QTest::addColumn<QString>("options");
    QTest::addColumn<QByteArray>("message");
    QTest::newRow("group alone") << QStringLiteral("--clamd-group root")
                                 << "--clamd-group goes with --clamd-socket"_ba;
    QTest::newRow("spawned") << QStringLiteral("--spawned --clamd-socket /x/y")
                             << "--clamd-socket and --spawned exclude each other"_ba;
    QTest::newRow("no such group") << QStringLiteral("--clamd-socket /x/y --clamd-group no-such")
                                   << "there is no group 'no-such'"_ba;
    QTest::newRow("no such user") << QStringLiteral("--clamd-socket /x/y --clamd-user -5")
                                  << "there is no user '-5'"_ba;
    QTest::newRow("allow") << QStringLiteral("--clamd-socket /x/y --clamd-allow all")
                           << "--clamd-allow takes reload, shutdown or paths"_ba;
    QTest::newRow("no directory") << QStringLiteral("--clamd-socket /no/such/socket")
                                  << "/no/such'"_ba;
}

void TestCliClamdServer::usage_wrong_isToldInOneLine()
{
    QFETCH(const QString, options);
    QFETCH(const QByteArray, message);
    const CliRun run =
        runSentinel(QStringList{QStringLiteral("serve"), QStringLiteral("--socket"), path("other")}
            + options.split(u' '));
    QCOMPARE(run.exitCode, int(exitTrouble));
    QVERIFY2(run.err.contains(message) && run.err.count('\n') == 1, tell(run));
    QVERIFY(!QFile::exists(path("other")));
}

void TestCliClamdServer::serve_socketInUse_isRefused()
{
    const CliRun run = runSentinel({QStringLiteral("serve"), QStringLiteral("--socket"),
        path("other"), QStringLiteral("--clamd-socket"), socketPath()});
    QCOMPARE(run.exitCode, int(exitTrouble));
    QVERIFY2(run.err.contains("another process listens at '" + socketPath().toUtf8()), tell(run));
    ClamdPeer peer = ClamdPeer::connectTo(socketPath());
    QVERIFY(peer.send("PING"));
    QCOMPARE(peer.all(), "PONG\n"_ba);
}

QTEST_GUILESS_MAIN(TestCliClamdServer)
#include "tst_cli_clamdserver.moc"
