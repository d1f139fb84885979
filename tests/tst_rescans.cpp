// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/LocalBackend.h"
#include "SecurityTap/content/Sha256.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "SecurityTap/engine/YaraEngine.h"
#include "SecurityTap/history/Rescans.h"
#include "tests/support/CliRun.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/ScriptedTask.h"
#include "tests/support/Slowness.h"

#include <QDir>
#include <QElapsedTimer>
#include <QProcess>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <atomic>
#include <csignal>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

using State = ReleaseRecord::State;
using Ending = ReleaseRecord::Ending;

const QByteArray threat = "a THREAT-MARK in the middle";
const QByteArray harmless = "nothing of interest";

QByteArray sha256Of(const QByteArray &bytes)
{
    Sha256 hash;
    hash.add({reinterpret_cast<const uchar *>(bytes.constData()), size_t(bytes.size())});
    return hash.result();
}

//! Says what it is told to, and keeps what it is asked.
class FakeBackend : public ScanBackend {
public:
    ContentForm contentForm() const override { return ContentForm::File; }
    void start() override { }
    void stop() override { }
    std::optional<Reason> submit(std::shared_ptr<ScanRequest> request) override
    {
        ++submitted;
        if (refusal)
            return refusal;
        requests.push_back(std::move(request));
        return std::nullopt;
    }
    void growContent(quint64, qint64) override { }
    void completeContent(quint64, qint64, std::optional<std::chrono::milliseconds>) override { }
    ScanResult cancel(quint64 id, ScanResult result) override
    {
        cancelled.push_back(id);
        return result;
    }
    void countRefusal(const ScanResult &) override { }
    TelemetrySnapshot telemetry() const override { return {}; }

    std::optional<Reason> refusal;
    int submitted = 0;
    std::vector<std::shared_ptr<ScanRequest>> requests;
    std::vector<quint64> cancelled;
};

std::shared_ptr<const ScanEngine> engineWith(const QByteArray &rules)
{
    const RuleDirectory directory(rules);
    const auto compiled = compileRules(directory.settings().rulePaths, {});
    if (!compiled)
        qFatal("the test rules do not compile");
    return std::make_shared<YaraEngine>(compiled->ruleSet);
}

Rescans::Settings quickSettings()
{
    Rescans::Settings settings;
    settings.leastPause = std::chrono::milliseconds(10);
    settings.mostPause = std::chrono::milliseconds(40);
    return settings;
}

//! What a browser has let through without a scan; the hash was known, or the stamp, or both.
enum class Known { Hash, Stamp, Both };
ReleaseRecord releasedFile(
    const QString &path, const QByteArray &content, Known known = Known::Both)
{
    writeFile(path, content);
    ReleaseRecord record;
    record.path = path;
    if (known != Known::Stamp)
        record.sha256 = sha256Of(content);
    if (known != Known::Hash) {
        const FileDescriptor file(::open(QFile::encodeName(path).constData(), O_RDONLY));
        record.stamp = stampOf(file.get());
    }
    record.reason = Reason::QueueFull;
    return record;
}

} // namespace

class tst_Rescans : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_directory = std::make_unique<QTemporaryDir>();
        m_path = path("state/history.sqlite");
    }

    void owed_harmlessFile_isSettledClean();
    void owed_threat_isToldWithItsFile_data();
    void owed_threat_isToldWithItsFile();
    void owed_fileLost_isSettledUnscanned_data();
    void owed_fileLost_isSettledUnscanned();
    void owed_fileChangedDuringScan_isToldWithoutIt();
    void owed_tooLarge_isSettled();
    void owed_beforeTheFileIsThere_isScannedByItsHash();
    void owed_manyThreats_eachIsToldOnce();
    void restart_owed_isScannedOnce();
    void restart_whileScanning_isScannedAgain();
    void kill_afterRecord_isScannedOnceByTheNext();
    void kill_whileTelling_isToldByTheNext();
    void kill_byTheFileEachTime_isGivenUp();
    void twoAtOnce_eachThreatIsToldOnce();
    void noRoom_owed_isScannedWhenThereIs_data();
    void noRoom_owed_isScannedWhenThereIs();
    void noRoom_pauses_growAndWakeEndsThem();
    void noRoom_whileWaiting_isNoAttempt();
    void scan_failing_isGivenUp();
    void scan_othersWait_comesLast();
    void rules_changed_recentOnesAreJudgedAgain();
    void learn_threat_tellsWhoGotTheBytes();
    void destroyed_scanning_takesItsRequestBack();
    void use_otherBackend_scansThere();
    void record_refused_saysWhy();
    void history_brokenOrUnfit_isToldAndNothingHangs();
    void history_failsAfterSettling_whatIsSettledIsTold();

