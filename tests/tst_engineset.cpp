// SPDX-License-Identifier: MIT
#include "SecurityTap/Limits.h"
#include "SecurityTap/engine/EngineSet.h"
#include "SecurityTap/scan/VerdictCache.h"
#include "support/ScriptedTask.h"

#include <QTest>

using namespace Sentinel;
using Need = EngineSet::Need;
using Kind = EngineGap::Kind;
using Progress = ScanTask::Progress;
using Test::ScriptedTask;

namespace {

constexpr qint64 bytes = 5;

//! An engine whose scans do as they are told.
class StubEngine final : public ScanEngine {
public:
    StubEngine(char rules, std::function<std::unique_ptr<ScanTask>()> make)
        : m_rules{QByteArray(32, rules), 7, 1}, m_make(std::move(make))
    {
    }
    const RuleSetSummary &rules() const override { return m_rules; }
    std::unique_ptr<ScanTask> begin(
        const ScanSubject &, std::shared_ptr<const Content>) const override
    {
        return m_make();
    }

private:
    const RuleSetSummary m_rules;
    const std::function<std::unique_ptr<ScanTask>()> m_make;
};

//! One whose scans end at once.
std::shared_ptr<const ScanEngine> engineOf(ScanResult result, char rules = 'r')
{
    return std::make_shared<StubEngine>(rules, [result] {
        return std::make_unique<ScriptedTask>(ScriptedTask::Step(), [result] { return result; });
    });
}

//! Steps that are told what to say.
std::shared_ptr<const ScanEngine> engineOf(ScriptedTask::Step step)
{
    return std::make_shared<StubEngine>(
        's', [step = std::move(step)] { return std::make_unique<ScriptedTask>(step); });
}

Coverage coverageOf(const QString &engine)
{
    Coverage coverage;
    coverage.bytesTotal = bytes;
    coverage.bytesScanned = bytes;
    coverage.engines = {engine};
    coverage.ruleSetDigest = QByteArray(32, engine.at(0).toLatin1());
    coverage.wholeEvaluated = true;
    return coverage;
}

ScanResult cleanBy(const QString &engine)
{
    return ScanResult::judge(coverageOf(engine), {}, {});
}

ScanResult foundBy(const QString &engine, Severity severity = Severity::Malicious)
{
    Finding finding;
    finding.engine = engine;
    finding.rule = engine + QStringLiteral("_rule");
    finding.severity = severity;
    return ScanResult::judge(coverageOf(engine), {finding}, {});
}

ScanResult failed(Reason reason, const QString &detail = {})
{
    return ScanResult::notScanned(reason, detail);
}

ScanResult scan(const EngineSet &engines, FileType type = FileType::Unknown)
{
    ScanSubject subject;
    subject.fileType = type;
    const auto content = Content::fromByteArray(QByteArray(bytes, 'x'));
    const auto task = engines.begin(subject, content);
    while (task->step({}) != Progress::Done) { }
    return task->takeResult();
}

} // namespace

class TestEngineSet : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void verdict_ofTwo_isTheWorst_data();
    void verdict_ofTwo_isTheWorst();
    void limits_ofAFailedEngine_areToldOnce();
    void bytes_scannedByOneAlone_areNotClean();
    void findings_ofAll_areKept();
    void findings_tooMany_theWorstAreKept();
    void types_notForThisOne_isNotAsked();
    void types_unknown_allAreAsked();
    void fingerprint_ofOneChanged_isAnother();
    void step_oneStarves_othersGoOn();
    void step_allStarve_isStarved();
    void step_whoWaits_isAskedFirst();
    void cache_cleanWithoutAnOptionalEngine_isNotRemembered();
};

