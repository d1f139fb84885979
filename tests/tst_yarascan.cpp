// SPDX-License-Identifier: MIT
#include "SecurityTap/Limits.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "SecurityTap/engine/YaraEngine.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/Slowness.h"

#include <QDir>
#include <QDirIterator>
#include <QFile>
#include <QRandomGenerator>
#include <QTemporaryDir>
#include <QTest>
#include <QtEndian>

#include <csignal>
#include <thread>

#include <yara.h>

using namespace Sentinel;
using Test::noise;

namespace {

std::shared_ptr<const RuleSet> rulesFrom(const QByteArray &text)
{
    QTemporaryDir directory;
    QFile file(directory.filePath(QStringLiteral("rules.yar")));
    if (!file.open(QIODevice::WriteOnly))
        qFatal("cannot write rules");
    file.write(text);
    file.close();
    auto compiled = compileRules({directory.path()});
    if (!compiled) {
        for (const RuleProblem &problem : compiled.error())
            qCritical().noquote() << describe(problem);
        return nullptr;
    }
    return compiled->ruleSet;
}

//! A content that arrives as the test says.
struct Arriving {
    explicit Arriving(QByteArray all)
        : bytes(std::move(all))
        , content(std::make_shared<Content>(
              reinterpret_cast<const uchar *>(bytes.constData()), nullptr))
    {
    }
    void upTo(qint64 size) { content->grow(size); }
    void all()
    {
        content->grow(bytes.size());
        content->complete();
    }
    const QByteArray bytes;
    const std::shared_ptr<Content> content;
};

SliceBudget noTime()
{
    return {Clock::time_point::min(), {}};
}

//! The scan with the content arriving in pieces, a slice for each window.
ScanResult scanStreamed(
    const std::shared_ptr<const RuleSet> &rules, const QByteArray &bytes, qint64 piece)
{
    Arriving arriving(bytes);
    ScanSubject subject;
    auto task = YaraEngine::begin(rules, subject, arriving.content);
    for (qint64 size = piece; size < bytes.size(); size += piece) {
        arriving.upTo(size);
        while (task->step(noTime()) == ScanTask::Progress::More) { }
    }
    arriving.all();
    for (;;) {
        // Each slice on a thread of its own: nothing may hang on the thread.
        ScanTask::Progress progress{};
        std::thread([&] { progress = task->step(noTime()); }).join();
        if (progress == ScanTask::Progress::Done)
            return task->takeResult();
        if (progress == ScanTask::Progress::Starved)
            qFatal("starved although the content is complete");
    }
}

using RuleNames = QStringList;
RuleNames names(const ScanResult &result)
{
    RuleNames found;
    for (const Finding &finding : result.findings())
        found.append(finding.ruleNamespace + u':' + finding.rule);
    found.sort();
    return found;
}

QByteArray words(qsizetype size)
{
    return QByteArray(size, 'w');
}

//! The scan of one block, by libyara's plain call: what the streamed one must equal.
ScanResult scanWhole(const std::shared_ptr<const RuleSet> &rules, const QByteArray &bytes)
{
    auto scanner = RuleSet::lendScanner(rules);
    QStringList found;
    yr_scanner_set_callback(
        scanner.get(),
        [](YR_SCAN_CONTEXT *, int message, void *data, void *userData) {
            if (message == CALLBACK_MSG_RULE_MATCHING) {
                const auto *rule = static_cast<const YR_RULE *>(data);
                static_cast<QStringList *>(userData)->append(
                    QString::fromUtf8(rule->ns->name) + u':' + QString::fromUtf8(rule->identifier));
            }
            return int(CALLBACK_CONTINUE);
        },
        &found);
    yr_scanner_set_flags(scanner.get(), SCAN_FLAGS_NO_TRYCATCH | SCAN_FLAGS_REPORT_RULES_MATCHING);
    for (const char *name : {"filename", "filepath", "extension", "filetype", "owner"})
        yr_scanner_define_string_variable(scanner.get(), name, "");
    const int error = yr_scanner_scan_mem(
        scanner.get(), reinterpret_cast<const uint8_t *>(bytes.constData()), size_t(bytes.size()));
    if (error != ERROR_SUCCESS)
        qFatal("libyara error %d", error);
    std::vector<Finding> findings;
    for (const QString &name : found) {
        Finding finding;
        finding.ruleNamespace = name.section(u':', 0, 0);
        finding.rule = name.section(u':', 1);
        findings.push_back(finding);
    }
    return ScanResult::judge({}, findings, {});
}

constexpr qint64 mib = Limits::mib;

} // namespace

class YaraScanTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void emptyContent_isCleanAndComplete();
    void smallContent_finding_hasItsMetadataAndOffsets();
    void completeCoverage_namesRuleSetAndEngine();
    void growingContent_isStarvedUntilWindowIsThere();
    void usedUpBudget_yieldsAfterOneWindow();
    void windowEdges_streamed_findsWhatWholeFileFinds_data();
    void windowEdges_streamed_findsWhatWholeFileFinds();
    void randomNeedles_streamed_findsWhatWholeFileFinds();
    void longLiteral_acrossEdges_isFound();
    void chain_decoysAndCutTails_streamed_findsWhatWholeFileFinds_data();
    void chain_decoysAndCutTails_streamed_findsWhatWholeFileFinds();
    void executableInside_doesNotGiveAnEntryPoint();
    void entryPoint_headersBehindTheFirstWindow_isThatOfTheWholeFile();
    void abandonedScan_leavesScannerUsable();
    void reusedScanner_forgetsEntryPoint();
    void unconfirmedThreat_isToldBeforeTheConfirmation();
    void matchBomb_isLimitHitNotClean();
    void longMatches_keepNoCopies();
    void names_asRulesSeeThem_hideNothing();
    void signalHandlers_afterScans_areUntouched();
    void manyThreads_oneRuleSet_everyResultRight();
    void realFiles_streamed_findWhatWholeFileFinds();
};

void YaraScanTest::emptyContent_isCleanAndComplete()
{
    const auto rules = rulesFrom("rule anything { strings: $a = \"needle\" condition: $a }");
    const ScanResult result = scanStreamed(rules, {}, mib);
    QCOMPARE(result.verdict(), Verdict::Clean);
    QCOMPARE(result.coverage().bytesTotal, 0);
    const auto empty = rulesFrom("rule empty { condition: filesize == 0 }");
    QCOMPARE(scanStreamed(empty, {}, mib).verdict(), Verdict::Malicious);
}

void YaraScanTest::smallContent_finding_hasItsMetadataAndOffsets()
{
    const auto rules = rulesFrom(R"(rule r : t1 t2 {
        meta: text = "words" number = 7 flag = true severity = "suspicious"
        strings: $a = "needle" $b = "hay"
        condition: $a and $b })");
    const ScanResult result = scanStreamed(rules, "hay needle hay", mib);
    QCOMPARE(result.verdict(), Verdict::Suspicious);
    QCOMPARE(result.findings().size(), 1u);
    const Finding &finding = result.findings().front();
    QCOMPARE(finding.engine, QStringLiteral("yara"));
    QCOMPARE(finding.rule, QStringLiteral("r"));
    QCOMPARE(finding.ruleNamespace, QStringLiteral("rules.yar"));
    QCOMPARE(finding.tags, (QStringList{QStringLiteral("t1"), QStringLiteral("t2")}));
    QCOMPARE(finding.meta.size(), 4u);
    QCOMPARE(finding.meta.at(0).second, QVariant(QStringLiteral("words")));
    QCOMPARE(finding.meta.at(1).second, QVariant(qint64(7)));
    QCOMPARE(finding.meta.at(2).second, QVariant(true));
    const std::vector<StringMatch> expected{
        {QStringLiteral("$a"), 4, 6}, {QStringLiteral("$b"), 0, 3}, {QStringLiteral("$b"), 11, 3}};
    QCOMPARE(finding.strings, expected);

    // More matches than are kept are counted, not lost without a word.
    const ScanResult many = scanStreamed(rules, "needle" + QByteArray("hay").repeated(1000), mib);
    const Finding &bounded = many.findings().front();
    QCOMPARE(int(bounded.strings.size()), Limits::maxStringsPerFinding);
    QCOMPARE(bounded.stringsOmitted, 1001 - Limits::maxStringsPerFinding);
}

