// SPDX-License-Identifier: MIT
//
// `sentinel scan` and `fetch` say the same wherever they scan: in their process, in a sentinel of
// their own, or in the one that runs.
#include "Sentinel/ExitCode.h"
#include "tests/support/CliRun.h"
#include "tests/support/NginxServer.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/RuleSamples.h"
#include "tests/support/ServingSentinel.h"

#include <QRegularExpression>
#include <QTest>

#include <algorithm>
#include <array>
#include <map>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

const QString eicarRules = QStringLiteral(SENTINEL_SOURCE_DIR "/rules/eicar.yar");
const std::array isolations{"in-process"_L, "spawned"_L, "system"_L};

//! Without the names of quarantined items: each has one of its own.
QString withoutItems(const QByteArray &output)
{
    static const QRegularExpression item(QStringLiteral("[0-9a-f]{32}\\b(?<![0-9a-f]{33})"));
    return QString::fromUtf8(output).replace(item, QStringLiteral("ITEM"));
}

} // namespace

class TestCliIsolation : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_directory = std::make_unique<QTemporaryDir>(); // made with mode 0700
        // A fetch leaves jobs that have run behind, of which status tells.
        m_home = std::make_unique<QTemporaryDir>();
        qputenv("XDG_STATE_HOME", m_home->filePath("state"_L).toUtf8());
        qputenv("XDG_DATA_HOME", m_home->filePath("data"_L).toUtf8());
        m_rules = std::make_unique<RuleDirectory>(markerRules());
        m_rulePaths = m_rules->settings().rulePaths + QStringList{eicarRules};
    }

    void scan_everyIsolation_sameLines();
    void fetch_everyIsolation_sameOutcome();
    void system_noSentinel_exitsTwoAndSaysWhere_data();
    void system_noSentinel_exitsTwoAndSaysWhere();

private:
    QString path(const char *name) const { return m_directory->filePath(QString::fromUtf8(name)); }
    QString socketPath() const { return path("socket"); }

    std::unique_ptr<QTemporaryDir> m_directory;
    std::unique_ptr<QTemporaryDir> m_home;
    std::unique_ptr<RuleDirectory> m_rules;
    QStringList m_rulePaths;
};

void TestCliIsolation::scan_everyIsolation_sameLines()
{
    const ServingSentinel sentinel(m_rulePaths);
    writeFile(path("clean"), "nothing");
    writeFile(path("empty"), {});
    writeFile(path("eicar.com"), eicar());
    writeFile(path("end"), noise(3 * Limits::mib) + "THREAT-MARK");
    writeFile(path("large"), noise(5 * Limits::mib));
    writeFile(path("\u202e\x1b[31m\n"), "THREAT-MARK");
    std::vector<QByteArrayList> lines;
    std::vector<std::map<QString, QJsonObject>> objects;
    for (const QString &isolation : isolations) {
        const QStringList scan =
            QStringList{"scan"_L, "--max-size"_L, "4M"_L, path("no\tfile"), m_directory->path()}
            + isolated(isolation, m_rulePaths, sentinel);
        const CliRun text = runSentinel(scan);
        QCOMPARE(text.exitCode, exitThreat);
        QCOMPARE(text.err, QByteArray());
        lines.push_back(text.out.trimmed().split('\n'));
        QVERIFY2(lines.back().takeLast().startsWith("7 files, 3.0 MiB, 3 threats, 2 not scanned"),
            tell(text));
        std::ranges::sort(lines.back());
        const CliRun json = runSentinel(scan + QStringList{"--json"_L});
        QCOMPARE(json.exitCode, exitThreat);
        objects.emplace_back();
        for (QJsonObject object : json.objects()) {
            QVERIFY(object.contains("durationMs"_L));
            object.remove("durationMs"_L);
            objects.back().emplace(object["path"_L].toString(), object);
        }
        QCOMPARE(objects.back().size(), size_t(7));
        QCOMPARE(lines.back(), lines.front());
        for (const auto &[file, object] : objects.front())
            QCOMPARE(objects.back().at(file), object);
    }
    QCOMPARE(lines.front().size(), 5);
}

void TestCliIsolation::fetch_everyIsolation_sameOutcome()
{
    if (!NginxServer::isInstalled())
        QSKIP("nginx is not installed");
    const ServingSentinel sentinel(m_rulePaths);
    const auto nginx = NginxServer::start();
    QVERIFY(nginx);
    (*nginx)->addFile("clean.txt"_L, noise(5 * Limits::mib));
    (*nginx)->addFile("eicar.com"_L, eicar());
    for (const QString &file :
        {"clean.txt"_L, "chunked/clean.txt"_L, "eicar.com"_L, "missing/x"_L}) {
        std::optional<CliRun> first;
        for (const QString &isolation : isolations) {
            const CliRun run =
                runSentinel(QStringList{"fetch"_L, "--json"_L, "--force"_L, "-o"_L, path("target"),
                                (*nginx)->url(u'/' + file).toString()}
                    + isolated(isolation, m_rulePaths, sentinel));
            if (!first)
                first = run;
            QVERIFY2(run.exitCode == first->exitCode, tell(run));
            QCOMPARE(withoutItems(run.out), withoutItems(first->out));
            QCOMPARE(withoutItems(run.err), withoutItems(first->err));
        }
        QCOMPARE(first->exitCode,
            file.startsWith("eicar"_L)         ? exitThreat
                : file.startsWith("missing"_L) ? exitTrouble
                                               : exitGood);
    }
}

void TestCliIsolation::system_noSentinel_exitsTwoAndSaysWhere_data()
{
    QTest::addColumn<QStringList>("arguments");
    writeFile(path("file"), "content");
    QTest::newRow("scan") << QStringList{"scan"_L, path("file"), "--isolation"_L, "system"_L};
    QTest::newRow("fetch") << QStringList{
        "fetch"_L, "http://127.0.0.1:9/x"_L, "--isolation"_L, "system"_L};
    QTest::newRow("status") << QStringList{"status"_L};
    QTest::newRow("reload") << QStringList{"reload"_L};
}

void TestCliIsolation::system_noSentinel_exitsTwoAndSaysWhere()
{
    QFETCH(const QStringList, arguments);
    const CliRun run = runSentinel(arguments + QStringList{"--socket"_L, socketPath()});
    QCOMPARE(run.exitCode, exitTrouble);
    QCOMPARE(run.out, QByteArray());
    QVERIFY2(run.err.contains(socketPath().toUtf8()), tell(run));
    QVERIFY2(run.err.contains("No such file or directory"), tell(run));
    QCOMPARE(run.err.count('\n'), 1);
}

QTEST_GUILESS_MAIN(TestCliIsolation)
#include "tst_cli_isolation.moc"
