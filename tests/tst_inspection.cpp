// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/SecurityTap.h"
#include "tests/support/FileAttribute.h"
#include "tests/support/Patience.h"
#include "tests/support/RuleDirectory.h"

#include <QCryptographicHash>
#include <QDir>
#include <QLoggingCategory>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>
#include <QThread>

#include <atomic>
#include <fcntl.h>
#include <sys/xattr.h>
#include <thread>
#include <unistd.h>

using namespace Sentinel;
using Test::attribute;
using Test::hang;
using Test::noise;
using Test::patienceMs;
using Test::RuleDirectory;

namespace {

constexpr ConnectionId connectionOfTheTest = 7;

} // namespace

//! The life of an Inspection, and what SecurityTap does around it.
class InspectionTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void streamed_clean_isReleasedByteForByte();
    void streamed_marked_isBlockedAndNothingIsLeft();
    void streamed_isScannedWhileItArrives();
    void empty_isClean();
    void tooLarge_isDecidedEarlyAndGoesOnArriving();
    void tooLarge_failClosed_takesNoMore();
    void part_isNeverClean();
    void part_marked_isStillAThreat();
    void transferEndsEarly_isIncompleteAndBlocked();
    void spoolFails_isUnreadableAndSaysWhere();
    void sealFails_afterTheDecision_outcomeStandsButNothingIsReleased();
    void endInEachState_isDecidedOnce_data();
    void endInEachState_isDecidedOnce();
    void noConnection_closed_cancelsNothing();
    void deletedInEachState_isSilent_data();
    void deletedInEachState_isSilent();
    void deletedInSlot_isFine();
    void deletedByAnothersSlot_whileTheTapEnds_isFine();
    void announcedSize_keepsNobodyOut();
    void release_beforeDecision_isRefused();
    void release_hostileName_staysInside();
    void release_usual_saysWhereItCameFrom();
    void release_private_saysNothing();
    void release_changedSinceItsScan_isRefused();
    void contextDies_callbackNeverRuns();
    void contextDiesOnAnotherThread_whileAnswering();
    void synchronous_fromAnotherThread_answers();
    void synchronous_fromTheOwner_answers();
    void sameContent_isScannedOnce();
    void sameContentUnderAnotherName_isScannedAgain();
    void reload_newRulesAreUsed();
    void reload_badRules_oldOnesStay();
    void reload_twice_endsWithTheLaterRules();
    void reload_underLoad_noVerdictOfAMixedSet();
    void badRules_createSaysWhere();

private:
    std::unique_ptr<SecurityTap> make(const std::function<void(TapSettings &)> &adjust = {}) const
    {
        return m_rules.makeTap(adjust);
    }
    //! Brings an inspection into a state; the worker is kept busy for the later ones.
    static Inspection *bringTo(SecurityTap &tap, const QByteArray &state, QObject *context);

    RuleDirectory m_rules{Test::markerRules()};
};

void InspectionTest::initTestCase()
{
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*.warning=false"));
}

