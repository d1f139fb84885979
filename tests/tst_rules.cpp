// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/YaraEngine.h"
#include "SecurityTap/engine/YaraLibrary.h"
#include "support/RuleSamples.h"

#include <QDir>
#include <QDirIterator>
#include <QFileInfo>
#include <QRegularExpression>
#include <QSet>
#include <QTest>

#include <yara.h>

#include <memory>

using namespace Qt::StringLiterals;

namespace Sentinel::Test {

namespace {

struct DestroyRules {
    void operator()(YR_RULES *rules) const { yr_rules_destroy(rules); }
};

//! A rule directory as libyara sees it. `complaints` are errors and warnings alike.
struct CompiledRules {
    std::unique_ptr<YR_RULES, DestroyRules> rules;
    QStringList complaints;
};

//! One rule that can be reported: private ones are left out.
struct ListedRule {
    QString name;
    QString description;
    QString severity;
    QString reference;
    QStringList tags;
};

// The only functions here that know libyara.
CompiledRules compileRules(const QDir &directory);
std::vector<ListedRule> listRules(const CompiledRules &compiled);
QStringList matchingRules(
    const CompiledRules &compiled, const QByteArray &content, const QString &filename);

QDir sourceDirectory()
{
    return QDir(QStringLiteral(SENTINEL_SOURCE_DIR));
}

QDir rulesDirectory()
{
    return QDir(sourceDirectory().filePath(u"rules"_s));
}

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

} // namespace

class RulesTest final : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanupTestCase();

    void directory_compiled_hasNoErrorOrWarning();
    void sample_scanned_matchesAsSaid_data();
    void sample_scanned_matchesAsSaid();
    void everyRule_hasHitAndMissSample();
    void everySample_namesARule();
    void everyRule_metadata_isComplete_data();
    void everyRule_metadata_isComplete();
    void malicious_isKeptForTheTestFile();
    void plainContent_anyName_isClean_data();
    void plainContent_anyName_isClean();
    void ownSources_scanned_areClean();
    void expressions_repetition_isShort();
    void sourceTree_holdsNoWholeTestFile();

private:
    CompiledRules m_compiled;
    std::vector<ListedRule> m_listed;
};

void RulesTest::initTestCase()
{
    QCOMPARE(yr_initialize(), ERROR_SUCCESS);
    m_compiled = compileRules(rulesDirectory());
    QVERIFY2(m_compiled.rules, qPrintable(m_compiled.complaints.join(u'\n')));
    m_listed = listRules(m_compiled);
    QVERIFY(!m_listed.empty());
}

void RulesTest::cleanupTestCase()
{
    m_compiled = {};
    QCOMPARE(yr_finalize(), ERROR_SUCCESS);
}

void RulesTest::directory_compiled_hasNoErrorOrWarning()
{
    QCOMPARE(m_compiled.complaints, QStringList());
}

void RulesTest::sample_scanned_matchesAsSaid_data()
{
    QTest::addColumn<QString>("rule");
    QTest::addColumn<QString>("filename");
    QTest::addColumn<QByteArray>("content");
    QTest::addColumn<bool>("hits");
    for (const RuleSample &sample : ruleSamples())
        QTest::addRow("%s, %s: %s", sample.rule, sample.hits ? "hit" : "miss", sample.name)
            << QString::fromLatin1(sample.rule) << sample.filename << sample.content << sample.hits;
}

void RulesTest::sample_scanned_matchesAsSaid()
{
    QFETCH(QString, rule);
    QFETCH(QString, filename);
    QFETCH(QByteArray, content);
    QFETCH(bool, hits);
    const QStringList matching = matchingRules(m_compiled, content, filename);
    QVERIFY2(matching.contains(rule) == hits, qPrintable(u"found: "_s + matching.join(u' ')));
}

void RulesTest::everyRule_hasHitAndMissSample()
{
    QSet<QString> hit;
    QSet<QString> missed;
    for (const RuleSample &sample : ruleSamples())
        (sample.hits ? hit : missed).insert(QString::fromLatin1(sample.rule));
    for (const ListedRule &rule : m_listed) {
        QVERIFY2(hit.contains(rule.name), qPrintable(rule.name + u" has no sample that hits"_s));
        QVERIFY2(
            missed.contains(rule.name), qPrintable(rule.name + u" has no sample that misses"_s));
    }
}

void RulesTest::everySample_namesARule()
{
    QSet<QString> names;
    for (const ListedRule &rule : m_listed)
        names.insert(rule.name);
    for (const RuleSample &sample : ruleSamples())
        QVERIFY2(names.contains(QString::fromLatin1(sample.rule)), sample.rule);
}

void RulesTest::everyRule_metadata_isComplete_data()
{
    QTest::addColumn<int>("index");
    for (std::size_t i = 0; i < m_listed.size(); ++i)
        QTest::addRow("%s", qPrintable(m_listed[i].name)) << static_cast<int>(i);
}

