// SPDX-License-Identifier: MIT
#include "SecurityTap/policy/Decision.h"

#include "SecurityTap/Limits.h"
#include "tests/support/Slowness.h"

#include <QTest>

#include <array>
#include <vector>

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

const QDateTime now(QDate(2030, 5, 1), QTime(12, 0), Qt::UTC);

struct Situation {
    Verdict verdict;
    Reason reason;
};

//! Every verdict with every reason that it can have.
std::vector<Situation> situations()
{
    std::vector<Situation> all;
    for (const Verdict verdict : {Verdict::Clean, Verdict::Suspicious, Verdict::Malicious})
        all.push_back({verdict, Reason::None});
    for (const Reason reason : allReasons) {
        if (reason != Reason::None)
            all.push_back({Verdict::NotScanned, reason});
    }
    return all;
}

PolicyFacts factsOf(const Situation &situation, bool isAllSeen)
{
    PolicyFacts facts;
    facts.verdict = situation.verdict;
    facts.reason = situation.reason;
    if (situation.verdict == Verdict::Malicious || situation.verdict == Verdict::Suspicious)
        facts.rules = QStringList{QStringLiteral("A"), QStringLiteral("B")};
    facts.isAllSeen = isAllSeen;
    facts.url = QUrl(QStringLiteral("https://example.org/a.zip"));
    facts.origin = Origin::of(facts.url);
    facts.mimeType = QStringLiteral("application/zip");
    facts.fileType = FileType::Archive;
    facts.sizeBytes = 1000;
    facts.sha256 = QByteArray(32, 'h');
    return facts;
}

//! The clauses of the table: an effect, what is named, one more condition.
struct ClauseKind {
    enum Named { Nothing, AVerdict, ItsReason, AnotherReason };
    bool exists = false;
    Disposition effect = Disposition::Block;
    Named named = Nothing;
    Verdict verdict = Verdict::Clean; // of AVerdict
    int condition = 0; // of conditionTexts
};

struct ConditionText {
    const char *text;
    bool fits;
};
constexpr std::array conditionTexts{ConditionText{"", true},
    ConditionText{" origin=*://*.example.net,https://example.org", true},
    ConditionText{" origin=https://*.example.org,http://example.org", false},
    ConditionText{" mime=text/html,application/*", true}, ConditionText{" mime=image/*", false},
    ConditionText{" type=script,archive", true}, ConditionText{" type=executable", false},
    ConditionText{" size>999B size<=1000B", true}, ConditionText{" size<1000B", false}};

std::vector<ClauseKind> clauseKinds()
{
    std::vector<ClauseKind> all{{}};
    for (const Disposition effect : allDispositions) {
        for (int condition = 0; condition < int(conditionTexts.size()); ++condition) {
            for (const auto named :
                {ClauseKind::Nothing, ClauseKind::ItsReason, ClauseKind::AnotherReason})
                all.push_back({true, effect, named, {}, condition});
            for (const Verdict verdict : allVerdicts)
                all.push_back({true, effect, ClauseKind::AVerdict, verdict, condition});
        }
    }
    return all;
}

//! As it would be written, but for what cannot be: a clause without a condition, and one for
//! reasons that always block.
PolicyClause clauseOf(const ClauseKind &kind, const Situation &situation)
{
    const QString text = QStringLiteral("block if verdict=Clean")
        + QLatin1StringView(conditionTexts[size_t(kind.condition)].text);
    PolicyClause clause = *PolicyClause::parse(text);
    clause.verdicts.clear();
    clause.effect = kind.effect;
    const bool isReasonGiven = situation.reason != Reason::None;
    const Reason its = isReasonGiven ? situation.reason : Reason::QueueFull;
    if (kind.named == ClauseKind::AVerdict)
        clause.verdicts.push_back(kind.verdict);
    if (kind.named == ClauseKind::ItsReason)
        clause.reasons.push_back(its);
    if (kind.named == ClauseKind::AnotherReason) {
        clause.reasons.push_back(
            its == Reason::EngineError ? Reason::EngineCrashed : Reason::EngineError);
    }
    return clause;
}

PolicyException narrowException()
{
    PolicyException exception;
    exception.id = QStringLiteral("0123abcd");
    exception.sha256 = QByteArray(32, 'h');
    exception.origin = Origin::of(QUrl(QStringLiteral("https://example.org")));
    exception.who = QStringLiteral("somebody");
    exception.why = QStringLiteral("our own build");
    exception.made = now.addDays(-1);
    exception.expires = now.addDays(1);
    return exception;
}

