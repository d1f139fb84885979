// SPDX-License-Identifier: MIT
//
// What becomes of a threat that is fetched, seen from the command line: quarantine, the way back,
// an exception, the log of it all, and what another policy would have done.
#include "Sentinel/ExitCode.h"
#include "tests/support/CliRun.h"
#include "tests/support/MisbehavingServer.h"
#include "tests/support/RuleSamples.h"

#include <QCryptographicHash>
#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

using namespace Sentinel;
using namespace Sentinel::Test;
using Then = MisbehavingServer::Then;

class TestCliCustody : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        QVERIFY(m_server.isListening());
        m_server.answer(QStringLiteral("/eicar.com"),
            {MisbehavingServer::response(eicar(), eicar().size()), Then::Close});
        m_server.answer(
            QStringLiteral("/plain"), {MisbehavingServer::response("plain", 5), Then::Close});
    }
    void init()
    {
        m_home = std::make_unique<QTemporaryDir>();
        qputenv("XDG_DATA_HOME", QFile::encodeName(m_home->filePath("data"_L)));
        qputenv("XDG_STATE_HOME", QFile::encodeName(m_home->filePath("state"_L)));
    }

    void threat_fetched_isInQuarantineAndComesBack();
    void threat_allowed_isReleased();
    void everything_isInTheLog();
    void policyOfYesterday_isReplayed();
    void privateFetch_leavesNoAddress();
    void quarantineUnusable_threatIsWithheldAllTheSame();

private:
    CliRun fetch(const QString &path, const QStringList &options = {})
    {
        QDir().mkpath(m_home->filePath("target"_L));
        return runSentinel(QStringList{"fetch"_L, "--json"_L, "--isolation"_L, "in-process"_L,
                               "-o"_L, m_home->filePath("target"_L)}
            + options + QStringList{m_server.url(path).toString()});
    }
    //! The actions in the log, the first first.
    QStringList actions() const
    {
        QStringList actions;
        for (const QJsonObject &event : runSentinel({"log"_L, "--json"_L}).objects())
            actions.append(event["event"_L]["action"_L].toString());
        return actions;
    }

    MisbehavingServer m_server;
    std::unique_ptr<QTemporaryDir> m_home;
};

void TestCliCustody::threat_fetched_isInQuarantineAndComesBack()
{
    const CliRun fetched = fetch("/eicar.com"_L);
    QVERIFY2(fetched.exitCode == exitThreat, tell(fetched));
    const QJsonObject result = fetched.objects().at(0);
    QCOMPARE(result["disposition"_L].toString(), "Quarantine"_L);
    const QString id = result["item"_L].toString();
    QVERIFY2(fetched.err.contains("sentinel quarantine show " + id.toLatin1()), fetched.err);
    QCOMPARE(entriesOf(m_home->filePath("target"_L)), QStringList());

    const CliRun listed = runSentinel({"quarantine"_L, "list"_L, "--json"_L});
    QCOMPARE(listed.objects().size(), size_t(1));
    QCOMPARE(listed.objects()[0]["id"_L].toString(), id);
    const QString back = m_home->filePath("back"_L);
    QCOMPARE(runSentinel({"quarantine"_L, "restore"_L, id, "--to"_L, back}).exitCode, exitTrouble);
    QVERIFY(!QFile::exists(back)); // without a reason
    const CliRun restored = runSentinel(
        {"quarantine"_L, "restore"_L, id, "--to"_L, back, "--reason"_L, "to be looked at"_L});
    QVERIFY2(restored.exitCode == exitGood, tell(restored));
    QFile file(back);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QCOMPARE(file.readAll(), eicar());
    QCOMPARE(runSentinel({"quarantine"_L, "delete"_L, id}).exitCode, exitGood);
    QVERIFY(runSentinel({"quarantine"_L, "list"_L, "--json"_L}).objects().empty());
}

