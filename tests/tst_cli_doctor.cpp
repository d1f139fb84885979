// SPDX-License-Identifier: MIT
//
// `sentinel doctor`, where all is well and where something is wrong.
#include "Sentinel/ExitCode.h"
#include "tests/support/CliRun.h"
#include "tests/support/RawPeer.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/ServingSentinel.h"

#include <QJsonArray>
#include <QTest>

#include <sys/stat.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

#ifdef SENTINEL_SANITIZED
constexpr bool hasFilter = false; // the sanitizer needs what it forbids
#else
constexpr bool hasFilter = true;
#endif

const QString eicarRules = QStringLiteral(SENTINEL_SOURCE_DIR "/rules/eicar.yar");
const QByteArray otherRules = "rule other { strings: $a = \"OTHER-MARK\" condition: $a }\n";
const QByteArray badRules = "rule fine { condition: true }\nrule bad {\n condition: nonsense }\n";

CliRun doctor(const QString &socket, const QString &rules, const QStringList &more = {})
{
    return runSentinel(QStringList{"doctor"_L, "--socket"_L, socket, "--rules"_L, rules} + more);
}

//! The line of \p run about \p check: "ok     eicar     ...".
QByteArray lineOf(const CliRun &run, const QByteArray &check)
{
    for (const QByteArray &line : run.out.split('\n')) {
        if (line.mid(7).startsWith(check + ' '))
            return line;
    }
    return {};
}

} // namespace

class TestCliDoctor : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_directory = std::make_unique<QTemporaryDir>(); // made with mode 0700
        m_rules = std::make_unique<RuleDirectory>(markerRules());
        m_rulePaths = m_rules->settings().rulePaths + QStringList{eicarRules};
    }

    void doctor_allWell_exitsZero();
    void doctor_badRules_saysSo();
    void doctor_openDirectory_saysSo();
    void doctor_deadSocket_saysSo();

private:
    QString path(const char *name) const { return m_directory->filePath(QString::fromUtf8(name)); }
    QString socketPath() const { return path("socket"); }

    std::unique_ptr<QTemporaryDir> m_directory;
    std::unique_ptr<RuleDirectory> m_rules;
    QStringList m_rulePaths;
};

void TestCliDoctor::doctor_allWell_exitsZero()
{
    const ServingSentinel sentinel(m_rulePaths);
    const CliRun run = doctor(sentinel.socketPath(), eicarRules);
    QCOMPARE(run.exitCode, hasFilter ? exitGood : exitUnwell);
    for (const char *check :
        {"spawned", "rules", "eicar", "clean", "sandbox", "directory", "socket", "status"}) {
        const bool isGood = hasFilter || QByteArrayView(check) != "sandbox";
        QVERIFY2(lineOf(run, check).startsWith(isGood ? "ok     " : "WRONG  "), tell(run));
    }
    QCOMPARE(run.out.count("EICAR_Test_File"), 2); // by its own sentinel, and by the one that runs

    const CliRun json = doctor(sentinel.socketPath(), eicarRules, {"--json"_L});
    QCOMPARE(json.exitCode, run.exitCode);
    const QJsonObject object = json.objects().at(0);
    QCOMPARE(object.keys(), QStringList({"checks"_L, "well"_L}));
    QCOMPARE(object["well"_L].toBool(), hasFilter);
    QCOMPARE(object["checks"_L].toArray().size(), run.out.count('\n'));
    for (const QJsonValue &check : object["checks"_L].toArray()) {
        QCOMPARE(check.toObject().keys(), QStringList({"good"_L, "name"_L, "text"_L}));
        QCOMPARE(check["good"_L].toBool(), hasFilter || check["name"_L].toString() != "sandbox"_L);
        QVERIFY(!check["text"_L].toString().isEmpty());
    }

    // Without one that runs there is less to be looked at, and nothing wrong.
    const CliRun alone = doctor(socketPath(), eicarRules);
    QCOMPARE(alone.exitCode, run.exitCode);
    QVERIFY2(lineOf(alone, "socket").startsWith("ok     socket    none at "), tell(alone));
}

void TestCliDoctor::doctor_badRules_saysSo()
{
    m_rules->write(badRules);
    const CliRun broken = doctor(socketPath(), m_rulePaths.front());
    QCOMPARE(broken.exitCode, exitUnwell);
    QVERIFY2(lineOf(broken, "spawned").startsWith("WRONG  "), tell(broken));
    QVERIFY2((broken.out + broken.err).contains("test.yar:3: error: "), tell(broken));
    m_rules->write(otherRules);
    const CliRun blind = doctor(socketPath(), m_rulePaths.front());
    QCOMPARE(blind.exitCode, exitUnwell);
    QVERIFY2(lineOf(blind, "eicar").startsWith("WRONG  "), tell(blind));
    QVERIFY2(lineOf(blind, "clean").startsWith("ok     "), tell(blind));
    const CliRun json = doctor(socketPath(), path("none"), {"--json"_L});
    QCOMPARE(json.exitCode, exitUnwell);
    QCOMPARE(json.objects().at(0)["well"_L].toBool(true), false);
}

void TestCliDoctor::doctor_openDirectory_saysSo()
{
    const ServingSentinel sentinel(m_rulePaths);
    QCOMPARE(::chmod(QFile::encodeName(sentinel.directory()), 0750), 0);
    const CliRun run = doctor(sentinel.socketPath(), eicarRules);
    QCOMPARE(run.exitCode, exitUnwell);
    QVERIFY2(lineOf(run, "directory").startsWith("WRONG  "), tell(run));
    QVERIFY2(lineOf(run, "directory").endsWith("is open to others: chmod 700 it"), tell(run));
}

void TestCliDoctor::doctor_deadSocket_saysSo()
{
    listeningSocket(socketPath().toUtf8()); // nobody listens there any more
    const CliRun run = doctor(socketPath(), eicarRules);
    QCOMPARE(run.exitCode, exitUnwell);
    QVERIFY2(lineOf(run, "socket").startsWith("WRONG  "), tell(run));
    QVERIFY2(lineOf(run, "socket").contains("Connection refused"), tell(run));
    QVERIFY2(lineOf(run, "eicar").startsWith("ok     "), tell(run));
}

QTEST_GUILESS_MAIN(TestCliDoctor)
#include "tst_cli_doctor.moc"
