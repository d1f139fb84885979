// SPDX-License-Identifier: MIT
#include "support/Clamd.h"
#include "support/CliRun.h"
#include "support/ServingSentinel.h"

#include <QJsonArray>
#include <QTemporaryDir>
#include <QTest>

using namespace Sentinel;
using namespace Sentinel::Test;

//! A real clamd beside YARA, as a file of settings says.
class TestCliClamd : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void scan_bySettings_asksBoth_data();
    void scan_bySettings_asksBoth();
    void status_tellsOfIt();
    void doctor_tellsWhetherItIsThere();

private:
    QString path(const QString &name) const { return m_directory.filePath(name); }
    std::unique_ptr<ServingSentinel> serve() const
    {
        return std::make_unique<ServingSentinel>(QStringList{path("rules.yar"_L)}, QString(),
            QStringList{"--config"_L, path("settings.toml"_L)});
    }

    const QTemporaryDir m_directory;
    std::unique_ptr<Clamd> m_clamd;
};

void TestCliClamd::initTestCase()
{
    if (!Clamd::isInstalled())
        QSKIP("clamd is not installed");
    auto clamd = Clamd::start();
    QVERIFY2(clamd, qPrintable(clamd ? QString() : clamd.error()));
    m_clamd = std::move(*clamd);
    writeFile(path("rules.yar"_L), "rule Mark { strings: $a = \"THREAT-MARK\" condition: $a }");
    writeFile(path("settings.toml"_L),
        "[clamd]\naddress = '" + m_clamd->socketPath().toUtf8() + "'\nrequired = true\n");
    writeFile(path("clean"_L), "plain");
    writeFile(path("yara"_L), "a THREAT-MARK");
    writeFile(path("clamd"_L), QByteArray("a ") + Clamd::mark);
}

void TestCliClamd::scan_bySettings_asksBoth_data()
{
    QTest::addColumn<bool>("isSystem");
    QTest::newRow("spawned") << false;
    QTest::newRow("system") << true;
}

void TestCliClamd::scan_bySettings_asksBoth()
{
    QFETCH(const bool, isSystem);
    QStringList arguments{"scan"_L, "--json"_L};
    std::unique_ptr<ServingSentinel> sentinel;
    if (isSystem) {
        sentinel = serve();
        arguments += {"--isolation"_L, "system"_L, "--socket"_L, sentinel->socketPath()};
    } else {
        arguments += {"--config"_L, path("settings.toml"_L), "--rules"_L, path("rules.yar"_L)};
    }
    const CliRun run =
        runSentinel(arguments + QStringList{path("clean"_L), path("yara"_L), path("clamd"_L)});
    QVERIFY2(run.objects().size() == 3, tell(run).constData());
    for (const QJsonObject &object : run.objects()) {
        const QString file = object["path"_L].toString().section(u'/', -1);
        const bool isClean = file == "clean"_L;
        QCOMPARE(object["verdict"_L].toString(), isClean ? "Clean"_L : "Malicious"_L);
        const QJsonArray findings = object["findings"_L].toArray();
        if (!isClean)
            QCOMPARE(findings.first()["engine"_L].toString(), file);
        const QJsonObject coverage = object["coverage"_L].toObject();
        QCOMPARE(coverage["engines"_L].toArray().size(), 2);
        QCOMPARE(coverage["gaps"_L].toArray().size(), 0);
    }
}

void TestCliClamd::status_tellsOfIt()
{
    const auto sentinel = serve();
    const CliRun json = runSentinel({"status"_L, "--json"_L, "--socket"_L, sentinel->socketPath()});
    QVERIFY2(json.objects().size() == 1, tell(json).constData());
    const QJsonObject clamd = json.objects().front()["clamd"_L].toObject();
    QCOMPARE(clamd["reachable"_L].toBool(), true);
    QCOMPARE(clamd["address"_L].toString(), m_clamd->socketPath());
    QVERIFY(clamd["version"_L].toString().contains("1."_L));
    const CliRun text = runSentinel({"status"_L, "--socket"_L, sentinel->socketPath()});
    QVERIFY2(text.out.contains("clamd     at "), tell(text).constData());
}

void TestCliClamd::doctor_tellsWhetherItIsThere()
{
    const auto sentinel = serve();
    const auto doctor = [&sentinel] {
        return runSentinel({"doctor"_L, "--socket"_L, sentinel->socketPath()});
    };
    CliRun run = doctor();
    QVERIFY2(run.out.contains("ok     clamd"), tell(run).constData());
    m_clamd->kill();
    const auto isGone = [&] {
        run = doctor();
        return run.out.contains("WRONG  clamd");
    };
    QTRY_VERIFY_WITH_TIMEOUT(isGone(), patienceMs);
    QCOMPARE(run.exitCode, 1);
    QVERIFY2(run.out.contains("clamd is away"), tell(run).constData());
}

QTEST_GUILESS_MAIN(TestCliClamd)
#include "tst_cli_clamd.moc"
