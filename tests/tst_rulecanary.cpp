// SPDX-License-Identifier: MIT
#include "Sentinel/Limits.h"
#include "Sentinel/rules/CanaryContents.h"
#include "Sentinel/rules/RuleCanary.h"
#include "tests/support/ChildProcess.h"
#include "tests/support/Patience.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/RuleSamples.h"
#include "tests/support/Slowness.h"

#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QFileInfo>
#include <QSet>
#include <QTemporaryDir>
#include <QTest>

#include <algorithm>
#include <csignal>
#include <thread>

#include <unistd.h>

using namespace Sentinel;
using namespace Qt::StringLiterals;
using Level = RuleProblem::Level;

namespace {

//! 40 s on 64 KiB of this letter, and libyara's own time limit does not hold.
constexpr const char *slowRule = "rule slow {\n strings:\n  $a = /a+/\n"
                                 " condition:\n  #a > 1000000\n}\n";

//! Gigabytes of matches in 64 KiB of this letter: where a sanitizer leaves memory without bounds,
//! more than there is time for.
QByteArray memoryRule()
{
    QByteArray text = "rule greedy {\n strings:\n";
    for (int i = 0; i < 1600; ++i)
        text += "  $s" + QByteArray::number(i) + " = \"aaaaa\"\n";
    return text + " condition:\n  for all of them : (# > 1000000)\n}\n";
}

QByteArray goodRule(int number)
{
    const QByteArray id = QByteArray::number(number);
    return "rule good" + id + " { strings: $a = \"needle number " + id + "\" condition: $a }\n";
}

using Proof = std::expected<ProvenRules, std::vector<RuleProblem>>;

QString firstError(const Proof &proof)
{
    if (proof)
        return u"(proven)"_s;
    const auto error = std::ranges::find(proof.error(), Level::Error, &RuleProblem::level);
    return error == proof.error().end() ? u"(no error)"_s : describe(*error);
}

//! 0 if there is none.
pid_t onlyChildOf(pid_t process)
{
    QFile children(u"/proc/%1/task/%1/children"_s.arg(process));
    return children.open(QIODevice::ReadOnly) ? children.readAll().trimmed().toInt() : 0;
}

} // namespace

//! Which updates of the rules come into force, and what is said of the others.
class TestRuleCanary : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init();

    void contents_areWhatTheySay();

    void shippedRules_areProven();
    void publicRules_areProven();
    void informativeRule_isNoFalseAlarm();
    void eicar_notFound_isAsBadAsTheCallerSays();

    void update_bad_isRefusedWithItsPlace_data();
    void update_bad_isRefusedWithItsPlace();
    void everyFalseAlarm_isNamedOnce();
    void sameNames_inTwoDirectories_theRightFileIsNamed();
    void slowRule_amongManyFiles_isFoundInTime_data();
    void slowRule_amongManyFiles_isFoundInTime();
    void slowRule_thatNeedsItsDirectory_isOfTheWholeSet();
    void slowRule_besideOneThatNeedsItsDirectory_isFound();
    void parent_ofOtherRules_noFileIsAccused();
    void parent_dead_isAnError();
    void parent_thatDiesMeanwhile_endsTheProof();
    void proof_leavesNothing();

private:
    QString at(const QString &name) const { return m_directory->filePath(name); }
    void write(const QString &name, const QByteArray &text) const;
    //! The directory's rules, as an update would be tried.
    Proof prove(Level ifEicarIsMissed = Level::Error) const
    {
        return prove(WorkerRules{{m_directory->path()}, {}}, ifEicarIsMissed);
    }
    Proof prove(const WorkerRules &rules, Level ifEicarIsMissed = Level::Error) const;

    std::unique_ptr<QTemporaryDir> m_directory;
};

//! Every set has a rule for the test file, unless a test has its own.
void TestRuleCanary::init()
{
    m_directory = std::make_unique<QTemporaryDir>();
    QVERIFY(
        QFile::copy(QStringLiteral(SENTINEL_SOURCE_DIR "/rules/eicar.yar"), at(u"eicar.yar"_s)));
}

