// SPDX-License-Identifier: MIT
//
// What follows a decision: quarantine, a user who is asked, exceptions, the audit log, and what was
// released unscanned.
#include "tests/support/CustodyBench.h"

#include <QCryptographicHash>
#include <QDir>
#include <QDirIterator>
#include <QLoggingCategory>
#include <QTest>

using namespace Sentinel;
using Test::downloadFrom;
using Test::patienceMs;

namespace {

const QByteArray threat = "here is a THREAT-MARK for you";
const QByteArray dubious = "here is a DUBIOUS-MARK for you";

const QByteArray dubiousRule = "rule dubious { meta: severity = \"suspicious\""
                               " strings: $a = \"DUBIOUS-MARK\" condition: $a }\n";

} // namespace

class CustodyTest : public QObject, Test::CustodyBench {
    Q_OBJECT

public:
    CustodyTest() : CustodyBench(dubiousRule) { }

private Q_SLOTS:
    void initTestCase();
    void init();
    void malicious_byDefault_isInQuarantine();
    void malicious_quarantineUnusable_isBlockedAndSaysSo();
    void quarantine_ofWhatIsNotWhole_isBlockedAndSaysSo();
    void malicious_withoutCustody_isBlocked();
    void malicious_allowedByException_isReleased();
    void suspicious_untilResolved_isWithheld_data();
    void suspicious_untilResolved_isWithheld();
    void suspicious_neverResolved_leavesNothing();
    void resolve_whatIsNotAsked_isRefused();
    void unscanned_released_isScannedLater();
    void unscanned_threat_isTakenFromWhereItWasReleasedTo();
    void unscanned_threat_isJudgedByWhatItsBytesAre();
    void unscanned_changedMeanwhile_isLeftAlone();
    void unscanned_processEnded_isScannedByTheNext();
    void everyDecision_isInTheAuditLog();
    void privateDownload_leavesNoAddress();
    void newRules_judgeWhatWasReleased();
};

void CustodyTest::initTestCase()
{
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*.warning=false"));
    qRegisterMetaType<LateThreat>();
}

void CustodyTest::init()
{
    writeRules(dubiousRule);
    moveOut();
}

void CustodyTest::malicious_byDefault_isInQuarantine()
{
    const auto tap = make();
    Inspection *inspection =
        tap->inspect(downloadFrom(QStringLiteral("https://user:pw@example.org/a.exe?token=1")));
    const Outcome outcome = outcomeOf(*inspection, threat);
    QCOMPARE(outcome.disposition, Disposition::Quarantine);
    char byte = 0;
    QCOMPARE(inspection->read(&byte, 1, 0), -1);
    QVERIFY(!inspection->releaseInto(home(), QStringLiteral("x"), ExistingFile::Keep));

    const auto items = quarantined();
    QCOMPARE(items.size(), size_t(1));
    QCOMPARE(items[0].id, outcome.item);
    QCOMPARE(items[0].record.name, QStringLiteral("setup.exe"));
    QCOMPARE(items[0].record.url, QUrl(QStringLiteral("https://example.org/a.exe")));
    QCOMPARE(items[0].record.findings, QStringList{QStringLiteral("marked")});
    QCOMPARE(items[0].record.sha256, QCryptographicHash::hash(threat, QCryptographicHash::Sha256));
    const auto restored =
        (*Quarantine::open(quarantineDirectory()))
            ->restore(outcome.item, {home(), QStringLiteral("back"), QStringLiteral("test")});
    QVERIFY2(restored, restored ? "" : qPrintable(restored.error().message));
    QFile file(*restored);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QCOMPARE(file.readAll(), threat);
}

void CustodyTest::malicious_quarantineUnusable_isBlockedAndSaysSo()
{
    QVERIFY(QDir().mkpath(paths().data));
    QFile inTheWay(quarantineDirectory());
    QVERIFY(inTheWay.open(QIODevice::WriteOnly));
    const auto tap = make();
    QSignalSpy trouble(tap.get(), &SecurityTap::custodyTrouble);
    Inspection *inspection = tap->inspect({});
    const Outcome outcome = outcomeOf(*inspection, threat);
    QCOMPARE(outcome.disposition, Disposition::Block);
    QVERIFY(outcome.item.isEmpty());
    QTRY_VERIFY_WITH_TIMEOUT(!trouble.isEmpty(), patienceMs);
    QVERIFY(trouble[0][0].toString().contains(QStringLiteral("quarantine")));
    QTRY_COMPARE_WITH_TIMEOUT(
        events(QStringLiteral("quarantine-add")).size(), size_t(1), patienceMs);
    QCOMPARE(events(QStringLiteral(
                 "quarantine-add"))[0][QLatin1String("event")][QLatin1String("outcome")]
                 .toString(),
        QStringLiteral("failure"));
}

