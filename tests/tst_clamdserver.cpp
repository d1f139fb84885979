// SPDX-License-Identifier: MIT
//
// A sentinel as clamd's clients see it, over sockets of their own: the answers are those that a
// clamd 1.4.6 gave to the same bytes, but for what docs/clamd.md names.
#include "Sentinel/clamdserver/ClamdAnswer.h"
#include "Sentinel/clamdserver/ClamdWalk.h"
#include "Sentinel/clamdserver/FileCopies.h"
#include "ipc/Reason.h"
#include "tests/support/ServingClamd.h"

#include <QDir>
#include <QElapsedTimer>
#include <QLoggingCategory>
#include <QRegularExpression>
#include <QSignalSpy>
#include <QTest>

#include <algorithm>
#include <semaphore>

#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace std::chrono_literals;

namespace {

const QByteArray marked = "a THREAT-MARK";
const QByteArray found = "YARA.marked FOUND";
const QByteArray tooLarge = "INSTREAM size limit exceeded. ERROR";
const QByteArray timedOut = "COMMAND READ TIMED OUT\n";

//! A file with a name, as clients have them, that anybody may change.
FileDescriptor fileOf(const QByteArray &bytes, const QString &path, int flags = O_RDWR)
{
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size())
        qFatal("no file");
    file.close();
    return FileDescriptor(::open(qPrintable(path), flags | O_CLOEXEC));
}

//! "fd[12]: OK" without the number.
QByteArray withoutNumber(const QByteArray &reply)
{
    static const QRegularExpression number(QStringLiteral("fd\\[\\d+\\]"));
    return QString::fromLatin1(reply).replace(number, QStringLiteral("fd")).toLatin1();
}

QByteArrayList sortedReplies(const QByteArray &replies, char terminator)
{
    QByteArrayList sorted = replies.split(terminator);
    std::ranges::sort(sorted);
    return sorted;
}

} // namespace

class TestClamdServer : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*=false")); // it would be long
    }
    void cleanup()
    {
        if (m_rowsOf.isEmpty())
            m_clamd.reset();
    }

    void command_inEachFraming_isAnsweredAsClamdDoes_data();
    void command_inEachFraming_isAnsweredAsClamdDoes();
    void session_commands_areNumbered_data();
    void session_commands_areNumbered();
    void version_asClientsTakeItApart();
    void reload_allowed_bringsNewRules();
    void shutdown_allowed_isTold();

    void paths_allowed_areScanned_data();
    void paths_allowed_areScanned();
    void paths_allowed_inASession();
    void paths_manyFiles_clientGone_isEnded();
    void paths_directoriesBelow_onlySoDeep();
    void paths_notWantedAnyMore_areLeft();
    void paths_manyClientsGone_othersAreServed();
    void paths_fileRenamedMeanwhile_isNotOk();
    void paths_filesWithoutAName_areRefused();
    void paths_manyRulesOfOneFile_areTold_data();
    void paths_manyRulesOfOneFile_areTold();

    void stream_inPieces_isOneContent();
    void stream_large_isScannedWhileItArrives();
    void stream_atAndOverTheLimit_data();
    void stream_atAndOverTheLimit();
    void stream_knownContent_isNotScannedAgain();

    void fildes_wholeFile_whateverItsOffset();
    void fildes_ofUse_data();
    void fildes_ofUse();
    void fildes_fileShortenedDuringItsScan_isScannedAsItWas();
    void fildes_pipelined_eachHasItsOwn();
    void descriptors_unwanted_areAnError_data();
    void descriptors_unwanted_areAnError();

    void answer_ofEachResult_isOkForCleanAlone();
    void answer_nameOfARule_isOneWord();
    void notScanned_isAnError_data();
    void notScanned_isAnError();
    void shutDown_openScans_areErrors();

    void idle_client_isSentAway_data();
    void idle_client_isSentAway();
    void stream_thatDrips_isSentAway();
    void idleClients_leaveTheirPlaces();
    void idleClients_delayNobody();
    void busyClients_newOneIsToldSo();
    void client_gone_itsScansAreCancelled();
    void client_halfClosed_isStillAnswered();
    void client_doesNotRead_isReadNoMore();

    void socket_modeIsForWhomItIs_data();
    void socket_modeIsForWhomItIs();
    void socket_otherUser_data();
    void socket_otherUser();

private:
    ServingClamd &serve(const ServingClamd::Adjust &adjust = {})
    {
        m_rowsOf.clear();
        m_clamd = std::make_unique<ServingClamd>(adjust);
        return *m_clamd;
    }
    //! One for all rows of the test: each leaves it as it was.
    ServingClamd &serveRows(const ServingClamd::Adjust &adjust = {})
    {
        const QByteArray test = QTest::currentTestFunction();
        if (m_rowsOf != test)
            serve(adjust);
        m_rowsOf = test;
        return *m_clamd;
    }

    //! Opens what clients name.
    static void allowPaths(ServingClamd::Settings &settings);

    QTemporaryDir m_files;
    std::unique_ptr<ServingClamd> m_clamd;
    QByteArray m_rowsOf; //!< the test whose rows share it
};

