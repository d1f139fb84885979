// SPDX-License-Identifier: MIT
#include "Sentinel/broker/Broker.h"
#include "tests/support/EventLoop.h"
#include "tests/support/ProcessTree.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/ScanLoad.h"
#include "tests/support/SentinelClient.h"
#include "tests/support/Slowness.h"

#include <QLoggingCategory>
#include <QTest>

using namespace Sentinel;
using namespace std::chrono_literals;
using Test::patienceMs;
using Test::runUntil;
using Test::ScanLoad;
using Test::SentinelClient;

namespace {

constexpr int inFlight = 8;

//! Two sets of rules that find different things in the same content.
constexpr std::array ruleNames{"from_a", "from_b"};

QByteArray rulesOf(size_t set)
{
    const QByteArray name = ruleNames.at(set);
    return "rule " + name + " { strings: $a = \"mark " + name + "\" condition: $a }\n";
}

//! What both sets find; each a content of its own.
QByteArray contentWithBothMarks(quint64 index)
{
    return ScanLoad::smallContent(index) + " mark from_a, mark from_b";
}

//! An update that must not come into force, its text made different from the one before by a
//! number.
struct BrokenUpdate {
    const char *name;
    std::function<QByteArray(int number)> text;
    bool isSlow = false; // to refuse it takes seconds
};

BrokenUpdate fixedText(const char *name, const QByteArray &text)
{
    return {name, [text](int number) { return text + "\n// " + QByteArray::number(number); }};
}

std::vector<BrokenUpdate> brokenUpdates()
{
    const QByteArray good = rulesOf(0);
    return {
        {"empty file", [](int) { return QByteArray(); }},
        fixedText("no rule in it", "// nothing"),
        fixedText("no rule text", "hello"),
        {"cut short",
            [good](int number) { return good + good.first(10 + number % 30).replace('a', 'c'); }},
        {"NUL bytes",
            [good](int number) { return good + QByteArray(1 + number, '\0') + rulesOf(1); }},
        {"random bytes", [](int number) { return Test::noise(1000, quint32(number)); }},
        fixedText("UTF-16", QByteArray::fromHex("FFFE") + "r\0u\0l\0e\0"),
        fixedText("unknown word", good + "rule r { condition: nothing_such }"),
        fixedText("unknown module", good + "import \"none\" rule r { condition: none.x }"),
        fixedText("module that opens files", good + "import \"cuckoo\""),
        fixedText("string never used", good + "rule r { strings: $a = \"x\" condition: false }"),
        fixedText("string not there", good + "rule r { condition: $a }"),
        fixedText("bad expression", good + "rule r { strings: $a = /(/ condition: $a }"),
        fixedText("twice the same rule", good + good),
        fixedText("include of what is not there", good + "include \"none.inc\""),
        fixedText("include from outside", good + "include \"../../../../etc/passwd\""),
        fixedText("include of itself", good + "include \"test.yar\""),
        fixedText("finds everything", good + "rule r { condition: true }"),
        fixedText("finds what is not empty", good + "rule r { condition: filesize > 0 }"),
        fixedText("finds Windows programs", good + "rule r { condition: uint16(0) == 0x5A4D }"),
        {"huge",
            [good](
                int number) { return good + QByteArray(Limits::maxRuleFileBytes + number, ' '); },
            true},
        {"endless on nothing",
            [](int) {
                return QByteArray("rule r { condition: for all i in (1..100000000000) : (i > 0) }");
            },
            true},
        {"too slow",
            [good](int) { return good + "rule r { strings: $a = /a+/ condition: #a > 1000000 }"; },
            true},
    };
}

} // namespace

//! New rules while scans go on: none is dropped, each is by one set as a whole, and what is bad
//! never comes into force.
class TestReloadUnderLoad : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();

    void rules_exchangedThousandTimes_eachVerdictIsByOneSet();
    void updates_brokenTwoHundredTimes_oldRulesStay();