void TestEngineSet::verdict_ofTwo_isTheWorst_data()
{
    QTest::addColumn<ScanResult>("yara");
    QTest::addColumn<ScanResult>("clamd");
    QTest::addColumn<bool>("isClamdRequired");
    QTest::addColumn<Verdict>("verdict");
    QTest::addColumn<Reason>("reason");
    QTest::addColumn<qsizetype>("gaps");

    const ScanResult clean = cleanBy(QStringLiteral("yara"));
    const ScanResult alsoClean = cleanBy(QStringLiteral("clamd"));
    const ScanResult found = foundBy(QStringLiteral("yara"));
    const ScanResult alsoFound = foundBy(QStringLiteral("clamd"));
    const ScanResult suspicious = foundBy(QStringLiteral("clamd"), Severity::Suspicious);
    const ScanResult away = failed(Reason::ScannerUnavailable, QStringLiteral("it is away"));
    const ScanResult late = failed(Reason::TimedOut);
    const auto none = Reason::None;
    for (const bool isRequired : {false, true}) {
        const auto row = [isRequired](const char *name) -> QTestData & {
            return QTest::addRow("%s, clamd %s", name, isRequired ? "required" : "optional");
        };
        row("both clean") << clean << alsoClean << isRequired << Verdict::Clean << none
                          << qsizetype(0);
        row("yara finds") << found << alsoClean << isRequired << Verdict::Malicious << none
                          << qsizetype(0);
        row("clamd finds") << clean << alsoFound << isRequired << Verdict::Malicious << none
                           << qsizetype(0);
        row("clamd suspects") << clean << suspicious << isRequired << Verdict::Suspicious << none
                              << qsizetype(0);
        row("suspicion and find") << found << suspicious << isRequired << Verdict::Malicious << none
                                  << qsizetype(0);
        row("yara finds, clamd is away")
            << found << away << isRequired << Verdict::Malicious << none << qsizetype(1);
        row("yara is late, clamd finds")
            << late << alsoFound << isRequired << Verdict::Malicious << none << qsizetype(1);
        row("yara is late") << late << alsoClean << isRequired << Verdict::NotScanned
                            << Reason::TimedOut << qsizetype(1);
        row("none could") << late << away << isRequired << Verdict::NotScanned << Reason::TimedOut
                          << qsizetype(2);
    }
    QTest::addRow("clamd is away, and may")
        << clean << away << false << Verdict::Clean << none << qsizetype(1);
    QTest::addRow("clamd is away, and must not") << clean << away << true << Verdict::NotScanned
                                                 << Reason::ScannerUnavailable << qsizetype(1);
}

void TestEngineSet::verdict_ofTwo_isTheWorst()
{
    QFETCH(const ScanResult, yara);
    QFETCH(const ScanResult, clamd);
    QFETCH(const bool, isClamdRequired);
    QFETCH(const Verdict, verdict);
    QFETCH(const Reason, reason);
    QFETCH(const qsizetype, gaps);
    const Need need = isClamdRequired ? Need::Required : Need::Optional;
    // The order of the engines changes nothing but that of the reasons.
    const EngineSet engines({{QStringLiteral("yara"), engineOf(yara)},
        {QStringLiteral("clamd"), engineOf(clamd), need}});
    const ScanResult result = scan(engines);
    QCOMPARE(result.verdict(), verdict);
    QCOMPARE(result.reason(), reason);
    QCOMPARE(qsizetype(result.coverage().gaps.size()), gaps);
    for (const EngineGap &gap : result.coverage().gaps) {
        QVERIFY(!result.coverage().engines.contains(gap.engine));
        QCOMPARE(gap.kind,
            gap.engine == QStringLiteral("clamd") && !isClamdRequired ? Kind::Optional
                                                                      : Kind::Required);
        QVERIFY(!gap.why.isEmpty());
    }
    QCOMPARE(result.coverage().engines.size() + gaps, qsizetype(2));
    if (verdict == Verdict::NotScanned)
        QVERIFY(result.detail().contains(explanation(reason)));
}

void TestEngineSet::limits_ofAFailedEngine_areToldOnce()
{
    Coverage coverage = coverageOf(QStringLiteral("yara"));
    coverage.limitsHit = {QStringLiteral("too deep")};
    const ScanResult cut = ScanResult::judge(coverage, {}, {}, Reason::LimitHit);
    const auto clean = engineOf(cleanBy(QStringLiteral("clamd")));
    const ScanResult result = scan(
        EngineSet({{QStringLiteral("yara"), engineOf(cut)}, {QStringLiteral("clamd"), clean}}));
    QCOMPARE(result.reason(), Reason::LimitHit);
    QCOMPARE(result.coverage().limitsHit, coverage.limitsHit);
    QCOMPARE(result.detail().count(QStringLiteral("too deep")), 1);
    const ScanResult optional = scan(EngineSet({{QStringLiteral("clamd"), clean},
        {QStringLiteral("yara"), engineOf(cut), Need::Optional}}));
    QCOMPARE(optional.verdict(), Verdict::Clean);
}