void TestClamdServer::command_inEachFraming_isAnsweredAsClamdDoes_data()
{
    QTest::addColumn<QByteArray>("said");
    QTest::addColumn<QByteArray>("answer");
    const QByteArray unknown = "UNKNOWN COMMAND";
    const auto add = [](const char *name, const QByteArray &said, const QByteArray &answer) {
        QTest::newRow(name) << said << answer;
    };
    add("ping n", "nPING\n", "PONG\n");
    add("ping z", "zPING\0"_ba, "PONG\0"_ba);
    add("ping bare", "PING", "PONG\n");
    add("ping line", "PING\n", "PONG\n");
    add("ping crlf", "PING\r\n", "PONG\n");
    add("ping n crlf", "nPING\r\n", "PONG\n");
    add("lower case", "nping\n", unknown + '\n');
    add("longer", "nPINGx\n", unknown + '\n');
    add("argument", "nPING arg\n", unknown + '\n');
    add("empty n", "n\n", unknown + '\n');
    add("empty z", "z\0"_ba, unknown + '\0');
    add("empty line", "\n", unknown + '\n');
    add("z with a line's end", "zPING\n\0"_ba, unknown + '\0');
    add("n with a zero", "nPING\0\n"_ba, unknown + '\n');
    add("unknown bare", "FOO\n", unknown + '\n');
    add("unknown z", "zFOO\0"_ba, unknown + '\0');
    add("end of no session", "nEND\n", unknown + '\n');
    add("old stream", "nSTREAM\n", unknown + '\n');
    add("old session", "nSESSION\n", unknown + '\n');
    add("instream bare", "INSTREAM\n", unknown + '\n');
    add("instream argument", "nINSTREAM x\n", unknown + '\n');
    add("idsession bare", "IDSESSION\n", unknown + '\n');
    add("stats bare", "STATS\n", unknown + '\n');
    add("versioncommands bare", "VERSIONCOMMANDS\n", unknown + '\n');
    add("two without a session", "nPING\nnPING\n", "PONG\n");
    add("long", "n" + QByteArray(10'000, 'A'), unknown + '\n');
    add("long, with an end", "z" + QByteArray(6'000, 'A') + '\0', unknown + '\n');
    add("scan without a path", "nSCAN\n", unknown + '\n');
    const QByteArray noPaths = ": paths are not opened for clients, use INSTREAM or FILDES ERROR";
    for (const char *command : {"SCAN", "CONTSCAN", "MULTISCAN", "ALLMATCHSCAN"}) {
        add(command, 'z' + QByteArray(command) + " /etc/passwd\0"_ba,
            "/etc/passwd" + noPaths + '\0');
    }
    add("scan bare", "SCAN /etc/passwd\n", "/etc/passwd" + noPaths + '\n');
    add("path with lines", "zSCAN /a: OK\n/b\0"_ba, "/a: OK\\u{a}/b" + noPaths + '\0');
    add("path with a line of Unicode's", "zSCAN /a: OK\xe2\x80\xa8/b\0"_ba,
        "/a: OK\\u{2028}/b" + noPaths + '\0');
    add("reload", "nRELOAD\n", "RELOAD is not allowed here ERROR\n");
    add("shutdown", "nSHUTDOWN\n", "SHUTDOWN is not allowed here ERROR\n");
    add("shutdown bare", "SHUTDOWN", "SHUTDOWN is not allowed here ERROR\n");
    add("quit", "QUIT\n", "SHUTDOWN is not allowed here ERROR\n");
    add("stream n", "nINSTREAM\n" + chunks(marked), "stream: " + found + '\n');
    add("stream z", "zINSTREAM\0"_ba + chunks(marked), "stream: " + found + '\0');
    add("stream clean", "nINSTREAM\n" + chunks("x"), "stream: OK\n");
    add("stream empty", "nINSTREAM\n" + chunks({}), "stream: OK\n");
    add("stream and more", "nINSTREAM\n" + chunks("x") + chunks({}), "stream: OK\n");
    add("stream of bytes", "nINSTREAM\n" + chunks(marked, 1), "stream: " + found + '\n');
    add("no descriptor", "nFILDES\nx", "No file descriptor received. ERROR\n");
}

void TestClamdServer::command_inEachFraming_isAnsweredAsClamdDoes()
{
    QFETCH(const QByteArray, said);
    QFETCH(const QByteArray, answer);
    QCOMPARE(serveRows().ask(said), answer);
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->isQuiet(), patienceMs);
}

void TestClamdServer::session_commands_areNumbered_data()
{
    QTest::addColumn<QByteArray>("said");
    QTest::addColumn<QByteArrayList>("answers"); // sorted
    const QByteArrayList pongs{"", "1: PONG", "2: PONG"};
    QTest::newRow("n") << "nIDSESSION\nnPING\nnPING\nnEND\n"_ba << pongs;
    QTest::newRow("scans") << "nIDSESSION\nnINSTREAM\n" + chunks(marked) + "nINSTREAM\n"
            + chunks("hi") + "nPING\nnEND\n"
                           << QByteArrayList{"", "1: stream: " + found, "2: stream: OK", "3: PONG"};
    QTest::newRow("path") << "nIDSESSION\nnSCAN /x\nnPING\nnEND\n"_ba
                          << QByteArrayList{"",
                                 "1: /x: paths are not opened for clients, use INSTREAM or FILDES "
                                 "ERROR",
                                 "2: PONG"};
    const QByteArrayList invalid{"", "1: PONG", "2: Command invalid inside IDSESSION. ERROR"};
    for (const char *command : {"FOO", "IDSESSION", "RELOAD", "SHUTDOWN", "CONTSCAN /x", ""}) {
        QTest::addRow("invalid %s", command) << "nIDSESSION\nnPING\nn" + QByteArray(command)
                + "\nnPING\n" << invalid;
    }
    QTest::newRow("bare") << "nIDSESSION\nnPING\nPING\n"_ba
                          << QByteArrayList{"", "1: PONG",
                                 "2: Only nCMDS\\n and zCMDS\\0 are accepted inside IDSESSION. "
                                 "ERROR"};
    QTest::newRow("too large, others answered")
        << "nIDSESSION\nnINSTREAM\n" + chunks(marked) + "nINSTREAM\n\xff\xff\xff\xff"_ba
        << QByteArrayList{"", "1: stream: " + found, "2: " + tooLarge};
    QTest::newRow("no descriptor")
        << "nIDSESSION\nnPING\nnFILDES\nnPING\n"_ba
        << QByteArrayList{"", "1: PONG", "2: No file descriptor received. ERROR"};
}

void TestClamdServer::session_commands_areNumbered()
{
    QFETCH(QByteArray, said);
    QFETCH(const QByteArrayList, answers);
    QCOMPARE(sortedReplies(serveRows().ask(said), '\n'), answers);
    if (!said.contains('\xff') && said.count('\0') == 0) { // the same in the other framing
        QByteArrayList commands = said.split('\n');
        for (QByteArray &command : commands) {
            if (command.startsWith('n'))
                command[0] = 'z';
        }
        said = commands.join('\0');
        const char terminator = said.contains("\0PING"_ba) ? '\n' : '\0';
        const QByteArray replies = m_clamd->ask(said);
        QCOMPARE(sortedReplies(QByteArray(replies).replace('\n', '\0'), '\0'), answers);
        QCOMPARE(replies.back(), terminator);
    }
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->isQuiet(), patienceMs);
}

void TestClamdServer::version_asClientsTakeItApart()
{
    const QByteArray version = serve().ask("nVERSION\n");
    static const QRegularExpression form(QStringLiteral(
        "^Sentinel [0-9.]+/[0-9a-f]{8}/[A-Z][a-z]{2} [A-Z][a-z]{2} \\d+ [\\d:]{8} \\d{4}\n$"));
    QVERIFY2(form.match(QString::fromLatin1(version)).hasMatch(), version.constData());
    QCOMPARE(m_clamd->ask("VERSION"), version);
    const QByteArray commands = m_clamd->ask("nVERSIONCOMMANDS\n");
    QCOMPARE(commands,
        version.chopped(1)
            + "| COMMANDS: PING VERSION VERSIONCOMMANDS STATS INSTREAM FILDES IDSESSION END\n");
    const QByteArray stats = m_clamd->ask("zSTATS\0"_ba);
    for (const char *part :
        {"POOLS: 1\n", "\nSTATE: VALID PRIMARY\n", "\nTHREADS: live ", "\nQUEUE: 0 items\n"})
        QVERIFY2(stats.contains(part), stats.constData());
    QVERIFY(stats.endsWith("\nEND\0"_ba));
}

void TestClamdServer::reload_allowed_bringsNewRules()
{
    serve([](auto &settings) { settings.clamd.allowReload = true; });
    const QByteArray version = m_clamd->ask("nVERSION\n");
    QVERIFY(m_clamd->ask("nVERSIONCOMMANDS\n").endsWith(" END RELOAD\n"));
    m_clamd->rules().write("rule other { strings: $a = \"OTHER-MARK\" condition: $a }");
    QCOMPARE(m_clamd->ask("zRELOAD\0"_ba), "RELOADING\0"_ba);
    QTRY_COMPARE_WITH_TIMEOUT(m_clamd->ask("nINSTREAM\n" + chunks("OTHER-MARK")),
        "stream: YARA.other FOUND\n"_ba, patienceMs);
    QVERIFY(m_clamd->ask("nVERSION\n") != version);
}

void TestClamdServer::shutdown_allowed_isTold()
{
    serve([](auto &settings) { settings.clamd.allowShutdown = true; });
    QSignalSpy wanted(&m_clamd->broker(), &Broker::shutDownWanted);
    QVERIFY(m_clamd->ask("nVERSIONCOMMANDS\n").endsWith(" END SHUTDOWN QUIT\n"));
    QCOMPARE(m_clamd->ask("nSHUTDOWN\n"), QByteArray());
    QCOMPARE(wanted.size(), 1);
}

void TestClamdServer::allowPaths(ServingClamd::Settings &settings)
{
    settings.clamd.allowPaths = true;
    settings.scanning.maxScanBytes = 2 * Limits::mib;
}

void TestClamdServer::paths_allowed_areScanned_data()
{
    QTest::addColumn<QByteArray>("said");
    QTest::addColumn<QByteArray>("answers"); // sorted; "@": the directory
    const auto add = [](const char *name, const QByteArray &said, const QByteArray &answers) {
        QTest::newRow(name) << said << answers;
    };
    add("file", "nSCAN @/marked\n", "@/marked: " + found + '\n');
    add("file z", "zSCAN @/marked\0"_ba, "@/marked: " + found + '\0');
    add("file bare", "SCAN @/clean\n", "@/clean: OK\n");
    add("link", "nSCAN @/link\n", "@/link: " + found + '\n');
    add("clean directory", "nSCAN @/more/clean\n", "@/more/clean: OK\n");
    add("with a slash", "nSCAN @/more/clean//\n", "@/more/clean//: OK\n");
    add("empty directory", "nSCAN @/empty\n", "@/empty: OK\n");
    add("first", "nSCAN @/same\n", "@/same/a: " + found + '\n');
    add("each", "nCONTSCAN @/more\n",
        "@/more/marked 1: " + found + "\n@/more/marked 2: " + found + '\n');
    add("each, several", "nMULTISCAN @/more\n",
        "@/more/marked 1: " + found + "\n@/more/marked 2: " + found + '\n');
    add("all", "nALLMATCHSCAN @/marked\n", "@/marked: " + found + '\n');
    add("not there", "nSCAN @/no\n", "@/no: cannot be opened: No such file or directory ERROR\n");
    add("relative", "nSCAN marked\n", "marked: the path is not absolute ERROR\n");
    add("zero", "nSCAN @/marked\0x\n"_ba, "@/marked\\u{0}x: the path is not absolute ERROR\n");
    add("pipe", "nSCAN @/pipe\n", "@/pipe: neither a file nor a directory ERROR\n");
    add("device", "nSCAN /dev/null\n", "/dev/null: neither a file nor a directory ERROR\n");
    add("of no size", "nSCAN /proc/self/status\n",
        "/proc/self/status: " + ClamdAnswer::error("the file changed while it was read") + '\n');
    add("too large", "nSCAN @/large\n", "@/large/x: larger than the largest scan ERROR\n");
    add("two without a session", "nSCAN @/clean\nnPING\n", "@/clean: OK\n");
}

void TestClamdServer::paths_allowed_areScanned()
{
    QFETCH(QByteArray, said);
    QFETCH(QByteArray, answers);
    const QTemporaryDir tree;
    const auto at = [&tree](const char *name) { return tree.filePath(QLatin1String(name)); };
    for (const char *directory : {"more/clean", "empty", "same", "large"})
        QVERIFY(QDir(tree.path()).mkpath(QLatin1String(directory)));
    fileOf(marked, at("marked"));
    fileOf("clean", at("clean"));
    fileOf("clean", at("more/clean/file"));
    fileOf(marked, at("more/marked 1"));
    fileOf(marked + '2', at("more/marked 2"));
    fileOf(marked, at("same/a"));
    fileOf(noise(3 * Limits::mib), at("large/x"));
    QVERIFY(QFile::link(at("marked"), at("link")));
    QVERIFY(QFile::link(at("marked"), at("more/clean/link"))); // not followed
    QVERIFY(QFile::link(at("."), at("more/round")));
    QCOMPARE(::mkfifo(qPrintable(at("pipe")), 0600), 0);
    QCOMPARE(::mkfifo(qPrintable(at("more/clean/pipe")), 0600), 0);
    const QByteArray replies = serveRows(allowPaths).ask(said.replace("@", tree.path().toUtf8()));
    const char terminator = said.endsWith('\0') ? '\0' : '\n';
    answers.replace("@", tree.path().toUtf8());
    QCOMPARE(sortedReplies(replies, terminator), sortedReplies(answers, terminator));
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->isQuiet(), patienceMs);
}

void TestClamdServer::paths_allowed_inASession()
{
    fileOf(marked, m_files.filePath(QStringLiteral("marked")));
    const QByteArray path = m_files.filePath(QStringLiteral("marked")).toUtf8();
    QVERIFY(serve(allowPaths)
                .ask("nVERSIONCOMMANDS\n")
                .endsWith(" END SCAN CONTSCAN MULTISCAN ALLMATCHSCAN\n"));
    QCOMPARE(sortedReplies(m_clamd->ask("nIDSESSION\nnSCAN " + path + "\nnPING\nnINSTREAM\n"
                               + chunks("x") + "nSCAN " + path + "\nnEND\n"),
                 '\n'),
        (QByteArrayList{"", "1: " + path + ": " + found, "2: PONG", "3: stream: OK",
            "4: " + path + ": " + found}));
}

void TestClamdServer::paths_manyFiles_clientGone_isEnded()
{
    const QTemporaryDir tree;
    for (int i = 0; i < 300; ++i)
        fileOf(QByteArray::number(i), tree.filePath(QString::number(i)));
    serve(allowPaths);
    const int before = m_clamd->warmDescriptors();
    const quint64 scans = m_clamd->status().telemetry.totalScansCompleted;
    {
        ClamdPeer peer = m_clamd->connect();
        QVERIFY(peer.send("nCONTSCAN " + tree.path().toUtf8() + '\n'));
        QTRY_VERIFY_WITH_TIMEOUT(
            m_clamd->status().telemetry.totalScansCompleted > scans, patienceMs);
    }
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->isQuiet(), patienceMs);
    QVERIFY(m_clamd->status().telemetry.totalScansCompleted - scans < 300);
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->descriptors() <= before, patienceMs);
    QCOMPARE(m_clamd->ask("nCONTSCAN " + tree.path().toUtf8() + '\n'),
        tree.path().toUtf8() + ": OK\n"); // one after the other, all of them
    QVERIFY(m_clamd->status().telemetry.totalScansCompleted - scans >= 300);
}