private:
    //! Which set's verdict \p result is; nothing if it is none's.
    std::optional<size_t> setOf(const ScanResult &result) const;
    std::optional<ReloadResult> reload(const QByteArray &text);
    std::optional<ScanResult> scan(const QByteArray &bytes);

    QTemporaryDir m_socket;
    std::unique_ptr<Test::RuleDirectory> m_rules;
    std::unique_ptr<Broker> m_broker;
    std::unique_ptr<SentinelClient> m_client;
    std::unique_ptr<SecurityTap> m_tap;
    std::unique_ptr<ScanLoad> m_load;
    std::array<QByteArray, 2> m_digests; // of the sets, once they have been in force
    std::array<quint64, 2> m_verdicts{}; // by set
    quint64 m_lastReload = 0;
};

void TestReloadUnderLoad::initTestCase()
{
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*=false"));
}

//! Set 0 is in force, and the load runs.
void TestReloadUnderLoad::init()
{
    m_rules = std::make_unique<Test::RuleDirectory>(rulesOf(0));
    Broker::Settings settings;
    settings.rules.fleet.program = SENTINEL_BINARY;
    settings.rules.fleet.rules = {m_rules->settings().rulePaths, {}};
    // A machine with other things to do is no fault of the sentinel's.
    settings.scanning.timeouts = {Test::patience, Test::patience};
    RuleLoader::Loaded loaded = RuleLoader::load(settings.rules, RuleLoader::Proof::Harmless);
    if (!loaded.engine)
        qFatal("%s", qPrintable(describe(loaded.problems.front())));
    m_broker = std::make_unique<Broker>(std::move(loaded), settings);
    auto listener = Listener::listenAt(m_socket.filePath(QStringLiteral("run/socket")));
    QVERIFY2(listener, qPrintable(listener ? QString() : listener.error()));
    m_broker->serve(std::move(*listener));

    auto sockets = LocalSocket::connectedPair();
    m_broker->addClient(std::move(sockets->second));
    m_client = std::make_unique<SentinelClient>(std::move(sockets->first));
    QVERIFY(m_client->open());
    m_digests = {m_client->welcome->rules.digest, QByteArray()};
    m_verdicts = {};

    m_tap = m_rules->makeTap([&](TapSettings &tapSettings) {
        tapSettings.isolation = Isolation::System;
        tapSettings.scanning.timeouts = {Test::patience, Test::patience};
        tapSettings.sentinel.patience.pong = Test::patience;
        tapSettings.sentinel.socketPath = m_socket.filePath(QStringLiteral("run/socket"));
    });
    QVERIFY(runUntil([this] { return !m_tap->rules().digest.isEmpty(); }));
    m_load = std::make_unique<ScanLoad>(*m_tap, &contentWithBothMarks,
        [this](quint64, const ScanResult &result) -> std::optional<QString> {
            const auto set = setOf(result);
            if (!set)
                return describe(result);
            ++m_verdicts.at(*set);
            return std::nullopt;
        });
    m_load->setRest(4ms); // the workers that are started anew need the processors, too
    m_load->start(inFlight);
}

void TestReloadUnderLoad::cleanup()
{
    m_load.reset();
    m_tap.reset();
    m_client.reset();
    m_broker.reset();
    QTRY_VERIFY_WITH_TIMEOUT(Test::areAllChildrenGone(), patienceMs);
}

std::optional<size_t> TestReloadUnderLoad::setOf(const ScanResult &result) const
{
    for (size_t set = 0; set < ruleNames.size(); ++set) {
        if (result.verdict() == Verdict::Malicious && result.findings().size() == 1
            && result.findings().front().rule == QLatin1String(ruleNames.at(set))
            && result.coverage().ruleSetDigest == m_digests.at(set))
            return set;
    }
    return std::nullopt;
}

