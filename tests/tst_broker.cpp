// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Sha256.h"
#include "Sentinel/broker/Broker.h"
#include "Sentinel/broker/ContentCheck.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/SentinelClient.h"

#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <csignal>

#include <fcntl.h>
#include <sys/socket.h>

using namespace Sentinel;
using Test::beginOf;
using Test::contentFile;
using Test::hang;
using Test::noise;
using Test::SentinelClient;

namespace {

QByteArray sha256Of(const QByteArray &bytes)
{
    Sha256 hash;
    hash.add({reinterpret_cast<const uchar *>(bytes.constData()), size_t(bytes.size())});
    return hash.result();
}

const QByteArray marked = "a THREAT-MARK";

} // namespace

//! What a sentinel does for its clients, with real scan workers; the clients are in this process.
class TestBroker : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();

    void hello_version_isAnswered();
    void hello_otherVersions_areRefusedWithAWord();
    void hello_missing_onlyHelloIsLegal_data();
    void hello_missing_onlyHelloIsLegal();
    void hello_twice_endsTheSession();
    void control_cannotScan();

    void scan_contents_verdictsAndHashes();
    void scan_hashNotWanted_isNotTold();
    void scan_names_areSeenByRules();
    void scan_same_isAnsweredFromTheCache();
    void scan_sameOfAnotherClient_isKnownOnlyIfItWasSealed_data();
    void scan_sameOfAnotherClient_isKnownOnlyIfItWasSealed();
    void scan_streamed_isAnsweredAfterItsEnd();
    void scan_streamedFromItsFirstByte_typeIsSeenByRules();
    void scan_streamedManyMoreThanWorkers_allAreAnswered();
    void scan_tooLarge_isSaid();
    void scan_growsTooLarge_isSaid();
    void scan_overItsTimeout_isAnsweredAndTheNextIsQuick();
    void scan_cancelled_isAnsweredOnce();
    void scan_clientGone_isDropped();

    void content_refused_isSaidAndTheSessionGoesOn_data();
    void content_refused_isSaidAndTheSessionGoesOn();
    void content_shorterThanAnnounced_isUnreadable();
    void content_writable_isGivenOnForReadingAlone();

    void order_broken_endsTheSession_data();
    void order_broken_endsTheSession();
    void order_crossedTheVerdict_isIgnored();
    void mayWait_othersGoFirst();

    void worker_killed_scanGoesOnElsewhere();
    void workerParent_killed_scanningGoesOn();
    void content_killsItsWorkers_isRememberedAsSuch();

    void ping_isAnswered();
    void status_tellsOfEverything();
    void reload_good_isUsedAndTold();
    void reload_bad_changesNothingAndSaysWhy();
    void clients_many_eachHasItsOwnAnswers();
    void clients_tooMany_areRefused();
    void shutDown_answersEverything();
    void sessions_gone_leaveNothing();

private:
    std::unique_ptr<SentinelClient> connectClient(Hello::Role role = Hello::Role::Tap)
    {
        auto sockets = LocalSocket::connectedPair();
        if (!sockets)
            qFatal("no sockets");
        m_broker->addClient(std::move(sockets->second));
        auto client = std::make_unique<SentinelClient>(std::move(sockets->first));
        if (!client->open(role))
            qFatal("no welcome");
        return client;
    }
    quint64 endings(CloseReason reason) const { return m_broker->endings().at(size_t(reason)); }
    bool waitForEnding(const SentinelClient &client, CloseReason reason) const
    {
        return SentinelClient::wait(
            [&] { return client.closed.has_value() && endings(reason) == 1; });
    }
    void startBroker(qint64 maxScanBytes = Limits::maxScanBytes)
    {
        Broker::Settings settings;
        settings.rules.fleet.program = SENTINEL_BINARY;
        settings.rules.fleet.rules = {m_rules->settings().rulePaths, {}, maxScanBytes};
        settings.scanning.maxScanBytes = maxScanBytes;
        settings.scanning.workers.maxWorkers = 2;
        RuleLoader::Loaded loaded = RuleLoader::load(settings.rules, RuleLoader::Proof::Harmless);
        if (!loaded.engine)
            qFatal("%s", qPrintable(describe(loaded.problems.front())));
        m_broker.reset();
        m_broker = std::make_unique<Broker>(std::move(loaded), settings);
    }

    std::unique_ptr<Test::RuleDirectory> m_rules;
    std::unique_ptr<Broker> m_broker;
};