using ExceptionChange = void (*)(PolicyException &);

//! The exceptions of the table, with what each is to allow.
struct ExceptionKind {
    const char *name;
    ExceptionChange change; // of the narrow one; null: there is none
    bool isAllSeen;
    bool allowsThreats;
    bool allowsNotScanned;

    std::vector<PolicyException> make() const
    {
        if (!change)
            return {};
        PolicyException exception = narrowException();
        change(exception);
        return {exception};
    }
};

const QStringList bothRules{QStringLiteral("B"), QStringLiteral("A"), QStringLiteral("C")};

const std::array exceptionKinds{
    ExceptionKind{"none", nullptr, true, false, false},
    ExceptionKind{"this content from here", [](PolicyException &) {}, true, true, false},
    ExceptionKind{
        "this content from here, part unseen", [](PolicyException &) {}, false, true, false},
    ExceptionKind{"another content", [](PolicyException &it) { it.sha256 = QByteArray(32, 'x'); },
        true, false, false},
    ExceptionKind{
        "another origin", [](PolicyException &it) { it.origin->port = 8443; }, true, false, false},
    ExceptionKind{
        "expired", [](PolicyException &it) { it.expires = now.addSecs(-1); }, true, false, false},
    ExceptionKind{
        "never expires", [](PolicyException &it) { it.expires = QDateTime(); }, true, true, false},
    ExceptionKind{"this content from anywhere", [](PolicyException &it) { it.origin.reset(); },
        true, true, false},
    ExceptionKind{"scanned or not", [](PolicyException &it) { it.allowsUnscanned = true; }, false,
        true, true},
    ExceptionKind{"scanned or not, another content",
        [](PolicyException &it) {
            it.allowsUnscanned = true;
            it.sha256 = QByteArray(32, 'x');
        },
        true, false, false},
    ExceptionKind{"these rules from here",
        [](PolicyException &it) {
            it.sha256.clear();
            it.rules = bothRules;
        },
        true, true, false},
    ExceptionKind{"these rules from here, part unseen",
        [](PolicyException &it) {
            it.sha256.clear();
            it.rules = bothRules;
        },
        false, false, false},
    ExceptionKind{"these rules from here, part unseen and allowed",
        [](PolicyException &it) {
            it.sha256.clear();
            it.rules = bothRules;
            it.allowsUnscanned = true;
        },
        false, true, false},
    ExceptionKind{"one of two rules",
        [](PolicyException &it) {
            it.sha256.clear();
            it.rules = QStringList{QStringLiteral("A")};
        },
        true, false, false},
    ExceptionKind{"this content, if one of two rules",
        [](PolicyException &it) { it.rules = QStringList{QStringLiteral("B")}; }, true, false,
        false},
    ExceptionKind{"this content, if these rules", [](PolicyException &it) { it.rules = bothRules; },
        true, true, false},
    ExceptionKind{"this content, if these rules, part unseen",
        [](PolicyException &it) { it.rules = bothRules; }, false, false, false},
    ExceptionKind{
        "all from here", [](PolicyException &it) { it.sha256.clear(); }, true, true, false},
    ExceptionKind{"all from here, part unseen", [](PolicyException &it) { it.sha256.clear(); },
        false, false, false},
    ExceptionKind{"all from here, scanned or not",
        [](PolicyException &it) {
            it.sha256.clear();
            it.allowsUnscanned = true;
        },
        false, true, true},
};

struct Expected {
    Disposition disposition;
    Decision::By by;
};

