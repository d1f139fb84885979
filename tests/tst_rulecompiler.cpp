// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/RuleCompiler.h"
#include "SecurityTap/engine/RuleFiles.h"
#include "SecurityTap/engine/YaraEngine.h"

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <sys/stat.h>

using namespace Sentinel;

class RuleCompilerTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init();
    void directory_everyFile_isItsOwnNamespace();
    void relativePath_isFine();
    void badFile_refused_namesFileLineAndMessage();
    void badFiles_all_areReported();
    void badFile_skipped_othersAreUsed();
    void noRuleFiles_isAnError();
    void missingPath_isAnError();
    void emptyFile_isFine();
    void notRegularFile_isAnError();
    void fileThatTellsNoSize_isReadWhole();
    void include_beneath_isRead();
    void include_outside_isRefused_data();
    void include_outside_isRefused();
    void include_ofItself_isAnError();
    void include_withNul_isAnError();
    void notTaken_isSaid_data();
    void notTaken_isSaid();
    void forbiddenModule_isRefused_data();
    void forbiddenModule_isRefused();
    void endlessCondition_isRefusedInTime();
    void digest_changesWithEverythingThatVerdictsDependOn();
    void sameNamesInTwoDirectories_bothAreUsed();
    void externals_areDefinedAndSet();
    void unratedSeverity_isASetting();
    void engine_another_isUsedByTheNextScanOnly();

private:
    void write(const QString &name, const QByteArray &text) const;
    std::expected<CompiledRules, std::vector<RuleProblem>> compile(
        const RuleOptions &options = {}) const
    {
        return compileRules({m_directory->filePath(QStringLiteral("rules"))}, options);
    }
    static QString errors(const std::expected<CompiledRules, std::vector<RuleProblem>> &compiled)
    {
        QStringList lines;
        for (const RuleProblem &problem : compiled ? compiled->problems : compiled.error())
            lines.append(describe(problem));
        return lines.join(u'\n');
    }
    static ScanResult scan(const std::shared_ptr<const RuleSet> &rules, const QByteArray &bytes,
        const ScanSubject &subject = {})
    {
        auto task = YaraEngine::begin(rules, subject, Content::fromByteArray(bytes));
        while (task->step({}) != ScanTask::Progress::Done) { }
        return task->takeResult();
    }

    std::unique_ptr<QTemporaryDir> m_directory;
};

void RuleCompilerTest::init()
{
    m_directory = std::make_unique<QTemporaryDir>();
    QVERIFY(QDir(m_directory->path()).mkpath(QStringLiteral("rules/sub")));
}

void RuleCompilerTest::write(const QString &name, const QByteArray &text) const
{
    QFile file(m_directory->filePath(name));
    QVERIFY(file.open(QIODevice::WriteOnly));
    QCOMPARE(file.write(text), text.size());
}

void RuleCompilerTest::directory_everyFile_isItsOwnNamespace()
{
    write(QStringLiteral("rules/a.yar"), "rule same { condition: true }");
    write(QStringLiteral("rules/sub/b.yara"), "rule same { condition: true }");
    write(QStringLiteral("rules/notes.txt"), "this is no rule");
    const auto compiled = compile();
    QVERIFY2(compiled, qPrintable(errors(compiled)));
    QCOMPARE(compiled->ruleSet->fileCount(), 2);
    QCOMPARE(compiled->ruleSet->ruleCount(), 2);
    const ScanResult result = scan(compiled->ruleSet, "x");
    QCOMPARE(result.findings().size(), 2u);
    QCOMPARE(result.findings().at(0).ruleNamespace, QStringLiteral("a.yar"));
    QCOMPARE(result.findings().at(1).ruleNamespace, QStringLiteral("sub/b.yara"));
}

void RuleCompilerTest::relativePath_isFine()
{
    write(QStringLiteral("rules/sub/b.yara"), "rule same { condition: true }");
    const QString before = QDir::currentPath();
    QVERIFY(QDir::setCurrent(m_directory->filePath(QStringLiteral("rules/sub"))));
    const auto directory = compileRules({QStringLiteral("../../rules")});
    const auto file = compileRules({QStringLiteral("b.yara")});
    QVERIFY(QDir::setCurrent(before));
    QVERIFY2(directory, qPrintable(errors(directory)));
    QVERIFY2(file, qPrintable(errors(file)));
}