void TestBroker::init()
{
    m_rules = std::make_unique<Test::RuleDirectory>(Test::markerRules()
        + "rule named { condition: filename == \"bad.txt\" }\n"
          "rule typed { condition: filetype == \"RTF\" }\n");
    startBroker();
}

void TestBroker::cleanup()
{
    m_broker.reset();
}

void TestBroker::hello_version_isAnswered()
{
    const auto client = connectClient();
    QCOMPARE(client->welcome->version, IpcLimits::protocolVersion);
    QCOMPARE(client->welcome->rules.rules, 4);
    QCOMPARE(client->welcome->rules.digest.size(), 32);
}

void TestBroker::hello_otherVersions_areRefusedWithAWord()
{
    auto sockets = LocalSocket::connectedPair();
    m_broker->addClient(std::move(sockets->second));
    SentinelClient client(std::move(sockets->first));
    client.channel.send(Hello{7, 9, Hello::Role::Tap, QStringLiteral("later")});
    QTRY_VERIFY_WITH_TIMEOUT(client.closed, Test::patienceMs);
    QVERIFY(client.refusal);
    QVERIFY(client.refusal->text.contains(QStringLiteral("7 to 9")));
}

void TestBroker::hello_missing_onlyHelloIsLegal_data()
{
    QTest::addColumn<int>("message");
    for (int i = 0; i < 7; ++i)
        QTest::addRow("%d", i) << i;
}

void TestBroker::hello_missing_onlyHelloIsLegal()
{
    QFETCH(const int, message);
    const std::array<Message, 7> messages{ScanGrow{1, 1}, ScanEnd{1, 1, {}},
        ScanCancel{1, Reason::Cancelled}, VerdictAck{}, Ping{1}, StatusRequest{1},
        ReloadRequest{1}};
    auto sockets = LocalSocket::connectedPair();
    m_broker->addClient(std::move(sockets->second));
    SentinelClient client(std::move(sockets->first));
    client.channel.send(messages.at(size_t(message)));
    QVERIFY(waitForEnding(client, CloseReason::OutOfOrder));
    QVERIFY(client.others.empty());
}

void TestBroker::hello_twice_endsTheSession()
{
    const auto client = connectClient();
    client->channel.send(Hello{2, 2, Hello::Role::Tap, {}});
    QVERIFY(waitForEnding(*client, CloseReason::OutOfOrder));
}

void TestBroker::control_cannotScan()
{
    const auto client = connectClient(Hello::Role::Control);
    client->begin("x");
    QVERIFY(waitForEnding(*client, CloseReason::OutOfOrder));
}

void TestBroker::scan_contents_verdictsAndHashes()
{
    const auto client = connectClient();
    for (const QByteArray &bytes : {QByteArray(), QByteArray("x"), marked, noise(5 * Limits::mib),
             noise(3 * Limits::mib) + marked}) {
        const auto result = client->scan(bytes);
        QVERIFY(result);
        QCOMPARE(
            result->verdict(), bytes.contains("THREAT-MARK") ? Verdict::Malicious : Verdict::Clean);
        QCOMPARE(result->sha256(), sha256Of(bytes));
        QCOMPARE(result->coverage().bytesTotal, bytes.size());
        QCOMPARE(result->coverage().ruleSetDigest, client->welcome->rules.digest);
    }
}

void TestBroker::scan_hashNotWanted_isNotTold()
{
    const auto client = connectClient();
    ScanBegin begin = beginOf(1, 1);
    begin.wantsSha256 = false;
    client->channel.send(begin, contentFile("x"));
    const auto result = client->verdictOf(1);
    QVERIFY(result);
    QCOMPARE(result->verdict(), Verdict::Clean);
    QVERIFY(result->sha256().isEmpty());
}

