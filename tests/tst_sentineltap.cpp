// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/SentinelBackend.h"
#include "SecurityTap/inspection/SecurityTap.h"
#include "SecurityTap/plugin/SecurityTapPlugin.h"
#include "tests/support/FakeSentinel.h"
#include "tests/support/Patience.h"
#include "tests/support/RuleDirectory.h"

#include <QCryptographicHash>
#include <QLoggingCategory>
#include <QSignalSpy>
#include <QTest>
#include <QThreadPool>

#include <future>

#include <fcntl.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

QByteArray sha256(const QByteArray &bytes)
{
    return QCryptographicHash::hash(bytes, QCryptographicHash::Sha256);
}

bool isInMemory(const FileDescriptor &file)
{
    return ::fcntl(file.get(), F_GET_SEALS) >= 0;
}

} // namespace

#define AWAIT(condition) QTRY_VERIFY_WITH_TIMEOUT(condition, patienceMs)
#define AWAIT_EQUAL(actual, expected) QTRY_COMPARE_WITH_TIMEOUT(actual, expected, patienceMs)

//! A SecurityTap whose scans are done by a sentinel: nothing changes for the embedder.
class SentinelTapTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();
    void cleanupTestCase();

    void create_returnsWithoutASentinel();
    void create_noSentinel_failsOpenVisibly();
    void streamed_isDecidedAndAcknowledged_data();
    void streamed_isDecidedAndAcknowledged();
    void streamed_movesToDisk_beginsAnew();
    void streamed_sentinelDies_isUnavailable();
    void cancelled_isTold();
    void fromMemory_synchronousAndAsynchronous();
    void synchronous_withoutAnEventLoop();
    void refused_isNotAcknowledged();
    void reload_isTold();
    void reload_refused_isTold();
    void fallback_noSentinel_scansInProcess();
    void fallback_notWanted_staysUnavailable();
    void fallback_rulesDoNotCompile_isTold();
    void fallback_thereIsASentinel_isNotUsed();
    void destroyed_decidesWhatIsUnderWay();
    void plugin_settings_areTaken();
    void plugin_badSettings_areNamed_data();
    void plugin_badSettings_areNamed();

private:
    SecurityTap &make(Isolation isolation);
    Inspection *write(const QByteArray &bytes);
    FakePeer &peer() { return m_sentinel->peer(); }

    std::unique_ptr<FakeSentinel> m_sentinel;
    TapSettings m_settings;
    std::unique_ptr<SecurityTap> m_tap;
    std::unique_ptr<QSignalSpy> m_changes;
};

void SentinelTapTest::initTestCase()
{
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*.warning=false"));
}

void SentinelTapTest::init()
{
    m_sentinel = std::make_unique<FakeSentinel>();
    m_sentinel->script = FakeSentinel::scan;
    m_settings = {};
    m_settings.rulePaths = QStringList{QStringLiteral("scans")};
    m_settings.sentinel.socketPath = m_sentinel->path();
    m_settings.sentinel.program = QCoreApplication::applicationFilePath();
}

void SentinelTapTest::cleanup()
{
    m_changes.reset();
    m_tap.reset();
    m_sentinel.reset();
}

void SentinelTapTest::cleanupTestCase()
{
    // Threads that have compiled rules end before OpenSSL does, or leave something behind.
    QThreadPool::globalInstance()->waitForDone();
}

SecurityTap &SentinelTapTest::make(Isolation isolation)
{
    m_settings.isolation = isolation;
    auto tap = SecurityTap::create(m_settings);
    if (!tap)
        qFatal("no tap");
    m_tap = *std::move(tap);
    m_changes = std::make_unique<QSignalSpy>(m_tap.get(), &SecurityTap::scannerChanged);
    return *m_tap;
}

//! An inspection of \p bytes, in pieces, not finished.
Inspection *SentinelTapTest::write(const QByteArray &bytes)
{
    constexpr qsizetype piece = 300'000;
    Inspection *inspection = m_tap->inspect({});
    for (qsizetype at = 0; at < bytes.size(); at += piece) {
        if (!inspection->write(
                QByteArrayView(bytes).sliced(at, std::min(piece, bytes.size() - at))))
            qFatal("not wanted");
        QCoreApplication::processEvents();
    }
    return inspection;
}

void SentinelTapTest::create_returnsWithoutASentinel()
{
    m_settings.rulePaths = QStringList{QStringLiteral("/no/such/rules")};
    make(Isolation::System);
    QVERIFY(m_tap->ruleSet() == nullptr);
    QVERIFY(m_tap->rules().digest.isEmpty());
    QSignalSpy rules(m_tap.get(), &SecurityTap::rulesChanged);
    AWAIT_EQUAL(rules.size(), 1);
    QVERIFY(m_tap->rules() == fakeRules());
    AWAIT(m_changes->back().at(0).value<ScannerState>() == ScannerState::Open);
}