void RuleCompilerTest::badFile_refused_namesFileLineAndMessage()
{
    write(QStringLiteral("rules/good.yar"), "rule good { condition: true }");
    write(QStringLiteral("rules/sub/bad.yar"), "rule bad {\n condition:\n  missing and true\n}");
    const auto compiled = compile();
    QVERIFY(!compiled);
    QCOMPARE(compiled.error().size(), 1u);
    QCOMPARE(compiled.error().front().file, QStringLiteral("sub/bad.yar"));
    QCOMPARE(compiled.error().front().line, 3);
    QVERIFY(compiled.error().front().message.contains(QStringLiteral("missing")));
    QVERIFY(errors(compiled).startsWith(QStringLiteral("sub/bad.yar:3: error: ")));
}

void RuleCompilerTest::badFiles_all_areReported()
{
    write(QStringLiteral("rules/1.yar"), "rule one { condition: nonsense }");
    write(QStringLiteral("rules/2.yar"), "not a rule at all");
    write(QStringLiteral("rules/3.yar"), "rule three { condition: true }");
    write(QStringLiteral("rules/4.yar"), "import \"nomodule\" rule four { condition: true }");
    const auto compiled = compile();
    QVERIFY(!compiled);
    const QString text = errors(compiled);
    QVERIFY2(text.contains(QStringLiteral("1.yar:1: error")), qPrintable(text));
    QVERIFY2(text.contains(QStringLiteral("2.yar:1: error")), qPrintable(text));
    QVERIFY2(text.contains(QStringLiteral("4.yar:1: error")), qPrintable(text));
    QVERIFY2(!text.contains(QStringLiteral("3.yar")), qPrintable(text));
}

void RuleCompilerTest::badFile_skipped_othersAreUsed()
{
    write(QStringLiteral("rules/1.yar"), "rule one { condition: nonsense }");
    write(QStringLiteral("rules/2.yar"), "rule two { condition: true }");
    const auto compiled = compile({.badFiles = BadRuleFiles::Skip});
    QVERIFY(compiled);
    QCOMPARE(compiled->ruleSet->ruleCount(), 1);
    QCOMPARE(compiled->problems.size(), 1u);
    QCOMPARE(compiled->problems.front().file, QStringLiteral("1.yar"));
}

void RuleCompilerTest::noRuleFiles_isAnError()
{
    for (const BadRuleFiles badFiles : {BadRuleFiles::Refuse, BadRuleFiles::Skip}) {
        const auto compiled = compile({.badFiles = badFiles});
        QVERIFY(!compiled);
        QVERIFY(errors(compiled).contains(QStringLiteral("holds no rule file")));
    }
}

void RuleCompilerTest::missingPath_isAnError()
{
    const auto compiled = compileRules({m_directory->filePath(QStringLiteral("nowhere"))});
    QVERIFY(!compiled);
    QVERIFY(errors(compiled).contains(QStringLiteral("no such file")));
}

void RuleCompilerTest::emptyFile_isFine()
{
    write(QStringLiteral("rules/empty.yar"), "");
    write(QStringLiteral("rules/one.yar"), "rule one { condition: true }");
    const auto compiled = compile();
    QVERIFY2(compiled, qPrintable(errors(compiled)));
    QCOMPARE(compiled->ruleSet->ruleCount(), 1);
}

void RuleCompilerTest::notRegularFile_isAnError()
{
    const QByteArray fifo =
        QFile::encodeName(m_directory->filePath(QStringLiteral("rules/fifo.yar")));
    QCOMPARE(::mkfifo(fifo.constData(), 0600), 0);
    const auto compiled = compileRules({m_directory->filePath(QStringLiteral("rules/fifo.yar"))});
    QVERIFY(!compiled);
    QVERIFY(errors(compiled).contains(QStringLiteral("not a regular file")));
}

void RuleCompilerTest::fileThatTellsNoSize_isReadWhole()
{
    QFile file(QStringLiteral("/proc/version"));
    QVERIFY(file.open(QIODevice::ReadOnly));
    QCOMPARE(file.size(), 0);
    const RuleFiles read = readRuleFiles({file.fileName()});
    QCOMPARE(read.files.size(), 1u);
    const QByteArray whole = file.readAll();
    QVERIFY(!whole.isEmpty());
    QCOMPARE(read.files.front().text, whole);
}

void RuleCompilerTest::include_beneath_isRead()
{
    write(QStringLiteral("rules/sub/part.inc"), "rule part { condition: true }");
    write(QStringLiteral("rules/a.yar"), "include \"sub/part.inc\"");
    write(QStringLiteral("rules/sub/b.yar"), "include \"../sub/part.inc\"");
    const auto compiled = compile();
    QVERIFY2(compiled, qPrintable(errors(compiled)));
    QCOMPARE(compiled->ruleSet->ruleCount(), 2);
}

