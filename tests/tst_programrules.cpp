// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/ProgramRules.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "SecurityTap/engine/YaraEngine.h"
#include "tests/support/RuleDirectory.h"

#include <QDir>
#include <QDirIterator>
#include <QTest>

using namespace Sentinel;

//! Which rules are left out where a file is no Windows program, and that this changes no result.
class ProgramRulesTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void condition_isUnderstood_data();
    void condition_isUnderstood();
    void otherText_isUntouched();
    void namedRules_stay();
    void globalRules_stay();
    void unusedImports_go();
    void strings_thatLookLikeRules_areStrings();
    void notUnderstood_staysWhole_data();
    void notUnderstood_staysWhole();
    void everyContent_sameFindingsAsTheWholeSet();
    void realRules_mostAreForPrograms();
};

void ProgramRulesTest::condition_isUnderstood_data()
{
    QTest::addColumn<QByteArray>("condition");
    QTest::addColumn<bool>("goes");
    for (const char *condition : {
             "uint16(0)==0x5a4d and $a",
             "$a and uint16 ( 0 ) == 23117",
             "0x5A4D == uint16(0) and any of them",
             "uint16be(0) == 0x4D5A and $a",
             "(uint16(0) == 0x5A4D) and $a",
             "((uint16(0) == 0x5A4D and $a) and ($a or filesize < 3))",
             "(uint16(0) == 0x5A4D and $a) or (uint16(0) == 0x5A4D and not $a)",
             "for all i in (1..3) : (@a[i] > 1 or false) and uint16(0) == 0x5A4D",
             "uint16(0) == 0x5A4D and // or true\n $a /* or */",
             "not $a and uint16(0) == 0x5A4D",
         })
        QTest::newRow(condition) << QByteArray(condition) << true;
    for (const char *condition : {
             "$a",
             "uint16(0) == 0x5A4D or $a",
             "$a or uint16(0) == 0x5A4D and $a",
             "not uint16(0) == 0x5A4D and $a",
             "not (uint16(0) == 0x5A4D) and $a",
             "uint16(0) != 0x5A4D and $a",
             "uint16(0) == 0x5A4E and $a",
             "uint16(1) == 0x5A4D and $a",
             "uint16(0) == 0x4D5A and $a",
             "uint16be(0) == 0x5A4D and $a",
             "1 + uint16(0) == 0x5A4D and $a",
             "uint16(0) == 0x5A4D + 1 and $a",
             "uint32(0) == 0x5A4D and $a",
             "uint8(0) == 0x4D and uint8(1) == 0x5A and $a",
             "(uint16(0) == 0x5A4D or uint32(0) == 0x464C457F) and $a",
             "for any i in (0, 1) : (uint16(i) == 0x5A4D) and $a",
             "for any i in (0, 1) : (uint16(0) == 0x5A4D or i == 1) and $a",
             "filename contains \"uint16(0) == 0x5A4D and\" and $a",
             "filename matches /x and uint16(0) == 0x5A4D and/ and $a",
             "$a // and uint16(0) == 0x5A4D",
         })
        QTest::newRow(condition) << QByteArray(condition) << false;
}

void ProgramRulesTest::condition_isUnderstood()
{
    QFETCH(const QByteArray, condition);
    QFETCH(const bool, goes);
    const QByteArray text = "rule r { strings: $a = \"needle\" condition: " + condition
        + "\n}\nrule s { condition: true }";
    const ReducedRules reduced = withoutProgramRules(text);
    QCOMPARE(reduced.removed, goes ? 1 : 0);
    QCOMPARE(reduced.text.contains("needle"), !goes);
    QVERIFY(reduced.text.endsWith("rule s { condition: true }"));
    QCOMPARE(reduced.text.count('\n'), text.count('\n'));
    // libyara agrees that this is a rule.
    QVERIFY(compileRules({Test::RuleDirectory(text).settings().rulePaths}));
}

void ProgramRulesTest::otherText_isUntouched()
{
    const QByteArray text = R"(/* of a set */ import "math"
        private rule one : tag1 tag2 { meta: a = "b" strings: $a = { 4D 5A [2-4] ( 01 | 02 ) }
            condition: $a and math.entropy(0, 10) > 2 })";
    const ReducedRules reduced = withoutProgramRules(text);
    QCOMPARE(reduced.removed, 0);
    QCOMPARE(reduced.text, text);
}

void ProgramRulesTest::namedRules_stay()
{
    const ReducedRules reduced = withoutProgramRules(R"(
        rule base { condition: uint16(0) == 0x5A4D }
        rule middle { condition: uint16(0) == 0x5A4D and base }
        rule set_one { condition: uint16(0) == 0x5A4D }
        rule nobody { condition: uint16(0) == 0x5A4D and middle }
        rule last { condition: not middle and any of (set_*) })");
    QCOMPARE(reduced.removed, 1);
    QVERIFY(!reduced.text.contains("nobody"));
    for (const char *kept : {"rule base", "rule middle", "rule set_one", "rule last"})
        QVERIFY(reduced.text.contains(kept));
}

void ProgramRulesTest::globalRules_stay()
{
    QCOMPARE(
        withoutProgramRules("global private rule g { condition: uint16(0) == 0x5A4D }").removed, 0);
    QCOMPARE(withoutProgramRules("private rule p { condition: uint16(0) == 0x5A4D }").removed, 1);
}

void ProgramRulesTest::unusedImports_go()
{
    const ReducedRules reduced = withoutProgramRules(R"(import "pe" import "math"
        rule program { condition: uint16(0) == 0x5A4D and pe.number_of_sections > 0 }
        rule other { condition: math.entropy(0, filesize) > 7 })");
    QVERIFY(!reduced.text.contains("import \"pe\""));
    QVERIFY(reduced.text.contains("import \"math\""));
}

