// SPDX-License-Identifier: MIT
#include "Sentinel/broker/Broker.h"
#include "Sentinel/sandbox/Sandbox_p.h"
#include "tests/support/EventLoop.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/ProcessTree.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/ScanLoad.h"
#include "tests/support/SentinelClient.h"
#include "tests/support/Slowness.h"

#include <QLoggingCategory>
#include <QRandomGenerator>
#include <QTest>

#include <csignal>
#include <set>

using namespace Sentinel;
using namespace std::chrono_literals;
using Test::LoopPulse;
using Test::patienceMs;
using Test::runUntil;
using Test::ScanLoad;
using Test::SentinelClient;

namespace {

constexpr int inFlight = 12;
constexpr auto hung = Test::patience; // nothing that is alive takes so long

double milliseconds(Clock::duration time)
{
    return std::chrono::duration<double, std::milli>(time).count();
}

//! What a person wants to know of many times.
QString distribution(std::vector<Clock::duration> times)
{
    std::ranges::sort(times);
    const auto at = [&times](size_t percent) {
        return milliseconds(times.at(std::min(times.size() - 1, times.size() * percent / 100)));
    };
    return QStringLiteral("%1 times: half within %2 ms, 99 of 100 within %3 ms, all within %4 ms")
        .arg(times.size())
        .arg(at(50))
        .arg(at(99))
        .arg(at(100));
}

//! 40 s on 64 KiB of this letter, and libyara's own time limit does not hold.
const QByteArray endlessRule = "rule endless { strings: $a = /a+/ condition: #a > 1000000 }\n";

//! A gigabyte of matches in 64 KiB of this letter.
QByteArray greedyRule()
{
    QByteArray text = "rule greedy {\n strings:\n";
    for (int i = 0; i < 400; ++i)
        text += "  $s" + QByteArray::number(i) + " = \"aaaaa\"\n";
    return text + " condition:\n  for all of them : (# > 1000000)\n}\n";
}

//! 64 KiB of the letter, after which each is another content.
QByteArray letters(int number)
{
    return QByteArray::number(number) + QByteArray(64 * Limits::kib, 'a');
}

} // namespace

//! Whatever part of a sentinel dies or runs wild: every question has one answer, no answer is
//! wrong, the others go on, and nothing is left behind. The times are printed for people.
class TestSupervision : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();

    void worker_killedThousandTimes_allAreAnswered();
    void workerParent_killedFiftyTimes_allAreAnswered();
    void broker_killedHundredTimes_allAreAnswered();
    void expression_endless_isEndedInTime();
    void memory_exhausted_isAnsweredWithinItsLimit();

private:
    void startBroker(const QByteArray &rules);
    void makeTap(Isolation isolation);
    std::unique_ptr<SentinelClient> connectClient();
    pid_t nextVictim();
    void killUnderLoad(int times, const std::function<pid_t()> &victim);
    void verifyAnswers(int kills);

    QTemporaryDir m_socket;
    std::unique_ptr<Test::RuleDirectory> m_rules;
    std::unique_ptr<Broker> m_broker;
    std::unique_ptr<SecurityTap> m_tap;
    std::unique_ptr<ScanLoad> m_load;
    std::vector<Clock::duration> m_times; // from a kill to a verdict
    QRandomGenerator m_random{1};
    std::set<pid_t> m_killed;
    int m_threads = 0; // of this process, without a tap
    int m_descriptors = 0;
};