//! Writes \p text in the place of the rules, and has them read.
std::optional<ReloadResult> TestReloadUnderLoad::reload(const QByteArray &text)
{
    m_rules->write(text);
    m_client->others.clear();
    m_client->channel.send(ReloadRequest{++m_lastReload});
    std::optional<ReloadResult> told;
    runUntil([&] {
        for (const Message &message : m_client->others) {
            if (const auto *result = std::get_if<ReloadResult>(&message))
                told = *result;
        }
        return told.has_value();
    });
    return told;
}

std::optional<ScanResult> TestReloadUnderLoad::scan(const QByteArray &bytes)
{
    const quint64 id = m_client->begin(bytes);
    if (!runUntil([&] { return m_client->verdicts.contains(id); }))
        return std::nullopt;
    return m_client->verdicts.at(id);
}

void TestReloadUnderLoad::rules_exchangedThousandTimes_eachVerdictIsByOneSet()
{
    constexpr int reloads = Test::slowness == 1 ? 1'000 : 40;
    // The second set's digest is not known before it is in force: a verdict by it may be faster.
    QVERIFY(m_load->finish());
    const auto second = reload(rulesOf(1));
    QVERIFY(second && second->isActivated);
    m_digests[1] = second->rules.digest;
    QVERIFY(m_digests[0] != m_digests[1]);
    m_load->start(inFlight);

    const QByteArray known = contentWithBothMarks(0); // the cache knows it by both sets
    const QElapsedTimer timer = [] {
        QElapsedTimer t;
        t.start();
        return t;
    }();
    for (int i = 0; i < reloads; ++i) {
        const size_t set = size_t(i) % 2;
        const auto result = reload(rulesOf(set));
        QVERIFY(result);
        QVERIFY2(result->isActivated,
            qPrintable(result->problems.empty() ? QString() : describe(result->problems.front())));
        QCOMPARE(result->id, m_lastReload);
        QCOMPARE(result->rules.digest, m_digests.at(set));
        const auto verdict = scan(known);
        QVERIFY(verdict);
        QCOMPARE(setOf(*verdict), std::optional(set)); // what is asked from now on is by the new
    }
    const auto elapsed = timer.elapsed();
    QVERIFY(m_load->finish());
    QVERIFY2(m_load->complaints().isEmpty(), qPrintable(m_load->complaints().join(u'\n')));
    qInfo().noquote() << reloads << "reloads in" << elapsed << "ms:" << m_load->summary() << "by"
                      << m_verdicts[0] << "and" << m_verdicts[1];
    QVERIFY(m_load->notScanned().empty());
    QVERIFY(m_verdicts[0] > quint64(reloads) / 4 && m_verdicts[1] > quint64(reloads) / 4);
    QCOMPARE(m_client->verdictsHeard, reloads);
}

void TestReloadUnderLoad::updates_brokenTwoHundredTimes_oldRulesStay()
{
    constexpr int rounds = std::max(1, 10 / Test::slowness);
    int updates = 0;
    for (const BrokenUpdate &update : brokenUpdates()) {
        for (int round = 0; round < (update.isSlow ? 1 : rounds); ++round, ++updates) {
            const auto result = reload(update.text(round));
            QVERIFY2(result, update.name);
            QVERIFY2(!result->isActivated, update.name);
            QVERIFY2(!result->problems.empty(), update.name);
            QVERIFY2(result->rules.digest == m_digests[0], update.name);
            const auto verdict = scan(contentWithBothMarks(quint64(updates)) + update.name);
            QVERIFY2(verdict && setOf(*verdict) == 0, update.name);
        }
    }
    QVERIFY(updates >= 200 / Test::slowness);
    QVERIFY(m_load->finish());
    QVERIFY2(m_load->complaints().isEmpty(), qPrintable(m_load->complaints().join(u'\n')));
    QVERIFY(m_load->notScanned().empty());
    qInfo().noquote() << updates << "broken updates:" << m_load->summary();
    const auto good = reload(rulesOf(0) + "rule more { condition: false }");
    QVERIFY(good && good->isActivated && good->rules.rules == 2);
}

QTEST_GUILESS_MAIN(TestReloadUnderLoad)
#include "tst_reloadunderload.moc"
