// SPDX-License-Identifier: MIT
//
// The audit log: what an event looks like, and that none is lost or torn by many writers, rotation,
// kills and disks that fail.
#include "SecurityTap/Limits.h"
#include "SecurityTap/audit/AuditFile.h"
#include "SecurityTap/audit/AuditLog.h"
#include "SecurityTap/audit/AuditReader.h"
#include "SecurityTap/audit/SystemLog.h"
#include "SecurityTap/content/FileName.h"
#include "tests/support/AuditBench.h"
#include "tests/support/CliRun.h"
#include "tests/support/Patience.h"

#include <QElapsedTimer>
#include <QJsonArray>
#include <QJsonDocument>
#include <QProcess>
#include <QRandomGenerator>
#include <QRegularExpression>
#include <QScopeGuard>
#include <QTemporaryDir>
#include <QTest>

#include <map>
#include <mutex>
#include <thread>

#include <csignal>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

QByteArray compact(const QJsonObject &object)
{
    return QJsonDocument(object).toJson(QJsonDocument::Compact);
}

mode_t modeOf(const QString &path)
{
    struct stat status { };
    return ::lstat(QFile::encodeName(path).constData(), &status) == 0 ? status.st_mode & 07777 : 0;
}

//! What is said to the category sentinel.audit while one of these is there.
class SaidByTheLog {
public:
    SaidByTheLog()
    {
        s_said.clear();
        m_before = qInstallMessageHandler(
            [](QtMsgType, const QMessageLogContext &context, const QString &text) {
                if (qstrcmp(context.category, "sentinel.audit") == 0) {
                    const std::lock_guard lock(s_mutex);
                    s_said.append(text);
                }
            });
    }
    ~SaidByTheLog() { qInstallMessageHandler(m_before); }
    Q_DISABLE_COPY_MOVE(SaidByTheLog)

    static QStringList texts()
    {
        const std::lock_guard lock(s_mutex);
        return s_said;
    }

private:
    static inline std::mutex s_mutex;
    static inline QStringList s_said;
    QtMessageHandler m_before;
};

//! Keeps writers of the log in \p directory waiting, as a disk that hangs would.
class HeldLock {
public:
    explicit HeldLock(const QString &directory)
        : m_lock(::open(QFile::encodeName(directory + "/audit.lock"_L).constData(), O_RDWR))
    {
        if (::flock(m_lock.get(), LOCK_EX) != 0)
            qFatal("cannot lock");
    }

private:
    const FileDescriptor m_lock;
};

//! A process that writes \p count events called TAG-1, TAG-2, ...
int writeMany(const QString &directory, const QString &tag, int count)
{
    AuditSettings settings = smallFiles(directory);
    settings.maxFiles = 1'000;
    const auto log = AuditLog::open(settings);
    if (!log)
        return 2;
    constexpr int batch = Limits::maxQueuedAuditEvents / 2;
    for (int i = 1; i <= count; ++i) {
        (*log)->record(eventCalled("%1-%2"_L.arg(tag).arg(i)));
        if (i % batch == 0 && !(*log)->flush(patience))
            return 3;
    }
    if (!(*log)->flush(patience))
        return 4;
    return (*log)->counts().written == quint64(count) ? 0 : 5;
}

std::unique_ptr<QProcess> startWriter(const QString &directory, const QString &tag, int count)
{
    auto process = std::make_unique<QProcess>();
    process->setProcessChannelMode(QProcess::ForwardedChannels);
    process->start(QCoreApplication::applicationFilePath(),
        {"--writer"_L, directory, tag, QString::number(count)});
    return process;
}

} // namespace

class TestAuditLog : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init() { m_directory = std::make_unique<QTemporaryDir>(); }

    void event_everyAction_isOfTheSchema_data();
    void event_everyAction_isOfTheSchema();
    void event_full_saysAllOfIt();
    void event_private_hasNoAddressAndNoName();
    void url_secrets_areLeftOut_data();
    void url_secrets_areLeftOut();
    void text_hostile_staysOneHarmlessLine_data();
    void text_hostile_staysOneHarmlessLine();
    void event_tooMuch_isCutAndSaysSo_data();
    void event_tooMuch_isCutAndSaysSo();

    void log_record_isWrittenWithItsStamp();
    void log_files_areTheirUsersAlone();
    void log_disabled_writesNothing();
    void log_unfitFile_isRefused_data();
    void log_unfitFile_isRefused();
    void log_replacedByUnfit_saysSoOnceAndRecovers_data();
    void log_replacedByUnfit_saysSoOnceAndRecovers();
    void log_directoryDeleted_isMadeAnew();
    void log_fullDisk_losesNothingAndTearsNothing();
    void log_manyThreads_eachEventOnce();
    void log_alert_isKeptAtOnce();
    void log_directoryReadOnly_waitsForIt();
    void log_copies_areCountedWhereNobodyTakesThem();
    void log_overflow_isCountedAndSaid();
    void log_overflow_leavesRoomForAlerts();
    void log_openedWhileTheLockIsHeld_waitsForNobody();
    void log_hungDisk_neitherBlocksNorHoldsTheEnd();

    void rotation_isBoundedAndInOrder();
    void rotation_ofOneFile_isBounded();
    void rotation_cutShort_goesOn();
    void rotation_fewerFiles_deletesTheRest();
    void writers_fourProcesses_eachEventOnceAndWhole();
    void writers_killed_leaveWholeLines();
    void writer_killedInALine_isHealed();

    void reader_whileRotated_readsEachLineOnce();
    void reader_filesDeletedUnread_saysSo();
    void reader_oddLines_areBrokenAlone();
    void systemLog_journal_getsFields();
    void systemLog_noJournal_getsALine();

private:
    QString path(const char *name = "audit") const
    {
        return m_directory->filePath(QLatin1StringView(name));
    }
    std::unique_ptr<AuditLog> openLog() const { return openedLog(smallFiles(path())); }

    std::unique_ptr<QTemporaryDir> m_directory;
};