void TestClamdServer::paths_directoriesBelow_onlySoDeep()
{
    const QTemporaryDir tree;
    QString deepest = tree.path();
    for (int i = 1; i < Limits::maxClamdWalkDepth; ++i)
        deepest += QStringLiteral("/d");
    QVERIFY(QDir().mkpath(deepest + QStringLiteral("/d")));
    fileOf(marked, deepest + QStringLiteral("/m"));
    fileOf(marked, deepest + QStringLiteral("/d/m"));
    const QByteArray path = deepest.toUtf8();
    QCOMPARE(sortedReplies(serve(allowPaths).ask("nCONTSCAN " + tree.path().toUtf8() + '\n'), '\n'),
        (QByteArrayList{"", path + "/d: the directory is too deep ERROR", path + "/m: " + found}));
}

void TestClamdServer::paths_notWantedAnyMore_areLeft()
{
    const QTemporaryDir tree;
    fileOf("x", tree.filePath(QStringLiteral("x")));
    std::atomic<bool> isWanted = false;
    ClamdWalk walk(tree.path().toUtf8());
    QVERIFY(!walk.next(isWanted)); // before it comes to the file
    isWanted = true;
    QVERIFY(walk.next(isWanted));

    auto copies = std::make_unique<FileCopies>(1, std::make_shared<SpoolBudget>(1), 1);
    std::vector<int> done; // by the one thread
    for (const int i : {0, 1, 2}) {
        copies->add(std::make_shared<std::atomic<bool>>(i != 1),
            [&done, i](const std::atomic<bool> &) { done.push_back(i); });
    }
    std::binary_semaphore end(0); // Qt's own is not seen by ThreadSanitizer
    copies->add(std::make_shared<std::atomic<bool>>(true),
        [&end](const std::atomic<bool> &) { end.release(); });
    QVERIFY(end.try_acquire_for(patience));
    QCOMPARE(done, (std::vector{0, 2}));
    FileCopies::end(std::move(copies));
}