void TestRuleCanary::write(const QString &name, const QByteArray &text) const
{
    QFile file(at(name));
    if (!QDir().mkpath(QFileInfo(file).path()) || !file.open(QIODevice::WriteOnly)
        || file.write(text) != text.size())
        qFatal("cannot write %s", qPrintable(name));
}

Proof TestRuleCanary::prove(const WorkerRules &rules, Level ifEicarIsMissed) const
{
    const auto parent = WorkerParent::start(SENTINEL_BINARY, rules);
    if (!parent)
        return std::unexpected(parent.error());
    return proveRules(**parent, SENTINEL_BINARY, rules, ifEicarIsMissed);
}

void TestRuleCanary::contents_areWhatTheySay()
{
    QCOMPARE(eicarContent().bytes, Test::eicar());
    QSet<QString> names;
    for (const CanaryContent &content : harmlessContents()) {
        QVERIFY(content.bytes.size() <= 64 * Limits::kib);
        names.insert(content.name);
    }
    QCOMPARE(names.size(), qsizetype(harmlessContents().size()));
    // The programs are some: libyara's modules take them apart, and the little one really runs.
    write(u"elf.yar"_s,
        "import \"elf\" rule elf_seen { condition:\n"
        " elf.type == elf.ET_EXEC and elf.machine == elf.EM_X86_64 and elf.entry_point == 120 }");
    write(u"pe.yar"_s,
        "import \"pe\" rule pe_seen { condition:\n"
        " pe.number_of_sections == 1 and pe.entry_point == 0x200 and pe.is_32bit() }");
    const Proof proof = prove();
    QVERIFY(!proof);
    QCOMPARE(proof.error().size(), 2u);
    for (const CanaryContent &content : harmlessContents()) {
        if (content.bytes.startsWith("\x7F"
                                     "ELF"))
            write(u"program"_s, content.bytes);
    }
    QVERIFY(QFile::setPermissions(at(u"program"_s), QFile::ReadOwner | QFile::ExeOwner));
    const QByteArray name = QFile::encodeName(at(u"program"_s));
    QCOMPARE(Test::runInChild([&name] {
        ::execl(name.constData(), name.constData(), nullptr);
        return 1;
    }),
        u"exit 0"_s);
}

void TestRuleCanary::shippedRules_areProven()
{
    const WorkerRules rules{{QStringLiteral(SENTINEL_SOURCE_DIR "/rules")}, {}};
    const auto parent = WorkerParent::start(SENTINEL_BINARY, rules);
    QVERIFY(parent);
    QElapsedTimer timer;
    timer.start();
    const Proof proof = proveRules(**parent, SENTINEL_BINARY, rules);
    qInfo("%lld ms", qlonglong(timer.elapsed()));
    QVERIFY2(proof, qPrintable(firstError(proof)));
    QVERIFY(proof->findsEicar);
    QVERIFY(proof->warnings.empty());
}

void TestRuleCanary::publicRules_areProven()
{
    const QString named = qEnvironmentVariable("SENTINEL_RULESETS");
    const QString path =
        named.isEmpty() ? QStringLiteral(SENTINEL_SOURCE_DIR "/../shared/rulesets") : named;
    if (!QFileInfo::exists(path))
        QSKIP("no public rule sets here: name a directory by SENTINEL_RULESETS");
    const WorkerRules rules{{path}, {}};
    const auto parent = WorkerParent::start(SENTINEL_BINARY, rules);
    QVERIFY(parent);
    QElapsedTimer timer;
    timer.start();
    const Proof proof = proveRules(**parent, SENTINEL_BINARY, rules, Level::Warning);
    qInfo("%lld rules: %lld ms", qlonglong((*parent)->rules().rules.rules),
        qlonglong(timer.elapsed()));
    QVERIFY2(proof, qPrintable(firstError(proof)));
}

void TestRuleCanary::informativeRule_isNoFalseAlarm()
{
    write(u"info.yar"_s, "rule everything { meta: severity = \"info\" condition: true }");
    const Proof proof = prove();
    QVERIFY2(proof, qPrintable(firstError(proof)));
}