void RulesTest::everyRule_metadata_isComplete()
{
    QFETCH(int, index);
    const ListedRule &rule = m_listed[static_cast<std::size_t>(index)];
    const QStringList severities{u"info"_s, u"suspicious"_s, u"malicious"_s};
    QVERIFY(!rule.description.isEmpty());
    QVERIFY2(severities.contains(rule.severity), qPrintable(rule.severity));
    QVERIFY(!rule.reference.isEmpty());
    QVERIFY(!rule.tags.isEmpty());
}

void RulesTest::malicious_isKeptForTheTestFile()
{
    // A verdict of Malicious takes a file away. A rule that is to give it is added here, by hand.
    for (const ListedRule &rule : m_listed)
        QVERIFY2((rule.severity == u"malicious"_s) == (rule.name == u"EICAR_Test_File"_s),
            qPrintable(rule.name));
}

void RulesTest::plainContent_anyName_isClean_data()
{
    QTest::addColumn<QString>("filename");
    QTest::addColumn<QByteArray>("content");
    const QByteArray text = "A letter of some lines.\nNothing in it runs.\n";
    QTest::newRow("empty, no name") << QString() << QByteArray();
    QTest::newRow("empty, text") << u"a.txt"_s << QByteArray();
    QTest::newRow("text, no name") << QString() << text;
    QTest::newRow("text, only dots") << u"..."_s << text;
    QTest::newRow("text, archive's name") << u"archive.tar.gz"_s << text;
    QTest::newRow("script of a library") << u"jquery.min.js"_s << QByteArray("(function(){})();");
    QTest::newRow("first bytes of a program") << u"setup.1.2.exe"_s << QByteArray("MZ");
    QTest::newRow("zero bytes") << u"a.img"_s << QByteArray(100000, '\0');
}

void RulesTest::plainContent_anyName_isClean()
{
    QFETCH(QString, filename);
    QFETCH(QByteArray, content);
    QCOMPARE(matchingRules(m_compiled, content, filename), QStringList());
}

// The project is downloaded too, and its archive is looked into.
void RulesTest::ownSources_scanned_areClean()
{
    const QDir root = sourceDirectory();
    QStringList paths{
        root.filePath(u"tests/tst_rules.cpp"_s), root.filePath(u"tests/support/RuleSamples.cpp"_s)};
    for (const QFileInfo &file : rulesDirectory().entryInfoList(QDir::Files))
        paths << file.filePath();
    for (const QString &path : paths) {
        const QByteArray content = contentOf(path);
        QVERIFY2(!content.isEmpty(), qPrintable(path));
        for (const QString &name : {QFileInfo(path).fileName(), QString()}) {
            const QStringList matching = matchingRules(m_compiled, content, name);
            QVERIFY2(matching.isEmpty(), qPrintable(path + u": "_s + matching.join(u' ')));
        }
    }
}

// A download chooses its own bytes. An expression that runs on from a short beginning over hundreds
// of bytes brings libyara down to 0.2 MB/s in a file full of such beginnings, and its timeout does
// not interrupt that.
void RulesTest::expressions_repetition_isShort()
{
    constexpr int longestRepetition = 16;
    static const QRegularExpression string(uR"(^\s*(?:\$\w+ =\s*)?(/.+/)(?: [a-z ]+)?$)"_s);
    static const QRegularExpression characterClass(uR"(\[[^\]]+\])"_s);
    static const QRegularExpression bounds(uR"(\{\d*,?(\d+)\})"_s);
    static const QRegularExpression open(uR"([^\\][*+]|\{\d+,\})"_s);
    int expressions = 0;
    for (const QFileInfo &file : rulesDirectory().entryInfoList({u"*.yar"_s}, QDir::Files)) {
        // The expressions of this one run over the name alone.
        if (file.fileName() == u"double_extension.yar"_s)
            continue;
        for (const QString &line : QString::fromUtf8(contentOf(file.filePath())).split(u'\n')) {
            const QRegularExpressionMatch found = string.match(line);
            if (!found.hasMatch() || line.trimmed().startsWith(u"//"_s))
                continue;
            ++expressions;
            const QString expression = found.captured(1).replace(characterClass, u"x"_s);
            QVERIFY2(!open.match(expression).hasMatch(), qPrintable(line));
            for (auto it = bounds.globalMatch(expression); it.hasNext();)
                QVERIFY2(it.next().captured(1).toInt() <= longestRepetition, qPrintable(line));
        }
    }
    QVERIFY(expressions > 0);
}

// A scanner would take a clone of the repository apart otherwise.
void RulesTest::sourceTree_holdsNoWholeTestFile()
{
    const QString root = sourceDirectory().path();
    const QByteArray text = eicar();
    QCOMPARE(text.size(), 68);
    static const QRegularExpression skipped(uR"(^(\.git|build[^/]*)(/|$))"_s);
    int files = 0;
    QDirIterator walk(root, QDir::Files | QDir::Hidden, QDirIterator::Subdirectories);
    while (walk.hasNext()) {
        const QString path = walk.next();
        if (skipped.match(QDir(root).relativeFilePath(path)).hasMatch())
            continue;
        ++files;
        QVERIFY2(!contentOf(path).contains(text), qPrintable(path));
    }
    QVERIFY(files > 0);
}

