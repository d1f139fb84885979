// SPDX-License-Identifier: MIT
//
// `sentinel scan` against the `yara` command: the same rules find the same in the same files.
#include "Sentinel/ExitCode.h"
#include "tests/support/CliRun.h"
#include "tests/support/RuleSamples.h"

#include <QDir>
#include <QDirIterator>
#include <QJsonArray>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <QTest>

#include <set>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

constexpr int maxFiles = 300;

//! (file, rule)
using Hits = std::set<std::pair<QString, QString>>;

//! Rules that match much of what lies on every system, by all that depends on more than the bytes
//! of a match: counts, positions, neighbours, the file's ends, its size, modules.
constexpr char genericRules[] = R"(
import "elf"
import "math"
rule counts { strings: $a = "lib" condition: #a > 20 }
rule counts_in_range { strings: $a = "_" condition: #a in (0..4096) > 100 }
rule word { strings: $a = "main" fullword condition: $a }
rule word_nocase { strings: $a = "error" fullword nocase condition: #a > 2 }
rule start { strings: $a = /^\x7fELF/ condition: $a }
rule end { strings: $a = /\n$/ condition: $a }
rule boundary { strings: $a = /\bGLIBC_2\.[0-9]+\b/ condition: #a > 1 }
rule not_boundary { strings: $a = /\Berr\B/ condition: #a > 3 }
rule several { strings: $a = "copyright" nocase $b = "version" nocase condition: all of them }
rule order { strings: $a = "ELF" $b = "GNU" condition: @b[1] > @a[1] and @b[#b] > 100000 }
rule last_byte { condition: filesize > 0 and uint8(filesize - 1) == 0 }
rule large { condition: filesize > 100KB }
rule obscured { strings: $a = "This program" xor(1-3) condition: $a }
rule encoded { strings: $a = "http" base64 condition: $a }
rule jump { strings: $a = { 48 8D (3D | 35) [4-8] E8 } condition: #a > 50 }
rule wide_text { strings: $a = "version" wide ascii condition: #a > 4 }
rule script { strings: $a = /#!\s*\/\S+/ condition: $a at 0 }
rule rules { strings: $a = "rule" fullword $b = "condition:" condition: $a and $b }
rule dynamic { condition: elf.type == elf.ET_DYN and elf.number_of_sections > 25 }
rule dense { condition: math.entropy(0, filesize) > 6.0 }
)";

QStringList realFiles(const QString &rules)
{
    const QFileInfoList programs =
        QDir(QStringLiteral("/usr/bin")).entryInfoList(QDir::Files | QDir::NoSymLinks, QDir::Name);
    QStringList files;
    for (const QFileInfo &program : programs.mid(0, maxFiles))
        files.append(program.filePath());
    QDirIterator texts(rules, {QStringLiteral("*.yar"), QStringLiteral("*.yara")}, QDir::Files,
        QDirIterator::Subdirectories);
    while (texts.hasNext() && files.size() < 2 * maxFiles)
        files.append(texts.next());
    return files;
}

Hits hitsOfYara(const QString &rules, const QString &fileList)
{
    const CliRun run = runProgram(QStringLiteral("yara"),
        {QStringLiteral("-w"), QStringLiteral("-N"), QStringLiteral("--scan-list"),
            QStringLiteral("-d"), QStringLiteral("filename="), QStringLiteral("-d"),
            QStringLiteral("filepath="), QStringLiteral("-d"), QStringLiteral("extension="),
            QStringLiteral("-d"), QStringLiteral("filetype="), QStringLiteral("-d"),
            QStringLiteral("owner="), rules, fileList});
    Hits hits;
    if (run.exitCode != 0 || !run.err.isEmpty())
        hits.emplace(QStringLiteral("trouble of yara"), QString::fromUtf8(run.err.left(1000)));
    for (const QByteArray &line : run.out.split('\n')) {
        const qsizetype space = line.indexOf(' ');
        if (space > 0)
            hits.emplace(
                QString::fromUtf8(line.sliced(space + 1)), QString::fromUtf8(line.first(space)));
    }
    return hits;
}

Hits hitsOfSentinel(const QString &rules, const QStringList &files)
{
    // yara looks into no archive.
    const QTemporaryDir place;
    const QString settings = place.filePath(QStringLiteral("settings.toml"));
    writeFile(settings, "archives.enabled = false\n");
    const CliRun run =
        runSentinel(QStringList{QStringLiteral("scan"), QStringLiteral("--json"),
                        QStringLiteral("--config"), settings, QStringLiteral("--rules"), rules}
            + files);
    Hits hits;
    qsizetype unscanned = 0;
    for (const QJsonObject &object : run.objects()) {
        unscanned += object[QLatin1StringView("verdict")] == QStringLiteral("NotScanned");
        for (const QJsonValue finding : object[QLatin1StringView("findings")].toArray())
            hits.emplace(object[QLatin1StringView("path")].toString(),
                finding.toObject()[QLatin1StringView("rule")].toString());
    }
    if (unscanned > 0 || qsizetype(run.objects().size()) != files.size())
        hits.emplace(QStringLiteral("trouble of sentinel"), QString::fromUtf8(run.err.left(1000)));
    return hits;
}

QByteArray difference(const Hits &ones, const Hits &others)
{
    QByteArray text;
    for (const auto &[file, rule] : ones) {
        if (!others.contains({file, rule}))
            text += qPrintable(rule) + QByteArray(" ") + qPrintable(file) + "\n";
    }
    return text.left(2000);
}

QString publicRules()
{
    const QString named = qEnvironmentVariable("SENTINEL_RULESETS");
    return named.isEmpty() ? QStringLiteral(SENTINEL_SOURCE_DIR "/../shared/rulesets") : named;
}

} // namespace

class TestCliYara : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        if (QStandardPaths::findExecutable(QStringLiteral("yara")).isEmpty())
            QSKIP("the yara command is not installed");
    }

    void scan_sameRules_findsWhatYaraFinds_data()
    {
        QTest::addColumn<QString>("rules");
        QTest::addColumn<int>("leastHits");
        const QString generic = m_directory.filePath(QStringLiteral("generic.yar"));
        writeFile(generic, genericRules);
        QTest::newRow("generic") << generic << 300;
        QTest::newRow("house") << QStringLiteral(SENTINEL_SOURCE_DIR "/rules") << 20;
        QTest::newRow("public") << publicRules() << 0;
    }
    void scan_sameRules_findsWhatYaraFinds()
    {
        QFETCH(QString, rules);
        QFETCH(int, leastHits);
        if (!QFileInfo::exists(rules))
            QSKIP("no public rule sets here: name a directory by SENTINEL_RULESETS");
        const QString texts =
            QFileInfo(rules).isDir() ? rules : QStringLiteral(SENTINEL_SOURCE_DIR "/rules");
        QStringList files = realFiles(texts);
        QVERIFY(files.size() > 20);
        for (const RuleSample &sample : ruleSamples()) { // under names that say nothing
            files.append(m_directory.filePath(QString::number(files.size())));
            writeFile(files.last(), sample.content);
        }
        const QString list = m_directory.filePath(QStringLiteral("list"));
        writeFile(list, files.join(u'\n').toUtf8() + '\n');

        const Hits expected = hitsOfYara(indexOf(rules), list);
        const Hits found = hitsOfSentinel(rules, files);
        qInfo("%zu hits in %lld files", expected.size(), qlonglong(files.size()));
        QVERIFY2(int(expected.size()) >= leastHits, "the rules have to find something");
        QCOMPARE(difference(expected, found), QByteArray());
        QCOMPARE(difference(found, expected), QByteArray());
    }

private:
    //! One file for yara, which takes no directory of rules.
    QString indexOf(const QString &rules) const
    {
        if (!QFileInfo(rules).isDir())
            return rules;
        QByteArray text;
        QDirIterator files(rules, {QStringLiteral("*.yar"), QStringLiteral("*.yara")}, QDir::Files,
            QDirIterator::Subdirectories);
        while (files.hasNext())
            text += "include \"" + QFileInfo(files.next()).absoluteFilePath().toUtf8() + "\"\n";
        const QString index = m_directory.filePath(QStringLiteral("index.yar"));
        writeFile(index, text);
        return index;
    }

    QTemporaryDir m_directory;
};

QTEST_GUILESS_MAIN(TestCliYara)
#include "tst_cli_yara.moc"