private:
    QString path(const char *name) const { return m_directory->filePath(QString::fromUtf8(name)); }
    ReleaseHistory::Counts counts() const { return ReleaseHistory(m_path).counts().value(); }

    std::unique_ptr<QTemporaryDir> m_directory;
    QString m_path;
};

#define AWAIT(condition) QTRY_VERIFY_WITH_TIMEOUT(condition, patienceMs)

//! \brief Rescans with a scanner of their own, and what they have said.
class RescanBench {
public:
    explicit RescanBench(const QString &path, Rescans::Settings settings = quickSettings(),
        const QByteArray &rules = markerRules())
        : backend(engineWith(rules), {}), rescans(backend, path, std::move(settings))
    {
        backend.start();
        QObject::connect(&rescans, &Rescans::lateThreat,
            [this](const LateThreat &one) { threats.push_back(one); });
        QObject::connect(&rescans, &Rescans::settled,
            [this](const ReleaseRecord &one) { settled.push_back(one); });
        QObject::connect(
            &rescans, &Rescans::trouble, [this](const QString &text) { troubles.append(text); });
    }

    LocalBackend backend;
    Rescans rescans;
    std::vector<LateThreat> threats;
    std::vector<ReleaseRecord> settled;
    QStringList troubles;
};

void tst_Rescans::owed_harmlessFile_isSettledClean()
{
    RescanBench bench(m_path);
    qint64 id = 0;
    bench.rescans.start();
    bench.rescans.record(releasedFile(path("file"), harmless),
        [&id](const std::expected<qint64, QString> &recorded) { id = recorded.value_or(-1); });
    AWAIT(bench.settled.size() == 1);
    QCOMPARE(bench.settled.front().id, id);
    QCOMPARE(bench.settled.front().verdict, Verdict::Clean);
    QVERIFY(bench.threats.empty());
    const auto record = ReleaseHistory(m_path).find(id);
    QCOMPARE(record->verdict, Verdict::Clean);
    QCOMPARE(record->ending, Ending::Scanned);
    QCOMPARE(record->rulesDigest, bench.backend.engine()->rules().digest);
}

void tst_Rescans::owed_threat_isToldWithItsFile_data()
{
    QTest::addColumn<int>("known");

    QTest::newRow("hash") << int(Known::Hash);
    QTest::newRow("stamp") << int(Known::Stamp);
    QTest::newRow("both") << int(Known::Both);
}

void tst_Rescans::owed_threat_isToldWithItsFile()
{
    QFETCH(int, known);
    RescanBench bench(m_path);
    bench.rescans.start();
    bench.rescans.record(releasedFile(path("file"), threat, Known(known)));
    AWAIT(bench.settled.size() == 1);
    QCOMPARE(bench.threats.size(), size_t(1));
    const LateThreat &told = bench.threats.front();
    QCOMPARE(told.record.path, QFileInfo(path("file")).canonicalFilePath());
    QCOMPARE(told.record.verdict, Verdict::NotScanned);
    QCOMPARE(told.record.reason, Reason::QueueFull);
    QCOMPARE(told.result.verdict(), Verdict::Malicious);
    QCOMPARE(told.result.findings().front().rule, QStringLiteral("marked"));
    QVERIFY(told.file);
    QByteArray bytes(100, '\0');
    bytes.truncate(::pread(told.file->get(), bytes.data(), size_t(bytes.size()), 0));
    QCOMPARE(bytes, threat);
    AWAIT(ReleaseHistory(m_path).find(told.record.id)->state == State::Settled);
    QCOMPARE(ReleaseHistory(m_path).find(told.record.id)->verdict, Verdict::Malicious);
}