void SentinelTapTest::create_noSentinel_failsOpenVisibly()
{
    m_sentinel->stopListening();
    m_settings.sentinel.patience.leastReconnectPause = std::chrono::hours(1);
    m_settings.sentinel.patience.mostReconnectPause = std::chrono::hours(1);
    make(Isolation::System);
    Inspection *inspection = write("bytes");
    inspection->finish();
    AWAIT(inspection->outcome().has_value());
    QCOMPARE(inspection->outcome()->result.reason(), Reason::ScannerUnavailable);
    QCOMPARE(inspection->outcome()->disposition, Disposition::Release);
}

void SentinelTapTest::streamed_isDecidedAndAcknowledged_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<bool>("isThreat");
    QTest::newRow("empty") << QByteArray() << false;
    QTest::newRow("small") << noise(10'000) << false;
    QTest::newRow("small, marked") << noise(10'000) + threatMark << true;
    QTest::newRow("windows") << noise(3'500'000) << false;
    QTest::newRow("windows, marked") << noise(3'500'000) + threatMark << true;
    QTest::newRow("to disk") << noise(9'000'000) << false;
    QTest::newRow("to disk, marked") << threatMark + noise(9'000'000) << true;
}

void SentinelTapTest::streamed_isDecidedAndAcknowledged()
{
    QFETCH(QByteArray, bytes);
    QFETCH(bool, isThreat);
    make(Isolation::System);
    AWAIT_EQUAL(m_sentinel->connections(), 1);
    Inspection *inspection = write(bytes);
    inspection->finish();
    AWAIT(inspection->outcome().has_value());
    const Outcome &outcome = *inspection->outcome();
    QCOMPARE(outcome.result.verdict(), isThreat ? Verdict::Malicious : Verdict::Clean);
    QCOMPARE(outcome.result.sha256(), sha256(bytes));
    QCOMPARE(outcome.result.coverage().bytesTotal, bytes.size());
    AWAIT_EQUAL(peer().count<VerdictAck>(), 1);
    const VerdictAck ack = peer().all<VerdictAck>().front();
    QCOMPARE(ack.disposition, outcome.disposition);
    QCOMPARE(ack.id, peer().all<ScanBegin>().back().id);
}

void SentinelTapTest::streamed_movesToDisk_beginsAnew()
{
    make(Isolation::System);
    AWAIT(!m_changes->isEmpty()
        && m_changes->back().at(0).value<ScannerState>() == ScannerState::Open);
    m_sentinel->script = FakeSentinel::welcome; // nothing is answered yet
    const QByteArray bytes = noise(2 * Limits::maxUnannouncedMemoryBytes);
    const QByteArray half = bytes.first(Limits::maxUnannouncedMemoryBytes - Limits::mib);
    Inspection *inspection = write(half);
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    QVERIFY(inspection->write(bytes.sliced(half.size())));
    inspection->finish();
    AWAIT_EQUAL(peer().count<ScanBegin>(), 2);
    AWAIT_EQUAL(peer().count<ScanCancel>(), 1);
    const auto begins = peer().all<ScanBegin>();
    QCOMPARE(peer().all<ScanCancel>().front().id, begins.front().id);
    QVERIFY(isInMemory(peer().files.at(begins.front().id)));
    QVERIFY(!isInMemory(peer().files.at(begins.back().id)));

    // What the first one was answered is not what counts.
    peer().send(ScanVerdict{begins.front().id, maliciousResult(1), {}});
    AWAIT(begins.back().isComplete || peer().count<ScanEnd>() == 1);
    QVERIFY(peer().content(begins.back().id, bytes.size()) == bytes);
    peer().send(ScanVerdict{begins.back().id, cleanResult(bytes.size()), {}});
    AWAIT(inspection->outcome().has_value());
    QCOMPARE(inspection->outcome()->result.verdict(), Verdict::Clean);
    AWAIT_EQUAL(peer().count<VerdictAck>(), 1);
    QCOMPARE(peer().all<VerdictAck>().front().id, begins.back().id);
}

void SentinelTapTest::streamed_sentinelDies_isUnavailable()
{
    m_settings.rulePaths = QStringList{QStringLiteral("dies")};
    make(Isolation::Spawned);
    Inspection *inspection = write(noise(100'000));
    inspection->finish();
    AWAIT(inspection->outcome().has_value());
    QCOMPARE(inspection->outcome()->result.reason(), Reason::ScannerUnavailable);
    QVERIFY(inspection->outcome()->result.detail().contains(u"exited with code 3"));
}

void SentinelTapTest::cancelled_isTold()
{
    m_sentinel->script = FakeSentinel::welcome;
    make(Isolation::System);
    AWAIT_EQUAL(m_sentinel->connections(), 1);
    Inspection *inspection = write(noise(2'500'000));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 1);
    inspection->cancel();
    AWAIT_EQUAL(peer().count<ScanCancel>(), 1);
    delete write(noise(2'500'000));
    AWAIT_EQUAL(peer().count<ScanCancel>(), peer().count<ScanBegin>());
    QCOMPARE(peer().count<VerdictAck>(), 0);
}

void SentinelTapTest::fromMemory_synchronousAndAsynchronous()
{
    make(Isolation::Spawned);
    for (const qint64 size : {0, 10'000, 5'000'000}) {
        const QByteArray bytes = noise(size) + threatMark;
        std::optional<Outcome> outcome;
        m_tap->asyncInspectDownload(
            DownloadMetadata{}, bytes, this, [&outcome](const Outcome &told) { outcome = told; });
        AWAIT(outcome.has_value());
        QCOMPARE(outcome->result.verdict(), Verdict::Malicious);
        QCOMPARE(m_tap->inspectDownload({}, bytes).result.sha256(), sha256(bytes));
        QCOMPARE(m_tap->inspectDownload({}, noise(size)).result.verdict(), Verdict::Clean);
    }
}

void SentinelTapTest::synchronous_withoutAnEventLoop()
{
    make(Isolation::Spawned);
    auto outcome = std::async(std::launch::async, // while ours does not run
        [this] { return m_tap->inspectDownload({}, threatMark); });
    QCOMPARE(outcome.get().result.verdict(), Verdict::Malicious);
    QCOMPARE(m_tap->telemetry().totalScansCompleted, 1);
}

void SentinelTapTest::refused_isNotAcknowledged()
{
    m_settings.scanning.maxScanBytes = 9;
    make(Isolation::System);
    AWAIT_EQUAL(m_sentinel->connections(), 1);
    QCOMPARE(m_tap->inspectDownload({}, "0123456789").result.reason(), Reason::TooLarge);
    m_tap->asyncInspectDownload(DownloadMetadata{}, "x", this, [](const Outcome &) {});
    AWAIT_EQUAL(peer().count<VerdictAck>(), 1);
    QCOMPARE(peer().count<ScanBegin>(), 1);
}

void SentinelTapTest::reload_isTold()
{
    m_sentinel->script = [](FakePeer &asked, const Message &message) {
        FakeSentinel::welcome(asked, message);
        if (const auto *request = std::get_if<ReloadRequest>(&message))
            asked.send(ReloadResult{request->id, true, {QByteArray(32, 's'), 7, 1},
                {{RuleProblem::Level::Warning, QStringLiteral("a.yar"), 3, {}}}, 0});
    };
    make(Isolation::System);
    QSignalSpy reloaded(m_tap.get(), &SecurityTap::rulesReloaded);
    AWAIT(!m_changes->isEmpty()
        && m_changes->back().at(0).value<ScannerState>() == ScannerState::Open);
    m_tap->reloadRules();
    m_tap->reloadRules(); // while the first is under way: once more after it
    AWAIT_EQUAL(reloaded.size(), 2);
    QCOMPARE(int(reloaded.front().front().value<std::vector<RuleProblem>>().size()), 1);
    QCOMPARE(m_tap->rules().rules, 7);
}

void SentinelTapTest::reload_refused_isTold()
{
    m_sentinel->stopListening();
    make(Isolation::System);
    QSignalSpy refused(m_tap.get(), &SecurityTap::rulesRefused);
    m_tap->reloadRules();
    AWAIT_EQUAL(refused.size(), 1);
    QVERIFY(!refused.front().front().value<std::vector<RuleProblem>>().front().message.isEmpty());
}

void SentinelTapTest::fallback_noSentinel_scansInProcess()
{
    const RuleDirectory rules(markerRules());
    m_sentinel->stopListening();
    m_settings.rulePaths = rules.settings().rulePaths;
    m_settings.sentinel.program = QStringLiteral("/no/such/program");
    m_settings.fallback = Fallback::InProcess;
    make(Isolation::Auto);
    QVERIFY(m_tap->ruleSet() == nullptr);
    AWAIT(m_tap->ruleSet() != nullptr);
    QCOMPARE(m_tap->inspectDownload({}, threatMark).result.verdict(), Verdict::Malicious);
    QVERIFY(m_tap->rules().digest == m_tap->ruleSet()->digest());
    Inspection *inspection = write(noise(3'000'000));
    inspection->finish();
    AWAIT(inspection->outcome().has_value());
    QCOMPARE(inspection->outcome()->result.verdict(), Verdict::Clean);
    AWAIT(m_changes->back().at(0).value<ScannerState>() == ScannerState::Stopped);
    QSignalSpy reloaded(m_tap.get(), &SecurityTap::rulesReloaded);
    m_tap->reloadRules();
    AWAIT_EQUAL(reloaded.size(), 1);
}

void SentinelTapTest::fallback_notWanted_staysUnavailable()
{
    m_sentinel->stopListening();
    m_settings.sentinel.program = QStringLiteral("/no/such/program");
    make(Isolation::Auto);
    AWAIT(m_changes->size() >= 4); // the second attempt
    QVERIFY(m_tap->ruleSet() == nullptr);
}

void SentinelTapTest::fallback_rulesDoNotCompile_isTold()
{
    const RuleDirectory rules("no rule");
    m_sentinel->stopListening();
    m_settings.rulePaths = rules.settings().rulePaths;
    m_settings.sentinel.program = QStringLiteral("/no/such/program");
    m_settings.fallback = Fallback::InProcess;
    make(Isolation::Auto);
    QSignalSpy refused(m_tap.get(), &SecurityTap::rulesRefused);
    AWAIT_EQUAL(refused.size(), 1);
    QVERIFY(m_tap->ruleSet() == nullptr);
}

void SentinelTapTest::fallback_thereIsASentinel_isNotUsed()
{
    m_settings.fallback = Fallback::InProcess;
    m_settings.sentinel.program = QStringLiteral("/no/such/program");
    make(Isolation::Auto);
    AWAIT(!m_changes->isEmpty()
        && m_changes->back().at(0).value<ScannerState>() == ScannerState::Open);
    m_sentinel->stopListening();
    peer().channel.reset(); // lost later on: that is another story
    AWAIT(m_changes->size() >= 6);
    QVERIFY(m_tap->ruleSet() == nullptr);
}

void SentinelTapTest::destroyed_decidesWhatIsUnderWay()
{
    m_sentinel->script = FakeSentinel::welcome;
    make(Isolation::System);
    AWAIT_EQUAL(m_sentinel->connections(), 1);
    Inspection *scanned = write(noise(100'000));
    scanned->finish();
    Inspection *arriving = write(noise(2'500'000));
    AWAIT_EQUAL(peer().count<ScanBegin>(), 2);
    std::vector<Reason> reasons;
    for (Inspection *inspection : {scanned, arriving}) {
        connect(inspection, &Inspection::decided, this,
            [&reasons](const Outcome &outcome) { reasons.push_back(outcome.result.reason()); });
    }
    m_changes.reset();
    m_tap.reset();
    QCOMPARE(int(reasons.size()), 2);
    for (const Reason reason : reasons)
        QCOMPARE(reason, Reason::ScannerUnavailable);
}

void SentinelTapTest::plugin_settings_areTaken()
{
    const auto settings = tapSettings({{QStringLiteral("isolation"), QStringLiteral("auto")},
        {QStringLiteral("sentinelProgram"), QStringLiteral("/a/program")},
        {QStringLiteral("sentinelSettings"), QStringLiteral("/a/file")},
        {QStringLiteral("sentinelSocket"), QStringLiteral("/a/socket")}});
    QVERIFY2(settings, qPrintable(settings ? QString() : settings.error()));
    QVERIFY(settings->isolation == Isolation::Auto);
    QCOMPARE(settings->sentinel.program, QStringLiteral("/a/program"));
    QCOMPARE(settings->sentinel.socketPath, QStringLiteral("/a/socket"));
    QVERIFY(tapSettings({})->isolation == Isolation::InProcess);
}

void SentinelTapTest::plugin_badSettings_areNamed_data()
{
    QTest::addColumn<QString>("key");
    QTest::addColumn<QVariant>("value");
    QTest::newRow("no such isolation")
        << QStringLiteral("isolation") << QVariant(QStringLiteral("InProcess"));
    QTest::newRow("no text") << QStringLiteral("isolation") << QVariant(2);
    QTest::newRow("empty") << QStringLiteral("sentinelProgram") << QVariant(QString());
    QTest::newRow("two") << QStringLiteral("sentinelSocket")
                         << QVariant(QStringList{QStringLiteral("a"), QStringLiteral("b")});
}

void SentinelTapTest::plugin_badSettings_areNamed()
{
    QFETCH(QString, key);
    QFETCH(QVariant, value);
    const auto settings = tapSettings({{key, value}});
    QVERIFY(!settings);
    QVERIFY2(settings.error().contains(key), qPrintable(settings.error()));
}

int main(int argc, char **argv)
{
    if (isSpawnedSentinel(argc, argv))
        return runSpawnedSentinel(argc, argv);
    QCoreApplication application(argc, argv);
    SentinelTapTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_sentineltap.moc"