void ProgramRulesTest::strings_thatLookLikeRules_areStrings()
{
    const ReducedRules reduced = withoutProgramRules(R"(
        rule one {
            strings:
                $a = "} rule x { condition: uint16(0) == 0x5A4D }" // } rule y {
                $b = "quote \" } \\"
                $c = /a\/b } "c/ nocase
                $d = { 7D /* } */ 7B // }
                       7D }
            condition: any of them }
        rule two { strings: $a = "}" condition: uint16(0) == 0x5A4D and $a })");
    QCOMPARE(reduced.removed, 1);
    QVERIFY(reduced.text.contains("any of them"));
    QVERIFY(!reduced.text.contains("rule two"));
}

void ProgramRulesTest::notUnderstood_staysWhole_data()
{
    QTest::addColumn<QByteArray>("text");
    for (const char *text : {"", "}", "rule", "rule r", "rule r {", "rule r { condition",
             "\xEF\xBB\xBF", "rule r { condition: uint16(0) == 0x5A4D",
             "rule r { condition: uint16(0) == 0x5A4D } x",
             "rule r { strings: $a = \"x condition: uint16(0) == 0x5A4D }", "/* rule",
             "rule r { strings: $a = { 00 condition: uint16(0) == 0x5A4D", "import", "\"",
             "rule r { : }", "rule r { strings: $a = /x\\",
             // Two words to the compiler, without a blank between them.
             "rule r { condition: uint16(0) == 0x5A4D and 1or true }",
             "rule r { condition: uint16(0) == 0x5A4D and filesize < 200KBor true }",
             "rule r { condition: uint16(0) == 0x5A4D and 0x1Aor true }",
             "rule r { condition: uint16(0) == 0x5A4D and 0or true }",
             "rule r { condition: uint16(0) == 0x5A4D and 1.5or 1.0 > 1 }",
             "rule r { condition: uint16(0) == 0x5A4D and filename matches /x/ior true }",
             "rule r { condition: uint16(0) == 0x5A4D and filename matches /x/isor true }",
             "rule r { condition: uint16(0) == 0x5A4D and filename matches /x/or true }",
             "rule a1 { condition: uint16(0) == 0x5A4D } include \"b.inc\""})
        QTest::newRow(text) << QByteArray(text);
}

void ProgramRulesTest::notUnderstood_staysWhole()
{
    QFETCH(const QByteArray, text);
    const ReducedRules reduced = withoutProgramRules(text);
    QCOMPARE(reduced.text, text);
    QCOMPARE(reduced.removed, 0);
}

void ProgramRulesTest::everyContent_sameFindingsAsTheWholeSet()
{
    const Test::RuleDirectory rules(R"(import "pe"
        rule program { strings: $a = "needle" condition: uint16(0) == 0x5A4D and $a }
        rule portable { condition: uint16(0) == 0x5A4D and pe.number_of_sections >= 0 }
        rule anything { strings: $a = "needle" condition: $a }
        rule elf { condition: uint32(0) == 0x464C457F })");
    const auto set = compileRules(rules.settings().rulePaths)->ruleSet;
    QCOMPARE(set->ruleCount(), 4);
    const auto found = [&set](const QByteArray &bytes) {
        auto task = YaraEngine::begin(set, {}, Content::fromByteArray(bytes));
        while (task->step({}) != ScanTask::Progress::Done) { }
        QStringList names;
        const ScanResult result = task->takeResult();
        for (const Finding &finding : result.findings())
            names.append(finding.rule);
        return names.join(u' ');
    };
    QCOMPARE(found("MZ needle"), QStringLiteral("program anything"));
    QCOMPARE(found("ZM needle"), QStringLiteral("anything"));
    QCOMPARE(found("\x7F"
                   "ELF needle"),
        QStringLiteral("anything elf"));
    for (const char *small : {"", "M", "MZ", "Z"})
        QCOMPARE(found(small), QString());
    // In windows as well.
    QCOMPARE(
        found("MZ" + Test::noise(3 * Limits::mib) + "needle"), QStringLiteral("program anything"));
    QCOMPARE(found(".." + Test::noise(3 * Limits::mib) + "needle"), QStringLiteral("anything"));
}

void ProgramRulesTest::realRules_mostAreForPrograms()
{
    QString path = qEnvironmentVariable("SENTINEL_RULESETS");
    if (path.isEmpty())
        path = QStringLiteral(SENTINEL_SOURCE_DIR "/../shared/rulesets");
    QDirIterator files(path, {QStringLiteral("*.yar"), QStringLiteral("*.yara")}, QDir::Files,
        QDirIterator::Subdirectories);
    int rules = 0;
    int removed = 0;
    while (files.hasNext()) {
        QFile file(files.next());
        QVERIFY(file.open(QIODevice::ReadOnly));
        const QByteArray text = file.readAll();
        const ReducedRules reduced = withoutProgramRules(text);
        // In this set every rule begins a line, and none is mentioned by another.
        const auto whole = ("\n" + text).count("\nrule ");
        QCOMPARE(("\n" + reduced.text).count("\nrule ") + reduced.removed, whole);
        rules += int(whole);
        removed += reduced.removed;
    }
    if (rules == 0)
        QSKIP("no public rules: set SENTINEL_RULESETS");
    QVERIFY2(
        removed > rules * 9 / 10, qPrintable(QStringLiteral("%1 of %2").arg(removed).arg(rules)));
}

QTEST_GUILESS_MAIN(ProgramRulesTest)
#include "tst_programrules.moc"