void InspectionTest::streamed_clean_isReleasedByteForByte()
{
    const auto tap = make();
    const QByteArray bytes = noise(5'000'003);
    QTemporaryDir target;
    for (const bool beside : {false, true}) {
        Download download;
        if (beside)
            download.destinationDirectory = target.path();
        Inspection *inspection = tap->inspect(download);
        QSignalSpy decided(inspection, &Inspection::decided);
        for (qsizetype at = 0; at < bytes.size(); at += 70'000)
            QVERIFY(inspection->write(
                QByteArrayView(bytes).sliced(at, std::min<qsizetype>(70'000, bytes.size() - at))));
        char early = 0;
        QCOMPARE(inspection->read(&early, 1, 0), -1); // nothing before the verdict
        inspection->finish();
        QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
        const Outcome outcome = *inspection->outcome();
        QCOMPARE(outcome.result.verdict(), Verdict::Clean);
        QCOMPARE(outcome.disposition, Disposition::Release);
        QCOMPARE(outcome.sizeBytes, bytes.size());
        QCOMPARE(outcome.result.coverage().bytesScanned, bytes.size());
        QCOMPARE(
            outcome.result.sha256(), QCryptographicHash::hash(bytes, QCryptographicHash::Sha256));
        QByteArray readBack(bytes.size() + 10, Qt::Uninitialized);
        QCOMPARE(inspection->read(readBack.data(), readBack.size(), 0), bytes.size());
        readBack.truncate(bytes.size());
        QVERIFY(readBack == bytes);
        const QString name = beside ? QStringLiteral("b") : QStringLiteral("a");
        const auto path = inspection->releaseInto(target.path(), name, ExistingFile::Keep);
        QVERIFY2(path, path ? "" : qPrintable(path.error().message));
        QFile file(*path);
        QVERIFY(file.open(QIODevice::ReadOnly));
        QVERIFY(file.readAll() == bytes);
        QCOMPARE(inspection->releaseInto(target.path(), name, ExistingFile::Keep).error().code,
            ReleaseError::Code::Exists);
        delete inspection;
    }
}

void InspectionTest::streamed_marked_isBlockedAndNothingIsLeft()
{
    const auto tap = make();
    QTemporaryDir target;
    Download download;
    download.destinationDirectory = target.path();
    download.metadata.sizeBytes = 200 * Limits::mib; // announced: goes beside the destination
    Inspection *inspection = tap->inspect(download);
    QSignalSpy decided(inspection, &Inspection::decided);
    QVERIFY(inspection->write(noise(3'000'000)));
    QVERIFY(inspection->write("THREAT-MARK"));
    QVERIFY(inspection->write(noise(1'000'000)));
    inspection->finish();
    QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
    const Outcome outcome = *inspection->outcome();
    QCOMPARE(outcome.result.verdict(), Verdict::Malicious);
    QCOMPARE(outcome.disposition, Disposition::Block); // it has no quarantine
    QCOMPARE(outcome.result.findings().front().strings.front().offset, 3'000'000);
    char byte = 0;
    QCOMPARE(inspection->read(&byte, 1, 0), -1);
    QVERIFY(!inspection->releaseInto(target.path(), QStringLiteral("x"), ExistingFile::Keep));
    QVERIFY(QDir(target.path()).isEmpty(QDir::AllEntries | QDir::Hidden | QDir::NoDotAndDotDot));
}

void InspectionTest::streamed_isScannedWhileItArrives()
{
    const auto tap = make([](TapSettings &settings) { settings.scanning.cache.enabled = false; });
    Inspection *inspection = tap->inspect({});
    QSignalSpy decided(inspection, &Inspection::decided);
    QVERIFY(inspection->write(noise(8 * Limits::mib)));
    // A worker has begun before the last byte is here, and has given itself back.
    QTRY_VERIFY_WITH_TIMEOUT(tap->telemetry().workers > 0, patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(tap->telemetry().activeWorkers, 0, patienceMs);
    QCOMPARE(inspection->state(), Inspection::State::Receiving);
    QVERIFY(inspection->write("THREAT-MARK"));
    inspection->finish();
    QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
    QCOMPARE(inspection->outcome()->result.verdict(), Verdict::Malicious);
}

void InspectionTest::empty_isClean()
{
    const auto tap = make();
    Inspection *inspection = tap->inspect({});
    QSignalSpy decided(inspection, &Inspection::decided);
    inspection->finish();
    QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
    QCOMPARE(inspection->outcome()->result.verdict(), Verdict::Clean);
    QCOMPARE(inspection->outcome()->sizeBytes, 0);
}

void InspectionTest::tooLarge_isDecidedEarlyAndGoesOnArriving()
{
    const auto tap =
        make([](TapSettings &settings) { settings.scanning.maxScanBytes = 2 * Limits::mib; });
    const QByteArray bytes = noise(5 * Limits::mib);
    Inspection *inspection = tap->inspect({});
    QSignalSpy decided(inspection, &Inspection::decided);
    for (qsizetype at = 0; at < bytes.size(); at += Limits::mib)
        QVERIFY(inspection->write(QByteArrayView(bytes).sliced(at, Limits::mib)));
    QCOMPARE(inspection->state(), Inspection::State::Decided);
    QVERIFY(!inspection->isComplete());
    QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
    QCOMPARE(inspection->outcome()->result.reason(), Reason::TooLarge);
    QCOMPARE(inspection->outcome()->disposition, Disposition::Release);
    inspection->finish();
    QVERIFY(inspection->isComplete());
    QByteArray all(bytes.size(), Qt::Uninitialized);
    QCOMPARE(inspection->read(all.data(), all.size(), 0), all.size());
    QVERIFY(all == bytes);
    QTemporaryDir target;
    QVERIFY(inspection->releaseInto(target.path(), QStringLiteral("x"), ExistingFile::Keep));
    QCOMPARE(decided.size(), 1);
    QCOMPARE(tap->telemetry().notScannedByReason[size_t(Reason::TooLarge)], 1u);

    // The same for content that is there as a whole.
    std::optional<Outcome> outcome;
    tap->asyncInspectDownload(
        DownloadMetadata{}, bytes, this, [&](const Outcome &o) { outcome = o; });
    QTRY_VERIFY_WITH_TIMEOUT(outcome, patienceMs);
    QCOMPARE(outcome->result.reason(), Reason::TooLarge);
    QCOMPARE(tap->inspectDownload({}, bytes).result.reason(), Reason::TooLarge);
}

void InspectionTest::tooLarge_failClosed_takesNoMore()
{
    const auto tap = make([](TapSettings &settings) {
        settings.scanning.maxScanBytes = 2 * Limits::mib;
        settings.policy = Policy::failClosed();
    });
    Inspection *inspection = tap->inspect({});
    QSignalSpy decided(inspection, &Inspection::decided);
    inspection->write(noise(3 * Limits::mib));
    QVERIFY(!inspection->write("more"));
    inspection->finish();
    QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
    QCOMPARE(inspection->outcome()->disposition, Disposition::Block);
}

void InspectionTest::part_isNeverClean()
{
    const auto tap = make();
    Download download;
    download.kind = Download::Kind::Part;
    Inspection *inspection = tap->inspect(download);
    QSignalSpy decided(inspection, &Inspection::decided);
    QVERIFY(inspection->write(noise(1000)));
    inspection->finish();
    QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
    QCOMPARE(inspection->outcome()->result.verdict(), Verdict::NotScanned);
    QCOMPARE(inspection->outcome()->result.reason(), Reason::PartialContent);
}

void InspectionTest::part_marked_isStillAThreat()
{
    const auto tap = make();
    Download download;
    download.kind = Download::Kind::Part;
    Inspection *inspection = tap->inspect(download);
    QSignalSpy decided(inspection, &Inspection::decided);
    QVERIFY(inspection->write("THREAT-MARK"));
    inspection->finish();
    QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
    QCOMPARE(inspection->outcome()->result.verdict(), Verdict::Malicious);
}

void InspectionTest::transferEndsEarly_isIncompleteAndBlocked()
{
    const auto tap = make();
    Inspection *inspection = tap->inspect({});
    QSignalSpy decided(inspection, &Inspection::decided);
    QVERIFY(inspection->write(noise(3 * Limits::mib)));
    inspection->abort();
    QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
    QCOMPARE(inspection->outcome()->result.reason(), Reason::Incomplete);
    QCOMPARE(inspection->outcome()->disposition, Disposition::Block);
    QCOMPARE(tap->telemetry().notScannedByReason[size_t(Reason::Incomplete)], 1u);
}

void InspectionTest::spoolFails_isUnreadableAndSaysWhere()
{
    const auto tap = make([](TapSettings &settings) { settings.maxSpoolBytes = 100'000; });
    Inspection *inspection = tap->inspect({});
    QSignalSpy decided(inspection, &Inspection::decided);
    QVERIFY(inspection->write(noise(90'000)));
    QVERIFY(!inspection->write(noise(20'000)));
    QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
    QCOMPARE(inspection->outcome()->result.reason(), Reason::Unreadable);
    QCOMPARE(inspection->outcome()->disposition, Disposition::Block);
    QVERIFY(!inspection->outcome()->result.detail().isEmpty());
}

void InspectionTest::sealFails_afterTheDecision_outcomeStandsButNothingIsReleased()
{
    const auto tap =
        make([](TapSettings &settings) { settings.scanning.maxScanBytes = Limits::mib; });
    Inspection *inspection = tap->inspect({});
    QSignalSpy decided(inspection, &Inspection::decided);
    QVERIFY(inspection->write(noise(2 * Limits::mib)));
    QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
    QCOMPARE(inspection->outcome()->disposition, Disposition::Release);

    // Somebody has seen to it that nothing can be sealed any more.
    int sealed = 0;
    const QDir descriptors(QStringLiteral("/proc/self/fd"));
    for (const QString &name : descriptors.entryList(QDir::NoDotAndDotDot | QDir::AllEntries)) {
        const QString target = QFile::symLinkTarget(descriptors.filePath(name));
        if (target.contains(QStringLiteral("memfd:download")))
            sealed += ::fcntl(name.toInt(), F_ADD_SEALS, F_SEAL_SEAL) == 0;
    }
    QCOMPARE(sealed, 1);
    inspection->finish();

    QVERIFY(!inspection->isComplete());
    QCOMPARE(inspection->outcome()->disposition, Disposition::Release);
    QCOMPARE(inspection->outcome()->result.reason(), Reason::TooLarge);
    QTemporaryDir target;
    QVERIFY(!inspection->releaseInto(target.path(), QStringLiteral("x"), ExistingFile::Keep));
    QVERIFY(QDir(target.path()).isEmpty());
    QVERIFY(!inspection->write("more"));
    QCOMPARE(decided.size(), 1);
}

Inspection *InspectionTest::bringTo(SecurityTap &tap, const QByteArray &state, QObject *context)
{
    if (state == "queued" || state == "queued early") {
        tap.asyncInspectDownload(DownloadMetadata{}, hang(), context, [](const Outcome &) {});
        if (!QTest::qWaitFor([&] { return tap.telemetry().activeWorkers == 1; }))
            qFatal("the worker did not start");
    }
    Download download;
    download.connection = connectionOfTheTest;
    Inspection *inspection = tap.inspect(download);
    if (state == "new")
        return inspection;
    if (state == "scanning")
        inspection->write(hang());
    else
        inspection->write(noise(3 * Limits::mib));
    if (state == "receiving" || state == "queued early")
        return inspection;
    inspection->finish();
    if (state == "scanning" && !QTest::qWaitFor([&] { return tap.telemetry().activeWorkers == 1; }))
        qFatal("the worker did not start");
    if (state == "decided" && !QTest::qWaitFor([&] { return inspection->outcome().has_value(); }))
        qFatal("no outcome came");
    return inspection;
}

void InspectionTest::endInEachState_isDecidedOnce_data()
{
    QTest::addColumn<QByteArray>("state");
    QTest::addColumn<QByteArray>("end");
    QTest::addColumn<Reason>("reason");
    for (const char *state :
        {"new", "receiving", "queued early", "queued", "scanning", "decided"}) {
        const auto row = [&](const char *end, Reason reason) {
            const bool wasDecided = qstrcmp(state, "decided") == 0;
            QTest::addRow("%s, %s", state, end)
                << QByteArray(state) << QByteArray(end) << (wasDecided ? Reason::None : reason);
        };
        row("cancel", Reason::Cancelled);
        row("disconnect", Reason::Cancelled);
        row("abort", Reason::Incomplete);
        row("tap ends", Reason::ScannerUnavailable);
        // (One that waits for a scan that hangs is begun by another worker: tst_scanworkerfaults.)
        if (qstrcmp(state, "scanning") == 0)
            row("deadline", Reason::TimedOut);
    }
}

void InspectionTest::endInEachState_isDecidedOnce()
{
    QFETCH(QByteArray, state);
    QFETCH(QByteArray, end);
    QFETCH(Reason, reason);
    auto tap = make([&](TapSettings &settings) {
        settings.scanning.workers.maxWorkers = 1;
        if (end == "deadline")
            settings.scanning.timeouts = {
                std::chrono::milliseconds(100), std::chrono::milliseconds(100)};
    });
    Inspection *inspection = bringTo(*tap, state, this);
    int decisions = 0;
    std::optional<Outcome> outcome;
    connect(inspection, &Inspection::decided, this, [&](const Outcome &o) {
        ++decisions;
        outcome = o;
    });
    const bool wasDecided = state == "decided";
    if (end == "cancel")
        inspection->cancel();
    else if (end == "disconnect")
        tap->closeConnection(connectionOfTheTest);
    else if (end == "abort")
        inspection->abort();
    else if (end == "tap ends")
        tap.reset();
    if (wasDecided && tap)
        outcome = inspection->outcome();
    if (!wasDecided) {
        QTRY_COMPARE_WITH_TIMEOUT(decisions, 1, patienceMs);
        QCOMPARE(outcome->result.reason(), reason);
        QCOMPARE(
            outcome->disposition, isReleasable(reason) ? Disposition::Release : Disposition::Block);
    }
    // And nothing comes afterwards: all that is posted has been delivered when this has.
    QCoreApplication::processEvents();
    tap.reset();
    QCoreApplication::processEvents();
    QCOMPARE_LE(decisions, 1);
}

void InspectionTest::noConnection_closed_cancelsNothing()
{
    const auto tap = make();
    const Inspection *inspection = tap->inspect({}); // belongs to no connection
    tap->closeConnection(noConnection);
    QVERIFY(!inspection->outcome());
}

void InspectionTest::deletedInEachState_isSilent_data()
{
    QTest::addColumn<QByteArray>("state");
    for (const char *state : {"new", "receiving", "queued early", "queued", "scanning", "decided"})
        QTest::newRow(state) << QByteArray(state);
}

void InspectionTest::deletedInEachState_isSilent()
{
    QFETCH(QByteArray, state);
    const auto tap = make([](TapSettings &settings) { settings.scanning.workers.maxWorkers = 1; });
    Inspection *inspection = bringTo(*tap, state, this);
    QSignalSpy decided(inspection, &Inspection::decided);
    delete inspection;
    // The pool is not stuck with it.
    std::optional<Outcome> next;
    tap->asyncInspectDownload(
        DownloadMetadata{}, noise(1000), this, [&](const Outcome &o) { next = o; });
    QTRY_VERIFY_WITH_TIMEOUT(next, 60'000);
    QCOMPARE(next->result.verdict(), Verdict::Clean);
    QCOMPARE(decided.size(), 0);
    QTRY_COMPARE_WITH_TIMEOUT(tap->telemetry().spoolMemoryBytes, 0, patienceMs);
}

void InspectionTest::deletedInSlot_isFine()
{
    const auto tap = make();
    int decisions = 0;
    for (int i = 0; i < 50; ++i) {
        Inspection *inspection = tap->inspect({});
        connect(inspection, &Inspection::decided, this, [&decisions, inspection] {
            ++decisions;
            delete inspection;
        });
        QVERIFY(inspection->write(noise(1000 * i, quint32(i))));
        inspection->finish();
    }
    QTRY_COMPARE_WITH_TIMEOUT(decisions, 50, patienceMs);
}

void InspectionTest::deletedByAnothersSlot_whileTheTapEnds_isFine()
{
    auto tap = make();
    Inspection *first = tap->inspect({});
    QPointer<Inspection> second = tap->inspect({});
    int decisions = 0;
    connect(first, &Inspection::decided, this, [&] {
        ++decisions;
        delete second;
    });
    tap.reset();
    QCOMPARE(decisions, 1);
    QVERIFY(!second);
}

void InspectionTest::announcedSize_keepsNobodyOut()
{
    const auto tap = make();
    Download large;
    large.metadata.sizeBytes = 3 * Limits::gib;
    Inspection *stalled = tap->inspect(large);
    QVERIFY(stalled->write(noise(1'200'000)));
    const Outcome other = tap->inspectDownload({}, "THREAT-MARK");
    QCOMPARE(other.result.verdict(), Verdict::Malicious);
    QCOMPARE(stalled->state(), Inspection::State::Receiving);
}

void InspectionTest::release_beforeDecision_isRefused()
{
    const auto tap = make();
    QTemporaryDir target;
    Inspection *inspection = tap->inspect({});
    QVERIFY(inspection->write("bytes"));
    QVERIFY(!inspection->releaseInto(target.path(), QStringLiteral("x"), ExistingFile::Keep));
    inspection->finish();
    QVERIFY(!inspection->releaseInto(target.path(), QStringLiteral("x"), ExistingFile::Keep));
    QVERIFY(QDir(target.path()).isEmpty());
}

void InspectionTest::release_hostileName_staysInside()
{
    const auto tap = make();
    QTemporaryDir parent;
    const QString target = parent.filePath(QStringLiteral("in"));
    QVERIFY(QDir().mkpath(target));
    Inspection *inspection = tap->inspect({});
    QSignalSpy decided(inspection, &Inspection::decided);
    QVERIFY(inspection->write("bytes"));
    inspection->finish();
    QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 1, patienceMs);
    const QStringList names{QStringLiteral("../../x"), QStringLiteral("/etc/x"),
        QStringLiteral("..\\..\\x"), QStringLiteral(".."), QString(), QStringLiteral("a\nb"),
        QStringLiteral("gpj.\u202eexe"), QString(5000, u'x')};
    for (const QString &name : names) {
        const auto path = inspection->releaseInto(target, name, ExistingFile::Replace);
        QVERIFY2(path, path ? "" : qPrintable(path.error().message));
        QCOMPARE(QFileInfo(*path).canonicalPath(), QFileInfo(target).canonicalFilePath());
        QVERIFY(!path->contains(u'\u202e') && !path->contains(u'\n'));
    }
    QCOMPARE(QDir(parent.path()).entryList(QDir::AllEntries | QDir::Hidden | QDir::NoDotAndDotDot),
        QStringList{QStringLiteral("in")});
}

void InspectionTest::release_usual_saysWhereItCameFrom()
{
    const auto tap = make();
    const QTemporaryDir target;
    Download download;
    download.metadata.url =
        QUrl(QStringLiteral("https://me:secret@example.org/a.zip?token=secret"));
    download.referrer = QUrl(QStringLiteral("https://page.example/x?secret"));
    Inspection *inspection = tap->inspect(download);
    QVERIFY(inspection->write("bytes"));
    inspection->finish();
    QTRY_VERIFY_WITH_TIMEOUT(inspection->outcome(), patienceMs);
    const auto path =
        inspection->releaseInto(target.path(), QStringLiteral("x"), ExistingFile::Keep);
    QVERIFY(path);
    QFile other(target.filePath(QStringLiteral("other")));
    QVERIFY(other.open(QIODevice::WriteOnly));
    if (::fsetxattr(other.handle(), "user.test", "x", 1, 0) != 0)
        QSKIP("the file system keeps no extended attributes");
    QCOMPARE(attribute(*path, "user.xdg.origin.url"), QByteArray("https://example.org/a.zip"));
    QCOMPARE(attribute(*path, "user.xdg.referrer.url"), QByteArray("https://page.example/x"));
}

void InspectionTest::release_private_saysNothing()
{
    const auto tap = make();
    const QTemporaryDir target;
    Download download;
    download.metadata.url = QUrl(QStringLiteral("https://example.org/a.zip"));
    download.referrer = QUrl(QStringLiteral("https://page.example/x"));
    download.privacy = Download::Privacy::Private;
    QCOMPARE(download.loggedAddress(), QStringLiteral("(private)"));
    Inspection *inspection = tap->inspect(download);
    QVERIFY(inspection->write("bytes"));
    inspection->finish();
    QTRY_VERIFY_WITH_TIMEOUT(inspection->outcome(), patienceMs);
    const auto path =
        inspection->releaseInto(target.path(), QStringLiteral("x"), ExistingFile::Keep);
    QVERIFY(path);
    QCOMPARE(attribute(*path, "user.xdg.origin.url"), QByteArray("(none)"));
    QCOMPARE(attribute(*path, "user.xdg.referrer.url"), QByteArray("(none)"));
}

void InspectionTest::release_changedSinceItsScan_isRefused()
{
    const auto tap = make();
    const QTemporaryDir target;
    Download download;
    download.destinationDirectory = target.path();
    download.metadata.sizeBytes = 200 * Limits::mib; // announced: goes beside the destination
    Inspection *inspection = tap->inspect(download);
    QVERIFY(inspection->write(noise(100'000)));
    inspection->finish();
    QTRY_VERIFY_WITH_TIMEOUT(inspection->outcome(), patienceMs);
    QCOMPARE(inspection->outcome()->result.verdict(), Verdict::Clean);
    int changed = 0;
    const QDir files(QStringLiteral("/proc/self/fd"));
    for (const QString &number : files.entryList(QDir::Files | QDir::System)) {
        const QString path = files.filePath(number);
        if (!QFile::symLinkTarget(path).startsWith(target.path() + QLatin1Char('/')))
            continue;
        const int file = ::open(QFile::encodeName(path), O_WRONLY | O_CLOEXEC);
        changed += file >= 0 && ::pwrite(file, "x", 1, 50'000) == 1 ? 1 : 0;
        ::close(file);
    }
    QCOMPARE(changed, 1);
    const auto path =
        inspection->releaseInto(target.path(), QStringLiteral("x"), ExistingFile::Keep);
    QVERIFY(!path);
    QCOMPARE(path.error().code, ReleaseError::Code::Changed);
    QVERIFY(!QFile::exists(target.filePath(QStringLiteral("x"))));
}

void InspectionTest::contextDies_callbackNeverRuns()
{
    const auto tap = make();
    bool called = false;
    auto context = std::make_unique<QObject>();
    tap->asyncInspectDownload(
        DownloadMetadata{}, hang(), context.get(), [&](const Outcome &) { called = true; });
    QTRY_COMPARE_WITH_TIMEOUT(tap->telemetry().activeWorkers, 1, patienceMs);
    context.reset();
    QCOMPARE(tap->telemetry().totalScansCancelled, 1u);
    QTRY_COMPARE_WITH_TIMEOUT(tap->telemetry().activeWorkers, 0, patienceMs);
    QCoreApplication::processEvents();
    QVERIFY(!called);
}

void InspectionTest::contextDiesOnAnotherThread_whileAnswering()
{
    // The race of a context that is deleted on its thread just when the outcome is posted to it.
    const auto tap =
        make([](TapSettings &settings) { settings.scanning.queue.maxRequests = 5000; });
    QThread other;
    QObject janitor;
    janitor.moveToThread(&other);
    const Mailbox undertaker(&janitor);
    other.start();
    std::atomic<int> calls{0};
    std::atomic<int> deleted{0};
    for (int i = 0; i < 1000; ++i) {
        auto *context = new QObject;
        context->moveToThread(&other);
        tap->asyncInspectDownload(DownloadMetadata{}, QByteArray(1 + i % 100, 'x'), context,
            [&](const Outcome &) { ++calls; });
        undertaker.post([context, &deleted] {
            delete context;
            ++deleted;
        });
        if (i % 10 == 0)
            QCoreApplication::processEvents();
    }
    QTRY_COMPARE_WITH_TIMEOUT(deleted.load(), 1000, patienceMs);
    QCOMPARE_LE(calls.load(), 1000);
    QTRY_COMPARE_WITH_TIMEOUT(tap->findChildren<Inspection *>().size(), 0, patienceMs);
    other.quit();
    other.wait();
}

void InspectionTest::synchronous_fromAnotherThread_answers()
{
    const auto tap = make();
    std::optional<Outcome> clean;
    std::optional<Outcome> marked;
    std::thread([&] {
        clean = tap->inspectDownload({}, noise(3'000'000));
        marked = tap->inspectDownload({}, "THREAT-MARK");
    }).join();
    QCOMPARE(clean->result.verdict(), Verdict::Clean);
    QCOMPARE(clean->disposition, Disposition::Release);
    QCOMPARE(marked->result.verdict(), Verdict::Malicious);
    QCOMPARE(marked->disposition, Disposition::Block); // it has no quarantine
}

void InspectionTest::synchronous_fromTheOwner_answers()
{
    const auto tap = make();
    QCOMPARE(tap->inspectDownload({}, "THREAT-MARK").result.verdict(), Verdict::Malicious);
    QCOMPARE(tap->inspectDownload({}, {}).result.verdict(), Verdict::Clean);
    const auto hasty = make([](TapSettings &settings) {
        settings.scanning.timeouts = {
            std::chrono::milliseconds(150), std::chrono::milliseconds(150)};
    });
    QCOMPARE(hasty->inspectDownload({}, hang(Test::stepsInASecond / 2)).result.reason(),
        Reason::TimedOut);
}

void InspectionTest::sameContent_isScannedOnce()
{
    const auto tap = make();
    const QByteArray bytes = noise(4'000'000);
    int answers = 0;
    for (int i = 0; i < 20; ++i)
        tap->asyncInspectDownload(DownloadMetadata{}, bytes, this, [&](const Outcome &outcome) {
            QCOMPARE(outcome.result.verdict(), Verdict::Clean);
            ++answers;
        });
    QTRY_COMPARE_WITH_TIMEOUT(answers, 20, patienceMs);
    QCOMPARE(tap->telemetry().cacheHits, 19u);
}

void InspectionTest::sameContentUnderAnotherName_isScannedAgain()
{
    // Rules see the name: what is clean as a.txt may be a threat as a.exe.
    const RuleDirectory rules("rule named { condition: filename == \"a.exe\" }");
    const auto tap = SecurityTap::create(rules.settings());
    QVERIFY(tap);
    DownloadMetadata metadata;
    metadata.filename = QStringLiteral("a.txt");
    QCOMPARE((*tap)->inspectDownload(metadata, "same").result.verdict(), Verdict::Clean);
    metadata.filename = QStringLiteral("a.exe");
    QCOMPARE((*tap)->inspectDownload(metadata, "same").result.verdict(), Verdict::Malicious);
    QCOMPARE((*tap)->telemetry().cacheHits, 0u);
}

void InspectionTest::reload_newRulesAreUsed()
{
    const RuleDirectory rules("rule old { condition: false }");
    const auto tap = SecurityTap::create(rules.settings());
    QVERIFY(tap);
    QCOMPARE((*tap)->inspectDownload({}, "bytes").result.verdict(), Verdict::Clean);
    rules.write("rule fresh { condition: true }");
    QSignalSpy reloaded(tap->get(), &SecurityTap::rulesReloaded);
    (*tap)->reloadRules();
    QTRY_COMPARE_WITH_TIMEOUT(reloaded.size(), 1, patienceMs);
    QCOMPARE((*tap)->inspectDownload({}, "bytes").result.verdict(), Verdict::Malicious);
}

void InspectionTest::reload_badRules_oldOnesStay()
{
    const RuleDirectory rules("rule old { condition: true }");
    const auto tap = SecurityTap::create(rules.settings());
    QVERIFY(tap);
    rules.write("rule fresh {");
    std::vector<RuleProblem> problems;
    connect(tap->get(), &SecurityTap::rulesRefused, this,
        [&](const std::vector<RuleProblem> &refused) { problems = refused; });
    (*tap)->reloadRules();
    QTRY_VERIFY_WITH_TIMEOUT(!problems.empty(), patienceMs);
    QCOMPARE(problems.front().file, QStringLiteral("test.yar"));
    QCOMPARE(
        (*tap)->inspectDownload({}, "bytes").result.findings().front().rule, QStringLiteral("old"));
}

void InspectionTest::reload_twice_endsWithTheLaterRules()
{
    const RuleDirectory rules("rule old { condition: false }");
    const auto tap = SecurityTap::create(rules.settings());
    QVERIFY(tap);
    QSignalSpy reloaded(tap->get(), &SecurityTap::rulesReloaded);
    // The first compilation takes longer than the one after it.
    QByteArray many;
    for (int i = 0; i < 2000; ++i)
        many += "rule r" + QByteArray::number(i) + " { condition: false }\n";
    rules.write(many);
    (*tap)->reloadRules();
    rules.write("rule newest { condition: true }");
    (*tap)->reloadRules();
    (*tap)->reloadRules();
    QTRY_COMPARE_WITH_TIMEOUT(reloaded.size(), 2, patienceMs);
    QCOMPARE((*tap)->ruleSet()->ruleCount(), 1);
    QCOMPARE((*tap)->inspectDownload({}, "x").result.verdict(), Verdict::Malicious);
}

void InspectionTest::reload_underLoad_noVerdictOfAMixedSet()
{
    // Each set says the same of two markers; a verdict of two sets would differ in one.
    const RuleDirectory rules("rule a { condition: true } rule b { condition: true }");
    auto settings = rules.settings();
    settings.scanning.queue.maxRequests = 10'000;
    const auto tap = SecurityTap::create(settings);
    QVERIFY(tap);
    int answers = 0;
    int wrong = 0;
    int reloads = 0;
    connect(tap->get(), &SecurityTap::rulesReloaded, this, [&] { ++reloads; });
    for (int round = 0; round < 30; ++round) {
        const bool on = round % 2;
        rules.write(on ? "rule a { condition: true } rule b { condition: true }"
                       : "rule a { condition: false } rule b { condition: false }");
        (*tap)->reloadRules();
        for (int i = 0; i < 20; ++i) {
            (*tap)->asyncInspectDownload(DownloadMetadata{}, noise(100 + i, quint32(round)), this,
                [&](const Outcome &outcome) {
                    ++answers;
                    const size_t findings = outcome.result.findings().size();
                    wrong += findings != 0 && findings != 2;
                });
        }
        QTRY_COMPARE_WITH_TIMEOUT(reloads, round + 1, patienceMs);
    }
    QTRY_COMPARE_WITH_TIMEOUT(answers, 600, patienceMs);
    QCOMPARE(wrong, 0);
}

void InspectionTest::badRules_createSaysWhere()
{
    const RuleDirectory rules("rule a {\n condition: nothing_such and true\n}");
    const auto tap = SecurityTap::create(rules.settings());
    QVERIFY(!tap);
    QCOMPARE(tap.error().front().line, 2);
    TapSettings nowhere;
    nowhere.rulePaths = QStringList{QStringLiteral("/nonexistent/rules")};
    QVERIFY(!SecurityTap::create(nowhere));
}

QTEST_GUILESS_MAIN(InspectionTest)
#include "tst_inspection.moc"