//! What has to come of it, from the kinds alone.
Expected oracle(const Situation &situation, const ClauseKind &kind, const ExceptionKind &exception,
    Disposition otherwise)
{
    const bool isNotScanned = situation.verdict == Verdict::NotScanned;
    const bool isMalicious = situation.verdict == Verdict::Malicious;
    const bool isThreat = isMalicious || situation.verdict == Verdict::Suspicious;
    if (situation.reason == Reason::Cancelled || situation.reason == Reason::Incomplete
        || situation.reason == Reason::Unreadable)
        return {Disposition::Block, Decision::By::Content};
    if ((isThreat && exception.allowsThreats) || (isNotScanned && exception.allowsNotScanned))
        return {Disposition::Release, Decision::By::Exception};
    if (kind.exists && conditionTexts[size_t(kind.condition)].fits) {
        const bool letsOut =
            kind.effect == Disposition::Release || kind.effect == Disposition::Warn;
        bool isMeant = false;
        if (kind.named == ClauseKind::AVerdict)
            isMeant = kind.verdict == situation.verdict;
        else if (kind.named == ClauseKind::ItsReason)
            isMeant = isNotScanned;
        else if (kind.named == ClauseKind::Nothing)
            isMeant = isNotScanned || (isThreat && !(isMalicious && letsOut));
        if (isMeant)
            return {kind.effect, Decision::By::Clause};
    }
    if (situation.verdict == Verdict::Clean)
        return {Disposition::Release, Decision::By::Default};
    if (isMalicious && otherwise == Disposition::Release)
        return {Disposition::Quarantine, Decision::By::Default};
    return {otherwise, Decision::By::Default};
}

} // namespace

//! The facts (ScanResult) and the decision made of them (decide()).
class PolicyTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void incompleteCoverage_isNeverClean_data();
    void incompleteCoverage_isNeverClean();
    void worstFinding_makesTheVerdict();
    void finding_inIncompleteCoverage_isStillAThreat();
    void everyNotScannedReason_hasNameAndExplanation();
    void facts_ofAScan_areWhatDecisionsAskFor();
    void facts_notAllFound_areNotAllSeen();
    void decide_everyCombination_isAsWritten_data();
    void decide_everyCombination_isAsWritten();
    void decide_defaults_failOpenAndWithholdThreats();
    void decide_everyReason_isASettingOfItsOwn();
    void decide_defaultThatReleasesMalicious_quarantines();
    void decide_severalClauses_firstThatFitsDecides();
    void decide_severalExceptions_firstThatAllowsIsNamed();
    void decide_hold_isOnlyForWhatWaitingHelps();
    void decide_exceptionAtItsEnd_isOver();
    void decide_sizeSoFar_fitsNoUpperBound();
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

void PolicyTest::facts_ofAScan_areWhatDecisionsAskFor()
{
    Download download;
    download.metadata.url = QUrl(QStringLiteral("https://user@Example.org:443/a.zip?secret"));
    download.metadata.filename = QStringLiteral("a.zip");
    download.metadata.mimeType = QStringLiteral(" Application/ZIP; charset=x");
    download.metadata.sha256 = QByteArray(32, 'x'); // announced: nobody believes it
    download.privacy = Download::Privacy::Private;
    Finding grave;
    grave.rule = QStringLiteral("Grave");
    Finding mild;
    mild.rule = QStringLiteral("Mild");
    mild.severity = Severity::Info;
    const auto result =
        ScanResult::judge(completeCoverage(), {grave, mild, grave}, QByteArray(32, 'h'));
    const auto facts =
        PolicyFacts::of(download, result, FileType::Archive, 3, PolicyFacts::Extent::Whole);
    QCOMPARE(facts.verdict, Verdict::Malicious);
    QCOMPARE(facts.reason, Reason::None);
    QCOMPARE(facts.rules, QStringList{QStringLiteral("Grave")});
    QVERIFY(facts.isAllSeen);
    QCOMPARE(facts.origin.toString(), QStringLiteral("https://example.org"));
    QCOMPARE(facts.fileName, QStringLiteral("a.zip"));
    QCOMPARE(facts.mimeType, QStringLiteral("application/zip"));
    QCOMPARE(facts.fileType, FileType::Archive);
    QCOMPARE(facts.sizeBytes, 3);
    QCOMPARE(facts.sha256, QByteArray(32, 'h'));
    QVERIFY(facts.privacy == Download::Privacy::Private);
}

void PolicyTest::facts_notAllFound_areNotAllSeen()
{
    const auto factsOf = [](const Coverage &coverage) {
        return PolicyFacts::of({}, found(Severity::Malicious, coverage), FileType::Unknown, 3,
            PolicyFacts::Extent::Whole);
    };
    QVERIFY(factsOf(completeCoverage()).isAllSeen);
    Coverage coverage = completeCoverage();
    coverage.findingsOmitted = 1;
    QVERIFY(!factsOf(coverage).isAllSeen);
    coverage = completeCoverage();
    coverage.bytesScanned = 2;
    QVERIFY(!factsOf(coverage).isAllSeen);
}