void RuleCompilerTest::include_outside_isRefused_data()
{
    QTest::addColumn<QByteArray>("include");
    QTest::newRow("up") << QByteArray("../outside.inc");
    QTest::newRow("far up") << QByteArray("../../../../../../../../etc/hostname");
    QTest::newRow("absolute") << QByteArray("/etc/hostname");
    QTest::newRow("through a link") << QByteArray("link/hostname");
    QTest::newRow("itself a link") << QByteArray("outside-link.inc");
    QTest::newRow("proc") << QByteArray("/proc/self/environ");
}

void RuleCompilerTest::include_outside_isRefused()
{
    QFETCH(QByteArray, include);
    write(QStringLiteral("outside.inc"), "rule outside { condition: true }");
    QVERIFY(
        QFile::link(QStringLiteral("/etc"), m_directory->filePath(QStringLiteral("rules/link"))));
    QVERIFY(QFile::link(m_directory->filePath(QStringLiteral("outside.inc")),
        m_directory->filePath(QStringLiteral("rules/outside-link.inc"))));
    write(QStringLiteral("rules/a.yar"), "include \"" + include + "\"");
    const auto compiled = compile();
    QVERIFY(!compiled);
    QVERIFY2(errors(compiled).contains(QStringLiteral("outside of the rules directory")),
        qPrintable(errors(compiled)));
}

void RuleCompilerTest::include_ofItself_isAnError()
{
    write(QStringLiteral("rules/a.yar"), "include \"a.yar\"");
    QVERIFY(!compile());
}

void RuleCompilerTest::include_withNul_isAnError()
{
    // libyara would read up to the NUL, and the rule behind it would be missing.
    write(QStringLiteral("rules/part.inc"),
        QByteArray("rule before { condition: true }\n\0rule behind { condition: true }", 62));
    write(QStringLiteral("rules/a.yar"), "include \"part.inc\"");
    const auto compiled = compile();
    QVERIFY(!compiled);
    QVERIFY2(errors(compiled).contains(QStringLiteral("NUL")), qPrintable(errors(compiled)));
}

void RuleCompilerTest::notTaken_isSaid_data()
{
    QTest::addColumn<QString>("name");
    QTest::newRow("link to a directory") << QStringLiteral("linked");
    QTest::newRow("dangling link") << QStringLiteral("gone.yar");
    QTest::newRow("FIFO") << QStringLiteral("fifo.yar");
}

void RuleCompilerTest::notTaken_isSaid()
{
    QFETCH(const QString, name);
    write(QStringLiteral("rules/a.yar"), "rule fine { condition: true }");
    const QString path = m_directory->filePath(QStringLiteral("rules/") + name);
    if (name == QStringLiteral("linked"))
        QVERIFY(QFile::link(m_directory->filePath(QStringLiteral("rules/sub")), path));
    else if (name == QStringLiteral("gone.yar"))
        QVERIFY(QFile::link(QStringLiteral("nowhere"), path));
    else
        QCOMPARE(::mkfifo(QFile::encodeName(path), 0600), 0);
    QVERIFY(!compile());
    const auto skipped = compile({.badFiles = BadRuleFiles::Skip});
    QVERIFY(skipped);
    QCOMPARE(skipped->problems.size(), 1u);
    QVERIFY(describe(skipped->problems.front()).startsWith(name));
}

void RuleCompilerTest::forbiddenModule_isRefused_data()
{
    QTest::addColumn<QByteArray>("text");
    const QByteArray rule = " rule r { condition: true }";
    QTest::newRow("magic") << "import \"magic\"" + rule;
    QTest::newRow("cuckoo") << "import \"cuckoo\"" + rule;
    QTest::newRow("hidden by a comment") << "import /* \" */ \"magic\"" + rule;
}

void RuleCompilerTest::forbiddenModule_isRefused()
{
    QFETCH(QByteArray, text);
    write(QStringLiteral("rules/a.yar"), text);
    write(QStringLiteral("rules/b.yar"), "rule fine { condition: true }");
    const auto compiled = compile();
    QVERIFY(!compiled);
    QVERIFY2(errors(compiled).contains(QStringLiteral("a.yar")), qPrintable(errors(compiled)));
    const auto skipped = compile({.badFiles = BadRuleFiles::Skip});
    QVERIFY(skipped);
    QCOMPARE(skipped->ruleSet->ruleCount(), 1);
}

void RuleCompilerTest::endlessCondition_isRefusedInTime()
{
    write(QStringLiteral("rules/a.yar"),
        "rule endless { condition: for all i in (1..1000000000000) : (i > 0) }");
    write(QStringLiteral("rules/b.yar"), "rule fine { condition: true }");
    const auto skipped = compile({.badFiles = BadRuleFiles::Skip});
    QVERIFY(skipped);
    QCOMPARE(skipped->ruleSet->ruleCount(), 1);
    QCOMPARE(skipped->problems.size(), 1u);
    const QString problem = describe(skipped->problems.front());
    QVERIFY2(problem.startsWith(QStringLiteral("a.yar: error: has a condition that takes")),
        qPrintable(problem));
}