void TestAuditLog::event_everyAction_isOfTheSchema_data()
{
    QTest::addColumn<int>("action");
    QTest::addColumn<QString>("how");
    for (const AuditAction action : allAuditActions) {
        for (const char *how : {"bare", "full", "private", "failed"})
            QTest::addRow("%s %s", qPrintable(nameOf(action)), how)
                << int(action) << QString::fromLatin1(how);
    }
}

void TestAuditLog::event_everyAction_isOfTheSchema()
{
    QFETCH(const int, action);
    QFETCH(const QString, how);
    AuditEvent event = how == "bare"_L ? AuditEvent::of(AuditAction(action), "why"_L)
                                       : fullEvent(AuditAction(action));
    if (how == "private"_L)
        event.privacy = Download::Privacy::Private;
    if (how == "failed"_L)
        event.success = AuditEvent::Success::Failed;
    QCOMPARE(auditActionNamed(nameOf(event.action)), std::optional(event.action));

    const auto log = openLog();
    log->record(event);
    QVERIFY(log->flush(patience));
    const std::vector<AuditLine> lines = linesOf(path());
    QCOMPARE(lines.size(), size_t(1));
    QVERIFY(lines[0].event);
    const QJsonObject all = *lines[0].event;
    QCOMPARE(schemaProblemOf(all), QString());
    QCOMPARE(all["event"_L]["action"_L].toString(), nameOf(event.action));
    QCOMPARE(all["event"_L]["outcome"_L].toString(), how == "failed"_L ? "failure"_L : "success"_L);
}