void YaraScanTest::completeCoverage_namesRuleSetAndEngine()
{
    const auto rules = rulesFrom("rule nothing { condition: false }");
    const ScanResult result = scanStreamed(rules, noise(3 * mib, 1), 100'000);
    QCOMPARE(result.verdict(), Verdict::Clean);
    QVERIFY(result.coverage().isComplete());
    QCOMPARE(result.coverage().bytesTotal, 3 * mib);
    QCOMPARE(result.coverage().bytesScanned, 3 * mib);
    QCOMPARE(result.coverage().ruleSetDigest, rules->digest());
    QVERIFY(result.coverage().engines.value(0).startsWith(QStringLiteral("yara ")));
}

void YaraScanTest::growingContent_isStarvedUntilWindowIsThere()
{
    const auto rules = rulesFrom("rule end { strings: $a = \"END\" condition: $a }");
    Arriving arriving(noise(3 * mib, 2) + "END");
    auto task = YaraEngine::begin(rules, {}, arriving.content);
    QCOMPARE(task->step({}), ScanTask::Progress::Starved);
    arriving.upTo(mib / 2);
    QCOMPARE(task->step({}), ScanTask::Progress::Starved);
    arriving.upTo(2 * mib);
    QCOMPARE(task->step({}), ScanTask::Progress::Starved);
    arriving.all();
    ScanTask::Progress progress = task->step({});
    while (progress == ScanTask::Progress::More) // the finding is confirmed in a slice of its own
        progress = task->step({});
    QCOMPARE(progress, ScanTask::Progress::Done);
    QCOMPARE(task->takeResult().verdict(), Verdict::Malicious);
}

void YaraScanTest::usedUpBudget_yieldsAfterOneWindow()
{
    const auto rules = rulesFrom("rule nothing { strings: $a = \"nowhere\" condition: $a }");
    const auto content = Content::fromByteArray(noise(10 * mib, 3));
    auto task = YaraEngine::begin(rules, {}, content);
    int slices = 1;
    while (task->step(noTime()) == ScanTask::Progress::More)
        ++slices;
    QCOMPARE_GE(slices, 10);
    // The same when nobody wants the result any more.
    auto abandoned = YaraEngine::begin(rules, {}, content);
    QCOMPARE(abandoned->step({noDeadline, [] { return true; }}), ScanTask::Progress::More);
}

void YaraScanTest::windowEdges_streamed_findsWhatWholeFileFinds_data()
{
    QTest::addColumn<QByteArray>("strings");
    QTest::addColumn<QByteArray>("condition");
    QTest::addColumn<QByteArray>("needle");
    struct Row {
        const char *name;
        const char *strings;
        const char *condition;
        QByteArray needle;
    };
    const Row rows[]{
        {"text", "$a = \"needle\"", "$a", "needle"},
        {"text-count", "$a = \"needle\"", "#a == 1", "needle"},
        {"wide", "$a = \"needle\" wide", "#a == 1", QByteArray("n\0e\0e\0d\0l\0e\0", 12)},
        {"fullword", "$a = \"needle\" fullword", "$a", "needle"},
        {"fullword-negated", "$a = \"needle\" fullword", "not $a", "needle"},
        {"fullword-wide", "$a = \"needle\" wide fullword", "$a",
            QByteArray("n\0e\0e\0d\0l\0e\0", 12)},
        {"fullword-between", "$a = \"needle\" fullword", "#a == 1", ".needle."},
        {"anchor-start", "$a = /^needle/", "$a", "needle"},
        {"anchor-end", "$a = /needle$/", "$a", "needle"},
        {"anchor-end-negated", "$a = /needle$/", "not $a", "needle"},
        {"boundary", "$a = /\\bneedle\\b/", "$a", "needle"},
        {"no-boundary", "$a = /needle\\B/", "$a", "needle"},
        {"regexp-count", "$a = /ne{2}dle[0-9]{2}/", "#a == 1", "needle42"},
        {"regexp-long", "$a = /needle[0-9]{1,3000}end/", "#a == 1",
            "needle" + QByteArray(2500, '7') + "end"},
        {"regexp-greedy-length", "$a = /needle7+/", "!a[1] == 2006",
            "needle" + QByteArray(2000, '7')},
        {"hex-jump", "$a = { 6E 65 65 64 [100-150] 65 6E 64 }", "#a == 1",
            "need" + QByteArray(120, '.') + "end"},
        {"hex-chained", "$a = { 6E 65 65 64 6C 65 [1000-5000] 65 6E 64 65 6E 64 }", "#a == 1",
            "needle" + QByteArray(4000, '.') + "endend"},
        {"hex-unbounded", "$a = { 6E 65 65 64 6C 65 [-] 65 6E 64 65 6E 64 }", "$a",
            "needle" + QByteArray(20'000, '.') + "endend"},
        {"xor", "$a = \"needle\" xor(1-255)", "#a == 1", "odedmd"},
        {"base64", "$a = \"needleneedle\" base64", "$a", QByteArray("needleneedle").toBase64()},
        {"offset", "$a = \"needle\"", "@a[1] > 100 and $a in (0..filesize)", "needle"},
        {"nocase", "$a = \"NEEDLE\" nocase", "#a == 1", "nEeDlE"},
    };
    for (const Row &row : rows)
        QTest::newRow(row.name) << QByteArray(row.strings) << QByteArray(row.condition)
                                << row.needle;
}

void YaraScanTest::windowEdges_streamed_findsWhatWholeFileFinds()
{
    QFETCH(QByteArray, strings);
    QFETCH(QByteArray, condition);
    QFETCH(QByteArray, needle);
    const auto rules =
        rulesFrom("rule r { strings: " + strings + " condition: " + condition + " }");
    QVERIFY(rules);
    // Where the first window ends and the second begins, in a file of word characters, where no
    // good place to cut is to be found, and of others.
    const qint64 overlap = rules->overlapBytes();
    const qint64 length = needle.size();
    const QList<qint64> edges{mib, mib - overlap};
    const std::vector<qint64> distances = Test::slowness > 1
        ? std::vector<qint64>{-length, -length / 2, 0}
        : std::vector<qint64>{
            -length - 2, -length - 1, -length, -length + 1, -length / 2, -1, 0, 1, 2};
    for (const char filler : {'w', '.'}) {
        for (const qint64 edge : edges) {
            for (const qint64 distance : distances) {
                QByteArray bytes(3 * mib + 17, filler);
                bytes.replace(edge + distance, length, needle);
                const ScanResult streamed = scanStreamed(rules, bytes, 300'000);
                QVERIFY2(names(streamed) == names(scanWhole(rules, bytes)),
                    qPrintable(QStringLiteral("edge %1 distance %2 filler %3")
                                   .arg(edge)
                                   .arg(distance)
                                   .arg(QLatin1Char(filler))));
                QVERIFY(streamed.coverage().isComplete());
            }
        }
    }
}

void YaraScanTest::randomNeedles_streamed_findsWhatWholeFileFinds()
{
    const auto rules = rulesFrom(R"(
        rule one { strings: $a = "needle" fullword condition: #a == 1 }
        rule some { strings: $a = /\bneedle[a-z]*\b/ condition: #a > 3 and #a < 9 }
        rule odd { strings: $a = "needle" condition: #a % 2 == 1 }
        rule nothing { strings: $a = /needle$/ condition: not $a }
        rule far { strings: $a = "needle" condition: for any i in (1..#a): (@a[i] > 1500000) })");
    QRandomGenerator random(7);
    for (int round = 0; round < 60; ++round) {
        QByteArray bytes = round % 2 ? words(2 * mib + round) : noise(2 * mib + round, round);
        const int count = random.bounded(10);
        for (int i = 0; i < count; ++i) {
            // Mostly near the edges.
            const qint64 near = random.bounded(2) ? mib : mib - rules->overlapBytes();
            const qint64 at = random.bounded(3) ? near - 20 + random.bounded(40)
                                                : random.bounded(bytes.size() - 20);
            bytes.replace(at, 6, "needle");
        }
        const ScanResult streamed = scanStreamed(rules, bytes, 250'000 + random.bounded(1'000'000));
        QCOMPARE(names(streamed), names(scanWhole(rules, bytes)));
    }
}

void YaraScanTest::longLiteral_acrossEdges_isFound()
{
    // Longer than libyara's usual reach: the windows must overlap by more.
    const QByteArray literal = QByteArray("0123456789abcdef").repeated(400);
    const auto rules = rulesFrom("rule r { strings: $a = \"" + literal + "\" wide condition: $a }");
    QVERIFY(rules);
    QVERIFY(rules->overlapBytes() > 2 * literal.size());
    QByteArray wide(2 * literal.size(), '\0');
    for (qsizetype i = 0; i < literal.size(); ++i)
        wide[2 * i] = literal[i];
    for (qint64 at = mib - 2 * wide.size(); at <= mib; at += wide.size() / 3) {
        QByteArray bytes = words(3 * mib);
        bytes.replace(at, wide.size(), wide);
        QCOMPARE(names(scanStreamed(rules, bytes, 500'000)).size(), 1);
    }
}

void YaraScanTest::chain_decoysAndCutTails_streamed_findsWhatWholeFileFinds_data()
{
    QTest::addColumn<QByteArray>("jump");
    QTest::addColumn<int>("gap");
    QTest::newRow("short") << QByteArray("[300-900]") << 900;
    QTest::newRow("long") << QByteArray("[1000-20000]") << 20'000;
    QTest::newRow("longer than the overlap may be") << QByteArray("[1000-700000]") << 600'000;
    QTest::newRow("unbounded") << QByteArray("[300-]") << 500'000;
}

void YaraScanTest::chain_decoysAndCutTails_streamed_findsWhatWholeFileFinds()
{
    QFETCH(const QByteArray, jump);
    QFETCH(const int, gap);
    // Nothing else may be found, or the whole would be looked at for that.
    const auto rules = rulesFrom("rule r { strings: $a = { 6E 65 65 64 6C 65 " + jump
        + " 65 6E 64 65 6E 64 } condition: $a }");
    QVERIFY(rules);
    // The first window is cut in front of the words, and of the tail; another tail just before the
    // second one's end makes libyara forget the head.
    const qint64 cut = mib - 401;
    for (const int distance : {-700, -300, -3, 0, 3}) {
        for (const qint64 overlap :
            {qint64(-mib), Limits::scanOverlapBytes, rules->overlapBytes()}) {
            QByteArray bytes(3 * mib + 17, '.');
            bytes.replace(cut, 401, words(401));
            const qint64 tail = mib + distance;
            bytes.replace(tail, 6, "endend");
            bytes.replace(tail - gap - 6, 6, "needle");
            bytes.replace(cut - overlap + mib - 100, 6, "endend");
            const ScanResult streamed = scanStreamed(rules, bytes, 300'000);
            QCOMPARE(names(streamed), names(scanWhole(rules, bytes)));
            QVERIFY(streamed.coverage().isComplete());
        }
    }
}

void YaraScanTest::entryPoint_headersBehindTheFirstWindow_isThatOfTheWholeFile()
{
    QFile executable(QStringLiteral("/bin/ls"));
    if (!executable.open(QIODevice::ReadOnly))
        QSKIP("no /bin/ls to read");
    // The table of sections, where libyara looks for the entry point, at the end of a large file.
    QByteArray elf = executable.readAll();
    const auto sections = qFromLittleEndian<quint64>(elf.constData() + 0x28);
    const QByteArray table = elf.sliced(qsizetype(sections));
    elf.append(QByteArray(3 * mib, '\0'));
    qToLittleEndian(quint64(elf.size()), elf.data() + 0x28);
    elf.append(table);
    const auto rules = rulesFrom("rule entry { condition: entrypoint > 0 }");
    QVERIFY(rules->usesEntryPoint());
    QVERIFY(!rulesFrom("rule plain { condition: filesize > 0 }")->usesEntryPoint());
    QCOMPARE(names(scanWhole(rules, elf)).size(), 1);
    QCOMPARE(names(scanStreamed(rules, elf, mib)).size(), 1);
}

void YaraScanTest::executableInside_doesNotGiveAnEntryPoint()
{
    // A real executable that does not begin where the file does, but where a window might.
    QFile executable(QStringLiteral("/bin/ls"));
    if (!executable.open(QIODevice::ReadOnly))
        QSKIP("no /bin/ls to read");
    const QByteArray elf = executable.readAll();
    const auto rules = rulesFrom("rule entry { condition: entrypoint >= 0 } rule elf { condition: "
                                 "uint32(0) == 0x464c457f }");
    QVERIFY(names(scanStreamed(rules, elf, mib)).size() == 2);
    const qint64 start = mib - rules->overlapBytes();
    for (qint64 shift = -3; shift <= 3; ++shift) {
        const QByteArray bytes = QByteArray(start + shift, '.') + elf + noise(2 * mib, 9);
        QCOMPARE(names(scanStreamed(rules, bytes, mib)), names(scanWhole(rules, bytes)));
    }
}

void YaraScanTest::abandonedScan_leavesScannerUsable()
{
    const auto rules = rulesFrom("rule r { strings: $a = \"needle\" condition: #a == 2 }");
    for (int i = 0; i < 5; ++i) {
        auto task = YaraEngine::begin(
            rules, {}, Content::fromByteArray("needle" + noise(4 * mib, quint32(i))));
        QCOMPARE(task->step(noTime()), ScanTask::Progress::More);
    }
    // The reused scanner must not bring matches of before.
    QVERIFY(names(scanStreamed(rules, "needle", mib)).isEmpty());
    QCOMPARE(names(scanStreamed(rules, "needle needle", mib)).size(), 1);
}

void YaraScanTest::reusedScanner_forgetsEntryPoint()
{
    QFile executable(QStringLiteral("/bin/ls"));
    if (!executable.open(QIODevice::ReadOnly))
        QSKIP("no /bin/ls to read");
    const auto rules = rulesFrom("rule entry { condition: entrypoint >= 0 }");
    QCOMPARE(names(scanStreamed(rules, executable.readAll(), mib)).size(), 1);
    QVERIFY(names(scanStreamed(rules, "plain text", mib)).isEmpty());
}

void YaraScanTest::unconfirmedThreat_isToldBeforeTheConfirmation()
{
    const auto rules = rulesFrom(R"(
        rule threat { strings: $a = "needle" condition: $a }
        rule remark { meta: severity = "info" strings: $a = "hay" condition: $a })");
    for (const bool isThreat : {true, false}) {
        std::optional<ScanResult> suspicion;
        SliceBudget budget;
        budget.suspect = [&](ScanResult result) { suspicion = std::move(result); };
        const QByteArray bytes = (isThreat ? "needle" : "hay") + noise(3 * mib, 11);
        auto task = YaraEngine::begin(rules, {}, Content::fromByteArray(bytes));
        QCOMPARE(task->step(budget), ScanTask::Progress::More);
        QCOMPARE(suspicion.has_value(), isThreat);
        if (isThreat)
            QCOMPARE(suspicion->verdict(), Verdict::Malicious);
        QCOMPARE(task->step(budget), ScanTask::Progress::Done);
        QCOMPARE(task->takeResult().verdict(), isThreat ? Verdict::Malicious : Verdict::Clean);
    }
}

void YaraScanTest::matchBomb_isLimitHitNotClean()
{
    // libyara stops counting a string after a million matches: what follows is not known.
    const auto rules = rulesFrom("rule r { strings: $a = \"ab\" condition: #a > 2000000 }");
    const ScanResult result = scanStreamed(rules, QByteArray("ab").repeated(2'100'000), 3 * mib);
    QCOMPARE(result.verdict(), Verdict::NotScanned);
    QCOMPARE(result.reason(), Reason::LimitHit);
    QVERIFY(!result.coverage().limitsHit.isEmpty());
}

void YaraScanTest::longMatches_keepNoCopies()
{
    // Half a million matches of 520 bytes: libyara would keep 512 of each.
    const auto rules =
        rulesFrom("rule r { strings: $a = \"" + words(520) + "\" condition: #a > 10 }");
    const QByteArray bytes = words(mib / 2);
    const Test::PeakMemory memory;
    auto task = YaraEngine::begin(rules, {}, Content::fromByteArray(bytes));
    QCOMPARE(task->step({}), ScanTask::Progress::Done);
    QVERIFY2(memory.grownBytes() < 100 * mib,
        qPrintable(QStringLiteral("%1 MiB").arg(memory.grownBytes() / mib)));
}

void YaraScanTest::names_asRulesSeeThem_hideNothing()
{
    ScanSubject subject;
    const auto content = Content::fromByteArray("plain");
    const auto seen = [&](const QString &name) {
        subject.metadata.filename = name;
        const QByteArrayList values = YaraEngine::externals(subject, *content);
        return values.at(0) + " " + values.at(2);
    };
    QCOMPARE(seen(QStringLiteral("a.pdf")), QByteArray("a.pdf .pdf"));
    QCOMPARE(seen(QStringLiteral("a.pdf") + QChar() + QStringLiteral(".EXE")),
        QByteArray("a.pdf_.EXE .exe"));
    QCOMPARE(seen(QStringLiteral("report.pdf.")), QByteArray("report.pdf. .pdf"));
    QCOMPARE(seen(QString()), QByteArray(" "));
}

void YaraScanTest::signalHandlers_afterScans_areUntouched()
{
    struct sigaction before {
    }, after{};
    sigaction(SIGBUS, nullptr, &before);
    const auto rules = rulesFrom("rule r { strings: $a = \"needle\" condition: $a }");
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] { scanStreamed(rules, noise(2 * mib, 5), mib); });
    for (std::thread &thread : threads)
        thread.join();
    sigaction(SIGBUS, nullptr, &after);
    QVERIFY(after.sa_handler == before.sa_handler);
}

void YaraScanTest::manyThreads_oneRuleSet_everyResultRight()
{
    const auto rules = rulesFrom(R"(
        rule even { strings: $a = "needle" condition: #a % 2 == 0 }
        rule odd { strings: $a = "needle" condition: #a % 2 == 1 })");
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
                const int count = (t * 50 + i) % 7;
                const QByteArray bytes = QByteArray("needle ").repeated(count) + noise(40'000, 1);
                const RuleNames found = names(scanStreamed(rules, bytes, mib));
                const QString expected =
                    count % 2 ? QStringLiteral("rules.yar:odd") : QStringLiteral("rules.yar:even");
                wrong += found != QStringList{expected};
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    QCOMPARE(wrong.load(), 0);
}

void YaraScanTest::realFiles_streamed_findWhatWholeFileFinds()
{
    // Rules that match much of what is found on any machine, by all kinds of strings.
    const auto rules = rulesFrom(R"(import "elf" import "math" import "hash"
        rule elf_file { condition: elf.type == elf.ET_DYN and elf.number_of_sections > 5 }
        rule big { condition: filesize > 1MB and math.entropy(0, filesize) > 5.0 }
        rule word { strings: $a = "return" fullword condition: #a > 2 }
        rule lib { strings: $a = /\blib[a-z]+\.so\.[0-9]\b/ condition: $a }
        rule no_gnu { strings: $a = "GNU" wide ascii nocase condition: not $a }
        rule start { strings: $a = /^#!/ condition: $a }
        rule prologue { strings: $a = { 55 48 89 E5 [0-300] C3 } condition: #a > 10 }
        rule last { strings: $a = "\x00" condition: $a at (filesize - 1) }
        rule hashed { condition: hash.md5(0, filesize) != "" and uint8(0) == 0x7f })");
    QVERIFY(rules);
    QStringList paths;
    QDirIterator it(
        QStringLiteral("/usr/lib"), QDir::Files | QDir::NoSymLinks, QDirIterator::Subdirectories);
    while (it.hasNext() && paths.size() < 40) {
        it.next();
        if (it.fileInfo().size() > mib + mib / 4 && it.fileInfo().size() < 12 * mib)
            paths.append(it.filePath());
    }
    if (paths.isEmpty())
        QSKIP("no large files in /usr/lib");
    int findings = 0;
    for (const QString &path : paths) {
        QFile file(path);
        if (!file.open(QIODevice::ReadOnly))
            continue;
        const QByteArray bytes = file.readAll();
        const ScanResult streamed = scanStreamed(rules, bytes, 700'000);
        QVERIFY2(names(streamed) == names(scanWhole(rules, bytes)), qPrintable(path));
        findings += int(streamed.findings().size());
    }
    QVERIFY(findings > 0);
}

QTEST_GUILESS_MAIN(YaraScanTest)
#include "tst_yarascan.moc"