void TestBroker::scan_names_areSeenByRules()
{
    const auto client = connectClient();
    QCOMPARE(client->scan("plain")->verdict(), Verdict::Clean);
    ScanBegin begin = beginOf(++client->lastId, 5);
    begin.metadata.filename = QStringLiteral("bad.txt");
    client->channel.send(begin, contentFile("plain")); // known by its bytes, but not by its name
    QCOMPARE(client->verdictOf(begin.id)->verdict(), Verdict::Malicious);
}

void TestBroker::scan_same_isAnsweredFromTheCache()
{
    const auto client = connectClient();
    const auto other = connectClient();
    const auto first = client->scan(marked);
    const auto second = other->scan(marked);
    QVERIFY(first && second);
    QVERIFY(*first == *second);
    QCOMPARE(m_broker->status().telemetry.cacheHits, 1u);
}

void TestBroker::scan_sameOfAnotherClient_isKnownOnlyIfItWasSealed_data()
{
    QTest::addColumn<int>("seals");
    QTest::addColumn<bool>("isShared");
    QTest::newRow("writable") << F_SEAL_SHRINK << false;
    QTest::newRow("mapped before") << (F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE) << false;
    QTest::newRow("sealed") << (F_SEAL_SHRINK | F_SEAL_WRITE) << true;
}

void TestBroker::scan_sameOfAnotherClient_isKnownOnlyIfItWasSealed()
{
    QFETCH(const int, seals);
    QFETCH(const bool, isShared);
    QTemporaryDir directory; // made with mode 0700
    const QString path = directory.filePath(QStringLiteral("socket"));
    m_broker->serve(Listener::listenAt(path).value());
    SentinelClient one(LocalSocket::connectTo(path).value());
    SentinelClient other(LocalSocket::connectTo(path).value());
    const auto hitsAfterScanBy = [&](SentinelClient &client) {
        client.channel.send(beginOf(++client.lastId, marked.size()), contentFile(marked, seals));
        const auto result = client.verdictOf(client.lastId);
        const bool isRight = result && result->verdict() == Verdict::Malicious;
        return isRight ? int(m_broker->status().telemetry.cacheHits) : -1;
    };
    QVERIFY(one.open() && other.open());
    QCOMPARE(hitsAfterScanBy(one), 0);
    QCOMPARE(hitsAfterScanBy(other), isShared ? 1 : 0);
    QCOMPARE(hitsAfterScanBy(one), isShared ? 2 : 1); // its own are known in any case
}

void TestBroker::scan_streamed_isAnsweredAfterItsEnd()
{
    const auto client = connectClient();
    const QByteArray bytes = noise(4 * Limits::mib) + marked;
    const FileDescriptor file = contentFile({});
    client->channel.send(beginOf(1, 0, false), FileDescriptor(::dup(file.get())));
    qint64 size = 0;
    while (size < bytes.size()) {
        const qint64 piece = std::min<qint64>(700'000, bytes.size() - size);
        QCOMPARE(::write(file.get(), bytes.constData() + size, size_t(piece)), piece);
        size += piece;
        client->channel.send(ScanGrow{1, size});
        QTest::qWait(0);
    }
    QVERIFY(client->verdicts.empty());
    client->channel.send(ScanEnd{1, size, {}});
    const auto result = client->verdictOf(1);
    QVERIFY(result);
    QCOMPARE(result->verdict(), Verdict::Malicious);
    QCOMPARE(result->sha256(), sha256Of(bytes));
}

void TestBroker::scan_streamedFromItsFirstByte_typeIsSeenByRules()
{
    const auto client = connectClient();
    const QByteArray bytes = "{\\rtf1 }";
    client->channel.send(beginOf(1, 0, false), contentFile(bytes));
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->status().queue.underWay, 1, Test::patienceMs);
    client->channel.send(ScanEnd{1, bytes.size(), {}});
    QCOMPARE(client->verdictOf(1)->verdict(), Verdict::Malicious);
}