void TestClamdServer::paths_manyClientsGone_othersAreServed()
{
    const QTemporaryDir tree;
    for (int i = 0; i < 5'000; ++i) // one step reads all of them
        QVERIFY(::symlink("x", qPrintable(tree.filePath(QString::number(i)))) == 0);
    serve(allowPaths);
    const int before = m_clamd->warmDescriptors();
    for (int i = 0; i < 50; ++i) {
        ClamdPeer peer = m_clamd->connect();
        QVERIFY(peer.send("nSCAN " + tree.path().toUtf8() + '\n'));
        for (int turn = 0; turn < 3; ++turn)
            QCoreApplication::processEvents();
    }
    {
        const FileDescriptor file = fileOf(marked, m_files.filePath(QStringLiteral("file")));
        ClamdPeer peer = m_clamd->connect();
        QVERIFY(peer.sendWith("nFILDES\nx", {file.get()}));
        QCOMPARE(withoutNumber(peer.all()), "fd: " + found + '\n');
    }
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->isQuiet(), patienceMs);
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->descriptors() <= before, patienceMs);
}

void TestClamdServer::paths_fileRenamedMeanwhile_isNotOk()
{
    const QTemporaryDir tree;
    for (int i = 0; i < 300; ++i)
        fileOf(QByteArray::number(i), tree.filePath(QString::number(i)));
    const QByteArray path = tree.path().toUtf8();
    serve(allowPaths);
    ClamdWalk walk(path);
    const std::atomic<bool> isWanted = true;
    QVERIFY(walk.next(isWanted)->file); // all names are read by now
    fileOf(marked, tree.filePath(QStringLiteral("new")));
    for (int i = 0; i < 300; ++i)
        QFile::rename(
            tree.filePath(QString::number(i)), tree.filePath(QStringLiteral("x%1").arg(i)));
    int lost = 0;
    while (const auto step = walk.next(isWanted))
        lost += !step->file;
    QVERIFY(lost > 0);
}

void TestClamdServer::paths_filesWithoutAName_areRefused()
{
    serve(allowPaths);
    const FileDescriptor file(::memfd_create("another's", MFD_CLOEXEC));
    const QByteArray path = "/proc/self/fd/" + QByteArray::number(file.get()); // it is this process
    QCOMPARE(m_clamd->ask("nSCAN " + path + '\n'), path + ": is no longer there ERROR\n");
}

void TestClamdServer::paths_manyRulesOfOneFile_areTold_data()
{
    QTest::addColumn<int>("rules");
    QTest::addColumn<int>("told");
    QTest::newRow("several") << 20 << 20;
    QTest::newRow("more than fit") << 200 << 1;
}

void TestClamdServer::paths_manyRulesOfOneFile_areTold()
{
    QFETCH(const int, rules);
    QFETCH(const int, told);
    QByteArray text;
    for (int i = 0; i < rules; ++i)
        text += "rule r" + QByteArray::number(i) + " { strings: $a = \"MARK\" condition: $a }\n";
    serve([](auto &settings) {
        settings.clamd.allowPaths = true;
        settings.clamd.allowReload = true;
    });
    m_clamd->rules().write(text);
    QCOMPARE(m_clamd->ask("nRELOAD\n"), "RELOADING\n"_ba);
    const QString deep = m_files.filePath(QString(200, u'd') + u'/' + QString(200, u'd'));
    QVERIFY(QDir().mkpath(deep));
    fileOf("a MARK", deep + QStringLiteral("/f"));
    const QByteArray said = "nALLMATCHSCAN " + deep.toUtf8() + "\n";
    QTRY_COMPARE_WITH_TIMEOUT(m_clamd->ask(said).count(" FOUND\n"), told, patienceMs);
    QVERIFY(!m_clamd->ask(said).contains("OK"));
}

void TestClamdServer::stream_inPieces_isOneContent()
{
    const QByteArray said = "nIDSESSION\nnINSTREAM\n" + chunks(marked, 5) + "nPING\nnEND\n";
    ClamdPeer peer = serve().connect();
    for (const char byte : said) {
        QVERIFY(peer.send(QByteArray(1, byte)));
        QCoreApplication::processEvents();
    }
    QCOMPARE(
        sortedReplies(peer.all(), '\n'), (QByteArrayList{"", "1: stream: " + found, "2: PONG"}));
}

void TestClamdServer::stream_large_isScannedWhileItArrives()
{
    ClamdPeer peer = serve().connect();
    const QByteArray content = noise(5 * Limits::mib) + marked;
    const QByteArray said = "nINSTREAM\n" + chunks(content);
    QVERIFY(peer.send(said.first(3 * Limits::mib)));
    QTRY_COMPARE_WITH_TIMEOUT(m_clamd->status().queue.underWay, 1, patienceMs);
    QCOMPARE(peer.heard(), QByteArray());
    QVERIFY(peer.send(said.sliced(3 * Limits::mib)));
    QCOMPARE(peer.all(), "stream: " + found + '\n');
}

