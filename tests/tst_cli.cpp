// SPDX-License-Identifier: MIT
//
// The command line as its users see it: exit codes, output, options.
#include "Sentinel/ExitCode.h"
#include "tests/support/CliRun.h"
#include "tests/support/RuleSamples.h"

#include <QCryptographicHash>
#include <QDir>
#include <QJsonArray>
#include <QTemporaryDir>
#include <QTest>

#include <filesystem>
#include <set>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

//! (name of the file, verdict) of every object.
std::set<std::pair<QString, QString>> verdicts(const CliRun &run)
{
    std::set<std::pair<QString, QString>> all;
    for (const QJsonObject &object : run.objects())
        all.emplace(object[QLatin1StringView("path")].toString(),
            object[QLatin1StringView("verdict")].toString());
    return all;
}

} // namespace

class TestCli : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init() { m_directory = std::make_unique<QTemporaryDir>(); }
    void cleanup()
    {
        // Qt cannot remove what has no name for it.
        std::error_code error;
        std::filesystem::remove_all(m_directory->path().toStdString(), error);
        QVERIFY(!error);
    }

    void help_everyCommand_exitsZero_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QByteArray>("text");
        QTest::newRow("all") << QStringList{"--help"_L} << QByteArray("Usage: sentinel COMMAND");
        QTest::newRow("version") << QStringList{"--version"_L} << QByteArray("sentinel 0.");
        QTest::newRow("scan") << QStringList{"scan"_L, "--help"_L} << QByteArray("Exit codes:");
        QTest::newRow("fetch") << QStringList{"fetch"_L, "-h"_L} << QByteArray("Exit codes:");
        QTest::newRow("rules") << QStringList{"rules"_L, "check"_L, "--help"_L}
                               << QByteArray("Exit codes:");
    }
    void help_everyCommand_exitsZero()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QByteArray, text);
        const CliRun run = runSentinel(arguments);
        QCOMPARE(run.exitCode, exitGood);
        QVERIFY2(run.out.contains(text), tell(run));
        QCOMPARE(run.err, QByteArray());
    }

    void usage_wrong_exitsTwoWithOneLine_data()
    {
        QTest::addColumn<QStringList>("arguments");
        const auto row = [](const char *arguments) {
            QTest::newRow(arguments)
                << QString::fromLatin1(arguments).split(u' ', Qt::SkipEmptyParts);
        };
        for (const char *arguments : {"", "cure x", "scan", "scan --xx /dev", "scan -x /dev",
                 "scan --jobs 0 x", "scan --jobs many x", "scan --timeout 0 x",
                 "scan --max-size 1T x", "scan --max-size -1 x", "scan --max-size 99999999999G x",
                 "scan --unrated bad x", "scan x --rules", "scan --json=yes x",
                 "scan --jobs 1 --jobs 2 x", "fetch", "fetch file:///etc/passwd",
                 "fetch ftp://localhost/x", "fetch localhost", "fetch http://", "fetch http://a b",
                 "fetch -o /no/such/place/x http://localhost/x", "rules", "rules mend"})
            row(arguments);
    }
    void usage_wrong_exitsTwoWithOneLine()
    {
        QFETCH(QStringList, arguments);
        const CliRun run = runSentinel(arguments);
        QCOMPARE(run.exitCode, exitTrouble);
        QCOMPARE(run.out, QByteArray());
        QVERIFY2(run.err.size() > 1 && run.err.count('\n') == 1, tell(run));
    }

    void scan_cleanAndEmptyFiles_exitZero()
    {
        write("clean.txt", "nothing to see");
        write("empty", "");
        const CliRun run = runSentinel({"scan"_L, m_directory->path()});
        QCOMPARE(run.exitCode, exitGood);
        QVERIFY2(run.out.startsWith("2 files, 14 bytes, 0 threats, 0 not scanned"), tell(run));
    }

    void scan_eicar_exitsOne()
    {
        const QString file = write("test.com", eicar());
        write("clean.txt", "nothing to see");
        const CliRun run = runSentinel({"scan"_L, m_directory->path()});
        QCOMPARE(run.exitCode, exitThreat);
        QVERIFY2(
            run.out.startsWith(file.toUtf8() + ": Malicious: EICAR_Test_File (eicar.yar)\n2 files"),
            tell(run));
    }

    void scan_threatAndUnreadable_exitsOne()
    {
        const QString file = write("test.com", eicar());
        QCOMPARE(runSentinel({"scan"_L, file, path("missing")}).exitCode, exitThreat);
    }

    void scan_json_tellsEverything()
    {
        const QString file = write("test.com", eicar());
        const CliRun run = runSentinel({"scan"_L, "--json"_L, file});
        QCOMPARE(run.exitCode, exitThreat);
        QCOMPARE(run.objects().size(), size_t(1));
        QVERIFY(run.err.startsWith("1 file, 68 bytes, 1 threat"));
        const QJsonObject object = run.objects()[0];
        const auto value = [&object](const char *key) { return object[QLatin1StringView(key)]; };
        QCOMPARE(value("path").toString(), file);
        QVERIFY(value("pathBase64").isUndefined());
        QCOMPARE(value("size").toInt(), 68);
        QCOMPARE(value("sha256").toString().toLatin1(),
            QCryptographicHash::hash(eicar(), QCryptographicHash::Sha256).toHex());
        QCOMPARE(value("verdict").toString(), QStringLiteral("Malicious"));
        QCOMPARE(value("reason").toString(), QStringLiteral("None"));
        QVERIFY(value("detail").isString());
        QVERIFY(value("durationMs").toDouble() > 0);
        const QJsonObject coverage = value("coverage").toObject();
        QCOMPARE(coverage.keys(),
            QStringList(
                {"bytesScanned"_L, "bytesTotal"_L, "engines"_L, "findingsOmitted"_L, "gaps"_L,
                    "limitsHit"_L, "membersScanned"_L, "notLookedInto"_L, "ruleSetDigest"_L}));
        QCOMPARE(coverage["bytesScanned"_L].toInt(), 68);
        QCOMPARE(coverage["ruleSetDigest"_L].toString().size(), 64);
        const QJsonObject finding = value("findings").toArray().at(0).toObject();
        QCOMPARE(finding.keys(),
            QStringList({"engine"_L, "member"_L, "meta"_L, "namespace"_L, "rule"_L, "severity"_L,
                "strings"_L, "stringsOmitted"_L, "tags"_L}));
        QCOMPARE(finding["tags"_L].toArray().at(0).toString(), QStringLiteral("test"));
        QCOMPARE(finding["meta"_L].toObject()["severity"_L].toString(), "malicious"_L);
        const QJsonObject match = finding["strings"_L].toArray().at(0).toObject();
        QCOMPARE(match["identifier"_L].toString(), QStringLiteral("$text"));
        QCOMPARE(match["offset"_L].toInt(-1), 0);
        QCOMPARE(match["length"_L].toInt(), 68);
    }

    void scan_badRule_namesFileAndLine()
    {
        const QString rules =
            write("bad.yar", "rule good { condition: true }\nrule bad {\n  oops\n");
        const CliRun run = runSentinel({"scan"_L, "--rules"_L, rules, rules});
        QCOMPARE(run.exitCode, exitTrouble);
        QVERIFY2(run.err.startsWith("bad.yar:3: error: "), tell(run));
        QCOMPARE(run.out, QByteArray());
    }

    void scan_jobs_giveTheSameResults()
    {
        for (int i = 0; i < 200; ++i) {
            const QByteArray content =
                i % 7 == 0 ? eicar() : QByteArray(i * 4001, char('a' + i % 26));
            write(qPrintable(QString::number(i)), content);
        }
        const auto one =
            verdicts(runSentinel({"scan"_L, "--json"_L, "-j1"_L, m_directory->path()}));
        QCOMPARE(one.size(), size_t(200));
        for (const char *jobs : {"2", "8"}) {
            QVERIFY(verdicts(runSentinel({"scan"_L, "--json"_L, "--jobs"_L,
                        QString::fromLatin1(jobs), m_directory->path()}))
                == one);
        }
    }

    void scan_unratedRule_hasTheSeverityAskedFor_data()
    {
        QTest::addColumn<QString>("severity");
        QTest::addColumn<int>("exitCode");
        QTest::newRow("info") << "info"_L << int(exitGood);
        QTest::newRow("suspicious") << "suspicious"_L << int(exitThreat);
        QTest::newRow("malicious") << "malicious"_L << int(exitThreat);
    }
    void scan_unratedRule_hasTheSeverityAskedFor()
    {
        QFETCH(QString, severity);
        const QString rules = write("all.yar", "rule any_file { condition: true }");
        const CliRun run =
            runSentinel({"scan"_L, "--unrated"_L, severity, "--json"_L, "--rules"_L, rules, rules});
        QTEST(run.exitCode, "exitCode");
        const QJsonObject finding = run.objects().at(0)["findings"_L].toArray().at(0).toObject();
        QCOMPARE(finding["severity"_L].toString(), severity);
    }

    void scan_outputThatIsLost_exitsTwo()
    {
        const QString file = write("clean.txt", "nothing to see");
        CliSetting setting;
        setting.outputFile = "/dev/full"_L;
        const CliRun run = runSentinel({"scan"_L, file}, setting);
        QCOMPARE(run.exitCode, exitTrouble);
        QVERIFY2(run.err.contains("could not be written"), tell(run));
    }

    void rules_good_areCounted()
    {
        const QString rules =
            write("good.yar", "rule a { condition: true } rule b { condition: a }");
        const CliRun run = runSentinel({"rules"_L, "check"_L, rules});
        QCOMPARE(run.exitCode, exitGood);
        QVERIFY2(run.out.startsWith("2 rules in 1 files, digest "), tell(run));
        const CliRun json = runSentinel({"rules"_L, "check"_L, "--json"_L, "--rules"_L, rules});
        QCOMPARE(json.objects().at(0)["rules"_L].toInt(), 2);
        // The rules shipped compile without a word.
        const CliRun shipped = runSentinel({"rules"_L, "check"_L});
        QCOMPARE(shipped.exitCode, exitGood);
        QCOMPARE(shipped.out.count('\n'), 1);
    }

    void rules_bad_areListedWithTheirPlaces()
    {
        write("one.yar", "rule a {\n condition: nonsense\n}\n");
        write("two.yar", "\n\nrule b { strings: $s = \"x\" condition: true }\n");
        write("three.yar", "rule c { condition: true }");
        const CliRun run = runSentinel({"rules"_L, "check"_L, m_directory->path()});
        QCOMPARE(run.exitCode, exitBadRules);
        QVERIFY2(run.out.contains("one.yar:2: error: "), tell(run));
        QVERIFY2(run.out.contains("two.yar:3: error: "), tell(run));
        const QJsonObject json =
            runSentinel({"rules"_L, "check"_L, "--json"_L, m_directory->path()}).objects().at(0);
        QCOMPARE(json["compiles"_L].toBool(true), false);
        QCOMPARE(json["problems"_L].toArray().at(0).toObject()["line"_L].toInt(), 2);
        QCOMPARE(runSentinel({"rules"_L, "check"_L, path("missing")}).exitCode, exitBadRules);
    }

private:
    QString path(const char *name) const { return m_directory->filePath(QString::fromUtf8(name)); }
    QString write(const char *name, const QByteArray &content) const
    {
        writeFile(path(name), content);
        return path(name);
    }

    std::unique_ptr<QTemporaryDir> m_directory;
};

QTEST_GUILESS_MAIN(TestCli)
#include "tst_cli.moc"