void tst_Rescans::owed_fileLost_isSettledUnscanned_data()
{
    QTest::addColumn<QByteArray>("what");
    QTest::addColumn<int>("ending");

    QTest::newRow("removed") << QByteArray("removed") << int(Ending::Gone);
    QTest::newRow("its directory removed") << QByteArray("directory") << int(Ending::Gone);
    QTest::newRow("written to") << QByteArray("written") << int(Ending::Changed);
    QTest::newRow("same size and time") << QByteArray("touched") << int(Ending::Changed);
    QTest::newRow("replaced by its equal") << QByteArray("equal") << int(Ending::Changed);
    QTest::newRow("a link to it") << QByteArray("link") << int(Ending::Changed);
    QTest::newRow("a FIFO") << QByteArray("fifo") << int(Ending::Changed);
    QTest::newRow("a directory") << QByteArray("mkdir") << int(Ending::Changed);
}

void tst_Rescans::owed_fileLost_isSettledUnscanned()
{
    QFETCH(QByteArray, what);
    QVERIFY(QDir().mkpath(path("downloads")));
    const QString name = path("downloads/file");
    const ReleaseRecord record = releasedFile(name, threat);
    const QByteArray encoded = QFile::encodeName(name);
    struct stat before { };
    QCOMPARE(::stat(encoded.constData(), &before), 0);
    if (what == "directory") {
        QVERIFY(QDir(path("downloads")).removeRecursively());
    } else if (what == "written") {
        writeFile(name, harmless + harmless);
    } else if (what == "touched") {
        QFile file(name);
        QVERIFY(file.open(QIODevice::ReadWrite));
        QCOMPARE(file.write("X"), 1);
        file.close();
        const timespec times[2]{before.st_atim, before.st_mtim};
        QCOMPARE(::utimensat(AT_FDCWD, encoded.constData(), times, 0), 0);
    } else if (what == "equal") {
        QVERIFY(QFile::rename(name, path("elsewhere")));
        writeFile(name, threat);
    } else {
        QVERIFY(QFile::rename(name, path("elsewhere")));
        if (what == "link")
            QVERIFY(QFile::link(path("elsewhere"), name));
        else if (what == "fifo")
            QCOMPARE(::mkfifo(encoded.constData(), 0600), 0);
        else if (what == "mkdir")
            QVERIFY(QDir().mkdir(name));
    }
    RescanBench bench(m_path);
    bench.rescans.start();
    bench.rescans.record(record);
    AWAIT(bench.settled.size() == 1);
    QTEST(int(bench.settled.front().ending), "ending");
    QCOMPARE(bench.settled.front().verdict, Verdict::NotScanned);
    QVERIFY(bench.threats.empty());
    QCOMPARE(counts().owed, 0);
}

void tst_Rescans::owed_fileChangedDuringScan_isToldWithoutIt()
{
    FakeBackend backend;
    Rescans rescans(backend, m_path, quickSettings());
    std::vector<LateThreat> threats;
    connect(&rescans, &Rescans::lateThreat, this,
        [&threats](const LateThreat &one) { threats.push_back(one); });
    rescans.start();
    rescans.record(releasedFile(path("file"), threat));
    AWAIT(backend.requests.size() == 1);
    const auto request = backend.requests.front();
    // What is scanned is what was released, whatever happens to the file meanwhile.
    writeFile(path("file"), "of its user, and not to be touched");
    const auto bytes = request->subject().content->span();
    QCOMPARE(
        QByteArray(reinterpret_cast<const char *>(bytes.data()), qsizetype(bytes.size())), threat);
    QVERIFY(request->subject().file);
    Finding finding;
    finding.severity = Severity::Malicious;
    request->answer(ScanResult::judge({}, {finding}, sha256Of(threat)));
    AWAIT(threats.size() == 1);
    QVERIFY(!threats.front().file);
}

void tst_Rescans::owed_tooLarge_isSettled()
{
    auto settings = quickSettings();
    settings.maxBytes = 10;
    RescanBench bench(m_path, settings);
    bench.rescans.start();
    bench.rescans.record(releasedFile(path("file"), threat));
    AWAIT(bench.settled.size() == 1);
    QCOMPARE(bench.settled.front().ending, Ending::Scanned);
    QCOMPARE(ReleaseHistory(m_path).find(bench.settled.front().id)->reason, Reason::TooLarge);
}