void TestClamdServer::stream_atAndOverTheLimit_data()
{
    QTest::addColumn<QByteArray>("stream");
    QTest::addColumn<QByteArray>("answer");
    const qsizetype most = 2 * Limits::mib;
    QTest::newRow("exactly") << chunks(noise(most)) << "stream: OK\n"_ba;
    QTest::newRow("one chunk more")
        << chunks(noise(most)).chopped(4) + chunk("x") << tooLarge + '\n';
    QTest::newRow("one byte in a chunk") << chunk(noise(most + 1)).first(4) << tooLarge + '\n';
    QTest::newRow("most of all") << "\xff\xff\xff\xff"_ba << tooLarge + '\n';
    QTest::newRow("a sign") << "\x80\0\0\0"_ba << tooLarge + '\n';
}

void TestClamdServer::stream_atAndOverTheLimit()
{
    QFETCH(const QByteArray, stream);
    QFETCH(const QByteArray, answer);
    serve([](auto &settings) { settings.scanning.maxScanBytes = 2 * Limits::mib; });
    ClamdPeer peer = m_clamd->connect();
    (void)peer.send("nINSTREAM\n" + stream); // it may hang up before the end
    QCOMPARE(peer.all(), answer);
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->isQuiet(), patienceMs);
}

void TestClamdServer::stream_knownContent_isNotScannedAgain()
{
    serve();
    for (const qsizetype size : {qsizetype(1'000), qsizetype(3 * Limits::mib)}) {
        const QByteArray said = "nINSTREAM\n" + chunks(noise(size) + marked);
        const quint64 hits = m_clamd->status().telemetry.cacheHits;
        QCOMPARE(m_clamd->ask(said), "stream: " + found + '\n');
        QCOMPARE(m_clamd->status().telemetry.cacheHits, hits);
        // Each time another client. A scan that ends with the last bytes leaves its verdict to
        // none.
        QTRY_VERIFY_WITH_TIMEOUT(m_clamd->ask(said) == "stream: " + found + '\n'
                && m_clamd->status().telemetry.cacheHits > hits,
            patienceMs);
    }
}

void TestClamdServer::fildes_wholeFile_whateverItsOffset()
{
    ClamdPeer peer = serve().connect();
    const FileDescriptor file = fileOf(marked, m_files.filePath(QStringLiteral("at the end")));
    QCOMPARE(::lseek(file.get(), 0, SEEK_END), off_t(marked.size()));
    QVERIFY(peer.send("zFILDES\0"_ba));
    QVERIFY(peer.sendWith("\0"_ba, {file.get()}));
    QCOMPARE(withoutNumber(peer.all()), "fd: " + found + '\0');
    QCOMPARE(::lseek(file.get(), 0, SEEK_CUR), off_t(marked.size()));
}

void TestClamdServer::fildes_ofUse_data()
{
    QTest::addColumn<QByteArray>("kind");
    QTest::addColumn<QByteArray>("answer");
    QTest::newRow("file") << "file"_ba << found;
    QTest::newRow("read only") << "read only"_ba << found;
    QTest::newRow("clean") << "clean"_ba
                           << "OK"_ba;
    QTest::newRow("empty") << "empty"_ba
                           << "OK"_ba;
    QTest::newRow("memory") << "memory"_ba << found;
    QTest::newRow("large") << "large"_ba << found;
    QTest::newRow("too large") << "too large"_ba
                               << "larger than the largest scan ERROR"_ba;
    QTest::newRow("sparse") << "sparse"_ba
                            << "larger than the largest scan ERROR"_ba;
    const QByteArray irregular = "the content is not a regular file ERROR";
    for (const char *kind : {"directory", "pipe", "socket", "device"})
        QTest::newRow(kind) << QByteArray(kind) << irregular;
    const QByteArray unread = "the content is not open for reading ERROR";
    QTest::newRow("write only") << "write only"_ba << unread;
    QTest::newRow("path only") << "path only"_ba << unread;
    QTest::newRow("of no size") << "of no size"_ba
                                << "the file changed while it was read ERROR"_ba;
}

void TestClamdServer::fildes_ofUse()
{
    QFETCH(const QByteArray, kind);
    QFETCH(const QByteArray, answer);
    const QString path = m_files.filePath(QString::fromLatin1(kind));
    const qint64 most = 4 * Limits::mib;
    FileDescriptor other;
    const auto make = [&]() -> FileDescriptor {
        std::array<int, 2> ends{};
        if (kind == "read only" || kind == "write only" || kind == "path only") {
            const int flags = kind == "read only" ? O_RDONLY
                : kind == "path only"             ? O_PATH
                                                  : O_WRONLY;
            return fileOf(marked, path, flags);
        }
        if (kind == "clean" || kind == "empty")
            return fileOf(kind == "clean" ? "clean" : "", path);
        if (kind == "large" || kind == "too large")
            return fileOf(noise(most - (kind == "large" ? marked.size() : 0)) + marked, path);
        if (kind == "directory")
            return FileDescriptor(::open("/tmp", O_RDONLY | O_CLOEXEC));
        if (kind == "device")
            return FileDescriptor(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
        if (kind == "of no size")
            return FileDescriptor(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
        if (kind == "pipe" || kind == "socket") {
            if (kind == "pipe" ? ::pipe2(ends.data(), O_CLOEXEC) != 0
                               : ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0)
                qFatal("no pair");
            other = FileDescriptor(ends[1]);
            return FileDescriptor(ends[0]);
        }
        if (kind == "memory" || kind == "sparse") {
            FileDescriptor file(::memfd_create("shrinks", MFD_CLOEXEC));
            if (::write(file.get(), marked.constData(), size_t(marked.size())) != marked.size()
                || (kind == "sparse" && ::ftruncate(file.get(), off_t(1) << 40) != 0))
                qFatal("no memory");
            return file;
        }
        return fileOf(marked, path);
    };
    serve([most](auto &settings) { settings.scanning.maxScanBytes = most; });
    const int before = m_clamd->warmDescriptors();
    {
        const FileDescriptor file = make();
        ClamdPeer peer = m_clamd->connect();
        QVERIFY(peer.sendWith("nFILDES\n\0"_ba, {file.get()}));
        QCOMPARE(withoutNumber(peer.all()), "fd: " + answer + '\n');
        other = FileDescriptor();
    }
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->descriptors() <= before, patienceMs);
}

void TestClamdServer::fildes_fileShortenedDuringItsScan_isScannedAsItWas()
{
    ClamdPeer peer = serve().connect();
    const QByteArray content = hang() + QByteArray(100'000, 'x') + marked;
    const FileDescriptor file = fileOf(content, m_files.filePath(QStringLiteral("shrinks")));
    QVERIFY(peer.sendWith("nFILDES\n\0"_ba, {file.get()}));
    QTRY_COMPARE_WITH_TIMEOUT(m_clamd->status().queue.underWay, 1, patienceMs);
    QCOMPARE(::ftruncate(file.get(), 0), 0);
    QCOMPARE(withoutNumber(peer.all()), "fd: " + found + '\n');
}

void TestClamdServer::fildes_pipelined_eachHasItsOwn()
{
    const FileDescriptor bad = fileOf(marked, m_files.filePath(QStringLiteral("bad")));
    const FileDescriptor good = fileOf("good", m_files.filePath(QStringLiteral("good")));
    ClamdPeer peer = serve([](auto &settings) { settings.clamd.maxScansOfClient = 3; }).connect();
    QVERIFY(peer.sendWith("nIDSESSION\n"_ba, {}));
    QByteArrayList expected{""};
    for (int i = 1; i <= 40; ++i) {
        const bool isBad = i % 3 == 0;
        QVERIFY(peer.sendWith("nFILDES\n"_ba, {}));
        QVERIFY(peer.sendWith("x", {isBad ? bad.get() : good.get()}));
        expected += QByteArray::number(i) + ": fd: " + (isBad ? found : "OK");
    }
    QVERIFY(peer.sendWith("nEND\n"_ba, {}));
    std::ranges::sort(expected);
    QCOMPARE(sortedReplies(withoutNumber(peer.all()), '\n'), expected);
}

void TestClamdServer::descriptors_unwanted_areAnError_data()
{
    QTest::addColumn<QByteArray>("before");
    QTest::addColumn<QByteArray>("with");
    QTest::addColumn<int>("count");
    QTest::addColumn<QByteArray>("answer");
    const QByteArray stray = "PROTOCOL ERROR: ancillary data sent without FILDES. ERROR\n";
    const QByteArray many = "PROTOCOL ERROR: more than one descriptor at a time. ERROR\n";
    QTest::newRow("in a session") << "nIDSESSION\n"_ba
                                  << "nPING\n"_ba << 1 << "1: PONG\n1: " + stray;
    QTest::newRow("with IDSESSION") << QByteArray() << "nIDSESSION\n"_ba << 1 << stray;
    QTest::newRow("in a stream") << "nINSTREAM\n\0\0"_ba
                                 << "\0\1x"_ba << 1 << stray;
    QTest::newRow("two") << "nFILDES\n"_ba
                         << "x"_ba << 2 << many;
    QTest::newRow("four") << "nFILDES\n"_ba
                          << "x"_ba << 4 << many;
    QTest::newRow("two hundred") << "nFILDES\n"_ba
                                 << "x"_ba << 200 << many;
}

void TestClamdServer::descriptors_unwanted_areAnError()
{
    QFETCH(const QByteArray, before);
    QFETCH(const QByteArray, with);
    QFETCH(const int, count);
    QFETCH(const QByteArray, answer);
    serve();
    const int baseline = m_clamd->warmDescriptors();
    {
        ClamdPeer peer = m_clamd->connect();
        const FileDescriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        QVERIFY(before.isEmpty() || peer.send(before));
        QVERIFY(peer.sendWith(with, std::vector<int>(size_t(count), file.get())));
        QCOMPARE(peer.all(), answer);
    }
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->descriptors() <= baseline, patienceMs);
    QVERIFY(m_clamd->serves());
}

void TestClamdServer::answer_ofEachResult_isOkForCleanAlone()
{
    for (const Reason reason : allReasons) {
        if (reason == Reason::None)
            continue;
        const QByteArray answer = ClamdAnswer::answer(
            ScanResult::notScanned(reason, QStringLiteral("stream: OK\nfd[1]: OK")));
        QVERIFY2(answer.endsWith(" ERROR"), answer.constData());
        QVERIFY2(!answer.contains("OK") && !answer.contains("FOUND") && !answer.contains(':')
                && !answer.contains('\n'),
            answer.constData());
    }
    Coverage complete;
    complete.engines = QStringList{QStringLiteral("yara")};
    complete.bytesTotal = complete.bytesScanned = 4;
    complete.ruleSetDigest = QByteArray(32, 'd');
    complete.wholeEvaluated = true;
    QVERIFY(complete.isComplete());
    QCOMPARE(ClamdAnswer::answer(ScanResult::judge(complete, {}, {})), "OK"_ba);
}

void TestClamdServer::answer_nameOfARule_isOneWord()
{
    const auto named = [](const QString &engine, const QString &rule, Severity severity) {
        Finding finding;
        finding.engine = engine;
        finding.rule = rule;
        finding.severity = severity;
        return finding;
    };
    const QString yara = QStringLiteral("yara");
    const auto answer = [](std::vector<Finding> findings) {
        return ClamdAnswer::answer(ScanResult::judge({}, std::move(findings), {}));
    };
    QCOMPARE(answer({named(yara, QStringLiteral("a_Rule9"), Severity::Suspicious)}),
        "YARA.a_Rule9 FOUND"_ba);
    QCOMPARE(answer({named(yara, QStringLiteral("info"), Severity::Info),
                 named(yara, QStringLiteral("mild"), Severity::Suspicious),
                 named(yara, QStringLiteral("bad"), Severity::Malicious),
                 named(yara, QStringLiteral("later"), Severity::Malicious)}),
        "YARA.bad FOUND"_ba);
    const ScanResult several = ScanResult::judge({},
        {named(yara, QStringLiteral("info"), Severity::Info),
            named(yara, QStringLiteral("mild"), Severity::Suspicious),
            named(yara, QStringLiteral("bad"), Severity::Malicious),
            named(yara, QStringLiteral("bad"), Severity::Malicious)},
        {});
    QCOMPARE(ClamdAnswer::answers(several), (QByteArrayList{"YARA.mild FOUND", "YARA.bad FOUND"}));
    const ScanResult late = ScanResult::notScanned(Reason::TimedOut);
    QCOMPARE(ClamdAnswer::answers(late), QByteArrayList{ClamdAnswer::answer(late)});
    QCOMPARE(answer({named(
                 QStringLiteral("other"), QStringLiteral("Win.Test.A-1"), Severity::Malicious)}),
        "Win.Test.A-1 FOUND"_ba);
    QCOMPARE(answer({named(yara, QString::fromUtf8("x: OK\n\xc3\xa4 y"), Severity::Malicious)}),
        "YARA.x__OK___y FOUND"_ba);
}

void TestClamdServer::notScanned_isAnError_data()
{
    QTest::addColumn<QByteArray>("what");
    QTest::addColumn<QByteArray>("answer");
    QTest::newRow("deadline") << "deadline"_ba
                              << "the scan did not end before its deadline ERROR"_ba;
    QTest::newRow("queue full") << "queue full"_ba
                                << "too many downloads were waiting to be scanned ERROR"_ba;
    QTest::newRow("queue full, large") << "queue full, large"_ba
                                       << "too many downloads were waiting to be scanned ERROR"_ba;
    QTest::newRow("no room") << "no room"_ba
                             << "too many contents are being scanned, try again later ERROR"_ba;
}

void TestClamdServer::notScanned_isAnError()
{
    QFETCH(const QByteArray, what);
    QFETCH(const QByteArray, answer);
    serve([&what](auto &settings) {
        if (what == "deadline")
            settings.scanning.timeouts = {200ms, 200ms, Limits::mib};
        if (what.startsWith("queue full"))
            settings.scanning.queue.maxBytes = 0;
        if (what == "no room") {
            settings.scanning.maxScanBytes = 2 * Limits::mib;
            settings.clamd.maxContentBytes = 0; // that is, one largest scan
        }
    });
    ClamdPeer holder = m_clamd->connect();
    if (what == "no room") {
        QVERIFY(holder.send("nINSTREAM\n" + chunk(noise(2 * Limits::mib - 5))));
        QTRY_VERIFY_WITH_TIMEOUT(
            m_clamd->ask("nSTATS\n").contains("pools_used 2.000M"), patienceMs);
    } else if (what.startsWith("queue full")) { // who is alone may be larger than the bound
        QVERIFY(holder.send("nINSTREAM\n" + chunks(hang(900'000'000))));
        QTRY_COMPARE_WITH_TIMEOUT(m_clamd->status().queue.underWay, 1, patienceMs);
    }
    const QByteArray content = what == "deadline" ? hang(4'000'000'000)
        : what.endsWith("large")                  ? noise(3 * Limits::mib)
                                                  : marked;
    QCOMPARE(m_clamd->ask("nINSTREAM\n" + chunks(content)), "stream: " + answer + '\n');
}

void TestClamdServer::shutDown_openScans_areErrors()
{
    ClamdPeer peer = serve().connect();
    QVERIFY(peer.send("nIDSESSION\nnINSTREAM\n" + chunks(hang(900'000'000)) + "nINSTREAM\n"
        + chunk(noise(3 * Limits::mib))));
    QTRY_COMPARE_WITH_TIMEOUT(m_clamd->status().queue.underWay, 2, patienceMs);
    m_clamd->broker().shutDown();
    QCOMPARE(peer.first(1), "1: stream: no scanner was available ERROR\n"_ba);
    QVERIFY(peer.send(QByteArray(4, '\0')));
    QVERIFY(peer.send("nEND\n"));
    QCOMPARE(peer.all(),
        "1: stream: no scanner was available ERROR\n2: stream: no scanner was available ERROR\n"_ba);
}

void TestClamdServer::idle_client_isSentAway_data()
{
    QTest::addColumn<QByteArray>("said");
    QTest::addColumn<QByteArray>("answer");
    QTest::newRow("nothing") << QByteArray() << timedOut;
    QTest::newRow("session") << "nIDSESSION\nnPING\n"_ba
                             << "1: PONG\n" + timedOut;
    QTest::newRow("half a command") << "nPI"_ba << timedOut;
    QTest::newRow("half a z command") << "zPI\n"_ba << timedOut;
    QTest::newRow("no descriptor") << "nFILDES\n"_ba << timedOut;
    QTest::newRow("half a size") << "nINSTREAM\n\0\0"_ba << timedOut;
    QTest::newRow("half a chunk") << "nINSTREAM\n\0\0\0\5ab"_ba << timedOut;
    QTest::newRow("no last chunk") << "nINSTREAM\n" + chunk("ab") << timedOut;
    QTest::newRow("no last chunk, large")
        << "nINSTREAM\n" + chunk(noise(2 * Limits::mib)) << timedOut;
}

void TestClamdServer::idle_client_isSentAway()
{
    QFETCH(const QByteArray, said);
    QFETCH(const QByteArray, answer);
    serve([](auto &settings) { settings.clamd.idleTime = 300ms; });
    QCOMPARE(m_clamd->ask(said), answer);
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->isQuiet(), patienceMs);
}

void TestClamdServer::stream_thatDrips_isSentAway()
{
    serve([](auto &settings) { settings.clamd.contentTime = 500ms; });
    ClamdPeer peer = m_clamd->connect();
    QVERIFY(peer.send("nINSTREAM\n"));
    QTRY_VERIFY_WITH_TIMEOUT(!peer.send(chunk("x")) || peer.isOver(), patienceMs);
    QCOMPARE(peer.all(), timedOut);
}

void TestClamdServer::idleClients_leaveTheirPlaces()
{
    serve([](auto &settings) { settings.clamd.maxClients = 3; });
    ClamdPeer busy = m_clamd->connect();
    QVERIFY(busy.send("nINSTREAM\n" + chunk("half of a ")));
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->ask("nSTATS\n").contains("pools_used 0.000"), patienceMs);
    std::vector<ClamdPeer> idle;
    for (int i = 0; i < 5; ++i) {
        idle.push_back(m_clamd->connect());
        QVERIFY(idle.back().send("nIDSESSION\nnPING\n"));
        QCOMPARE(idle.back().first(8), "1: PONG\n"_ba);
    }
    for (int i = 0; i < 3; ++i) // those who have waited longest
        QCOMPARE(idle.at(size_t(i)).all(), "1: PONG\n" + timedOut);
    QVERIFY(idle.back().send("nPING\n"));
    QCOMPARE(idle.back().first(16), "1: PONG\n2: PONG\n"_ba);
    QVERIFY(busy.send(chunks("THREAT-MARK")));
    QCOMPARE(busy.all(), "stream: " + found + '\n');
}

void TestClamdServer::idleClients_delayNobody()
{
    serve();
    std::vector<ClamdPeer> idle;
    for (int i = 0; i < 24; ++i)
        idle.push_back(m_clamd->connect());
    QTRY_COMPARE_WITH_TIMEOUT(m_clamd->status().clients, 24, patienceMs);
    QElapsedTimer time;
    time.start();
    QVERIFY(m_clamd->serves());
    QVERIFY2(time.elapsed() < 5'000, qPrintable(QString::number(time.elapsed())));
    QCOMPARE(m_clamd->status().clients, 24);
}

void TestClamdServer::busyClients_newOneIsToldSo()
{
    serve([](auto &settings) { settings.clamd.maxClients = 3; });
    std::vector<ClamdPeer> busy;
    for (int i = 0; i < 3; ++i) {
        busy.push_back(m_clamd->connect());
        QVERIFY(busy.back().send("nINSTREAM\n"));
    }
    QTRY_COMPARE_WITH_TIMEOUT(m_clamd->status().clients, 3, patienceMs);
    QCOMPARE(m_clamd->ask("nPING\n"), "too many connections, try again later ERROR\n"_ba);
    busy.pop_back();
    QTRY_COMPARE_WITH_TIMEOUT(m_clamd->ask("nPING\n"), "PONG\n"_ba, patienceMs);
}

void TestClamdServer::client_gone_itsScansAreCancelled()
{
    serve([](auto &settings) { settings.clamd.maxScansOfClient = 2; });
    {
        ClamdPeer peer = m_clamd->connect();
        QVERIFY(peer.send("nIDSESSION\nnINSTREAM\n" + chunks(hang(4'000'000'000)) + "nINSTREAM\n"
            + chunk(noise(2 * Limits::mib))));
        QTRY_COMPARE_WITH_TIMEOUT(m_clamd->status().queue.underWay, 2, patienceMs);
    }
    QElapsedTimer time;
    time.start();
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->isQuiet(), patienceMs);
    QVERIFY(time.elapsed() < 8'000); // it has ten seconds
    QCOMPARE(m_clamd->status().telemetry.totalScansCancelled, 2u);
    {
        ClamdPeer peer = m_clamd->connect(); // also while nothing of it is read
        QVERIFY(peer.send("nIDSESSION\nnINSTREAM\n" + chunks(hang(4'000'000'001)) + "nINSTREAM\n"
            + chunks(hang(4'000'000'002))));
        QTRY_COMPARE_WITH_TIMEOUT(m_clamd->status().queue.underWay, 2, patienceMs);
    }
    QTRY_COMPARE_WITH_TIMEOUT(m_clamd->status().telemetry.totalScansCancelled, 4u, patienceMs);
}

void TestClamdServer::client_halfClosed_isStillAnswered()
{
    const std::vector<std::pair<QByteArray, QByteArray>> conversations{
        {"nINSTREAM\n" + chunks(marked), "stream: " + found + '\n'},
        {"nIDSESSION\nnINSTREAM\n" + chunks(marked), "1: stream: " + found + '\n'},
        {"nINSTREAM\n" + chunks(marked).chopped(4), QByteArray()}, // who knows what was to come
        {"nINSTREAM\n" + chunk(noise(2 * Limits::mib)), QByteArray()}, {"PING", "PONG\n"},
        {"nPING", QByteArray()}, {"nFILDES\n", QByteArray()}};
    serve();
    for (const auto &[said, answer] : conversations) {
        ClamdPeer peer = m_clamd->connect();
        QVERIFY(peer.send(said));
        QVERIFY(peer.shutDownSending());
        QCOMPARE(peer.all(), answer);
    }
    QTRY_VERIFY_WITH_TIMEOUT(m_clamd->isQuiet(), patienceMs);
}

void TestClamdServer::client_doesNotRead_isReadNoMore()
{
    serve();
    ClamdPeer peer = m_clamd->connect();
    QVERIFY(peer.send("nIDSESSION\n"));
    const PeakMemory memory;
    const QByteArray pings = QByteArray("nVERSIONCOMMANDS\n").repeated(1'000);
    qint64 said = 0;
    const auto isStuck = [&] {
        for (int i = 0; i < 100; ++i)
            QCoreApplication::processEvents();
        const ssize_t sent = SocketMessage::send(peer.descriptor(), pings, -1, MSG_DONTWAIT);
        said += std::max<ssize_t>(sent, 0);
        return sent < 0;
    };
    QVERIFY(QTest::qWaitFor(isStuck, patienceMs));
    QVERIFY(memory.grownBytes() < 4 * Limits::mib);
    QVERIFY(m_clamd->serves());
    const QByteArray last = '\n' + QByteArray::number(said / 17) + ": Sentinel";
    QTRY_VERIFY_WITH_TIMEOUT(peer.heard().contains(last), patienceMs);
}

void TestClamdServer::socket_modeIsForWhomItIs_data()
{
    QTest::addColumn<int>("directoryMode");
    QTest::addColumn<int>("group");
    QTest::addColumn<int>("user");
    QTest::addColumn<int>("mode"); // -1: none is made
    QTest::newRow("own") << 0700 << -1 << -1 << 0600;
    QTest::newRow("own, open directory") << 0755 << -1 << -1 << -1;
    QTest::newRow("root") << 0700 << -1 << 0 << 0600;
    QTest::newRow("group") << 0755 << int(::getegid()) << -1 << 0660;
    QTest::newRow("group, directory writable") << 0775 << int(::getegid()) << -1 << -1;
    QTest::newRow("user") << 0755 << -1 << 65534 << 0666;
    QTest::newRow("user, directory writable") << 0757 << -1 << 65534 << -1;
}

void TestClamdServer::socket_modeIsForWhomItIs()
{
    QFETCH(const int, directoryMode);
    QFETCH(const int, group);
    QFETCH(const int, user);
    QFETCH(const int, mode);
    const QTemporaryDir directory;
    QCOMPARE(::chmod(qPrintable(directory.path()), mode_t(directoryMode)), 0);
    ClamdServerSettings settings;
    settings.socketPath = directory.filePath(QStringLiteral("socket"));
    if (group >= 0)
        settings.group = gid_t(group);
    if (user >= 0)
        settings.users = {uid_t(user)};
    {
        const auto listener = ClamdServer::listen(settings);
        QCOMPARE(listener.has_value(), mode >= 0);
        struct stat status { };
        if (listener) {
            QCOMPARE(::stat(qPrintable(settings.socketPath), &status), 0);
            QCOMPARE(int(status.st_mode & 07777), mode);
            const auto second = ClamdServer::listen(settings);
            QVERIFY(!second);
            QVERIFY(second.error().contains(QStringLiteral("another process listens")));
        }
    }
    QVERIFY(!QFile::exists(settings.socketPath));
    if (mode < 0)
        return;
    listeningSocket(settings.socketPath.toLatin1(), SOCK_STREAM); // that is dead by now
    QVERIFY(ClamdServer::listen(settings));
}

void TestClamdServer::socket_otherUser_data()
{
    QTest::addColumn<bool>("isUser");
    QTest::addColumn<bool>("isMember");
    QTest::newRow("nobody") << false << false;
    QTest::newRow("user") << true << false;
    QTest::newRow("group") << false << true;
}

void TestClamdServer::socket_otherUser()
{
    QFETCH(const bool, isUser);
    QFETCH(const bool, isMember);
    if (::geteuid() != 0)
        QSKIP("only root can become another user");
    constexpr uid_t nobody = 65534;
    constexpr gid_t members = 54321;
    const QTemporaryDir directory;
    QCOMPARE(::chmod(qPrintable(directory.path()), 0755), 0);
    serve([&](auto &settings) {
        settings.clamd.socketPath = directory.filePath(QStringLiteral("socket"));
        settings.clamd.group = isMember ? members : members + 1;
        settings.clamd.users = {isUser ? nobody : nobody - 1};
    });
    // The kernel notes who connects: nobody, while this process is nobody.
    const std::vector<gid_t> groups{members, 1};
    QCOMPARE(::setgroups(groups.size(), groups.data()), 0);
    QCOMPARE(::seteuid(nobody), 0);
    ClamdPeer peer = m_clamd->connect();
    QCOMPARE(::seteuid(0), 0);
    QCOMPARE(::setgroups(0, nullptr), 0);
    (void)peer.send("nPING\n");
    QCOMPARE(peer.all(), isUser || isMember ? "PONG\n"_ba : QByteArray());
}

QTEST_GUILESS_MAIN(TestClamdServer)
#include "tst_clamdserver.moc"