void TestCliCustody::threat_allowed_isReleased()
{
    const QString hash =
        QString::fromLatin1(QCryptographicHash::hash(eicar(), QCryptographicHash::Sha256).toHex());
    const QString url = m_server.url("/eicar.com"_L).toString();
    const CliRun added = runSentinel({"allow"_L, "add"_L, "--json"_L, "--sha256"_L, hash, "--url"_L,
        url, "--why"_L, "a test file"_L});
    QVERIFY2(added.exitCode == exitGood, tell(added));

    const CliRun allowed = fetch("/eicar.com"_L);
    QCOMPARE(allowed.exitCode, exitGood); // as its user wants it
    QCOMPARE(allowed.objects().at(0)["disposition"_L].toString(), "Release"_L);
    QVERIFY(allowed.objects().at(0)["clause"_L].toString().startsWith("exception "_L));
    QCOMPARE(entriesOf(m_home->filePath("target"_L)), QStringList{"eicar.com"_L});

    const QString id = added.objects().at(0)["id"_L].toString();
    QVERIFY2(!id.isEmpty(), tell(added));
    QCOMPARE(runSentinel({"allow"_L, "remove"_L, id}).exitCode, exitGood);
    QVERIFY(QFile::remove(m_home->filePath("target/eicar.com"_L)));
    QCOMPARE(fetch("/eicar.com"_L).objects().at(0)["disposition"_L].toString(), "Quarantine"_L);
    QCOMPARE(
        actions().filter("exception"_L), QStringList({"exception-add"_L, "exception-remove"_L}));
}

void TestCliCustody::everything_isInTheLog()
{
    QCOMPARE(fetch("/plain"_L).exitCode, exitGood);
    const QString id = fetch("/eicar.com"_L).objects().at(0)["item"_L].toString();
    QCOMPARE(runSentinel({"quarantine"_L, "restore"_L, id, "--to"_L, m_home->filePath("x"_L),
                             "--reason"_L, "why not"_L})
                 .exitCode,
        exitGood);
    QCOMPARE(runSentinel({"quarantine"_L, "purge"_L, "--keep-items"_L, "0"_L}).exitCode, exitGood);
    QStringList seen = actions();
    seen.removeAll("job-run"_L);
    QCOMPARE(seen,
        QStringList({"decision"_L, "decision"_L, "threat-found"_L, "quarantine-add"_L,
            "quarantine-restore"_L, "quarantine-purge"_L}));
    const CliRun restores =
        runSentinel({"log"_L, "--json"_L, "--action"_L, "quarantine-restore"_L});
    QVERIFY2(
        restores.out.contains("why not") && restores.out.contains(id.toLatin1()), restores.out);
}

void TestCliCustody::policyOfYesterday_isReplayed()
{
    QCOMPARE(fetch("/plain"_L).exitCode, exitGood);
    QCOMPARE(fetch("/eicar.com"_L).exitCode, exitThreat);
    const QString log = m_home->filePath("state/sentinel/audit/audit.jsonl"_L);
    const CliRun same = runSentinel({"policy"_L, "replay"_L, log});
    QVERIFY2(same.exitCode == exitGood, tell(same));

    const QString settings = m_home->filePath("other.toml"_L);
    writeFile(settings, "[policy]\nmalicious = \"block\"\n");
    const CliRun other = runSentinel({"policy"_L, "replay"_L, "--policy"_L, settings, log});
    QVERIFY2(other.exitCode == exitChanged, tell(other));
    QVERIFY2(other.out.contains("Quarantine") && other.out.contains("Block"), tell(other));
}

void TestCliCustody::privateFetch_leavesNoAddress()
{
    QCOMPARE(fetch("/eicar.com"_L, {"--private"_L}).exitCode, exitThreat);
    const CliRun log = runSentinel({"log"_L, "--json"_L});
    QVERIFY(log.out.contains("threat-found"));
    QVERIFY2(!log.out.contains("eicar.com"), log.out);
    const CliRun listed = runSentinel({"quarantine"_L, "list"_L, "--json"_L});
    QCOMPARE(listed.objects().size(), size_t(1));
    QVERIFY2(!listed.out.contains("eicar.com"), listed.out);
}

void TestCliCustody::quarantineUnusable_threatIsWithheldAllTheSame()
{
    QVERIFY(QDir().mkpath(m_home->filePath("data/sentinel"_L)));
    writeFile(m_home->filePath("data/sentinel/quarantine"_L), "in the way");
    const CliRun run = fetch("/eicar.com"_L);
    QCOMPARE(run.exitCode, exitThreat);
    QCOMPARE(run.objects().at(0)["disposition"_L].toString(), "Block"_L);
    QCOMPARE(entriesOf(m_home->filePath("target"_L)), QStringList());
    QVERIFY(actions().contains("quarantine-add"_L)); // the attempt, and why it failed
}

QTEST_GUILESS_MAIN(TestCliCustody)
#include "tst_cli_custody.moc"