void tst_Rescans::owed_beforeTheFileIsThere_isScannedByItsHash()
{
    // Recorded first, then released: a kill in between cannot lose it.
    RescanBench bench(m_path);
    ReleaseRecord record;
    record.path = path("file");
    record.sha256 = sha256Of(threat);
    bool isRecorded = false;
    bench.rescans.record(record, [&, this](const std::expected<qint64, QString> &recorded) {
        isRecorded = recorded.has_value();
        writeFile(path("file"), threat);
        bench.rescans.start();
    });
    AWAIT(bench.threats.size() == 1);
    QVERIFY(isRecorded);
    QVERIFY(bench.threats.front().file);
}

void tst_Rescans::owed_manyThreats_eachIsToldOnce()
{
    constexpr int count = 60 / slowness;
    RescanBench bench(m_path);
    bench.rescans.start();
    for (int i = 0; i < count; ++i) {
        const QByteArray number = QByteArray::number(i);
        bench.rescans.record(
            releasedFile(path("file-" + number), i % 2 == 0 ? threat + number : harmless));
    }
    AWAIT(bench.settled.size() == size_t(count));
    QCOMPARE(bench.threats.size(), size_t(count) / 2);
    std::set<qint64> ids;
    for (const LateThreat &one : bench.threats)
        ids.insert(one.record.id);
    QCOMPARE(ids.size(), bench.threats.size());
}

void tst_Rescans::restart_owed_isScannedOnce()
{
    {
        FakeBackend none;
        none.refusal = Reason::ScannerUnavailable;
        Rescans rescans(none, m_path, quickSettings());
        rescans.start();
        rescans.record(releasedFile(path("file"), threat));
        AWAIT(none.submitted > 1);
    }
    QCOMPARE(counts().owed, 1);
    {
        RescanBench bench(m_path);
        bench.rescans.start();
        AWAIT(bench.settled.size() == 1);
        QCOMPARE(bench.threats.size(), size_t(1));
    }
    RescanBench again(m_path);
    QSignalSpy idle(&again.rescans, &Rescans::idle);
    again.rescans.start();
    AWAIT(!idle.isEmpty());
    QVERIFY(again.threats.empty());
}

void tst_Rescans::restart_whileScanning_isScannedAgain()
{
    {
        FakeBackend slow;
        Rescans rescans(slow, m_path, quickSettings());
        rescans.start();
        rescans.record(releasedFile(path("file"), threat));
        AWAIT(slow.requests.size() == 1);
    }
    RescanBench bench(m_path);
    bench.rescans.start();
    AWAIT(bench.threats.size() == 1);
}

//! Of the children below: a program of its own, as threads do not survive a fork.
static int recordAndWait(const QString &historyPath, const QString &file)
{
    FakeBackend none;
    none.refusal = Reason::QueueFull;
    Rescans rescans(none, historyPath, quickSettings());
    rescans.start();
    ReleaseRecord record = releasedFile(file, threat);
    rescans.record(record, [](const std::expected<qint64, QString> &recorded) {
        if (recorded)
            ::raise(SIGKILL); // right after it was told
    });
    return QCoreApplication::exec();
}

static int scanAndDie(const QString &historyPath)
{
    RescanBench bench(historyPath);
    QObject::connect(
        &bench.rescans, &Rescans::lateThreat, [](const LateThreat &) { ::raise(SIGKILL); });
    bench.rescans.start();
    return QCoreApplication::exec();
}

//! The scan itself is the end of it, as of a scanner in the same process that has a fault.
static int scanAndCrash(const QString &historyPath)
{
    struct CrashingBackend final : FakeBackend {
        std::optional<Reason> submit(std::shared_ptr<ScanRequest>) override
        {
            ::raise(SIGKILL);
            return std::nullopt;
        }
    } backend;
    Rescans rescans(backend, historyPath, quickSettings());
    QObject::connect(&rescans, &Rescans::idle, [] { QCoreApplication::quit(); });
    rescans.start();
    return QCoreApplication::exec();
}

static QString endOfChild(const QStringList &arguments)
{
    QProcess child;
    child.setProcessChannelMode(QProcess::ForwardedChannels);
    child.start(QCoreApplication::applicationFilePath(), arguments);
    if (!child.waitForFinished(patienceMs))
        return QStringLiteral("it does not end");
    return child.exitStatus() == QProcess::CrashExit ? QStringLiteral("killed")
                                                     : QString::number(child.exitCode());
}