void TestSupervision::initTestCase()
{
    Test::adoptOrphans();
    // What is done here on purpose, thousands of times, is not to be read about.
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*=false"));
    m_threads = Test::threadCount(); // now: one that was joined may be listed a moment longer
    init();
    makeTap(Isolation::Spawned); // for what stays after the first use
    QVERIFY(m_load->finish());
    m_load.reset();
    m_tap.reset();
    QTRY_VERIFY_WITH_TIMEOUT(Test::areAllChildrenGone(), patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(Test::threadCount(), m_threads, patienceMs);
    m_descriptors = Test::descriptorCount();
}

void TestSupervision::init()
{
    m_rules = std::make_unique<Test::RuleDirectory>(Test::markerRules());
    m_times.clear();
    m_killed.clear();
}

void TestSupervision::cleanup()
{
    m_load.reset();
    m_tap.reset();
    m_broker.reset();
    QTRY_VERIFY_WITH_TIMEOUT(Test::areAllChildrenGone(), patienceMs);
}

//! In this process, where all is known of it. These rules would not prove themselves.
void TestSupervision::startBroker(const QByteArray &rules)
{
    m_rules->write(rules);
    Broker::Settings settings;
    settings.rules.fleet.program = SENTINEL_BINARY;
    settings.rules.fleet.rules = {m_rules->settings().rulePaths, {}};
    // A machine with other things to do is no fault of the sentinel's.
    settings.scanning.timeouts = {Test::patience, Test::patience};
    RuleLoader::Loaded loaded = RuleLoader::load(settings.rules, RuleLoader::Proof::None);
    if (!loaded.engine)
        qFatal("%s", qPrintable(describe(loaded.problems.front())));
    m_broker = std::make_unique<Broker>(std::move(loaded), settings);
    auto listener = Listener::listenAt(m_socket.filePath(QStringLiteral("run/socket")));
    if (!listener)
        qFatal("%s", qPrintable(listener.error()));
    m_broker->serve(std::move(*listener));
}

void TestSupervision::makeTap(Isolation isolation)
{
    m_tap = m_rules->makeTap([&](TapSettings &settings) {
        settings.isolation = isolation;
        settings.scanning.timeouts = {Test::patience, Test::patience};
        settings.sentinel.patience.pong = Test::patience;
        settings.sentinel.program = QStringLiteral(SENTINEL_BINARY);
        settings.sentinel.socketPath = m_socket.filePath(QStringLiteral("run/socket"));
    });
    m_load = std::make_unique<ScanLoad>(*m_tap, &ScanLoad::mixedContent);
    m_load->start(inFlight);
    if (!m_load->awaitVerdicts(inFlight))
        qFatal("no verdicts");
}

std::unique_ptr<SentinelClient> TestSupervision::connectClient()
{
    auto sockets = LocalSocket::connectedPair();
    m_broker->addClient(std::move(sockets->second));
    auto client = std::make_unique<SentinelClient>(std::move(sockets->first));
    if (!client->open())
        qFatal("no welcome");
    return client;
}

//! A worker that was not killed yet, two times of three in the middle of a scan; 0 if there is
//! none.
pid_t TestSupervision::nextVictim()
{
    const bool isToScan = m_random.bounded(3) != 0;
    for (const WorkerStatus &worker : m_broker->status().workers) {
        if (isToScan && worker.state != WorkerStatus::State::Scanning)
            continue;
        if (m_killed.insert(pid_t(worker.pid)).second)
            return pid_t(worker.pid);
    }
    return 0;
}

//! The next kill comes when there is service again, and a moment later.
void TestSupervision::killUnderLoad(int times, const std::function<pid_t()> &victim)
{
    constexpr quint32 mostVerdictsBetween = 16;
    for (int i = 0; i < times; ++i) {
        pid_t process = 0;
        QVERIFY(runUntil([&] { return (process = victim()) != 0; }));
        QCOMPARE(::kill(process, SIGKILL), 0);
        const auto time = m_load->timeToVerdict();
        QVERIFY2(time, qPrintable(m_load->summary()));
        QVERIFY(*time < hung);
        m_times.push_back(*time);
        QVERIFY(m_load->awaitVerdicts(m_random.bounded(mostVerdictsBetween)));
    }
}

void TestSupervision::verifyAnswers(int kills)
{
    QVERIFY(m_load->finish());
    QVERIFY2(m_load->complaints().isEmpty(), qPrintable(m_load->complaints().join(u'\n')));
    qInfo().noquote() << kills << "kills:" << m_load->summary();
    qInfo().noquote() << "from a kill to the verdict on what was asked after it,"
                      << distribution(m_times);
    QVERIFY(m_load->verdicts() > quint64(kills));
    QVERIFY(m_load->threats() > 0 && m_load->threats() < m_load->verdicts());
    for (const auto &[reason, count] : m_load->notScanned())
        QVERIFY(reason == Reason::EngineCrashed || reason == Reason::ScannerUnavailable);
}

void TestSupervision::worker_killedThousandTimes_allAreAnswered()
{
    constexpr int kills = 1'000 / Test::slowness;
    startBroker(Test::markerRules());
    makeTap(Isolation::System);
    killUnderLoad(kills, [this] { return nextVictim(); });
    verifyAnswers(kills);
    // A scan whose worker was killed went on in another one; few can have met two kills.
    QVERIFY(m_load->notScanned(Reason::EngineCrashed) <= kills / 5);
    QCOMPARE(m_load->notScanned(Reason::ScannerUnavailable), 0u);
}

void TestSupervision::workerParent_killedFiftyTimes_allAreAnswered()
{
    constexpr int kills = 50 / Test::slowness;
    startBroker(Test::markerRules());
    makeTap(Isolation::System);
    killUnderLoad(kills, [] {
        const auto parents = Test::childrenNamed(::getpid(), "worker-parent");
        return parents.empty() ? 0 : parents.front();
    });
    verifyAnswers(kills);
    // It was no scan's fault; and who waits for the new one is served by it, unless that dies, too,
    // before it has made a worker.
    QVERIFY2(m_load->notScanned(Reason::EngineCrashed) == 0, qPrintable(m_load->summary()));
    QVERIFY(m_load->notScanned(Reason::ScannerUnavailable) <= quint64(kills) / 2);
}

void TestSupervision::broker_killedHundredTimes_allAreAnswered()
{
    constexpr int kills = 100 / Test::slowness;
    makeTap(Isolation::Spawned);
    const LoopPulse pulse;
    killUnderLoad(kills, [] {
        const auto brokers = Test::childrenNamed(::getpid(), "serve");
        return brokers.empty() ? 0 : brokers.front();
    });
    verifyAnswers(kills);
    qInfo() << "the event loop stood still for" << pulse.longestGap().count() << "ms at most";
    QVERIFY(pulse.longestGap() < hung);
    QCOMPARE(m_load->notScanned(Reason::EngineCrashed), 0u);
    // Only what a sentinel had in its hands when it died is lost; what waited for the next is not.
    QVERIFY(m_load->notScanned(Reason::ScannerUnavailable) <= quint64(kills) * (inFlight + 1));

    m_load.reset();
    m_tap.reset();
    QTRY_VERIFY_WITH_TIMEOUT(Test::areAllChildrenGone(), patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(Test::threadCount(), m_threads, patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(Test::descriptorCount(), m_descriptors, patienceMs);
}

void TestSupervision::expression_endless_isEndedInTime()
{
    constexpr int times = 100 / Test::slowness;
    constexpr auto timeout = 200ms;
    startBroker(Test::markerRules() + endlessRule);
    const auto client = connectClient();
    const auto scan =
        [&](const QByteArray &bytes,
            std::chrono::milliseconds most) -> std::pair<ScanResult, Clock::duration> {
        const auto begin = Clock::now();
        const quint64 id = client->begin(bytes, most);
        if (!runUntil([&] { return client->verdicts.contains(id); }))
            qFatal("no verdict");
        return {client->verdicts.at(id), Clock::now() - begin};
    };
    std::vector<Clock::duration> over;
    std::vector<Clock::duration> next;
    for (int i = 0; i < times; ++i) {
        const auto [ended, time] = scan(letters(i), timeout);
        QCOMPARE(ended.reason(), Reason::TimedOut);
        QVERIFY(time >= timeout && time < hung);
        over.push_back(time - timeout);
        const auto [clean, cleanTime] = scan("clean " + QByteArray::number(i), Test::patience);
        QCOMPARE(clean.verdict(), Verdict::Clean);
        next.push_back(cleanTime);
    }
    QCOMPARE(client->verdictsHeard, 2 * times);
    qInfo().noquote() << "answered after the deadline," << distribution(over);
    qInfo().noquote() << "the next scan," << distribution(next);
    QTRY_VERIFY_WITH_TIMEOUT( // nobody computes any more
        std::ranges::none_of(m_broker->status().workers,
            [](const WorkerStatus &w) { return w.state == WorkerStatus::State::Scanning; }),
        patienceMs);
}

void TestSupervision::memory_exhausted_isAnsweredWithinItsLimit()
{
    if (isSanitizerBuild)
        QSKIP("a sanitizer build has no limit of memory");
    constexpr int times = 3;
    startBroker(Test::markerRules() + greedyRule());
    const auto client = connectClient();
    qint64 peakResident = 0;
    qint64 peakOwn = 0;
    const auto look = [&] {
        for (const WorkerStatus &worker : m_broker->status().workers) {
            peakResident = std::max(peakResident, Test::statusBytes(pid_t(worker.pid), "VmHWM"));
            peakOwn = std::max({peakOwn, Test::statusBytes(pid_t(worker.pid), "VmData"),
                Test::statusBytes(pid_t(worker.pid), "RssAnon")});
        }
    };
    for (int i = 0; i < times; ++i) {
        const quint64 greedy = client->begin(letters(i), Limits::minScanTimeout);
        QVERIFY(runUntil([&] {
            look();
            return client->verdicts.contains(greedy);
        }));
        QCOMPARE(client->verdicts.at(greedy).verdict(), Verdict::NotScanned);
        const quint64 next = client->begin("THREAT-MARK" + QByteArray::number(i));
        QVERIFY(runUntil([&] { return client->verdicts.contains(next); }));
        QCOMPARE(client->verdicts.at(next).verdict(), Verdict::Malicious);
    }
    qInfo().noquote() << describe(client->verdicts.begin()->second);
    qInfo() << "a worker had" << peakResident / Limits::mib << "MiB in memory at most, and"
            << peakOwn / Limits::mib << "MiB of its own";
    QVERIFY(peakResident > Limits::maxWorkerMemoryBytes / 4); // it was greedy indeed
    // Besides there are the pages of libraries and rules that it shares with others.
    QVERIFY(peakResident <= Limits::maxWorkerMemoryBytes + 32 * Limits::mib);
    QVERIFY(peakOwn <= Limits::maxWorkerMemoryBytes);
}

QTEST_GUILESS_MAIN(TestSupervision)
#include "tst_supervision.moc"
