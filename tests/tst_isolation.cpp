// SPDX-License-Identifier: MIT
//
// Where a scan runs makes no difference: the same downloads, in this process, in a sentinel of its
// own and in one that runs already, have the same outcomes.
#include "SecurityTap/inspection/SecurityTap.h"
#include "tests/support/Patience.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/RuleSamples.h"
#include "tests/support/ServingSentinel.h"
#include "tests/support/Slowness.h"

#include <QCryptographicHash>
#include <QLoggingCategory>
#include <QTest>

#include <array>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

constexpr qint64 maxScanBytes = 100 * Limits::mib / slowness;

enum class Way : quint8 {
    Streamed, //!< of unknown size: over 4 MiB it moves from memory to disk on the way
    StreamedAnnounced,
    Part, //!< streamed as the answer to a range request
    Asynchronous,
    Synchronous,
};

//! Rules for what the shipped ones have no opinion about.
QByteArray testRules()
{
    return markerRules() + R"(
        rule Named { meta: severity = "suspicious" condition: filename == "bad.txt" }
        rule Extended { meta: severity = "info" condition: extension == ".nfo" }
        rule Places {
            meta: author = "the tests" number = 7 flag = true
            strings: $a = "PLACE-A" $b = "PLACE-B"
            condition: #a > 20 and $b
        }
        rule TooOften { strings: $a = "QQ" condition: #a > 100000000 }
    )";
}

QByteArray places()
{
    QByteArray bytes = noise(50'000);
    for (int i = 0; i < 100; ++i)
        bytes += "PLACE-A" + noise(i);
    return bytes + "PLACE-B";
}

} // namespace

Q_DECLARE_METATYPE(Way)

class TestIsolation : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanupTestCase();

    void download_everyIsolation_sameOutcome_data();
    void download_everyIsolation_sameOutcome();
    void rules_everyIsolation_areTheSame();

private:
    std::optional<Outcome> inspect(
        SecurityTap &tap, Way way, const QString &name, const QByteArray &bytes);

    const RuleDirectory m_rules{testRules()};
    std::unique_ptr<ServingSentinel> m_sentinel;
    std::array<std::unique_ptr<SecurityTap>, 3> m_taps; // by Isolation
};

void TestIsolation::initTestCase()
{
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*.warning=false"));
    TapSettings settings = m_rules.settings();
    settings.rulePaths += QStringLiteral(SENTINEL_SOURCE_DIR "/rules");
    settings.scanning.maxScanBytes = maxScanBytes;
    settings.sentinel.program = QStringLiteral(SENTINEL_BINARY);
    m_sentinel = std::make_unique<ServingSentinel>(settings.rulePaths);
    settings.sentinel.socketPath = m_sentinel->socketPath();
    for (const Isolation isolation :
        {Isolation::InProcess, Isolation::Spawned, Isolation::System}) {
        settings.isolation = isolation;
        auto tap = SecurityTap::create(settings);
        QVERIFY(tap);
        QTRY_VERIFY_WITH_TIMEOUT(!(*tap)->rules().digest.isEmpty(), patienceMs);
        m_taps.at(size_t(isolation)) = std::move(*tap);
    }
}

void TestIsolation::cleanupTestCase()
{
    m_taps = {};
    m_sentinel.reset();
}

void TestIsolation::rules_everyIsolation_areTheSame()
{
    for (const auto &tap : m_taps)
        QVERIFY(tap->rules() == m_taps.front()->rules());
}

std::optional<Outcome> TestIsolation::inspect(
    SecurityTap &tap, Way way, const QString &name, const QByteArray &bytes)
{
    constexpr qsizetype piece = 300'000;
    Download download;
    download.metadata.url = QUrl(QStringLiteral("https://example.org/") + name);
    download.metadata.filename = name;
    if (way == Way::Synchronous)
        return tap.inspectDownload(download.metadata, bytes);
    std::optional<Outcome> outcome;
    std::unique_ptr<Inspection> inspection;
    if (way == Way::Asynchronous) {
        tap.asyncInspectDownload(
            download, bytes, this, [&outcome](const Outcome &told) { outcome = told; });
    } else {
        if (way == Way::StreamedAnnounced)
            download.metadata.sizeBytes = bytes.size();
        if (way == Way::Part)
            download.kind = Download::Kind::Part;
        inspection.reset(tap.inspect(download));
        connect(inspection.get(), &Inspection::decided, this,
            [&outcome](const Outcome &told) { outcome = told; });
        for (qsizetype at = 0; at < bytes.size() && !outcome; at += piece) {
            const qsizetype size = std::min(piece, bytes.size() - at);
            if (!inspection->write(QByteArrayView(bytes).sliced(at, size)))
                break;
            QCoreApplication::processEvents();
        }
        if (!outcome)
            inspection->finish();
    }
    const bool isDecided = QTest::qWaitFor([&outcome] { return outcome.has_value(); }, patienceMs);
    return isDecided ? outcome : std::nullopt;
}

