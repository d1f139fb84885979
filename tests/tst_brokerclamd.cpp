// SPDX-License-Identifier: MIT
#include "tests/support/Clamd.h"
#include "tests/support/ClamdBench.h"
#include "tests/support/ServingBroker.h"

#include <QTest>

using namespace Sentinel;
using Test::Clamd;
using Test::patienceMs;
using Test::ServingBroker;

//! A sentinel that asks a real clamd, too: one verdict of both.
class TestBrokerClamd : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void verdict_isOfBoth();
    void clamd_away_optional_yaraDecidesAndSaysSo();
    void clamd_away_required_nothingIsClean();
    void clamd_typesThatItIsNotFor_areNotItsBusiness();
    void clamd_neverThere_startsAllTheSame();

private:
    ClamdUse use(EngineSet::Need need) const
    {
        return {Test::clamdSettings(m_clamd->socketPath()), need, {}};
    }
    static bool hasGap(const ScanResult &result, EngineGap::Kind kind)
    {
        const auto &gaps = result.coverage().gaps;
        return gaps.size() == 1 && gaps.front().engine == QStringLiteral("clamd")
            && gaps.front().kind == kind;
    }

    std::unique_ptr<Clamd> m_clamd;
};

void TestBrokerClamd::initTestCase()
{
    if (!Clamd::isInstalled())
        QSKIP("clamd is not installed");
}

void TestBrokerClamd::init()
{
    auto clamd = Clamd::start();
    QVERIFY2(clamd, qPrintable(clamd ? QString() : clamd.error()));
    m_clamd = std::move(*clamd);
}

void TestBrokerClamd::verdict_isOfBoth()
{
    ServingBroker broker({}, use(EngineSet::Need::Required));
    const auto client = broker.connectClient();
    const auto clean = client->scan("plain");
    QCOMPARE(clean->verdict(), Verdict::Clean);
    QCOMPARE(clean->coverage().engines.size(), qsizetype(2));
    QVERIFY(clean->coverage().engines.first().startsWith(QStringLiteral("clamd 1")));
    QVERIFY(clean->coverage().gaps.empty());

    const auto clamds = client->scan(QByteArray("a ") + Clamd::mark);
    QCOMPARE(clamds->verdict(), Verdict::Malicious);
    QCOMPARE(clamds->findings().size(), size_t(1));
    QCOMPARE(clamds->findings().front().engine, QStringLiteral("clamd"));

    const auto both = client->scan(QByteArray("a THREAT-MARK and ") + Clamd::mark);
    QCOMPARE(both->findings().size(), size_t(2));
    QVERIFY(broker.serves(*client));

    const auto status = broker.status().clamd;
    QVERIFY(status && status->isReachable && status->scans >= 3);
}

void TestBrokerClamd::clamd_away_optional_yaraDecidesAndSaysSo()
{
    ServingBroker broker({}, use(EngineSet::Need::Optional));
    const auto client = broker.connectClient();
    m_clamd->kill();
    QTRY_VERIFY_WITH_TIMEOUT(!broker.status().clamd->isReachable, patienceMs);
    const auto alone = client->scan("plain");
    QCOMPARE(alone->verdict(), Verdict::Clean);
    QVERIFY(hasGap(*alone, EngineGap::Kind::Optional));
    QVERIFY(broker.serves(*client));

    QVERIFY(m_clamd->restart());
    QTRY_VERIFY_WITH_TIMEOUT(broker.status().clamd->isReachable, patienceMs);
    // What was clean without it is looked at again.
    const auto together = client->scan("plain");
    QCOMPARE(together->verdict(), Verdict::Clean);
    QVERIFY(together->coverage().gaps.empty());
}

void TestBrokerClamd::clamd_away_required_nothingIsClean()
{
    ServingBroker broker({}, use(EngineSet::Need::Required));
    const auto client = broker.connectClient();
    m_clamd->kill();
    QTRY_VERIFY_WITH_TIMEOUT(!broker.status().clamd->isReachable, patienceMs);
    const auto result = client->scan("plain");
    QCOMPARE(result->verdict(), Verdict::NotScanned);
    QCOMPARE(result->reason(), Reason::ScannerUnavailable);
    QVERIFY(hasGap(*result, EngineGap::Kind::Required));
    QCOMPARE(client->scan("a THREAT-MARK")->verdict(), Verdict::Malicious);
    QVERIFY(broker.status().troubles.join(u'\n').contains(QStringLiteral("clamd is away")));

    QVERIFY(m_clamd->restart());
    QTRY_VERIFY_WITH_TIMEOUT(broker.status().clamd->isReachable, patienceMs);
    QCOMPARE(client->scan("plain")->verdict(), Verdict::Clean);
}

void TestBrokerClamd::clamd_typesThatItIsNotFor_areNotItsBusiness()
{
    ClamdUse forArchives = use(EngineSet::Need::Required);
    forArchives.types = {FileType::Archive};
    ServingBroker broker({}, std::move(forArchives));
    const auto client = broker.connectClient();
    const QByteArray bytes = QByteArray("a ") + Clamd::mark;
    const auto scanAs = [&](FileType type) {
        ScanBegin message = Test::beginOf(++client->lastId, bytes.size());
        message.fileType = type;
        client->channel.send(message, Test::contentFile(bytes, F_SEAL_SHRINK));
        return client->verdictOf(client->lastId);
    };
    QVERIFY(hasGap(*scanAs(FileType::Media), EngineGap::Kind::NotAsked));
    QCOMPARE(scanAs(FileType::Archive)->verdict(), Verdict::Malicious); // and not the last one's
}

void TestBrokerClamd::clamd_neverThere_startsAllTheSame()
{
    ClamdUse use = this->use(EngineSet::Need::Optional);
    m_clamd->kill();
    ServingBroker broker({}, std::move(use));
    const auto client = broker.connectClient();
    QVERIFY(broker.serves(*client));
    QVERIFY(!broker.status().clamd->isReachable);
}

QTEST_GUILESS_MAIN(TestBrokerClamd)
#include "tst_brokerclamd.moc"