void CustodyTest::quarantine_ofWhatIsNotWhole_isBlockedAndSaysSo()
{
    {
        const auto tap = make([](TapSettings &settings) {
            settings.scanning.maxScanBytes = Limits::mib;
            settings.policy.clauses.push_back(
                *PolicyClause::parse(QStringLiteral("quarantine if reason=TooLarge")));
        });
        Inspection *inspection =
            tap->inspect(downloadFrom(QStringLiteral("https://example.org/x")));
        const Outcome outcome = outcomeOf(*inspection, QByteArray(2 * Limits::mib, 'x'));
        QCOMPARE(nameOf(outcome.result.reason()), nameOf(Reason::TooLarge));
        QCOMPARE(outcome.disposition, Disposition::Block);
    }
    QVERIFY(quarantined().empty());
    const auto tried = events(QStringLiteral("quarantine-add"));
    QCOMPARE(tried.size(), size_t(1));
    QCOMPARE(tried[0][QLatin1String("event")][QLatin1String("outcome")].toString(),
        QStringLiteral("failure"));
}

void CustodyTest::malicious_withoutCustody_isBlocked()
{
    const auto tap = make([](TapSettings &settings) { settings.custody.reset(); });
    QCOMPARE(outcomeOf(*tap->inspect({}), threat).disposition, Disposition::Block);
    QVERIFY(!QDir(inHome(QStringLiteral("data"))).exists());
    QVERIFY(!QDir(inHome(QStringLiteral("state"))).exists());
}

void CustodyTest::malicious_allowedByException_isReleased()
{
    const auto tap = make();
    const QString url = QStringLiteral("https://example.org/a.exe");
    QCOMPARE(
        outcomeOf(*tap->inspect(downloadFrom(url)), threat).disposition, Disposition::Quarantine);

    PolicyException exception;
    exception.sha256 = QCryptographicHash::hash(threat, QCryptographicHash::Sha256);
    exception.origin = Origin::of(QUrl(url));
    exception.who = QStringLiteral("test");
    exception.why = QStringLiteral("it is ours");
    const QDateTime now = QDateTime::currentDateTimeUtc();
    exception.made = now;
    exception.expires = now.addDays(1);
    PolicyExceptions exceptions(paths().data);
    const auto added = exceptions.add(exception, now);
    QVERIFY2(added, added ? "" : qPrintable(added.error()));

    Inspection *allowed = tap->inspect(downloadFrom(url));
    const Outcome outcome = outcomeOf(*allowed, threat);
    QCOMPARE(outcome.result.verdict(), Verdict::Malicious); // a fact stays one
    QCOMPARE(outcome.disposition, Disposition::Release);
    QByteArray bytes(threat.size(), Qt::Uninitialized);
    QCOMPARE(allowed->read(bytes.data(), bytes.size(), 0), threat.size());
    QCOMPARE(bytes, threat);
    QCOMPARE(
        outcomeOf(*tap->inspect(downloadFrom(QStringLiteral("https://example.com/a.exe"))), threat)
            .disposition,
        Disposition::Quarantine);
}

void CustodyTest::suspicious_untilResolved_isWithheld_data()
{
    QTest::addColumn<Inspection::Resolution>("resolution");
    QTest::addColumn<Disposition>("disposition");
    QTest::newRow("release") << Inspection::Resolution::Release << Disposition::Release;
    QTest::newRow("quarantine") << Inspection::Resolution::Quarantine << Disposition::Quarantine;
    QTest::newRow("discard") << Inspection::Resolution::Discard << Disposition::Block;
}