void tst_Rescans::kill_afterRecord_isScannedOnceByTheNext()
{
    // Each may be killed when it has just begun with the first file.
    constexpr int count = Limits::maxRescanAttempts;
    for (int i = 0; i < count; ++i) {
        QCOMPARE(
            endOfChild({QStringLiteral("--record"), m_path, path("file-" + QByteArray::number(i))}),
            QStringLiteral("killed"));
    }
    QCOMPARE(counts().owed, count);
    {
        RescanBench bench(m_path);
        bench.rescans.start();
        AWAIT(bench.threats.size() == size_t(count));
        AWAIT(counts().owed == 0);
    }
    RescanBench again(m_path);
    QSignalSpy idle(&again.rescans, &Rescans::idle);
    again.rescans.start();
    AWAIT(!idle.isEmpty());
    QVERIFY(again.threats.empty());
}

void tst_Rescans::kill_whileTelling_isToldByTheNext()
{
    QVERIFY(ReleaseHistory(m_path).record(releasedFile(path("file"), threat)));
    QCOMPARE(endOfChild({QStringLiteral("--die"), m_path}), QStringLiteral("killed"));
    RescanBench bench(m_path);
    bench.rescans.start();
    AWAIT(bench.threats.size() == 1);
    AWAIT(counts().owed == 0);
}

void tst_Rescans::kill_byTheFileEachTime_isGivenUp()
{
    {
        ReleaseHistory history(m_path);
        QVERIFY(history.record(releasedFile(path("killer"), harmless)));
        QVERIFY(history.record(releasedFile(path("behind"), threat)));
    }
    for (int tries = 1; tries <= Limits::maxRescanAttempts; ++tries) {
        QCOMPARE(endOfChild({QStringLiteral("--crash"), m_path}), QStringLiteral("killed"));
        QCOMPARE(ReleaseHistory(m_path).find(1)->attempts, tries);
    }
    RescanBench bench(m_path);
    bench.rescans.start();
    AWAIT(bench.settled.size() == 2);
    QCOMPARE(bench.settled.front().id, 1);
    QCOMPARE(bench.settled.front().ending, Ending::GivenUp);
    QCOMPARE(bench.settled.front().verdict, Verdict::NotScanned);
    QCOMPARE(bench.threats.size(), size_t(1)); // what is behind it is scanned all the same
    QCOMPARE(ReleaseHistory(m_path).find(1)->ending, Ending::GivenUp);
}

void tst_Rescans::twoAtOnce_eachThreatIsToldOnce()
{
    constexpr int count = 60 / slowness;
    {
        ReleaseHistory history(m_path);
        for (int i = 0; i < count; ++i) {
            const QByteArray number = QByteArray::number(i);
            QVERIFY(history.record(releasedFile(path("file-" + number), threat + number)));
        }
    }
    RescanBench one(m_path);
    RescanBench other(m_path);
    one.rescans.start();
    other.rescans.start();
    AWAIT(one.threats.size() + other.threats.size() == size_t(count));
    AWAIT(counts().owed == 0);
    if (slowness == 1) // else there is not enough for two
        QVERIFY(!one.threats.empty() && !other.threats.empty());
    std::set<qint64> ids;
    for (const auto *bench : {&one, &other}) {
        for (const LateThreat &told : bench->threats)
            ids.insert(told.record.id);
    }
    QCOMPARE(ids.size(), size_t(count));
    QVERIFY2(one.troubles.isEmpty(), qPrintable(one.troubles.join(u'\n')));
}

void tst_Rescans::noRoom_owed_isScannedWhenThereIs_data()
{
    QTest::addColumn<int>("reason");
    QTest::addColumn<bool>("asAnswer");

    QTest::newRow("full") << int(Reason::QueueFull) << false;
    QTest::newRow("no scanner") << int(Reason::ScannerUnavailable) << false;
    QTest::newRow("no scanner after all") << int(Reason::ScannerUnavailable) << true;
    QTest::newRow("cancelled by others") << int(Reason::Cancelled) << true;
}