void TestBroker::scan_streamedManyMoreThanWorkers_allAreAnswered()
{
    constexpr int scans = 3 * Limits::maxScanWorkers;
    const auto client = connectClient();
    std::vector<FileDescriptor> files;
    const QByteArray bytes = noise(2 * Limits::mib);
    for (int i = 1; i <= scans; ++i) {
        files.push_back(contentFile(bytes));
        client->channel.send(
            beginOf(quint64(i), bytes.size(), false), FileDescriptor(::dup(files.back().get())));
    }
    client->lastId = scans;
    QTRY_VERIFY_WITH_TIMEOUT(
        m_broker->status().workers.size() == Limits::maxScanWorkers, Test::patienceMs);
    QCOMPARE(client->scan("small")->verdict(), Verdict::Clean); // by a worker of a starved one
    for (int i = 1; i <= scans; ++i)
        client->channel.send(ScanEnd{quint64(i), bytes.size(), {}});
    for (int i = 1; i <= scans; ++i)
        QCOMPARE(client->verdictOf(quint64(i))->verdict(), Verdict::Clean);
}

void TestBroker::scan_tooLarge_isSaid()
{
    startBroker(Limits::mib);
    const auto client = connectClient();
    QCOMPARE(client->scan(noise(Limits::mib))->verdict(), Verdict::Clean);
    QCOMPARE(client->scan(noise(Limits::mib + 1))->reason(), Reason::TooLarge);
}

void TestBroker::scan_growsTooLarge_isSaid()
{
    startBroker(Limits::mib);
    const auto client = connectClient();
    const QByteArray bytes = noise(Limits::mib + 1);
    client->channel.send(beginOf(1, 5, false), contentFile(bytes));
    client->channel.send(ScanGrow{1, bytes.size()});
    QCOMPARE(client->verdictOf(1)->reason(), Reason::TooLarge);
    client->channel.send(ScanGrow{1, bytes.size()}); // crossed
    QCOMPARE(client->verdictsHeard, 1);
}