void PolicyTest::decide_everyCombination_isAsWritten_data()
{
    QTest::addColumn<int>("exceptionKind");
    for (int kind = 0; kind < int(exceptionKinds.size()); ++kind)
        QTest::newRow(exceptionKinds[size_t(kind)].name) << kind;
}

//! All verdicts and reasons, with all kinds of clauses and defaults, against an oracle that knows
//! only which kinds there are.
void PolicyTest::decide_everyCombination_isAsWritten()
{
    QFETCH(int, exceptionKind);
    const ExceptionKind &exception = exceptionKinds[size_t(exceptionKind)];
    const auto exceptions = exception.make();
    int combinations = 0;
    for (const Situation &situation : situations()) {
        const PolicyFacts facts = factsOf(situation, exception.isAllSeen);
        for (const Disposition otherwise : allDispositions) {
            for (const ClauseKind &kind : clauseKinds()) {
                if (++combinations % Test::slowness != 0)
                    continue;
                Policy policy;
                policy.malicious = policy.suspicious = otherwise;
                policy.notScanned.fill(otherwise);
                if (kind.exists)
                    policy.clauses.push_back(clauseOf(kind, situation));
                const Decision decision = decide(policy, facts, exceptions, now);
                const Expected expected = oracle(situation, kind, exception, otherwise);
                const QByteArray told = qPrintable(
                    QStringLiteral("%1 %2, %3, default %4: %5 by %6")
                        .arg(nameOf(situation.verdict), nameOf(situation.reason),
                            kind.exists ? policy.clauses[0].toString() : QStringLiteral("none"),
                            nameOf(otherwise), nameOf(decision.disposition), decision.name));
                QVERIFY2(decision.disposition == expected.disposition, told);
                QVERIFY2(decision.by == expected.by, told);
                QCOMPARE(decision.clause, expected.by == Decision::By::Clause ? 0 : -1);
                QCOMPARE(decision.exception.isEmpty(), expected.by != Decision::By::Exception);
                QVERIFY(!decision.name.isEmpty()
                    && decision.text.contains(decision.name.section(u' ', -1)));
            }
        }
    }
    QCOMPARE(combinations, 16 * 4 * (1 + 4 * 7 * 9));
}

void PolicyTest::decide_defaults_failOpenAndWithholdThreats()
{
    const auto disposition = [](const Policy &policy, Situation situation) {
        return decide(policy, factsOf(situation, true), {}, now).disposition;
    };
    for (const Situation &situation : situations()) {
        const bool isScanned = situation.verdict != Verdict::NotScanned;
        const Disposition open = situation.verdict == Verdict::Malicious ? Disposition::Quarantine
            : situation.verdict == Verdict::Suspicious                   ? Disposition::Warn
            : isScanned || isReleasable(situation.reason)                ? Disposition::Release
                                                                         : Disposition::Block;
        QCOMPARE(disposition(Policy(), situation), open);
        QCOMPARE(
            disposition(Policy::failClosed(), situation), isScanned ? open : Disposition::Block);
    }
}

void PolicyTest::decide_everyReason_isASettingOfItsOwn()
{
    for (const Reason closed : allReasons) {
        Policy policy;
        policy.forReason(closed) = Disposition::Quarantine;
        for (const Reason reason : allReasons) {
            if (reason == Reason::None || !isReleasable(reason))
                continue;
            const auto facts = factsOf({Verdict::NotScanned, reason}, true);
            QCOMPARE(decide(policy, facts, {}, now).disposition,
                reason == closed ? Disposition::Quarantine : Disposition::Release);
        }
    }
}

void PolicyTest::decide_defaultThatReleasesMalicious_quarantines()
{
    Policy policy;
    policy.malicious = Disposition::Release;
    const auto facts = factsOf({Verdict::Malicious, Reason::None}, true);
    QCOMPARE(decide(policy, facts, {}, now).disposition, Disposition::Quarantine);
    policy.clauses.push_back(*PolicyClause::parse(QStringLiteral("release if verdict=Malicious")));
    QCOMPARE(decide(policy, facts, {}, now).disposition, Disposition::Release);
}