void tst_Rescans::noRoom_owed_isScannedWhenThereIs()
{
    QFETCH(int, reason);
    QFETCH(bool, asAnswer);
    FakeBackend backend;
    Rescans rescans(backend, m_path, quickSettings());
    QSignalSpy settled(&rescans, &Rescans::settled);
    if (!asAnswer)
        backend.refusal = Reason(reason);
    rescans.start();
    rescans.record(releasedFile(path("file"), harmless));
    for (int tries = 1; tries <= 10; ++tries) {
        AWAIT(backend.submitted >= tries);
        if (asAnswer)
            backend.requests.back()->answer(ScanResult::notScanned(Reason(reason)));
    }
    QVERIFY(settled.isEmpty());
    QCOMPARE(counts().owed, 1);
    const int tries = backend.submitted;
    const size_t requests = backend.requests.size();
    backend.refusal.reset();
    AWAIT(backend.requests.size() > requests);
    QVERIFY(backend.submitted > tries);
    backend.requests.back()->answer(cleanResult());
    AWAIT(settled.size() == 1);
    QCOMPARE(ReleaseHistory(m_path).find(1)->attempts, 0);
}

void tst_Rescans::noRoom_pauses_growAndWakeEndsThem()
{
    auto settings = quickSettings();
    settings.leastPause = std::chrono::milliseconds(1);
    settings.mostPause = std::chrono::hours(1);
    FakeBackend backend;
    backend.refusal = Reason::QueueFull;
    Rescans rescans(backend, m_path, settings);
    rescans.start();
    rescans.record(releasedFile(path("file"), harmless));
    AWAIT(backend.submitted >= 6);
    // 1 + 2 + 4 + ... ms: by now a pause is longer than all before together.
    QElapsedTimer timer;
    timer.start();
    const int before = backend.submitted;
    AWAIT(backend.submitted >= before + 3);
    QVERIFY(timer.elapsed() > 20);
    // Each wake is a try, and does not read the file anew.
    const int tried = backend.submitted;
    for (int i = 0; i < 10; ++i)
        rescans.wake();
    QCOMPARE(backend.submitted, tried + 10);
    backend.refusal.reset();
    rescans.wake();
    QCOMPARE(backend.requests.size(), size_t(1));
}

void tst_Rescans::noRoom_whileWaiting_isNoAttempt()
{
    FakeBackend backend;
    backend.refusal = Reason::QueueFull;
    auto settings = quickSettings();
    settings.mostPause = std::chrono::hours(1);
    Rescans rescans(backend, m_path, settings);
    rescans.start();
    rescans.record(releasedFile(path("file"), harmless));
    AWAIT(backend.submitted >= 2);
    AWAIT(ReleaseHistory(m_path).find(1)->attempts == 0);
    backend.refusal.reset();
    rescans.wake();
    AWAIT(backend.requests.size() == 1);
    AWAIT(ReleaseHistory(m_path).find(1)->attempts == 1);
    backend.refusal = Reason::QueueFull; // or the next one would be an attempt, soon
    backend.requests.back()->answer(ScanResult::notScanned(Reason::QueueFull));
    AWAIT(ReleaseHistory(m_path).find(1)->attempts == 0);
}

void tst_Rescans::scan_failing_isGivenUp()
{
    FakeBackend backend;
    Rescans rescans(backend, m_path, quickSettings());
    QSignalSpy settled(&rescans, &Rescans::settled);
    rescans.start();
    rescans.record(releasedFile(path("file"), harmless));
    for (int tries = 1; tries <= Limits::maxRescanAttempts; ++tries) {
        AWAIT(backend.submitted == tries);
        backend.requests.back()->answer(ScanResult::notScanned(Reason::EngineCrashed));
    }
    AWAIT(settled.size() == 1);
    const auto record = settled.front().front().value<ReleaseRecord>();
    QCOMPARE(record.ending, Ending::GivenUp);
    QCOMPARE(record.reason, Reason::EngineCrashed);
    QCOMPARE(backend.submitted, Limits::maxRescanAttempts);
}