void TestRuleCanary::eicar_notFound_isAsBadAsTheCallerSays()
{
    write(u"eicar.yar"_s, goodRule(1));
    const Proof refused = prove(Level::Error);
    QVERIFY(!refused);
    QCOMPARE(refused.error().size(), 1u);
    QVERIFY(refused.error().front().message.contains(u"EICAR"_s));
    const Proof warned = prove(Level::Warning);
    QVERIFY2(warned, qPrintable(firstError(warned)));
    QVERIFY(!warned->findsEicar);
    QCOMPARE(warned->warnings.size(), 1u);
    QCOMPARE(warned->warnings.front().level, Level::Warning);
}

void TestRuleCanary::update_bad_isRefusedWithItsPlace_data()
{
    QTest::addColumn<QByteArray>("text"); // of bad.yar
    QTest::addColumn<QString>("place"); // where the first problem is
    QTest::addColumn<QString>("message"); // a part of it
    const auto add = [](const char *name, const QByteArray &text, const char *place,
                         const char *message) {
        QTest::newRow(name) << text << QString::fromLatin1(place) << QString::fromLatin1(message);
    };
    // Refused by the compiler:
    add("no rule text", "hello\n", "bad.yar:1", "syntax error");
    add("cut short", "rule r {\n condition:\n  tru", "bad.yar:3", "");
    add("binary", QByteArray("rule r { condition: false }\n\0\x01\x02", 31), "bad.yar:2", "");
    add("unknown word", "rule r {\n condition: nothing_such\n}", "bad.yar:2", "nothing_such");
    add("string never used", "rule r { strings: $a = \"x\"\n condition: false\n}", "bad.yar", "$a");
    add("string not there", "rule r {\n condition:\n $a }", "bad.yar:3", "$a");
    add("twice the same rule", "rule r { condition: false }\nrule r { condition: false }",
        "bad.yar:2", "duplicated");
    add("module of files", "import \"cuckoo\"\nrule r { condition: false }", "bad.yar", "cuckoo");
    add("include of what is not there", "include \"none.inc\"", "bad.yar", "none.inc");
    add("include from outside", "include \"../../../../etc/passwd\"", "bad.yar", "outside");
    add("include of itself", "include \"bad.yar\"", "bad.yar", "include");
    add("endless on nothing", "rule r { condition: for all i in (1..100000000000) : (i > 0) }",
        "bad.yar", "empty file");
    // Refused by the canary:
    add("finds everything", "\n\nrule everything { condition: true }", "bad.yar:3",
        "rule everything finds");
    add("finds all but nothing", "/* rule everything { */ rule some\n{ condition: filesize > 0 }",
        "bad.yar:1", "rule some finds");
    add("finds all in other words",
        "rule r { condition: false }\nprivate rule p { condition: true }"
        "\nrule odd { meta: rule_name = \"rule odd\"\n condition: p and filesize >= 0 }",
        "bad.yar:3", "rule odd finds");
    add("finds letters", "rule text {\n strings: $a = /[a-z]{4} [a-z]{3}/ condition: $a }",
        "bad.yar:1", "a letter");
    add("finds web pages", "\nrule html { strings: $a = \"<html\" condition: $a }", "bad.yar:2",
        "a web page");
    add("finds Linux programs", "rule elf { condition: uint32be(0) == 0x7F454C46 }", "bad.yar:1",
        "Linux program");
    add("finds Windows programs", "rule pe { condition: uint16(0) == 0x5A4D }", "bad.yar:1",
        "Windows program");
    add("finds zeros", "rule z { strings: $a = { 00 [200] 00 } condition: $a at 60000 }",
        "bad.yar:1", "zero bytes");
    add("finds noise", "import \"math\" rule n { condition: math.entropy(0, filesize) > 7.9 }",
        "bad.yar:1", "random");
    add("finds by an include", "include \"parts/all.inc\"", "bad.yar", "rule included finds");
    add("keeps the file found from being told",
        "include \"eicar.yar\"\nglobal rule nothing { condition: filesize != 68 and filesize < 0 }",
        "", "(proven)"); // a namespace of its own: the other file still finds it
    add("slow expression", slowRule, "bad.yar:1", "rule slow cannot scan 64 KiB of the letter a");
    add("slow expression among others", goodRule(1) + slowRule, "bad.yar", "a rule of this file");
    add("slow condition",
        "rule r {\n condition: filesize > 2000 and for all i in (1..100000000000) : (i > 0) }",
        "bad.yar:1", "2000 ms");
    add("greedy for memory", memoryRule(), "bad.yar:1", "rule greedy cannot scan 64 KiB");
}