void CustodyTest::suspicious_untilResolved_isWithheld()
{
    QFETCH(const Inspection::Resolution, resolution);
    QFETCH(const Disposition, disposition);
    const auto tap = make();
    Inspection *inspection = tap->inspect({});
    QSignalSpy resolved(inspection, &Inspection::resolved);
    QCOMPARE(outcomeOf(*inspection, dubious).disposition, Disposition::Warn);
    QByteArray bytes(dubious.size(), Qt::Uninitialized);
    QCOMPARE(inspection->read(bytes.data(), bytes.size(), 0), -1);

    QVERIFY(inspection->resolve(resolution));
    QVERIFY(!inspection->resolve(Inspection::Resolution::Release)); // it was said
    QTRY_COMPARE_WITH_TIMEOUT(resolved.size(), 1, patienceMs);
    QCOMPARE(inspection->outcome()->disposition, disposition);
    const bool isReleased = disposition == Disposition::Release;
    QCOMPARE(
        inspection->read(bytes.data(), bytes.size(), 0), isReleased ? dubious.size() : qint64(-1));
    QCOMPARE(quarantined().size(), size_t(disposition == Disposition::Quarantine));
    QTRY_COMPARE_WITH_TIMEOUT(events(QStringLiteral("decision")).size(), size_t(2), patienceMs);
}

void CustodyTest::suspicious_neverResolved_leavesNothing()
{
    {
        const auto tap = make();
        QCOMPARE(outcomeOf(*tap->inspect({}), dubious).disposition, Disposition::Warn);
    }
    QVERIFY(quarantined().empty());
}

void CustodyTest::resolve_whatIsNotAsked_isRefused()
{
    const auto tap = make();
    Inspection *clean = tap->inspect({});
    QVERIFY(!clean->resolve(Inspection::Resolution::Release));
    QCOMPARE(outcomeOf(*clean, "plain").disposition, Disposition::Release);
    QVERIFY(!clean->resolve(Inspection::Resolution::Discard));
    Inspection *bad = tap->inspect({});
    QCOMPARE(outcomeOf(*bad, threat).disposition, Disposition::Quarantine);
    QVERIFY(!bad->resolve(Inspection::Resolution::Release));
    char byte = 0;
    QCOMPARE(bad->read(&byte, 1, 0), -1);
}

void CustodyTest::unscanned_released_isScannedLater()
{
    const QString path = releasedBlindly("nothing to see");
    QVERIFY(!path.isEmpty());
    QTRY_COMPARE_WITH_TIMEOUT(
        events(QStringLiteral("unscanned-release")).size(), size_t(1), patienceMs);

    const auto tap = make();
    QTRY_COMPARE_WITH_TIMEOUT(owed(), 0, patienceMs);
    QVERIFY(QFile::exists(path));
    QVERIFY(events(QStringLiteral("late-threat")).empty());
}

void CustodyTest::unscanned_threat_isTakenFromWhereItWasReleasedTo()
{
    const QString path = releasedBlindly(threat);
    QVERIFY(QFile::exists(path));

    const auto tap = make();
    std::optional<LateThreat> told;
    connect(tap.get(), &SecurityTap::lateThreat, this,
        [&told](const LateThreat &late, Disposition disposition) {
            QVERIFY(!told);
            QCOMPARE(disposition, Disposition::Quarantine);
            told = late;
        });
    QTRY_VERIFY_WITH_TIMEOUT(told, patienceMs);
    QCOMPARE(told->record.path, path);
    QCOMPARE(told->result.verdict(), Verdict::Malicious);
    QTRY_VERIFY_WITH_TIMEOUT(!QFile::exists(path), patienceMs);
    QCOMPARE(quarantined().size(), size_t(1));
    QCOMPARE(quarantined()[0].record.directory, home());
    QTRY_COMPARE_WITH_TIMEOUT(
        events(QStringLiteral("quarantine-add")).size(), size_t(1), patienceMs);
    QCOMPARE(events(QStringLiteral("late-threat")).size(), size_t(1));
}

void CustodyTest::unscanned_threat_isJudgedByWhatItsBytesAre()
{
    const QString path = releasedBlindly(threat);
    const auto tap = make([](TapSettings &settings) {
        settings.policy.clauses.push_back(
            *PolicyClause::parse(QStringLiteral("block if verdict=Malicious type=text")));
    });
    std::optional<Disposition> taken;
    connect(tap.get(), &SecurityTap::lateThreat, this,
        [&taken](const LateThreat &, Disposition disposition) { taken = disposition; });
    QTRY_VERIFY_WITH_TIMEOUT(taken, patienceMs);
    QCOMPARE(*taken, Disposition::Block);
    QVERIFY(QFile::exists(path));
    QVERIFY(quarantined().empty());
}