void RuleCompilerTest::digest_changesWithEverythingThatVerdictsDependOn()
{
    write(QStringLiteral("rules/part.inc"), "rule part { condition: true }");
    write(QStringLiteral("rules/a.yar"), "include \"part.inc\"");
    const QByteArray first = compile()->ruleSet->digest();
    QCOMPARE(first.size(), 32);
    QCOMPARE(compile()->ruleSet->digest(), first);
    QVERIFY(compile({.unratedSeverity = Severity::Info})->ruleSet->digest() != first);
    write(QStringLiteral("rules/part.inc"), "rule part { condition: false }");
    const QByteArray second = compile()->ruleSet->digest();
    QVERIFY(second != first);
    QVERIFY(QFile::rename(m_directory->filePath(QStringLiteral("rules/a.yar")),
        m_directory->filePath(QStringLiteral("rules/b.yar"))));
    QVERIFY(compile()->ruleSet->digest() != second);
}

void RuleCompilerTest::sameNamesInTwoDirectories_bothAreUsed()
{
    QVERIFY(QDir(m_directory->path()).mkpath(QStringLiteral("more")));
    write(QStringLiteral("rules/a.yar"), "rule same { condition: true }");
    write(QStringLiteral("more/a.yar"), "rule same { condition: true }");
    const auto compiled = compileRules({m_directory->filePath(QStringLiteral("rules")),
        m_directory->filePath(QStringLiteral("more"))});
    QVERIFY2(compiled, qPrintable(errors(compiled)));
    QCOMPARE(compiled->ruleSet->ruleCount(), 2);
}

void RuleCompilerTest::externals_areDefinedAndSet()
{
    write(QStringLiteral("rules/a.yar"), R"(rule r { condition:
        filename == "Report.PDF" and extension == ".pdf" and filepath == "/some/Report.PDF"
        and filetype == "PDF" and owner == "" })");
    const auto compiled = compile();
    QVERIFY2(compiled, qPrintable(errors(compiled)));
    ScanSubject subject;
    subject.metadata.filename = QStringLiteral("Report.PDF");
    subject.filePath = QStringLiteral("/some/Report.PDF");
    QCOMPARE(scan(compiled->ruleSet, "%PDF-1.7\n", subject).verdict(), Verdict::Malicious);
    // The values of one scan are not left behind for the next.
    QCOMPARE(scan(compiled->ruleSet, "%PDF-1.7\n").verdict(), Verdict::Clean);
}

void RuleCompilerTest::unratedSeverity_isASetting()
{
    write(QStringLiteral("rules/a.yar"), R"(
        rule unrated { condition: uint8(0) == 0x31 }
        rule foreign { meta: severity = 9 condition: uint8(0) == 0x32 }
        rule unknown { meta: severity = "dreadful" condition: uint8(0) == 0x33 }
        rule rated { meta: severity = "Info" condition: uint8(0) == 0x34 })");
    const auto strict = compile();
    QVERIFY(strict);
    for (const char *content : {"1", "2", "3"})
        QCOMPARE(scan(strict->ruleSet, content).verdict(), Verdict::Malicious);
    const ScanResult info = scan(strict->ruleSet, "4");
    QCOMPARE(info.verdict(), Verdict::Clean);
    QCOMPARE(info.findings().size(), 1u);
    const auto mild = compile({.unratedSeverity = Severity::Suspicious});
    QCOMPARE(scan(mild->ruleSet, "1").verdict(), Verdict::Suspicious);
}

void RuleCompilerTest::engine_another_isUsedByTheNextScanOnly()
{
    write(QStringLiteral("rules/a.yar"), "rule old { condition: true }");
    const auto engine = std::make_unique<const YaraEngine>(compile()->ruleSet);
    const auto content = Content::fromByteArray(QByteArray(4'000'000, 'x'));
    auto running = engine->begin({}, content);
    QCOMPARE(running->step({Clock::time_point::min(), {}}), ScanTask::Progress::More);
    write(QStringLiteral("rules/a.yar"), "rule new_rule { condition: true }");
    const YaraEngine another(compile()->ruleSet);
    QVERIFY(another.rules() != engine->rules());
    while (running->step({}) != ScanTask::Progress::Done) { }
    QCOMPARE(running->takeResult().findings().front().rule, QStringLiteral("old"));
    QCOMPARE(scan(another.ruleSet(), "x").findings().front().rule, QStringLiteral("new_rule"));
}

QTEST_GUILESS_MAIN(RuleCompilerTest)
#include "tst_rulecompiler.moc"