void TestRuleCanary::update_bad_isRefusedWithItsPlace()
{
    QFETCH(const QByteArray, text);
    QFETCH(const QString, place);
    QFETCH(const QString, message);
    const auto inForce = WorkerParent::start(SENTINEL_BINARY, {{m_directory->path()}, {}});
    QVERIFY(inForce);
    write(u"bad.yar"_s, text);
    write(u"parts/all.inc"_s, "rule included { condition: true }");
    QElapsedTimer timer;
    timer.start();
    const Proof proof = prove();
    const QString problem = firstError(proof);
    QVERIFY2(problem.startsWith(place), qPrintable(problem));
    QVERIFY2(problem.contains(message), qPrintable(problem));
    QVERIFY(
        std::chrono::milliseconds(timer.elapsed()) < Limits::canaryTime + Limits::maxCulpritSearch);
    // Whatever it was, the set in force has not noticed.
    const Proof again = proveRules(**inForce, SENTINEL_BINARY, {{m_directory->path()}, {}});
    QVERIFY2(again, qPrintable(firstError(again)));
}

void TestRuleCanary::everyFalseAlarm_isNamedOnce()
{
    write(u"a.yar"_s, "rule one { condition: true }\nrule two { condition: filesize > 0 }");
    write(u"sub/b.yar"_s, "rule one { condition: true }");
    const Proof proof = prove();
    QVERIFY(!proof);
    QStringList places;
    for (const RuleProblem &problem : proof.error())
        places.append(u"%1:%2"_s.arg(problem.file).arg(problem.line));
    places.sort();
    QCOMPARE(places, (QStringList{u"a.yar:1"_s, u"a.yar:2"_s, u"sub/b.yar:1"_s}));
}

void TestRuleCanary::sameNames_inTwoDirectories_theRightFileIsNamed()
{
    write(u"1/x.yar"_s, goodRule(1));
    write(u"2/x.yar"_s, "\n\nrule everything { condition: true }");
    const Proof proof = prove({{at(u"1"_s), at(u"2"_s), at(u"eicar.yar"_s)}, {}});
    QVERIFY(!proof);
    QCOMPARE(proof.error().front().line, 3);
    QCOMPARE(proof.error().front().file, u"x.yar"_s);
}

void TestRuleCanary::slowRule_amongManyFiles_isFoundInTime_data()
{
    QTest::addColumn<int>("position");
    QTest::addColumn<QByteArray>("text");
    QTest::newRow("amid") << 9 << QByteArray(slowRule);
    if (Test::slowness == 1) { // each of these takes its rule's whole time
        QTest::newRow("first") << 0 << QByteArray(slowRule);
        QTest::newRow("last") << 20 << QByteArray(slowRule);
    }
    QTest::newRow("greedy") << 13 << memoryRule();
}

void TestRuleCanary::slowRule_amongManyFiles_isFoundInTime()
{
    QFETCH(const int, position);
    QFETCH(const QByteArray, text);
    for (int i = 0; i <= 20; ++i) {
        write(
            u"%1/rules.yar"_s.arg(i, 2, 10, QLatin1Char('0')), i == position ? text : goodRule(i));
    }
    QElapsedTimer timer;
    timer.start();
    const Proof proof = prove();
    qInfo("%lld ms", qlonglong(timer.elapsed()));
    QVERIFY(!proof);
    QCOMPARE(proof.error().size(), 1u);
    QCOMPARE(proof.error().front().file, u"%1/rules.yar"_s.arg(position, 2, 10, QLatin1Char('0')));
    QCOMPARE(proof.error().front().line, 1);
    QVERIFY(
        std::chrono::milliseconds(timer.elapsed()) < Limits::canaryTime + Limits::maxCulpritSearch);
}