void PolicyTest::decide_severalClauses_firstThatFitsDecides()
{
    Policy policy;
    for (const char *text : {"release if type=media", "warn if type=archive size<10MiB",
             "block if type=archive", "release if type=archive"})
        policy.clauses.push_back(*PolicyClause::parse(QString::fromLatin1(text)));
    PolicyFacts facts = factsOf({Verdict::NotScanned, Reason::LimitHit}, true);
    const Decision small = decide(policy, facts, {}, now);
    QCOMPARE(small.disposition, Disposition::Warn);
    QCOMPARE(small.clause, 1);
    QCOMPARE(small.name, QStringLiteral("clause 2"));
    QCOMPARE(small.text, QStringLiteral("clause 2: warn if type=archive size<10MiB"));
    facts.sizeBytes = 10 * Limits::mib;
    QCOMPARE(decide(policy, facts, {}, now).clause, 2);
    facts.fileType = FileType::Text;
    const Decision byDefault = decide(policy, facts, {}, now);
    QCOMPARE(byDefault.clause, -1);
    QCOMPARE(byDefault.name, QStringLiteral("default for LimitHit"));
}

void PolicyTest::decide_severalExceptions_firstThatAllowsIsNamed()
{
    PolicyException other = narrowException();
    other.id = QStringLiteral("00000001");
    other.sha256 = QByteArray(32, 'x');
    PolicyException right = narrowException();
    right.id = QStringLiteral("00000002");
    PolicyException second = right;
    second.id = QStringLiteral("00000003");
    const std::vector exceptions{other, right, second};
    const auto facts = factsOf({Verdict::Malicious, Reason::None}, true);
    const Decision decision = decide({}, facts, exceptions, now);
    QCOMPARE(decision.disposition, Disposition::Release);
    QCOMPARE(decision.exception, right.id);
    QVERIFY(decision.text.contains(right.why) && decision.text.contains(right.who));
}

void PolicyTest::decide_hold_isOnlyForWhatWaitingHelps()
{
    using namespace std::chrono_literals;
    Policy policy;
    policy.hold = 3s;
    policy.clauses.push_back(
        *PolicyClause::parse(QStringLiteral("block hold=500ms if reason=QueueFull type=media")));
    policy.clauses.push_back(*PolicyClause::parse(QStringLiteral("warn if type=document")));
    for (const Situation &situation : situations()) {
        PolicyFacts facts = factsOf(situation, true);
        const bool isHeld =
            situation.reason == Reason::QueueFull || situation.reason == Reason::ScannerUnavailable;
        QVERIFY(decide(policy, facts, {}, now).hold == (isHeld ? 3000ms : 0ms));
        facts.fileType = FileType::Media;
        QVERIFY(decide(policy, facts, {}, now).hold
            == (situation.reason == Reason::QueueFull ? 500ms
                    : isHeld                          ? 3000ms
                                                      : 0ms));
        facts.fileType = FileType::Document;
        QVERIFY(decide(policy, facts, {}, now).hold == (isHeld ? 3000ms : 0ms));
    }
}

void PolicyTest::decide_exceptionAtItsEnd_isOver()
{
    PolicyException exception = narrowException();
    exception.expires = now;
    const auto facts = factsOf({Verdict::Malicious, Reason::None}, true);
    const std::vector exceptions{exception};
    QCOMPARE(decide({}, facts, exceptions, now.addMSecs(-1)).disposition, Disposition::Release);
    QCOMPARE(decide({}, facts, exceptions, now).disposition, Disposition::Quarantine);
}

//! A server that announces no size could else have a clause for small files be for its large one.
void PolicyTest::decide_sizeSoFar_fitsNoUpperBound()
{
    Policy policy = Policy::failClosed();
    policy.clauses.push_back(*PolicyClause::parse(QStringLiteral("release if size<1GiB")));
    PolicyFacts facts = factsOf({Verdict::NotScanned, Reason::TooLarge}, true);
    QCOMPARE(decide(policy, facts, {}, now).disposition, Disposition::Release);
    facts.extent = PolicyFacts::Extent::SoFar;
    QCOMPARE(decide(policy, facts, {}, now).disposition, Disposition::Block);
    policy.clauses[0] = *PolicyClause::parse(QStringLiteral("warn if size>=500B"));
    QCOMPARE(decide(policy, facts, {}, now).disposition, Disposition::Warn);
}

QTEST_APPLESS_MAIN(PolicyTest)
#include "tst_policy.moc"
