// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/Policy.h"

#include <QTest>

using namespace Sentinel;

namespace {

Coverage completeCoverage()
{
    Coverage coverage;
    coverage.bytesTotal = 3;
    coverage.bytesScanned = 3;
    coverage.engines = QStringList{QStringLiteral("test")};
    coverage.ruleSetDigest = QByteArray(32, 'd');
    coverage.wholeEvaluated = true;
    return coverage;
}

ScanResult found(Severity severity, const Coverage &coverage = completeCoverage())
{
    Finding finding;
    finding.rule = QStringLiteral("rule");
    finding.severity = severity;
    return ScanResult::judge(coverage, {finding}, {});
}

} // namespace

//! The facts (ScanResult) and the decision made of them (Policy).
class PolicyTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void incompleteCoverage_isNeverClean_data();
    void incompleteCoverage_isNeverClean();
    void worstFinding_makesTheVerdict();
    void finding_inIncompleteCoverage_isStillAThreat();
    void everyNotScannedReason_hasNameAndExplanation();
    void decision_isOpenByDefault();
    void decision_everyReason_isASettingOfItsOwn();
    void decision_unreleasable_isBlockedWhateverThePolicy();
    void decision_threats_followTheirSettings();
};

void PolicyTest::incompleteCoverage_isNeverClean_data()
{
    QTest::addColumn<int>("lack");
    QTest::newRow("unknown size") << 0;
    QTest::newRow("a byte unseen") << 1;
    QTest::newRow("a byte too many") << 2;
    QTest::newRow("no engine") << 3;
    QTest::newRow("no rule set") << 4;
    QTest::newRow("conditions not evaluated") << 5;
    QTest::newRow("a limit hit") << 6;
    QTest::newRow("nothing at all") << 7;
}

void PolicyTest::incompleteCoverage_isNeverClean()
{
    QCOMPARE(ScanResult::judge(completeCoverage(), {}, {}).verdict(), Verdict::Clean);
    QCOMPARE(ScanResult::judge(completeCoverage(), {}, {}).reason(), Reason::None);

    QFETCH(int, lack);
    Coverage coverage = completeCoverage();
    switch (lack) {
    case 0:
        coverage.bytesTotal = -1;
        break;
    case 1:
        coverage.bytesScanned = 2;
        break;
    case 2:
        coverage.bytesScanned = 4;
        break;
    case 3:
        coverage.engines.clear();
        break;
    case 4:
        coverage.ruleSetDigest.clear();
        break;
    case 5:
        coverage.wholeEvaluated = false;
        break;
    case 6:
        coverage.limitsHit = QStringList{QStringLiteral("depth")};
        break;
    default:
        coverage = {};
    }
    QVERIFY(!coverage.isComplete());
    const ScanResult result = ScanResult::judge(coverage, {}, {}, Reason::EngineError);
    QCOMPARE(result.verdict(), Verdict::NotScanned);
    QCOMPARE(result.reason(), Reason::EngineError);
    QCOMPARE(found(Severity::Info, coverage).verdict(), Verdict::NotScanned);
}

void PolicyTest::worstFinding_makesTheVerdict()
{
    QCOMPARE(found(Severity::Info).verdict(), Verdict::Clean);
    QCOMPARE(found(Severity::Suspicious).verdict(), Verdict::Suspicious);
    QCOMPARE(found(Severity::Malicious).verdict(), Verdict::Malicious);
    Finding mild;
    mild.severity = Severity::Info;
    Finding severe;
    severe.severity = Severity::Malicious;
    for (const auto &findings : {std::vector{mild, severe}, std::vector{severe, mild}})
        QCOMPARE(ScanResult::judge(completeCoverage(), findings, {}).verdict(), Verdict::Malicious);
}

void PolicyTest::finding_inIncompleteCoverage_isStillAThreat()
{
    QCOMPARE(found(Severity::Malicious, {}).verdict(), Verdict::Malicious);
    QCOMPARE(found(Severity::Malicious, {}).reason(), Reason::None);
}

void PolicyTest::everyNotScannedReason_hasNameAndExplanation()
{
    QSet<QString> names;
    for (const Reason reason : allReasons) {
        names.insert(nameOf(reason));
        QVERIFY(!explanation(reason).isEmpty());
    }
    QCOMPARE(names.size(), qsizetype(allReasons.size()));
}

void PolicyTest::decision_isOpenByDefault()
{
    const Policy policy;
    QCOMPARE(decide(policy, ScanResult::judge(completeCoverage(), {}, {})), Disposition::Release);
    QCOMPARE(decide(policy, found(Severity::Suspicious)), Disposition::Block);
    QCOMPARE(decide(policy, found(Severity::Malicious)), Disposition::Block);
    for (const Reason reason : allReasons) {
        if (reason == Reason::None)
            continue;
        QCOMPARE(decide(policy, ScanResult::notScanned(reason)),
            isReleasable(reason) ? Disposition::Release : Disposition::Block);
        QCOMPARE(decide(Policy::failClosed(), ScanResult::notScanned(reason)), Disposition::Block);
    }
    QCOMPARE(decide(Policy::failClosed(), ScanResult::judge(completeCoverage(), {}, {})),
        Disposition::Release);
}

void PolicyTest::decision_everyReason_isASettingOfItsOwn()
{
    for (const Reason closed : allReasons) {
        Policy policy;
        policy.forReason(closed) = Disposition::Block;
        for (const Reason reason : allReasons) {
            if (reason == Reason::None || !isReleasable(reason))
                continue;
            QCOMPARE(decide(policy, ScanResult::notScanned(reason)),
                reason == closed ? Disposition::Block : Disposition::Release);
        }
    }
}

void PolicyTest::decision_unreleasable_isBlockedWhateverThePolicy()
{
    Policy policy;
    policy.notScanned.fill(Disposition::Release);
    for (const Reason reason : {Reason::Cancelled, Reason::Incomplete, Reason::Unreadable})
        QCOMPARE(decide(policy, ScanResult::notScanned(reason)), Disposition::Block);
}

void PolicyTest::decision_threats_followTheirSettings()
{
    Policy policy;
    policy.suspicious = Disposition::Release;
    QCOMPARE(decide(policy, found(Severity::Suspicious)), Disposition::Release);
    QCOMPARE(decide(policy, found(Severity::Malicious)), Disposition::Block);
}

QTEST_APPLESS_MAIN(PolicyTest)
#include "tst_policy.moc"