void TestEngineSet::bytes_scannedByOneAlone_areNotClean()
{
    // No engine of ours says so; one that lies is no reason to lie.
    Coverage less = coverageOf(QStringLiteral("clamd"));
    less.bytesTotal = less.bytesScanned = bytes - 1;
    const ScanResult result =
        scan(EngineSet({{QStringLiteral("yara"), engineOf(cleanBy(QStringLiteral("yara")))},
            {QStringLiteral("clamd"), engineOf(ScanResult::judge(less, {}, {}))}}));
    QCOMPARE(result.verdict(), Verdict::NotScanned);
}

void TestEngineSet::findings_ofAll_areKept()
{
    const ScanResult result =
        scan(EngineSet({{QStringLiteral("clamd"), engineOf(foundBy(QStringLiteral("clamd")))},
            {QStringLiteral("yara"), engineOf(foundBy(QStringLiteral("yara")))}}));
    QCOMPARE(result.findings().size(), size_t(2));
    QCOMPARE(
        result.coverage().engines, (QStringList{QStringLiteral("clamd"), QStringLiteral("yara")}));
    QCOMPARE(result.coverage().ruleSetDigest, QByteArray(32, 'c'));
}

void TestEngineSet::findings_tooMany_theWorstAreKept()
{
    std::vector<Finding> many(size_t(Limits::maxFindings));
    for (Finding &finding : many)
        finding.severity = Severity::Info;
    const ScanResult full = ScanResult::judge(coverageOf(QStringLiteral("yara")), many, {});
    const ScanResult result = scan(EngineSet({{QStringLiteral("yara"), engineOf(full)},
        {QStringLiteral("clamd"), engineOf(foundBy(QStringLiteral("clamd")))}}));
    QCOMPARE(result.verdict(), Verdict::Malicious);
    QCOMPARE(result.findings().size(), size_t(Limits::maxFindings));
    QCOMPARE(result.findings().front().engine, QStringLiteral("clamd"));
    QCOMPARE(result.coverage().findingsOmitted, 1);
}

void TestEngineSet::types_notForThisOne_isNotAsked()
{
    const EngineSet engines({{QStringLiteral("clamd"), engineOf(foundBy(QStringLiteral("clamd"))),
                                 Need::Required, {FileType::Archive, FileType::Executable}},
        {QStringLiteral("yara"), engineOf(cleanBy(QStringLiteral("yara")))}});
    QCOMPARE(scan(engines, FileType::Archive).verdict(), Verdict::Malicious);
    const ScanResult result = scan(engines, FileType::Media);
    QCOMPARE(result.verdict(), Verdict::Clean);
    QCOMPARE(result.coverage().gaps.size(), size_t(1));
    QCOMPARE(result.coverage().gaps.front().kind, Kind::NotAsked);
}

void TestEngineSet::types_unknown_allAreAsked()
{
    const EngineSet engines({{QStringLiteral("clamd"), engineOf(foundBy(QStringLiteral("clamd"))),
                                 Need::Optional, {FileType::Archive}},
        {QStringLiteral("yara"), engineOf(cleanBy(QStringLiteral("yara")))}});
    QCOMPARE(scan(engines).verdict(), Verdict::Malicious);
}