namespace {

void collectComplaint(
    int level, const char *, int line, const YR_RULE *, const char *message, void *complaints)
{
    *static_cast<QStringList *>(complaints)
        << u"%1: line %2: %3"_s.arg(level == YARA_ERROR_LEVEL_ERROR ? u"error"_s : u"warning"_s)
               .arg(line)
               .arg(QString::fromUtf8(message));
}

CompiledRules compileRules(const QDir &directory)
{
    CompiledRules out;
    YR_COMPILER *created = nullptr;
    if (yr_compiler_create(&created) != ERROR_SUCCESS)
        return out;
    const std::unique_ptr<YR_COMPILER, decltype(&yr_compiler_destroy)> compiler(
        created, &yr_compiler_destroy);
    yr_compiler_set_callback(compiler.get(), collectComplaint, &out.complaints);
    yr_compiler_set_include_callback(compiler.get(), nullptr, nullptr, nullptr);
    for (const char *name : {"filename", "filepath", "extension", "filetype", "owner"})
        yr_compiler_define_string_variable(compiler.get(), name, "");
    for (const QFileInfo &file : directory.entryInfoList({u"*.yar"_s}, QDir::Files)) {
        const qsizetype before = out.complaints.size();
        const QByteArray text = contentOf(file.filePath());
        const int errors = yr_compiler_add_string(compiler.get(), text.constData(), nullptr);
        for (qsizetype i = before; i < out.complaints.size(); ++i)
            out.complaints[i].prepend(file.fileName() + u": "_s);
        // The compiler may not be used after an error.
        if (errors > 0)
            return out;
    }
    YR_RULES *rules = nullptr;
    if (yr_compiler_get_rules(compiler.get(), &rules) == ERROR_SUCCESS)
        out.rules.reset(rules);
    return out;
}

std::vector<ListedRule> listRules(const CompiledRules &compiled)
{
    std::vector<ListedRule> out;
    YR_RULE *rule = nullptr;
    yr_rules_foreach(compiled.rules.get(), rule)
    {
        if (RULE_IS_PRIVATE(rule))
            continue;
        ListedRule listed;
        listed.name = QString::fromLatin1(rule->identifier);
        YR_META *meta = nullptr;
        yr_rule_metas_foreach(rule, meta)
        {
            if (meta->type != META_TYPE_STRING)
                continue;
            const QByteArrayView key(meta->identifier);
            if (key == "description")
                listed.description = QString::fromUtf8(meta->string);
            else if (key == "severity")
                listed.severity = QString::fromUtf8(meta->string);
            else if (key == "reference")
                listed.reference = QString::fromUtf8(meta->string);
        }
        const char *tag = nullptr;
        yr_rule_tags_foreach(rule, tag)
        {
            listed.tags << QString::fromLatin1(tag);
        }
        out.push_back(std::move(listed));
    }
    return out;
}

int collectMatch(YR_SCAN_CONTEXT *, int message, void *data, void *names)
{
    if (message == CALLBACK_MSG_RULE_MATCHING)
        *static_cast<QStringList *>(names)
            << QString::fromLatin1(static_cast<YR_RULE *>(data)->identifier);
    return CALLBACK_CONTINUE;
}

QStringList matchingRules(
    const CompiledRules &compiled, const QByteArray &content, const QString &filename)
{
    YR_SCANNER *created = nullptr;
    if (yr_scanner_create(compiled.rules.get(), &created) != ERROR_SUCCESS)
        return {u"(no scanner)"_s};
    const std::unique_ptr<YR_SCANNER, decltype(&yr_scanner_destroy)> scanner(
        created, &yr_scanner_destroy);
    ScanSubject subject;
    subject.metadata.filename = filename;
    const QByteArrayList values = YaraEngine::externals(subject, *Content::fromByteArray(content));
    for (std::size_t i = 0; i < externalVariables.size(); ++i)
        yr_scanner_define_string_variable(
            scanner.get(), externalVariables[i], values.at(static_cast<qsizetype>(i)).constData());
    yr_scanner_set_flags(scanner.get(), SCAN_FLAGS_NO_TRYCATCH | SCAN_FLAGS_REPORT_RULES_MATCHING);
    QStringList names;
    yr_scanner_set_callback(scanner.get(), collectMatch, &names);
    const int error =
        yr_scanner_scan_mem(scanner.get(), reinterpret_cast<const uint8_t *>(content.data()),
            static_cast<std::size_t>(content.size()));
    if (error != ERROR_SUCCESS)
        names << u"(error %1)"_s.arg(error);
    return names;
}

} // namespace

} // namespace Sentinel::Test

QTEST_GUILESS_MAIN(Sentinel::Test::RulesTest)
#include "tst_rules.moc"