void TestIsolation::download_everyIsolation_sameOutcome_data()
{
    QTest::addColumn<QString>("name");
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<Verdict>("verdict");
    QTest::addColumn<Reason>("reason");
    QTest::addColumn<Way>("way");
    constexpr std::array ways{"streamed", "announced", "part", "asynchronous", "synchronous"};
    const auto add = [&](const char *what, const char *name, const QByteArray &bytes,
                         Verdict verdict, Reason reason = Reason::None) {
        for (size_t i = 0; i < ways.size(); ++i) {
            if (bytes.size() >= maxScanBytes
                && (Way(i) == Way::Part || Way(i) == Way::StreamedAnnounced))
                continue; // they take their time, and go the same way
            const bool isHidden = Way(i) == Way::Part && verdict == Verdict::Clean;
            QTest::addRow("%s, %s", what, ways.at(i))
                << QString::fromUtf8(name) << bytes << (isHidden ? Verdict::NotScanned : verdict)
                << (isHidden ? Reason::PartialContent : reason) << Way(i);
        }
    };
    add("EICAR", "eicar.com", eicar(), Verdict::Malicious);
    add("clean", "clean.txt", "nothing to see", Verdict::Clean);
    add("empty", "empty", {}, Verdict::Clean);
    add("a name", "bad.txt", "nothing to see", Verdict::Suspicious);
    add("info", "read.nfo", "nothing to see", Verdict::Clean);
    add("places", "places.bin", places(), Verdict::Malicious);
    add("an odd name", "\u202e\n\u00e9\U0001f4a3/../x.txt", "nothing to see", Verdict::Suspicious);
    add("moves to disk", "x", noise(6 * Limits::mib), Verdict::Clean);
    add("threat, moves to disk", "x", "THREAT-MARK" + noise(6 * Limits::mib), Verdict::Malicious);
    add("matches too often", "x", QByteArray(3 * Limits::mib, 'Q'), Verdict::NotScanned,
        Reason::LimitHit);
    const QByteArray most = noise(maxScanBytes);
    add("as large as may be", "large.bin", most, Verdict::Clean);
    add("a threat at its end", "large.bin", most.chopped(11) + "THREAT-MARK", Verdict::Malicious);
    add("too large", "huge.bin", most + 'x', Verdict::NotScanned, Reason::TooLarge);
}

void TestIsolation::download_everyIsolation_sameOutcome()
{
    QFETCH(const QString, name);
    QFETCH(const QByteArray, bytes);
    QFETCH(const Verdict, verdict);
    QFETCH(const Reason, reason);
    QFETCH(const Way, way);
    QByteArray own = bytes;
    if (own.size() > 1000)
        own[500] = char('a' + int(way)); // so that no cache knows it from another way
    std::optional<Outcome> first;
    for (const auto &tap : m_taps) {
        const auto outcome = inspect(*tap, way, name, own);
        QVERIFY(outcome);
        const ScanResult &result = outcome->result;
        QVERIFY2(result.verdict() == verdict, qPrintable(describe(result)));
        QVERIFY2(result.reason() == reason, qPrintable(describe(result)));
        if (!first) {
            first = outcome;
            if (verdict == Verdict::NotScanned)
                continue;
            QCOMPARE(result.sha256(), QCryptographicHash::hash(own, QCryptographicHash::Sha256));
            QCOMPARE(result.coverage().bytesScanned, own.size());
            continue;
        }
        QVERIFY2(result.detail() == first->result.detail(), qPrintable(result.detail()));
        QCOMPARE(result.findings().size(), first->result.findings().size());
        QVERIFY(result.findings() == first->result.findings());
        QCOMPARE(result.sha256(), first->result.sha256());
        QVERIFY(result.coverage() == first->result.coverage());
        QVERIFY(result == first->result);
        QCOMPARE(outcome->disposition, first->disposition);
        QCOMPARE(outcome->sizeBytes, first->sizeBytes);
        QCOMPARE(outcome->metadata.filename, first->metadata.filename);
    }
}

QTEST_GUILESS_MAIN(TestIsolation)
#include "tst_isolation.moc"