void TestRuleCanary::slowRule_thatNeedsItsDirectory_isOfTheWholeSet()
{
    write(u"parts/slow.inc"_s, slowRule);
    write(u"sub/needs.yar"_s, "include \"../parts/slow.inc\"");
    for (int i = 0; i < 5; ++i)
        write(u"%1.yar"_s.arg(i), goodRule(i));
    const Proof proof = prove();
    QVERIFY(!proof);
    QCOMPARE(proof.error().front().file, QString());
    QVERIFY2(
        proof.error().front().message.contains(u"no single file"_s), qPrintable(firstError(proof)));
    QVERIFY(proof.error().front().message.contains(u"letter a"_s));
}

void TestRuleCanary::slowRule_besideOneThatNeedsItsDirectory_isFound()
{
    write(u"parts/good.inc"_s, goodRule(1));
    write(u"a/slow.yar"_s, slowRule);
    write(u"b/needs.yar"_s, "include \"../parts/good.inc\""); // in the same half
    write(u"z.yar"_s, goodRule(2));
    const Proof proof = prove();
    QVERIFY(!proof);
    QCOMPARE(proof.error().front().file, u"a/slow.yar"_s);
}

// The files have changed since; what they are now is no reason to blame them.
void TestRuleCanary::parent_ofOtherRules_noFileIsAccused()
{
    const WorkerRules rules{{m_directory->path()}, {}};
    write(u"bad.yar"_s, slowRule);
    const auto slow = WorkerParent::start(SENTINEL_BINARY, rules);
    write(u"bad.yar"_s, "rule everything { condition: true }");
    const auto wrong = WorkerParent::start(SENTINEL_BINARY, rules);
    QVERIFY(slow && wrong);
    QVERIFY(QFile::remove(at(u"bad.yar"_s)));
    Proof proof = proveRules(**slow, SENTINEL_BINARY, rules);
    QVERIFY(!proof);
    QCOMPARE(proof.error().front().file, QString());
    proof = proveRules(**wrong, SENTINEL_BINARY, rules);
    QVERIFY(!proof);
    QCOMPARE(proof.error().front().file, u"bad.yar"_s); // by the finding's own word
    QCOMPARE(proof.error().front().line, 0);
}

void TestRuleCanary::parent_dead_isAnError()
{
    const WorkerRules rules{{m_directory->path()}, {}};
    const auto parent = WorkerParent::start(SENTINEL_BINARY, rules);
    QVERIFY(parent);
    const pid_t child = onlyChildOf(::getpid());
    QVERIFY(child > 0);
    QCOMPARE(::kill(child, SIGKILL), 0);
    const Proof proof = proveRules(**parent, SENTINEL_BINARY, rules);
    QVERIFY(!proof);
    QVERIFY2(proof.error().front().message.contains(u"died"_s), qPrintable(firstError(proof)));
}

void TestRuleCanary::parent_thatDiesMeanwhile_endsTheProof()
{
    write(u"bad.yar"_s, slowRule);
    const WorkerRules rules{{m_directory->path()}, {}};
    const auto parent = WorkerParent::start(SENTINEL_BINARY, rules);
    QVERIFY(parent);
    const pid_t child = onlyChildOf(::getpid());
    QVERIFY(child > 0);
    Proof proof;
    std::thread prover([&] { proof = proveRules(**parent, SENTINEL_BINARY, rules); });
    const bool isUnderWay =
        QTest::qWaitFor([&] { return onlyChildOf(child) > 0; }, Test::patienceMs);
    ::kill(child, SIGKILL);
    prover.join();
    QVERIFY(isUnderWay);
    QVERIFY(!proof);
    QVERIFY2(firstError(proof).contains(u"died"_s), qPrintable(firstError(proof)));
}

void TestRuleCanary::proof_leavesNothing()
{
    write(u"bad.yar"_s, memoryRule());
    const int descriptors = Test::descriptorCount();
    const int threads = Test::threadCount();
    QVERIFY(!prove());
    QVERIFY(QFile::remove(at(u"bad.yar"_s)));
    QVERIFY(prove());
    QCOMPARE(Test::descriptorCount(), descriptors);
    QCOMPARE(Test::threadCount(), threads);
}

QTEST_GUILESS_MAIN(TestRuleCanary)
#include "tst_rulecanary.moc"