void tst_Rescans::scan_othersWait_comesLast()
{
    // In the queue of a backend whose only worker is busy, a download that comes later goes first.
    ScanQueue queue({});
    struct QueueBackend final : ScanBackend {
        explicit QueueBackend(ScanQueue &its) : queue(its) { }
        ContentForm contentForm() const override { return ContentForm::Memory; }
        void start() override { }
        void stop() override { }
        std::optional<Reason> submit(std::shared_ptr<ScanRequest> request) override
        {
            return queue.submit(std::move(request));
        }
        void growContent(quint64, qint64) override { }
        void completeContent(quint64, qint64, std::optional<std::chrono::milliseconds>) override { }
        ScanResult cancel(quint64, ScanResult result) override { return result; }
        void countRefusal(const ScanResult &) override { }
        TelemetrySnapshot telemetry() const override { return {}; }
        ScanQueue &queue;
    } backend(queue);
    Rescans rescans(backend, m_path, quickSettings());
    rescans.start();
    rescans.record(releasedFile(path("file"), harmless));
    AWAIT(queue.depths().waiting == 1);
    ScanSubject large;
    large.content = Content::fromByteArray(QByteArray(Limits::mib, 'x'));
    large.sizeBytes = 50 * Limits::mib;
    const auto download = std::make_shared<ScanRequest>(large, ScanRequest::Answer());
    QVERIFY(!queue.submit(download));
    const auto first = queue.take(std::chrono::milliseconds(0));
    QCOMPARE(first->id(), download->id());
    QVERIFY(queue.take(std::chrono::milliseconds(0)) != nullptr);
}

void tst_Rescans::rules_changed_recentOnesAreJudgedAgain()
{
    RescanBench bench(m_path);
    bench.rescans.start();
    ReleaseRecord clean = releasedFile(path("file"), "an OTHER-MARK");
    clean.state = State::Settled;
    clean.verdict = Verdict::Clean;
    clean.reason = Reason::None;
    clean.rulesDigest = bench.backend.engine()->rules().digest;
    bool isRecorded = false;
    bench.rescans.record(clean, [&isRecorded](const auto &) { isRecorded = true; });
    bench.rescans.judgeAgain(clean.rulesDigest); // no others: nothing is to be done
    AWAIT(isRecorded);
    const auto engine = engineWith("rule other { strings: $a = \"OTHER-MARK\" condition: $a }\n");
    bench.backend.use(engine);
    bench.rescans.judgeAgain(engine->rules().digest);
    bench.rescans.judgeAgain(engine->rules().digest);
    AWAIT(bench.threats.size() == 1);
    QCOMPARE(bench.threats.front().record.verdict, Verdict::Clean);
    AWAIT(ReleaseHistory(m_path).find(1)->rulesDigest == engine->rules().digest);
    QCOMPARE(bench.settled.size(), size_t(1));
}

void tst_Rescans::learn_threat_tellsWhoGotTheBytes()
{
    RescanBench bench(m_path);
    ReleaseRecord toAPage;
    toAPage.sha256 = sha256Of(threat);
    toAPage.reason = Reason::QueueFull;
    bench.rescans.record(toAPage);
    ReleaseRecord toAFile = releasedFile(path("file"), threat);
    toAFile.state = State::Settled;
    toAFile.verdict = Verdict::Clean;
    toAFile.reason = Reason::None;
    bench.rescans.record(toAFile);
    Finding finding;
    finding.severity = Severity::Malicious;
    const auto known = ScanResult::judge({}, {finding}, sha256Of(threat));
    bench.rescans.learn(cleanResult()); // no threat
    bench.rescans.learn(known);
    bench.rescans.learn(known);
    AWAIT(bench.threats.size() == 2);
    QVERIFY(!bench.threats[0].file);
    QVERIFY(bench.threats[1].file);
    AWAIT(counts().unreachable == 0);
    bench.rescans.learn(known);
    QSignalSpy idle(&bench.rescans, &Rescans::idle);
    bench.rescans.start();
    AWAIT(!idle.isEmpty());
    QCOMPARE(bench.threats.size(), size_t(2));
}

void tst_Rescans::destroyed_scanning_takesItsRequestBack()
{
    FakeBackend backend;
    auto rescans = std::make_unique<Rescans>(backend, m_path, quickSettings());
    rescans->start();
    rescans->record(releasedFile(path("file"), threat));
    AWAIT(backend.requests.size() == 1);
    rescans.reset();
    QCOMPARE(backend.cancelled, std::vector<quint64>{backend.requests.front()->id()});
    backend.requests.front()->answer(cleanResult()); // to nobody
    QCOMPARE(ReleaseHistory(m_path).claimOwed(1)->size(), size_t(1));
}