void TestBroker::scan_overItsTimeout_isAnsweredAndTheNextIsQuick()
{
    const auto client = connectClient();
    const auto result = client->scan(hang(4'000'000'000U), std::chrono::milliseconds(100));
    QVERIFY(result);
    QCOMPARE(result->reason(), Reason::TimedOut);
    QCOMPARE(client->scan("next")->verdict(), Verdict::Clean);
    // The one that hung was killed: nobody computes any more.
    QTRY_VERIFY_WITH_TIMEOUT(
        std::ranges::none_of(m_broker->status().workers,
            [](const WorkerStatus &w) { return w.state == WorkerStatus::State::Scanning; }),
        Test::patienceMs);
}

void TestBroker::scan_cancelled_isAnsweredOnce()
{
    const auto client = connectClient();
    const quint64 hanging = client->begin(hang(4'000'000'000U));
    client->channel.send(beginOf(++client->lastId, 2, false), contentFile("xy"));
    client->channel.send(ScanCancel{hanging, Reason::Cancelled});
    client->channel.send(ScanCancel{client->lastId, Reason::Incomplete});
    QCOMPARE(client->verdictOf(hanging)->reason(), Reason::Cancelled);
    QCOMPARE(client->verdictOf(client->lastId)->reason(), Reason::Incomplete);
    QCOMPARE(client->scan("next")->verdict(), Verdict::Clean);
    QCOMPARE(client->verdictsHeard, 3);
}

void TestBroker::scan_clientGone_isDropped()
{
    auto client = connectClient();
    for (int i = 0; i < 10; ++i)
        client->begin(hang(4'000'000'000U - quint32(i)));
    QTRY_VERIFY_WITH_TIMEOUT(m_broker->status().queue.underWay > 0, Test::patienceMs);
    client.reset();
    QTRY_COMPARE_WITH_TIMEOUT(
        m_broker->status().queue.underWay + m_broker->status().queue.waiting, 0, Test::patienceMs);
    QCOMPARE(connectClient()->scan("next")->verdict(), Verdict::Clean);
}

void TestBroker::content_refused_isSaidAndTheSessionGoesOn_data()
{
    QTest::addColumn<QByteArray>("kind");
    QTest::addColumn<QString>("why");
    QTest::newRow("pipe") << QByteArray("pipe") << QStringLiteral("regular file");
    QTest::newRow("device") << QByteArray("device") << QStringLiteral("regular file");
    QTest::newRow("directory") << QByteArray("directory") << QStringLiteral("regular file");
    QTest::newRow("socket") << QByteArray("socket") << QStringLiteral("regular file");
    QTest::newRow("path only") << QByteArray("path") << QStringLiteral("open for reading");
    QTest::newRow("for writing") << QByteArray("write") << QStringLiteral("open for reading");
    QTest::newRow("memfd unsealed") << QByteArray("unsealed") << QStringLiteral("F_SEAL_SHRINK");
    QTest::newRow("memfd unsealable")
        << QByteArray("unsealable") << QStringLiteral("F_SEAL_SHRINK");
    QTest::newRow("with a name") << QByteArray("named") << QStringLiteral("has a name");
    QTest::newRow("shorter") << QByteArray("shorter") << QStringLiteral("bytes where");
    QTest::newRow("longer") << QByteArray("longer") << QStringLiteral("bytes where");
}

void TestBroker::content_refused_isSaidAndTheSessionGoesOn()
{
    QFETCH(const QByteArray, kind);
    QFETCH(const QString, why);
    QTemporaryDir directory;
    const QByteArray path = QFile::encodeName(directory.filePath(QStringLiteral("file")));
    FileDescriptor file;
    std::array<int, 2> ends{-1, -1};
    if (kind == "pipe" && ::pipe2(ends.data(), O_CLOEXEC) == 0)
        file = FileDescriptor(ends[0]);
    else if (kind == "socket" && ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0)
        file = FileDescriptor(ends[0]);
    else if (kind == "device")
        file = FileDescriptor(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
    else if (kind == "directory")
        file = FileDescriptor(::open("/", O_RDONLY | O_CLOEXEC));
    else if (kind == "path")
        file = FileDescriptor(::open("/proc/self/exe", O_PATH | O_CLOEXEC));
    else if (kind == "write" || kind == "named")
        file = FileDescriptor(::open(
            path.constData(), O_CREAT | O_CLOEXEC | (kind == "write" ? O_WRONLY : O_RDWR), 0600));
    else if (kind == "unsealed")
        file = contentFile("x", 0);
    else if (kind == "unsealable")
        file = FileDescriptor(::memfd_create("unsealable", MFD_CLOEXEC));
    else
        file = contentFile(kind == "shorter" ? "" : "xy");
    if (kind == "named" || kind == "unsealable")
        QCOMPARE(::write(file.get(), "x", 1), 1);
    const FileDescriptor otherEnd(ends[1]);

    const auto client = connectClient();
    client->channel.send(beginOf(++client->lastId, 1), std::move(file));
    const auto result = client->verdictOf(1);
    QVERIFY(result);
    QCOMPARE(result->reason(), Reason::Unreadable);
    QVERIFY2(result->detail().contains(why), qPrintable(result->detail()));
    QCOMPARE(client->scan(marked)->verdict(), Verdict::Malicious);
}

void TestBroker::content_shorterThanAnnounced_isUnreadable()
{
    const auto client = connectClient();
    client->channel.send(beginOf(1, 1, false), contentFile("x"));
    client->channel.send(ScanGrow{1, 1000});
    QCOMPARE(client->verdictOf(1)->reason(), Reason::Unreadable);
    client->channel.send(beginOf(2, 1, false), contentFile("xyz"));
    client->channel.send(ScanEnd{2, 2, {}}); // there is more than is said
    QCOMPARE(client->verdictOf(2)->reason(), Reason::Unreadable);
}

void TestBroker::content_writable_isGivenOnForReadingAlone()
{
    const auto file = readOnly(contentFile("bytes"));
    QVERIFY(file);
    QCOMPARE(::fcntl(file->get(), F_GETFL) & O_ACCMODE, O_RDONLY);
    QCOMPARE(::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, file->get(), 0), MAP_FAILED);
    std::array<char, 6> bytes{};
    QCOMPARE(::pread(file->get(), bytes.data(), bytes.size(), 0), 5);
}

void TestBroker::order_broken_endsTheSession_data()
{
    QTest::addColumn<int>("breach");
    QTest::newRow("grow never begun") << 0;
    QTest::newRow("end never begun") << 1;
    QTest::newRow("cancel never begun") << 2;
    QTest::newRow("ack never begun") << 3;
    QTest::newRow("ack before the verdict") << 4;
    QTest::newRow("grow shrinks") << 5;
    QTest::newRow("end shrinks") << 6;
    QTest::newRow("id used twice") << 7;
    QTest::newRow("id that does not grow") << 8;
    QTest::newRow("what only a sentinel says") << 9;
}

void TestBroker::order_broken_endsTheSession()
{
    QFETCH(const int, breach);
    const auto client = connectClient();
    const bool needsScan = breach >= 4 && breach <= 8;
    if (needsScan)
        client->channel.send(beginOf(5, 10, false), contentFile(QByteArray(100, 'x')));
    switch (breach) {
    case 0:
        client->channel.send(ScanGrow{9, 1});
        break;
    case 1:
        client->channel.send(ScanEnd{9, 1, {}});
        break;
    case 2:
        client->channel.send(ScanCancel{9, Reason::Cancelled});
        break;
    case 3:
        client->channel.send(VerdictAck{9, Disposition::Release});
        break;
    case 4:
        client->channel.send(VerdictAck{5, Disposition::Release});
        break;
    case 5:
        client->channel.send(ScanGrow{5, 9});
        break;
    case 6:
        client->channel.send(ScanEnd{5, 9, {}});
        break;
    case 7:
    case 8:
        client->channel.send(beginOf(breach == 7 ? 5 : 4, 1), contentFile("x"));
        break;
    default:
        client->channel.send(Welcome{});
        break;
    }
    QVERIFY(waitForEnding(*client, CloseReason::OutOfOrder));
}

void TestBroker::mayWait_othersGoFirst()
{
    const auto client = connectClient();
    for (const quint32 steps : {10'000'001, 10'000'002}) // a worker each
        client->begin(hang(steps));
    QVERIFY(client->wait([&] { return m_broker->status().telemetry.activeWorkers == 2; }));
    ScanBegin patient = beginOf(++client->lastId, 100);
    patient.mayWait = true;
    client->channel.send(patient, contentFile(noise(100)));
    const quint64 usual = client->begin(noise(200));
    QVERIFY(client->verdictOf(patient.id));
    QVERIFY(client->verdicts.contains(usual));
}

void TestBroker::order_crossedTheVerdict_isIgnored()
{
    const auto client = connectClient();
    QCOMPARE(client->scan(marked)->verdict(), Verdict::Malicious);
    client->channel.send(ScanGrow{1, 1});
    client->channel.send(ScanEnd{1, 1, {}});
    client->channel.send(ScanCancel{1, Reason::Cancelled});
    client->channel.send(VerdictAck{1, Disposition::Block});
    client->channel.send(VerdictAck{1, Disposition::Block});
    QCOMPARE(client->scan("x")->verdict(), Verdict::Clean);
    QCOMPARE(client->verdictsHeard, 2);
}

void TestBroker::worker_killed_scanGoesOnElsewhere()
{
    const auto client = connectClient();
    const quint64 id = client->begin(hang(Test::stepsInASecond / 2), Test::patience);
    const auto scanning = [this] {
        qint64 pid = 0;
        for (const WorkerStatus &worker : m_broker->status().workers) {
            if (worker.state == WorkerStatus::State::Scanning)
                pid = worker.pid;
        }
        return pid;
    };
    QTRY_VERIFY_WITH_TIMEOUT(scanning() != 0, Test::patienceMs);
    ::kill(pid_t(scanning()), SIGKILL);
    QCOMPARE(client->verdictOf(id)->verdict(), Verdict::Clean);
}

void TestBroker::workerParent_killed_scanningGoesOn()
{
    const auto client = connectClient();
    QCOMPARE(client->scan("x")->verdict(), Verdict::Clean);
    // The parent of a worker is in its /proc.
    const qint64 worker = m_broker->status().workers.front().pid;
    QFile stat(QStringLiteral("/proc/%1/stat").arg(worker));
    QVERIFY(stat.open(QIODevice::ReadOnly));
    const QByteArray line = stat.readAll();
    const pid_t parent = line.mid(line.lastIndexOf(')') + 2).split(' ').at(1).toInt();
    QVERIFY(parent > 1);
    const quint64 id = client->begin(hang(Test::stepsInASecond / 2), Test::patience);
    ::kill(parent, SIGKILL);
    QCOMPARE(client->verdictOf(id)->verdict(), Verdict::Clean);
    QCOMPARE(client->scan("y")->verdict(), Verdict::Clean);
}

void TestBroker::content_killsItsWorkers_isRememberedAsSuch()
{
    const auto client = connectClient();
    const QByteArray deadly = hang(4'000'000'000U);
    const quint64 id = client->begin(deadly);
    int kills = 0;
    const auto killWhoScans = [&] {
        for (const WorkerStatus &worker : m_broker->status().workers) {
            if (worker.state == WorkerStatus::State::Scanning) {
                ::kill(pid_t(worker.pid), SIGKILL);
                ++kills;
            }
        }
        return client->verdicts.contains(id);
    };
    QVERIFY(SentinelClient::wait(killWhoScans));
    QVERIFY(kills >= Limits::maxCrashesOfAScan);
    QCOMPARE(client->verdictOf(id)->reason(), Reason::EngineCrashed);
    QVERIFY(client->verdictOf(id)->detail().contains(QStringLiteral("signal 9")));
    // Known by now: no worker is risked for it.
    QCOMPARE(connectClient()->scan(deadly)->reason(), Reason::EngineCrashed);
}

void TestBroker::ping_isAnswered()
{
    for (const auto role : {Hello::Role::Tap, Hello::Role::Control}) {
        const auto client = connectClient(role);
        client->channel.send(Ping{42});
        QTRY_COMPARE_WITH_TIMEOUT(client->others.size(), 1u, Test::patienceMs);
        QVERIFY(client->others.front() == Message(Pong{42}));
    }
}

void TestBroker::status_tellsOfEverything()
{
    const auto client = connectClient();
    QVERIFY(client->scan(marked));
    const auto control = connectClient(Hello::Role::Control);
    control->channel.send(StatusRequest{3});
    QTRY_COMPARE_WITH_TIMEOUT(control->others.size(), 1u, Test::patienceMs);
    const auto *report = std::get_if<StatusReport>(&control->others.front());
    QVERIFY(report);
    QCOMPARE(report->id, 3u);
    const SentinelStatus &status = report->status;
    QVERIFY(!status.productVersion.isEmpty());
    QCOMPARE(status.clients, 2);
    QCOMPARE(status.rules.rules, 4);
    QCOMPARE(status.telemetry.totalScansCompleted, 1u);
    QCOMPARE(status.workers.size(), 1u);
    QCOMPARE(status.workers.front().scans, 1);
    QVERIFY(status.workers.front().pid > 0);
    QVERIFY(!status.sandbox.empty());
    QCOMPARE(status.troubles.size(), 1); // these rules do not find EICAR
}

void TestBroker::reload_good_isUsedAndTold()
{
    const auto client = connectClient();
    QCOMPARE(client->scan(marked)->verdict(), Verdict::Malicious);
    m_rules->write("rule other { strings: $a = \"OTHER-MARK\" condition: $a }");
    client->channel.send(ReloadRequest{8});
    QTRY_COMPARE_WITH_TIMEOUT(client->others.size(), 2u, Test::patienceMs);
    const auto *result = std::get_if<ReloadResult>(&client->others.front());
    QVERIFY(result);
    QCOMPARE(result->id, 8u);
    QVERIFY(result->isActivated);
    QCOMPARE(result->rules.rules, 1);
    QVERIFY(std::holds_alternative<RuleSetChanged>(client->others.back()));
    QCOMPARE(client->scan(marked)->verdict(), Verdict::Clean);
    QCOMPARE(client->scan("OTHER-MARK")->verdict(), Verdict::Malicious);
}

void TestBroker::reload_bad_changesNothingAndSaysWhy()
{
    const auto client = connectClient();
    m_rules->write("rule fine { condition: true }\nrule broken { condition: nonsense }");
    client->channel.send(ReloadRequest{8});
    QTRY_COMPARE_WITH_TIMEOUT(client->others.size(), 1u, Test::patienceMs);
    const auto *result = std::get_if<ReloadResult>(&client->others.front());
    QVERIFY(result);
    QVERIFY(!result->isActivated);
    QVERIFY(result->rules == client->welcome->rules);
    QVERIFY(!result->problems.empty());
    QVERIFY(result->problems.front().file.endsWith(QStringLiteral("test.yar")));
    QVERIFY(result->problems.front().line > 0);
    QCOMPARE(client->scan(marked)->verdict(), Verdict::Malicious);
    QCOMPARE(m_broker->status().troubles.size(), 2); // and that these rules do not find EICAR
}

void TestBroker::clients_many_eachHasItsOwnAnswers()
{
    std::vector<std::unique_ptr<SentinelClient>> clients;
    for (int i = 0; i < 10; ++i)
        clients.push_back(connectClient());
    for (int round = 0; round < 9; ++round) {
        for (size_t i = 0; i < clients.size(); ++i)
            clients[i]->begin(i % 2 ? marked + QByteArray::number(round) : noise(5000, quint32(i)));
    }
    for (size_t i = 0; i < clients.size(); ++i) {
        QTRY_COMPARE_WITH_TIMEOUT(clients[i]->verdicts.size(), 9u, Test::patienceMs);
        for (const auto &[id, result] : clients[i]->verdicts)
            QCOMPARE(result.verdict(), i % 2 ? Verdict::Malicious : Verdict::Clean);
    }
}

void TestBroker::clients_tooMany_areRefused()
{
    std::vector<std::unique_ptr<SentinelClient>> clients;
    for (int i = 0; i < Limits::maxClients; ++i)
        clients.push_back(connectClient());
    auto sockets = LocalSocket::connectedPair();
    m_broker->addClient(std::move(sockets->second));
    SentinelClient refused(std::move(sockets->first));
    QTRY_VERIFY_WITH_TIMEOUT(refused.closed, Test::patienceMs);
    QVERIFY(refused.refusal);
    clients.pop_back();
    QTRY_COMPARE_WITH_TIMEOUT(
        m_broker->status().clients, qint64(Limits::maxClients) - 1, Test::patienceMs);
    QVERIFY(connectClient()->welcome);
}

void TestBroker::shutDown_answersEverything()
{
    const auto client = connectClient();
    for (int i = 0; i < 10; ++i)
        client->begin(hang(4'000'000'000U - quint32(i)));
    QTRY_VERIFY_WITH_TIMEOUT(m_broker->status().queue.underWay > 0, Test::patienceMs);
    m_broker->shutDown();
    m_broker.reset();
    QTRY_COMPARE_WITH_TIMEOUT(client->verdicts.size(), 10u, Test::patienceMs);
    for (const auto &[id, result] : client->verdicts)
        QCOMPARE(result.reason(), Reason::ScannerUnavailable);
}

void TestBroker::sessions_gone_leaveNothing()
{
    QCOMPARE(connectClient()->scan("warm")->verdict(), Verdict::Clean);
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->status().clients, 0, Test::patienceMs);
    // Each worker has a socket and a process, each thread of the pool its event descriptor.
    const auto descriptors = [this] {
        const SentinelStatus status = m_broker->status();
        return Test::descriptorCount() - 2 * int(status.workers.size()) - status.telemetry.workers;
    };
    const int before = descriptors();
    for (int i = 0; i < 20; ++i) {
        const auto client = connectClient();
        for (int j = 0; j < 5; ++j)
            client->begin(noise(1000, quint32(i * 5 + j)));
        client->channel.send(beginOf(100, 1, false), contentFile("x"));
        if (i % 2)
            QVERIFY(client->verdictOf(1));
    }
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->status().clients, 0, Test::patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->status().queue.underWay, 0, Test::patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(descriptors(), before, Test::patienceMs);
}

QTEST_GUILESS_MAIN(TestBroker)
#include "tst_broker.moc"