void TestAuditLog::event_full_saysAllOfIt()
{
    const QJsonObject all = fullEvent(AuditAction::Decision).toJson();
    const auto at = [&all](const char *path) {
        QJsonValue value = all;
        for (const QString &key : QString::fromLatin1(path).split(u'/'))
            value = key == "0"_L ? value[0] : value[key];
        return value;
    };
    QCOMPARE(at("@timestamp").toString(), "2026-01-31T12:34:56.789Z"_L);
    QCOMPARE(at("event/type/0").toString(), "denied"_L);
    QCOMPARE(
        at("event/reason").toString(), "Malicious: Odd (odd.yar); Bad (bad.yar) in a.zip!b.exe"_L);
    QCOMPARE(at("url/full").toString(), "https://example.org:8443/d/setup.exe"_L);
    QCOMPARE(at("url/domain").toString(), "example.org"_L);
    QCOMPARE(at("url/scheme").toString(), "https"_L);
    QCOMPARE(at("url/port").toInt(), 8443);
    QCOMPARE(at("http/request/referrer").toString(), "https://example.net/page"_L);
    QCOMPARE(at("file/name").toString(), "setup.exe"_L);
    QCOMPARE(at("file/path").toString(), "/home/somebody/setup.exe"_L);
    QCOMPARE(at("file/size").toInteger(), 5'000'000'000);
    QCOMPARE(at("file/mime_type").toString(), "application/zip"_L);
    QCOMPARE(at("file/type").toString(), "archive"_L);
    QCOMPARE(at("file/hash/sha256").toString(), QString(64, u'a'));
    QCOMPARE(at("rule/name").toString(), "Bad"_L);
    QCOMPARE(at("rule/ruleset").toString(), "bad.yar"_L);
    QCOMPARE(at("sentinel/verdict").toString(), "Malicious"_L);
    QVERIFY(at("sentinel/reason").isUndefined());
    QCOMPARE(at("sentinel/disposition").toString(), "Quarantine"_L);
    QCOMPARE(at("sentinel/clause").toString(), "verdict Malicious"_L);
    QCOMPARE(at("sentinel/findings").toArray().size(), 2);
    QCOMPARE(at("sentinel/findings/0/rule").toString(), "Bad"_L); // the worst first
    QCOMPARE(at("sentinel/findings/0/ruleset").toString(), "bad.yar"_L);
    QCOMPARE(at("sentinel/findings/0/engine").toString(), "yara"_L);
    QCOMPARE(at("sentinel/findings/0/severity").toString(), "malicious"_L);
    QCOMPARE(at("sentinel/findings/0/member").toString(), "a.zip!b.exe"_L);
    QCOMPARE(at("sentinel/rules_digest").toString(), QString(64, u'd'));
    QCOMPARE(at("sentinel/duration_us").toInt(), 1234);
    QCOMPARE(at("sentinel/announced_size").toInt(), 77);
    QCOMPARE(at("sentinel/inspection").toInt(), 42);
    QCOMPARE(at("sentinel/connection").toInt(), 7);
    QCOMPARE(at("sentinel/item").toString(), "item-1"_L);
    QCOMPARE(at("sentinel/exception").toString(), "exception-1"_L);
    QCOMPARE(at("sentinel/job").toString(), "purge"_L);
    QVERIFY(at("sentinel/cut").isUndefined() && at("sentinel/private").isUndefined());

    Download download;
    const Outcome outcome{.metadata = {},
        .result = ScanResult::notScanned(Reason::QueueFull),
        .disposition = Disposition::Release};
    const QJsonObject bare =
        AuditEvent::decision(download, outcome, FileType::Unknown, "c"_L).toJson();
    QCOMPARE(bare["sentinel"_L]["reason"_L].toString(), "QueueFull"_L);
    QCOMPARE(bare["event"_L]["type"_L][0].toString(), "allowed"_L);
    QVERIFY(!bare.contains("url"_L) && !bare.contains("rule"_L));
}

void TestAuditLog::event_private_hasNoAddressAndNoName()
{
    AuditEvent event = fullEvent(AuditAction::ThreatFound);
    event.privacy = Download::Privacy::Private;
    event.url = QUrl("https://secret.example/secret"_L);
    event.referrer = event.url;
    event.name = event.path = event.text = event.findings[0].member = "secret"_L;
    const QJsonObject all = event.toJson();
    QVERIFY2(!compact(all).contains("secret"), compact(all));
    QVERIFY(all["sentinel"_L]["private"_L].toBool());
    QCOMPARE(all["event"_L]["reason"_L].toString(), "Malicious: Bad (bad.yar); Odd (odd.yar)"_L);
    QVERIFY(!all.contains("url"_L) && !all.contains("http"_L));
    QVERIFY(all["file"_L].toObject().contains("size"_L));
}

void TestAuditLog::url_secrets_areLeftOut_data()
{
    QTest::addColumn<QString>("url");
    QTest::addColumn<QString>("full");
    QTest::addColumn<QString>("domain");
    const auto row = [](const char *url, const char *full, const char *domain = "") {
        QTest::newRow(url) << QString::fromUtf8(url) << QString::fromUtf8(full)
                           << QString::fromUtf8(domain);
    };
    row("https://u:p@example.org/a?token=x#frag", "https://example.org/a", "example.org");
    row("https://EXAMPLE.org:443/", "https://example.org:443/", "example.org");
    row("http://[::1]:8080/x", "http://[::1]:8080/x", "::1");
    row("https://b\u00fccher.example/\u00e4", "https://xn--bcher-kva.example/%C3%A4",
        "xn--bcher-kva.example");
    row("https://example.org/%0A%1B%E2%80%AE", "https://example.org/%0A%1B%E2%80%AE",
        "example.org");
    row("data:text/plain,secret", "data:");
    row("blob:https://u:p@example.org/550e8400", "blob:https://example.org", "example.org");
    row("blob:nonsense", "blob:");
    row("file:///home/x/y", "file:///home/x/y");
    row("mailto:somebody@example.org", "mailto:");
    row("about:blank", "about:");
}

void TestAuditLog::url_secrets_areLeftOut()
{
    QFETCH(const QString, url);
    QFETCH(const QString, full);
    QFETCH(const QString, domain);
    AuditEvent event;
    event.url = QUrl(url);
    event.referrer = QUrl(url);
    const QJsonObject all = event.toJson();
    QCOMPARE(all["url"_L]["full"_L].toString(), full);
    QCOMPARE(all["url"_L]["domain"_L].toString(), domain);
    QCOMPARE(all["http"_L]["request"_L]["referrer"_L].toString(), full);
}

void TestAuditLog::text_hostile_staysOneHarmlessLine_data()
{
    QTest::addColumn<QString>("text");
    QTest::newRow("line feed") << "a\n{\"event\":{}}\r\nb"_L;
    QTest::newRow("terminal") << "\x1b[2J\x1b]0;x\x07"_L;
    QTest::newRow("C1") << "\u009b2J\u0085"_L;
    QTest::newRow("bidi") << "invoice\u202efdp.exe"_L;
    QTest::newRow("separators") << "a\u2028b\u2029c"_L;
    QTest::newRow("NUL") << QString(QStringLiteral("a\0b"));
    QTest::newRow("lone surrogates") << QString(QChar(0xd800)) + u'x' + QChar(0xdc00);
    QTest::newRow("no character") << QString(QChar(0xfffe)) + QChar(0xffff);
    QTest::newRow("JSON") << "\\\",\"x\":[{"_L;
    QTest::newRow("invisible") << "a\u200b\u2060\ufeff"_L;
}

void TestAuditLog::text_hostile_staysOneHarmlessLine()
{
    QFETCH(const QString, text);
    AuditEvent event = fullEvent(AuditAction::ThreatFound);
    event.text = event.name = event.path = event.mimeType = event.clause = event.item =
        event.exception = event.job = text;
    event.url.setPath(u'/' + text);
    event.referrer.setHost("x"_L);
    Finding &finding = event.findings[0];
    finding.rule = finding.ruleNamespace = finding.engine = finding.member = text;
    const auto log = openLog();
    log->record(event);
    log->record(eventCalled("next"_L));
    QVERIFY(log->flush(patience));
    const std::vector<AuditLine> lines = linesOf(path());
    QCOMPARE(lines.size(), size_t(2));
    const QString line = QString::fromUtf8(lines[0].text);
    QCOMPARE(line.toUtf8(), lines[0].text);
    QCOMPARE(printable(line), line);
    QCOMPARE(schemaProblemOf(*lines[0].event), QString());
    QCOMPARE((*lines[0].event)["file"_L]["name"_L].toString(), printable(text));
    QCOMPARE(itemOf(lines[1]), "next"_L);
}

void TestAuditLog::event_tooMuch_isCutAndSaysSo_data()
{
    QTest::addColumn<QString>("piece");
    QTest::newRow("plain") << "a"_L;
    QTest::newRow("escaped by JSON") << "\\"_L;
    QTest::newRow("shown as escapes") << "\u202e"_L;
    QTest::newRow("four bytes") << "\U0001f600"_L;
    QTest::newRow("odd bytes") << "a\u20ac"_L;
}

void TestAuditLog::event_tooMuch_isCutAndSaysSo()
{
    QFETCH(const QString, piece);
    const QString much = piece.repeated(200'000);
    AuditEvent event = fullEvent(AuditAction::LateThreat);
    event.text = event.name = event.path = event.mimeType = event.clause = event.item =
        event.exception = event.job = much;
    event.url = QUrl("https://example.org/"_L + QString(500'000, u'%') + much);
    event.referrer = event.url;
    event.sha256 = event.rulesDigest = QByteArray(100'000, 'x');
    Finding &finding = event.findings[0];
    finding.rule = finding.ruleNamespace = finding.engine = finding.member = much;
    event.findings.resize(300, finding);
    event.findingsOmitted = 1000;
    const auto log = openLog();
    log->record(event);
    QVERIFY(log->flush(patience));
    const std::vector<AuditLine> lines = linesOf(path());
    QCOMPARE(lines.size(), size_t(1));
    QVERIFY(lines[0].event);
    const QJsonObject all = *lines[0].event;
    QCOMPARE(schemaProblemOf(all), QString());
    QVERIFY(lines[0].text.size() <= Limits::maxAuditEventBytes);
    const QJsonArray cut = all["sentinel"_L]["cut"_L].toArray();
    for (const QString &name : {"event.reason"_L, "file.name"_L, "file.path"_L, "sentinel.clause"_L,
             "url.full"_L, "sentinel.findings.rule"_L})
        QVERIFY2(cut.contains(name), qPrintable(name));
    QCOMPARE(all["sentinel"_L]["findings"_L].toArray().size(), Limits::maxAuditFindings);
    QCOMPARE(all["sentinel"_L]["findings_omitted"_L].toInt(), 1300 - Limits::maxAuditFindings);
    const QString name = all["file"_L]["name"_L].toString();
    QVERIFY(name.endsWith(u'…') && !name.contains(QChar::ReplacementCharacter));
    QVERIFY(name.toUtf8().size() <= Limits::maxAuditTextBytes);
    QVERIFY(name.toUtf8().size() > Limits::maxAuditTextBytes - 8);
}

void TestAuditLog::log_record_isWrittenWithItsStamp()
{
    const auto log = openLog();
    log->record(eventCalled("1"_L));
    log->record(eventCalled("2"_L));
    QVERIFY(log->flush(patience));
    QCOMPARE(log->counts().written, quint64(2));
    const auto other = openLog();
    other->record(eventCalled("3"_L));
    QVERIFY(other->flush(patience));

    const std::vector<AuditLine> lines = linesOf(path());
    QCOMPARE(lines.size(), size_t(3));
    const auto at = [&lines](size_t line, const char *group, const char *key) {
        return (*lines[line].event)[QLatin1StringView(group)][QLatin1StringView(key)];
    };
    QCOMPARE(at(0, "event", "sequence").toInt(), 1);
    QCOMPARE(at(1, "event", "sequence").toInt(), 2);
    QCOMPARE(at(2, "event", "sequence").toInt(), 1);
    QVERIFY(at(0, "event", "id") != at(1, "event", "id"));
    QCOMPARE(at(0, "process", "entity_id"), at(1, "process", "entity_id"));
    QVERIFY(at(0, "process", "entity_id") != at(2, "process", "entity_id"));
    QCOMPARE(at(0, "process", "pid").toInteger(), ::getpid());
    QCOMPARE(at(0, "process", "executable").toString(), QCoreApplication::applicationFilePath());
    QCOMPARE(at(0, "user", "id").toString(), QString::number(::geteuid()));
}

void TestAuditLog::log_files_areTheirUsersAlone()
{
    QVERIFY(QDir().mkdir(path()));
    writeFile(path("audit/audit.jsonl"), "");
    QCOMPARE(::chmod(QFile::encodeName(path("audit/audit.jsonl")).constData(), 0644), 0);
    const mode_t before = ::umask(0);
    const auto log = openLog();
    ::umask(before);
    QCOMPARE(modeOf(path()), mode_t(0700));
    QCOMPARE(modeOf(path("audit/audit.jsonl")), mode_t(0600));
    QCOMPARE(modeOf(path("audit/audit.lock")), mode_t(0600));
}

void TestAuditLog::log_disabled_writesNothing()
{
    AuditSettings settings = smallFiles(path());
    settings.enabled = false;
    const auto log = openedLog(settings);
    log->record(eventCalled("1"_L));
    QVERIFY(log->flush(patience));
    QVERIFY(!QFile::exists(path()));
}

//! Puts something unfit into the place of \p path.
static void putUnfit(const QString &what, const QString &path)
{
    const QByteArray name = QFile::encodeName(path);
    if (what == "link"_L)
        writeFile(path + ".target"_L, "precious");
    const int made = what == "fifo"_L ? ::mkfifo(name.constData(), 0600)
        : what == "directory"_L
        ? ::mkdir(name.constData(), 0700)
        : ::symlink(name + (what == "link"_L ? ".target" : ".nowhere"), name.constData());
    if (made != 0)
        qFatal("cannot make %s", name.constData());
}

static void addUnfitRows()
{
    QTest::addColumn<QString>("what");
    for (const char *what : {"link", "dangling link", "fifo", "directory"})
        QTest::newRow(what) << QString::fromLatin1(what);
}

void TestAuditLog::log_unfitFile_isRefused_data()
{
    addUnfitRows();
}

void TestAuditLog::log_unfitFile_isRefused()
{
    QFETCH(const QString, what);
    QVERIFY(QDir().mkdir(path()));
    const QString file = path("audit/audit.jsonl");
    putUnfit(what, file);
    const auto log = AuditLog::open(smallFiles(path()));
    QVERIFY(!log);
    QVERIFY2(log.error().contains("audit.jsonl: "_L), qPrintable(log.error()));
    QVERIFY(!QFile::exists(file + ".nowhere"_L));
    QVERIFY(what != "link"_L || QFileInfo(file + ".target"_L).size() == 8);
}

void TestAuditLog::log_replacedByUnfit_saysSoOnceAndRecovers_data()
{
    addUnfitRows();
}

void TestAuditLog::log_replacedByUnfit_saysSoOnceAndRecovers()
{
    QFETCH(const QString, what);
    const SaidByTheLog said;
    const auto log = openLog();
    const QString file = path("audit/audit.jsonl");
    QVERIFY(QFile::remove(file));
    putUnfit(what, file);
    log->record(eventCalled("1"_L));
    QTRY_VERIFY_WITH_TIMEOUT(log->counts().failures >= 2, patienceMs);
    QCOMPARE(log->counts().waiting, 1);
    QCOMPARE(SaidByTheLog::texts().size(), 1);
    QVERIFY(SaidByTheLog::texts()[0].contains("audit.jsonl"_L));
    QVERIFY(what != "link"_L || QFileInfo(file + ".target"_L).size() == 8);

    log->record(eventCalled("2"_L));
    QCOMPARE(::remove(QFile::encodeName(file).constData()), 0);
    QVERIFY(log->flush(patience));
    QTRY_COMPARE_WITH_TIMEOUT(SaidByTheLog::texts().size(), 2, patienceMs);
    const std::vector<AuditLine> lines = linesOf(path());
    QCOMPARE(lines.size(), size_t(2));
    QCOMPARE(itemOf(lines[0]), "1"_L);
    QCOMPARE(itemOf(lines[1]), "2"_L);
    QCOMPARE(log->counts().dropped, quint64(0));
}

void TestAuditLog::log_directoryDeleted_isMadeAnew()
{
    const SaidByTheLog said;
    const auto log = openLog();
    QVERIFY(QDir(path()).removeRecursively());
    log->record(eventCalled("1"_L));
    QVERIFY(log->flush(patience));
    QCOMPARE(linesOf(path()).size(), size_t(1));
    QCOMPARE(modeOf(path()), mode_t(0700));
}

//! A limit on the size of files does to the writer what a full disk does: a part of the line is
//! taken, and then nothing.
void TestAuditLog::log_fullDisk_losesNothingAndTearsNothing()
{
    const SaidByTheLog said;
    const auto log = openLog();
    log->record(eventCalled("1"_L));
    QVERIFY(log->flush(patience));
    const qint64 before = QFileInfo(path("audit/audit.jsonl")).size();
    rlimit usual{};
    QCOMPARE(::getrlimit(RLIMIT_FSIZE, &usual), 0);
    rlimit full = usual;
    full.rlim_cur = rlim_t(before + 100);
    QCOMPARE(::setrlimit(RLIMIT_FSIZE, &full), 0);
    log->record(eventCalled("2"_L));
    log->record(eventCalled("3"_L));
    const bool hasFailed = QTest::qWaitFor([&] { return log->counts().failures >= 2; }, patienceMs);
    const qint64 meanwhile = QFileInfo(path("audit/audit.jsonl")).size();
    const bool isFlushed = log->flush(std::chrono::milliseconds(1));
    QCOMPARE(::setrlimit(RLIMIT_FSIZE, &usual), 0);
    QVERIFY(hasFailed && !isFlushed);
    QCOMPARE(meanwhile, before);
    QVERIFY(log->flush(patience));
    const std::vector<AuditLine> lines = linesOf(path());
    QCOMPARE(lines.size(), size_t(3));
    for (size_t i = 0; i < lines.size(); ++i)
        QCOMPARE(itemOf(lines[i]), QString::number(i + 1));
    QTRY_COMPARE_WITH_TIMEOUT(SaidByTheLog::texts().size(), 2, patienceMs);
}

void TestAuditLog::log_manyThreads_eachEventOnce()
{
    constexpr int threads = 4;
    constexpr int events = 200;
    AuditSettings settings = smallFiles(path());
    settings.maxFiles = 100;
    const auto log = openedLog(settings);
    std::vector<std::thread> recorders;
    for (int thread = 0; thread < threads; ++thread) {
        recorders.emplace_back([&log, thread] {
            for (int i = 0; i < events; ++i)
                log->record(eventCalled("%1-%2"_L.arg(thread).arg(i)));
        });
    }
    for (std::thread &recorder : recorders)
        recorder.join();
    QVERIFY(log->flush(patience));
    std::map<QString, int> seen;
    qint64 sequence = 0;
    for (const AuditLine &line : linesOf(path())) {
        ++seen[itemOf(line)];
        QCOMPARE((*line.event)["event"_L]["sequence"_L].toInteger(), ++sequence);
    }
    QCOMPARE(seen.size(), size_t(threads * events));
    QCOMPARE(sequence, qint64(threads * events));
}

void TestAuditLog::log_alert_isKeptAtOnce()
{
    // By itself it would come to the disk after a second. One that is in time is enough: the
    // machine may be busy.
    constexpr int soonMs = 500;
    constexpr int attempts = 20;
    bool isKept = false;
    for (int i = 0; i < attempts && !isKept; ++i) {
        const auto log = openedLog(smallFiles(path() + QString::number(i)));
        log->record(AuditEvent::of(AuditAction::PathTraversal, "x"_L));
        isKept = QTest::qWaitFor([&log] { return log->counts().synced == 1; }, soonMs);
    }
    QVERIFY(isKept);
    const auto log = openLog();
    log->record(eventCalled("no alert"_L));
    QTRY_COMPARE_WITH_TIMEOUT(log->counts().synced, quint64(1), patienceMs);
}

//! Where rotation cannot be, lines that fit are written, and others wait.
void TestAuditLog::log_directoryReadOnly_waitsForIt()
{
    constexpr uid_t nobody = 65534;
    const bool isRoot = ::geteuid() == 0; // whom no mode keeps from anything
    if (isRoot) {
        QCOMPARE(::chown(QFile::encodeName(m_directory->path()).constData(), nobody, nobody), 0);
        QCOMPARE(::seteuid(nobody), 0);
    }
    const auto backToRoot = qScopeGuard([isRoot] {
        if (isRoot && ::seteuid(0) != 0)
            qFatal("cannot be root again");
    });
    const SaidByTheLog said;
    AuditSettings settings = smallFiles(path());
    const auto log = openedLog(settings);
    const QByteArray name = QFile::encodeName(path());
    QCOMPARE(::chmod(name.constData(), 0500), 0);
    AuditEvent event = eventCalled({});
    event.path = QString(3000, u'x');
    constexpr int events = 60; // more than a file holds
    for (int i = 0; i < events; ++i) {
        event.item = QString::number(i);
        log->record(event);
    }
    QTRY_VERIFY_WITH_TIMEOUT(log->counts().failures >= 2, patienceMs);
    QVERIFY(log->counts().written > 0 && log->counts().waiting > 0);
    QCOMPARE(SaidByTheLog::texts().size(), 1);
    QCOMPARE(::chmod(name.constData(), 0700), 0);
    QVERIFY(log->flush(patience));
    const std::vector<AuditLine> lines = linesOf(path());
    QCOMPARE(lines.size(), size_t(events));
    for (size_t i = 0; i < lines.size(); ++i)
        QCOMPARE(itemOf(lines[i]), QString::number(i));
}

void TestAuditLog::log_copies_areCountedWhereNobodyTakesThem()
{
    AuditSettings settings = smallFiles(path());
    settings.copiesToSystemLog = true;
    const auto log = openedLog(settings);
    log->record(AuditEvent::of(AuditAction::JobRun, "a test of sentinel"_L));
    QVERIFY(log->flush(patience));
    const bool isTaken =
        QFile::exists("/run/systemd/journal/socket"_L) || QFile::exists("/dev/log"_L);
    QCOMPARE(log->counts().copiesLost, quint64(isTaken ? 0 : 1));
    QCOMPARE(linesOf(path()).size(), size_t(1));
}

void TestAuditLog::log_overflow_isCountedAndSaid()
{
    constexpr int beyond = 100;
    const auto log = openLog();
    {
        const HeldLock disk(path());
        log->record(eventCalled("0"_L));
        // The writer has it in its hands; from now on others wait.
        QTRY_COMPARE_WITH_TIMEOUT(log->counts().waiting, 0, patienceMs);
        for (int i = 1; i <= Limits::maxQueuedAuditEvents + beyond; ++i)
            log->record(eventCalled(QString::number(i)));
        QCOMPARE(log->counts().dropped, quint64(beyond));
        QCOMPARE(log->counts().waiting, Limits::maxQueuedAuditEvents);
    }
    QVERIFY(log->flush(patience));
    log->record(eventCalled("after"_L));
    log->record(eventCalled("last"_L));
    QVERIFY(log->flush(patience));
    const std::vector<AuditLine> lines = linesOf(path());
    QCOMPARE(lines.size(), size_t(1 + Limits::maxQueuedAuditEvents + 2));
    const AuditLine &after = lines[lines.size() - 2];
    QCOMPARE(itemOf(after), "after"_L);
    QCOMPARE((*after.event)["sentinel"_L]["dropped"_L].toInt(), beyond);
    QCOMPARE(
        (*after.event)["event"_L]["sequence"_L].toInt(), Limits::maxQueuedAuditEvents + beyond + 2);
    QVERIFY((*lines.back().event)["sentinel"_L]["dropped"_L].isUndefined());
    QVERIFY((*lines[lines.size() - 3].event)["sentinel"_L]["dropped"_L].isUndefined());
}

void TestAuditLog::log_overflow_leavesRoomForAlerts()
{
    const auto log = openLog();
    {
        const HeldLock disk(path());
        for (int i = 0; i < 2 * Limits::maxQueuedAuditEvents; ++i)
            log->record(eventCalled("flood"_L));
        QVERIFY(log->counts().dropped > 0);
        log->record(AuditEvent::of(AuditAction::ThreatFound, "it"_L));
    }
    QVERIFY(log->flush(patience));
    const AuditLine last = linesOf(path()).back();
    QCOMPARE((*last.event)["event"_L]["action"_L].toString(), "threat-found"_L);
    QVERIFY((*last.event)["sentinel"_L]["dropped"_L].toInt() > 0);
}

void TestAuditLog::log_openedWhileTheLockIsHeld_waitsForNobody()
{
    (void)openLog(); // makes the directory
    std::optional<HeldLock> disk(path());
    const auto log = openLog(); // which fails if it had to wait
    log->record(eventCalled("kept meanwhile"_L));
    QCOMPARE(log->counts().written, 0u);
    disk.reset();
    QVERIFY(log->flush(patience));
    QCOMPARE(linesOf(path()).size(), size_t(1));
}

void TestAuditLog::log_hungDisk_neitherBlocksNorHoldsTheEnd()
{
    constexpr int events = 500;
    const SaidByTheLog said;
    auto log = openLog();
    std::optional<HeldLock> disk(path());
    QElapsedTimer clock;
    clock.start();
    for (int i = 0; i < events; ++i)
        log->record(eventCalled(QString::number(i)));
    QVERIFY2(clock.elapsed() < patienceMs / 10, qPrintable(QString::number(clock.elapsed())));
    clock.restart();
    log.reset();
    QVERIFY(clock.elapsed() >= std::chrono::milliseconds(Limits::auditDrainPatience).count());
    QVERIFY2(clock.elapsed() < patienceMs / 2, qPrintable(QString::number(clock.elapsed())));
    QVERIFY(SaidByTheLog::texts().value(0).contains("not written in time"_L));
    disk.reset();
    // What was left behind goes on to its end.
    QTRY_COMPARE_WITH_TIMEOUT(linesOf(path()).size(), size_t(events), patienceMs);
}

void TestAuditLog::rotation_isBoundedAndInOrder()
{
    AuditSettings settings = smallFiles(path());
    settings.maxFiles = 3;
    const auto log = openedLog(settings);
    AuditEvent event = eventCalled({});
    event.path = QString(3000, u'x');
    constexpr int events = 300; // a megabyte
    for (int i = 0; i < events; ++i) {
        event.item = QString::number(i);
        log->record(event);
    }
    QVERIFY(log->flush(patience));
    QStringList names = entriesOf(path());
    names.sort();
    QCOMPARE(names,
        (QStringList{"audit.jsonl"_L, "audit.jsonl.1"_L, "audit.jsonl.2"_L, "audit.lock"_L}));
    for (const QString &name : names) {
        QVERIFY(QFileInfo(path() + u'/' + name).size() <= settings.maxFileBytes);
        QCOMPARE(modeOf(path() + u'/' + name), mode_t(0600));
    }
    const std::vector<AuditLine> lines = linesOf(path());
    QVERIFY(lines.size() > 60 && lines.size() < size_t(events));
    for (size_t i = 0; i < lines.size(); ++i)
        QCOMPARE(itemOf(lines[i]), QString::number(events - lines.size() + i));
    QCOMPARE(lines.front().file, "audit.jsonl.2"_L);
    QCOMPARE(lines.back().file, "audit.jsonl"_L);
}

void TestAuditLog::rotation_ofOneFile_isBounded()
{
    AuditSettings settings = smallFiles(path());
    settings.maxFiles = 1;
    const auto log = openedLog(settings);
    for (int i = 0; i < 600; ++i)
        log->record(eventCalled(QString::number(i)));
    QVERIFY(log->flush(patience));
    QCOMPARE(entriesOf(path()).size(), 2);
    const std::vector<AuditLine> lines = linesOf(path());
    QVERIFY(lines.size() < 600);
    QCOMPARE(itemOf(lines.back()), "599"_L);
}

void TestAuditLog::rotation_cutShort_goesOn()
{
    QVERIFY(QDir().mkdir(path()));
    const auto line = [](const char *item) {
        return compact(eventCalled(QString::fromLatin1(item)).toJson()) + '\n';
    };
    writeFile(path("audit/audit.jsonl.3"), line("a"));
    writeFile(path("audit/audit.jsonl.2"), line("b"));
    writeFile(path("audit/audit.jsonl"),
        line("c") + QByteArray(Limits::leastAuditFileBytes - 1, ' ') + '\n');
    const auto log = openLog();
    log->record(eventCalled("d"_L));
    QVERIFY(log->flush(patience));
    QStringList names = entriesOf(path());
    names.sort();
    QCOMPARE(names,
        (QStringList{"audit.jsonl"_L, "audit.jsonl.1"_L, "audit.jsonl.2"_L, "audit.jsonl.3"_L,
            "audit.lock"_L}));
    QStringList items;
    for (const AuditLine &one : linesOf(path()))
        items.append(itemOf(one));
    QCOMPARE(items, (QStringList{"a"_L, "b"_L, "c"_L, QString(), "d"_L}));
}

void TestAuditLog::rotation_fewerFiles_deletesTheRest()
{
    QVERIFY(QDir().mkdir(path()));
    const QStringList others{
        "audit.jsonl.old"_L, "audit.jsonl.07"_L, "audit.jsonl.-8"_L, "audit.jsonl.9x"_L};
    for (const QString &name : others)
        writeFile(path() + u'/' + name, "mine");
    for (int number = 1; number < 9; ++number)
        writeFile(path() + u'/' + QString::fromLatin1(AuditFileName::rotated(number)), "\n");
    AuditSettings settings = smallFiles(path());
    settings.maxFiles = 3;
    const auto log = openedLog(settings);
    QVERIFY(QFile::exists(path("audit/audit.jsonl.2")));
    QVERIFY(!QFile::exists(path("audit/audit.jsonl.3")));
    QVERIFY(!QFile::exists(path("audit/audit.jsonl.8")));
    for (const QString &name : others)
        QVERIFY2(QFile::exists(path() + u'/' + name), qPrintable(name));
}

void TestAuditLog::writers_fourProcesses_eachEventOnceAndWhole()
{
    constexpr int writers = 4;
    constexpr int events = 5'000;
    std::vector<std::unique_ptr<QProcess>> processes;
    for (int i = 0; i < writers; ++i)
        processes.push_back(startWriter(path(), QString::number(i), events));
    for (const auto &process : processes) {
        QVERIFY(process->waitForFinished(3 * patienceMs));
        QCOMPARE(process->exitCode(), 0);
    }
    std::map<QString, int> seen;
    std::map<QString, qint64> last; // by process
    for (const AuditLine &line : linesOf(path())) {
        QVERIFY2(line.event, line.text.left(300));
        ++seen[itemOf(line)];
        // One process's events stand in their order.
        const QString process = (*line.event)["process"_L]["entity_id"_L].toString();
        QCOMPARE((*line.event)["event"_L]["sequence"_L].toInteger(), ++last[process]);
    }
    QCOMPARE(seen.size(), size_t(writers * events));
    QVERIFY(std::ranges::all_of(seen, [](const auto &one) { return one.second == 1; }));
    QVERIFY(entriesOf(path()).size() > 50); // rotated often
    for (const QString &name : entriesOf(path()))
        QVERIFY(QFileInfo(path() + u'/' + name).size() <= Limits::leastAuditFileBytes);
}

void TestAuditLog::writers_killed_leaveWholeLines()
{
    constexpr int rounds = 8;
    constexpr int writers = 3;
    constexpr int many = 1'000'000;
    for (int round = 0; round < rounds; ++round) {
        std::vector<std::unique_ptr<QProcess>> processes;
        for (int i = 0; i < writers; ++i)
            processes.push_back(startWriter(path(), "%1.%2"_L.arg(round).arg(i), many));
        // They write, and rotate, before they are killed at some moment.
        const qsizetype wanted = entriesOf(path()).size() + 1 + round % 3;
        QTRY_VERIFY_WITH_TIMEOUT(entriesOf(path()).size() >= wanted, patienceMs);
        for (const auto &process : processes) {
            ::kill(pid_t(process->processId()), SIGKILL);
            QVERIFY(process->waitForFinished(patienceMs));
            QCOMPARE(process->exitStatus(), QProcess::CrashExit);
        }
    }
    int broken = 0;
    std::map<QString, qint64> last;
    for (const AuditLine &line : linesOf(path())) {
        if (!line.event) {
            ++broken;
            continue;
        }
        const QString process = (*line.event)["process"_L]["entity_id"_L].toString();
        QCOMPARE((*line.event)["event"_L]["sequence"_L].toInteger(), ++last[process]);
    }
    QVERIFY2(broken <= rounds * writers, qPrintable(QString::number(broken)));
    // Whoever comes next can write.
    const auto log = openLog();
    log->record(eventCalled("next"_L));
    QVERIFY(log->flush(patience));
    QCOMPARE(itemOf(linesOf(path()).back()), "next"_L);
}

void TestAuditLog::writer_killedInALine_isHealed()
{
    {
        const auto log = openLog();
        log->record(eventCalled("1"_L));
    }
    QFile file(path("audit/audit.jsonl"));
    QVERIFY(file.open(QIODevice::Append));
    QVERIFY(file.write("{\"event\":{\"action\":\"deci") > 0);
    file.close();
    std::vector<AuditLine> lines = linesOf(path());
    QCOMPARE(lines.size(), size_t(2));
    QVERIFY(lines[1].isBroken());
    QCOMPARE(lines[1].number, 2);

    const auto log = openLog();
    log->record(eventCalled("2"_L));
    QVERIFY(log->flush(patience));
    lines = linesOf(path());
    QCOMPARE(lines.size(), size_t(3));
    QCOMPARE(itemOf(lines[0]), "1"_L);
    QVERIFY(lines[1].isBroken());
    QCOMPARE(itemOf(lines[2]), "2"_L);
    QCOMPARE(lines[2].number, 3);
}

void TestAuditLog::reader_whileRotated_readsEachLineOnce()
{
    AuditSettings settings = smallFiles(path());
    settings.maxFiles = 100;
    const auto log = openedLog(settings);
    auto reader = AuditReader::open(path());
    QVERIFY(reader);
    AuditEvent event = eventCalled({});
    event.path = QString(2000, u'x');
    int read = 0;
    for (int i = 0; i < 500; ++i) {
        event.item = QString::number(i);
        log->record(event);
        if (QRandomGenerator::global()->bounded(20) != 0)
            continue;
        QVERIFY(log->flush(patience));
        while (const auto line = reader->next())
            QCOMPARE(itemOf(*line), QString::number(read++));
        QCOMPARE(read, i + 1);
    }
    QVERIFY(log->flush(patience));
    while (const auto line = reader->next())
        QCOMPARE(itemOf(*line), QString::number(read++));
    QCOMPARE(read, 500);
    QVERIFY(!reader->rest());
    QVERIFY(!reader->takeLoss());
    QVERIFY(entriesOf(path()).size() > 5);
}

void TestAuditLog::reader_filesDeletedUnread_saysSo()
{
    AuditSettings settings = smallFiles(path());
    settings.maxFiles = 2;
    const auto log = openedLog(settings);
    log->record(eventCalled("first"_L));
    QVERIFY(log->flush(patience));
    auto reader = AuditReader::open(path());
    QVERIFY(reader);
    QCOMPARE(itemOf(*reader->next()), "first"_L);
    for (int i = 0; i < 1000; ++i)
        log->record(eventCalled(QString::number(i)));
    QVERIFY(log->flush(patience));
    QString last;
    while (const auto line = reader->next())
        last = itemOf(*line);
    QCOMPARE(last, "999"_L);
    QVERIFY(reader->takeLoss());
    QVERIFY(!reader->takeLoss());
}

void TestAuditLog::reader_oddLines_areBrokenAlone()
{
    QVERIFY(QDir().mkdir(path()));
    QByteArray text;
    const auto good = [&text] { text += "{\"event\":{\"action\":\"decision\"}}\n"; };
    const QByteArrayList odd{"", "x", "[]", "{}", "{\"event\":1}", "{\"event\":{}", "null",
        "{\"event\":{}}{\"event\":{}}", "\xff\xfe", QByteArray("\0\0", 2),
        QByteArray(Limits::maxAuditEventBytes + 1, 'x'), QByteArray(1'000'000, '{'),
        "{\"event\":{\"x\":\"" + QByteArray(300'000, 'x') + "\"}}"};
    good();
    for (const QByteArray &line : odd) {
        text += line + '\n';
        good();
    }
    writeFile(path("audit/audit.jsonl"), text + "{\"event\":{}}");
    const std::vector<AuditLine> lines = linesOf(path());
    QCOMPARE(lines.size(), size_t(2 * odd.size() + 2));
    for (size_t i = 0; i < lines.size(); ++i) {
        QVERIFY2(lines[i].isBroken() == (i % 2 == 1), qPrintable(QString::number(i)));
        QCOMPARE(lines[i].number, qint64(i + 1));
        QVERIFY(lines[i].text.size() <= Limits::maxAuditEventBytes);
    }
    QVERIFY(!AuditReader::open(path("nowhere")));
    QVERIFY(!AuditReader::open(path("audit/audit.jsonl")));
}

//! A socket that takes datagrams, as journald and syslog have one.
class Datagrams {
public:
    explicit Datagrams(const QByteArray &path)
        : m_socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0))
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        qstrncpy(address.sun_path, path.constData(), sizeof address.sun_path);
        if (::bind(m_socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address)
            != 0)
            qFatal("cannot bind %s", path.constData());
    }
    QByteArray next() const
    {
        QByteArray text(1'000'000, '\0');
        const ssize_t size = ::recv(m_socket.get(), text.data(), size_t(text.size()), 0);
        return text.left(qMax<qsizetype>(size, 0));
    }

private:
    const FileDescriptor m_socket;
};

void TestAuditLog::systemLog_journal_getsFields()
{
    const QByteArray place = QFile::encodeName(path("journal"));
    const Datagrams journal(place);
    SystemLog log({place, QFile::encodeName(path("syslog"))});
    QVERIFY(log.send({SystemLogLine::Weight::Critical, "threat-found: Bad", "{\"a\":1}"}));
    QCOMPARE(journal.next(),
        QByteArray("PRIORITY=2\nSYSLOG_FACILITY=10\nSYSLOG_IDENTIFIER=sentinel\n"
                   "MESSAGE=threat-found: Bad\nSENTINEL_EVENT={\"a\":1}\n"));
    // Nobody reads: it does not wait.
    int sent = 0;
    while (sent < 100'000 && log.send({SystemLogLine::Weight::Notice, "x", QByteArray(1000, 'x')}))
        ++sent;
    QVERIFY(sent < 100'000);
}

void TestAuditLog::systemLog_noJournal_getsALine()
{
    const QByteArray place = QFile::encodeName(path("syslog"));
    SystemLog log({QFile::encodeName(path("journal")), place});
    QVERIFY(!log.send({SystemLogLine::Weight::Notice, "x", "{}"}));
    const Datagrams syslog(place);
    QVERIFY(log.send({SystemLogLine::Weight::Warning, "text", "{\"a\":1}"}));
    const QString line = QString::fromUtf8(syslog.next());
    const QRegularExpression form(
        "^<84>[A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d sentinel\\[\\d+\\]: @cee: \\{\"a\":1\\}$"_L);
    QVERIFY2(form.match(line).hasMatch(), qPrintable(line));
}

int main(int argc, char *argv[])
{
    const QCoreApplication application(argc, argv);
    const QStringList arguments = QCoreApplication::arguments();
    if (arguments.value(1) == "--writer"_L)
        return writeMany(arguments.value(2), arguments.value(3), arguments.value(4).toInt());
    TestAuditLog test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_auditlog.moc"