void tst_Rescans::use_otherBackend_scansThere()
{
    FakeBackend one;
    FakeBackend other;
    Rescans rescans(one, m_path, quickSettings());
    QSignalSpy settled(&rescans, &Rescans::settled);
    rescans.start();
    rescans.record(releasedFile(path("file"), harmless));
    AWAIT(one.requests.size() == 1);
    rescans.use(other);
    AWAIT(other.requests.size() == 1);
    QCOMPARE(one.cancelled.size(), size_t(1));
    one.requests.front()->answer(ScanResult::notScanned(Reason::ScannerUnavailable)); // too late
    other.requests.front()->answer(cleanResult());
    AWAIT(settled.size() == 1);
    QCOMPARE(ReleaseHistory(m_path).find(1)->verdict, Verdict::Clean);
}

void tst_Rescans::record_refused_saysWhy()
{
    RescanBench bench(m_path);
    QStringList said;
    const auto note = [&said](const std::expected<qint64, QString> &id) {
        said.append(id ? QString::number(*id) : id.error());
    };
    bench.rescans.record(ReleaseRecord(), note);
    bench.rescans.record(releasedFile(path("file"), harmless), note);
    AWAIT(said.size() == 2);
    QVERIFY2(said[0].contains(QStringLiteral("hash")), qPrintable(said[0]));
    QCOMPARE(said[1], QStringLiteral("1")); // not the other's affair
    QCOMPARE(bench.troubles.size(), 1);
}

void tst_Rescans::history_brokenOrUnfit_isToldAndNothingHangs()
{
    QVERIFY(QDir().mkpath(QFileInfo(m_path).path()));
    writeFile(m_path, QByteArray("no database").repeated(1000));
    {
        RescanBench bench(m_path);
        bench.rescans.start();
        bench.rescans.record(releasedFile(path("file"), threat));
        AWAIT(bench.threats.size() == 1);
        QCOMPARE(bench.troubles.size(), 1);
        QVERIFY(bench.troubles.front().contains(QStringLiteral("broken")));
    }
    writeFile(path("no-directory"), "");
    RescanBench bench(path("no-directory/history.sqlite"));
    bench.rescans.start();
    QString error;
    bench.rescans.record(
        releasedFile(path("file"), threat), [&error](const std::expected<qint64, QString> &id) {
            error = id ? QString() : id.error();
        });
    AWAIT(!error.isEmpty());
    AWAIT(!bench.troubles.isEmpty());
}

void tst_Rescans::history_failsAfterSettling_whatIsSettledIsTold()
{
    const QString file = path("file");
    QVERIFY(ReleaseHistory(m_path).record(releasedFile(file, threat)));
    QVERIFY(QFile::remove(file));
    auto settings = quickSettings();
    std::atomic<bool> isBreaking = true;
    settings.history.now = [this, &isBreaking] {
        // Once it is settled, there is no file to look further in.
        ReleaseHistory history(m_path);
        if (isBreaking && history.find(1)->state == State::Settled) {
            isBreaking = false;
            QFile::rename(path("state"), path("away"));
            writeFile(path("state"), "");
        }
        return QDateTime::currentDateTimeUtc();
    };
    RescanBench bench(m_path, settings);
    bench.rescans.start();
    AWAIT(!bench.troubles.isEmpty());
    QCOMPARE(bench.settled.size(), size_t(1));
    QCOMPARE(bench.settled.front().ending, Ending::Gone);
}

int main(int argc, char *argv[])
{
    QCoreApplication application(argc, argv);
    const QStringList arguments = QCoreApplication::arguments();
    if (arguments.value(1) == QStringLiteral("--record"))
        return recordAndWait(arguments.value(2), arguments.value(3));
    if (arguments.value(1) == QStringLiteral("--crash"))
        return scanAndCrash(arguments.value(2));
    if (arguments.value(1) == QStringLiteral("--die"))
        return scanAndDie(arguments.value(2));
    tst_Rescans test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_rescans.moc"