void TestEngineSet::fingerprint_ofOneChanged_isAnother()
{
    const ScanResult clean = cleanBy(QStringLiteral("yara"));
    const auto setOf = [&clean](char yara, char clamd, Need need, std::vector<FileType> types) {
        return std::make_unique<EngineSet>(std::vector<EngineSet::Member>{
            {QStringLiteral("clamd"), engineOf(clean, clamd), need, std::move(types)},
            {QStringLiteral("yara"), engineOf(clean, yara)}});
    };
    const auto engines = setOf('y', 'c', Need::Optional, {});
    QCOMPARE(engines->rules().digest, QByteArray(32, 'y'));
    const QByteArray print = engines->fingerprint();
    QCOMPARE(setOf('y', 'c', Need::Optional, {})->fingerprint(), print);
    QVERIFY(setOf('z', 'c', Need::Optional, {})->fingerprint() != print);
    QVERIFY(setOf('y', 'd', Need::Optional, {})->fingerprint() != print);
    QVERIFY(setOf('y', 'c', Need::Required, {})->fingerprint() != print);
    QVERIFY(setOf('y', 'c', Need::Optional, {FileType::Media})->fingerprint() != print);
}

void TestEngineSet::step_oneStarves_othersGoOn()
{
    int steps = 0;
    const EngineSet engines(
        {{QStringLiteral("a"), engineOf([](const SliceBudget &) { return Progress::Starved; })},
            {QStringLiteral("b"), engineOf([&steps](const SliceBudget &) {
                 return ++steps < 3 ? Progress::More : Progress::Done;
             })}});
    const auto task = engines.begin({}, Content::fromByteArray("x"));
    QCOMPARE(task->step({}), Progress::More);
    QCOMPARE(task->step({}), Progress::More);
    QCOMPARE(task->step({}), Progress::Starved); // b is done, and not asked again
    QCOMPARE(task->step({}), Progress::Starved);
    QCOMPARE(steps, 3);
}

void TestEngineSet::step_allStarve_isStarved()
{
    bool hasContent = false;
    const auto waiting = [&hasContent](const SliceBudget &) {
        return hasContent ? Progress::Done : Progress::Starved;
    };
    const EngineSet engines(
        {{QStringLiteral("a"), engineOf(waiting)}, {QStringLiteral("b"), engineOf(waiting)}});
    const auto task = engines.begin({}, Content::fromByteArray("x"));
    QCOMPARE(task->step({}), Progress::Starved);
    hasContent = true;
    QCOMPARE(task->step({}), Progress::Done);
}

void TestEngineSet::step_whoWaits_isAskedFirst()
{
    const Deadline until = Clock::now() + std::chrono::hours(1);
    QStringList slices;
    const auto note = [&slices, until](const QString &name, int steps) {
        return [&slices, until, name, left = steps](const SliceBudget &budget) mutable {
            slices.append(budget.until == until ? name + QStringLiteral(" long") : name);
            return --left > 0 ? Progress::More : Progress::Done;
        };
    };
    const EngineSet engines({{QStringLiteral("waits"), engineOf(note(QStringLiteral("waits"), 3))},
        {QStringLiteral("computes"), engineOf(note(QStringLiteral("computes"), 2))}});
    const auto task = engines.begin({}, Content::fromByteArray("x"));
    SliceBudget budget;
    budget.until = until;
    while (task->step(budget) != Progress::Done) { }
    // Who waits is asked first, and keeps nobody waiting until it is alone.
    QCOMPARE(
        slices.join(u','), QStringLiteral("waits,computes long,waits,computes long,waits long"));
}

void TestEngineSet::cache_cleanWithoutAnOptionalEngine_isNotRemembered()
{
    const auto remembers = [](const ScanResult &result) {
        VerdictCache cache({});
        (void)cache.ask("key", {});
        cache.settle("key", result);
        return cache.ask("key", {}).role == VerdictCache::Role::Hit;
    };
    const auto resultWith = [](const ScanResult &yara, const ScanResult &clamd) {
        return scan(EngineSet({{QStringLiteral("yara"), engineOf(yara)},
            {QStringLiteral("clamd"), engineOf(clamd), Need::Optional}}));
    };
    const ScanResult away = failed(Reason::ScannerUnavailable);
    QVERIFY(
        remembers(resultWith(cleanBy(QStringLiteral("yara")), cleanBy(QStringLiteral("clamd")))));
    QVERIFY(!remembers(resultWith(cleanBy(QStringLiteral("yara")), away)));
    QVERIFY(remembers(resultWith(foundBy(QStringLiteral("yara")), away)));
}

QTEST_GUILESS_MAIN(TestEngineSet)
#include "tst_engineset.moc"