void CustodyTest::unscanned_changedMeanwhile_isLeftAlone()
{
    const QString path = releasedBlindly(threat);
    QFile file(path);
    QVERIFY(file.open(QIODevice::WriteOnly | QIODevice::Truncate));
    file.write("my own words");
    file.close();

    const auto tap = make();
    QTRY_COMPARE_WITH_TIMEOUT(owed(), 0, patienceMs);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QCOMPARE(file.readAll(), QByteArray("my own words"));
    QVERIFY(quarantined().empty());
}

void CustodyTest::unscanned_processEnded_isScannedByTheNext()
{
    // Between the promise and the file's appearance: it is there, and nobody has said so.
    const QString path = inHome(QStringLiteral("setup.exe"));
    {
        const auto tap = makeBlind();
        Inspection *inspection = tap->inspect({});
        QCOMPARE(outcomeOf(*inspection, threat).disposition, Disposition::Release);
        ReleaseHistory history(historyPath());
        const auto known = history.find(1);
        QVERIFY(known && known->id == 1);
        QVERIFY(history.place(1, path, {}, QDateTime::currentDateTimeUtc()));
        QFile file(path);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(threat);
    }
    const auto tap = make();
    QTRY_VERIFY_WITH_TIMEOUT(!QFile::exists(path), patienceMs);
    QCOMPARE(quarantined().size(), size_t(1));
}

void CustodyTest::everyDecision_isInTheAuditLog()
{
    {
        const auto tap = make();
        Download download = downloadFrom(QStringLiteral("https://example.org/../../a.exe"));
        download.metadata.filename = QStringLiteral("../../.bashrc");
        QCOMPARE(outcomeOf(*tap->inspect(download), "plain").disposition, Disposition::Release);
        QCOMPARE(outcomeOf(*tap->inspect({}), threat).disposition, Disposition::Quarantine);
        QCOMPARE(outcomeOf(*tap->inspect({}), dubious).disposition, Disposition::Warn);
        QObject context;
        tap->asyncInspectDownload(
            DownloadMetadata{}, "plain too", &context, [](const Outcome &) {});
        QVERIFY(tap->inspectDownload({}, "and plain").result.verdict() == Verdict::Clean);
    }
    QCOMPARE(events(QStringLiteral("decision")).size(), size_t(5));
    QCOMPARE(events(QStringLiteral("threat-found")).size(), size_t(2));
    QCOMPARE(events(QStringLiteral("quarantine-add")).size(), size_t(1));
    QCOMPARE(events(QStringLiteral("path-traversal")).size(), size_t(1));
}

void CustodyTest::privateDownload_leavesNoAddress()
{
    {
        const auto tap = make();
        Download download = downloadFrom(QStringLiteral("https://hidden.example/secret-name.exe"));
        download.metadata.filename = QStringLiteral("secret-name.exe");
        download.privacy = Download::Privacy::Private;
        QCOMPARE(outcomeOf(*tap->inspect(download), threat).disposition, Disposition::Quarantine);
        QCOMPARE(outcomeOf(*tap->inspect(download), "plain").disposition, Disposition::Release);
    }
    QCOMPARE(quarantined().size(), size_t(1));
    for (const char *program : {"data", "state"}) {
        const QString directory = inHome(QString::fromLatin1(program));
        QDirIterator files(directory, QDir::Files | QDir::Hidden, QDirIterator::Subdirectories);
        while (files.hasNext()) {
            const QString name = files.next();
            QFile file(name);
            QVERIFY(file.open(QIODevice::ReadOnly));
            const QByteArray content = file.readAll();
            QVERIFY2(!content.contains("hidden.example"), qPrintable(name));
            QVERIFY2(!content.contains("secret-name"), qPrintable(name));
        }
    }
}

void CustodyTest::newRules_judgeWhatWasReleased()
{
    const auto tap = make();
    Inspection *inspection = tap->inspect({});
    QCOMPARE(outcomeOf(*inspection, "the NEWLY-KNOWN one").disposition, Disposition::Release);
    const auto path = inspection->releaseInto(home(), QStringLiteral("old"), ExistingFile::Keep);
    QVERIFY(path);
    writeRules("rule newly { strings: $a = \"NEWLY-KNOWN\" condition: $a }\n");
    QSignalSpy late(tap.get(), &SecurityTap::lateThreat);
    tap->reloadRules();
    QTRY_COMPARE_WITH_TIMEOUT(late.size(), 1, patienceMs);
    QTRY_VERIFY_WITH_TIMEOUT(!QFile::exists(*path), patienceMs);
}

QTEST_GUILESS_MAIN(CustodyTest)
#include "tst_custody.moc"
