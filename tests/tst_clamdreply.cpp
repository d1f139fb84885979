// SPDX-License-Identifier: MIT
#include "Sentinel/clamd/ClamdReply.h"
#include "Sentinel/clamd/ClamdSettings.h"
#include "Sentinel/clamd/ClamdVersion.h"
#include "tests/support/ClamdBench.h"

#include <QRandomGenerator>
#include <QTest>

using namespace Sentinel;
using namespace Sentinel::Test;
using Kind = ClamdReply::Kind;

class tst_ClamdReply : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void answer_any_isUnderstoodOnlyIfExact_data();
    void answer_any_isUnderstoodOnlyIfExact();
    void answer_changedInOneByte_isNeverClean();
    void answer_longAndUnprintable_isBoundedAndPrintable();
    void reply_any_givesTheResult_data();
    void reply_any_givesTheResult();
    void reply_clean_needsACompleteCoverage();
    void version_any_isParsed_data();
    void version_any_isParsed();
    void version_otherSignatures_otherDigest();
    void address_any_isParsedOrRefused_data();
    void address_any_isParsedOrRefused();
    void settings_outOfBounds_sayWhat_data();
    void settings_outOfBounds_sayWhat();
};

void tst_ClamdReply::answer_any_isUnderstoodOnlyIfExact_data()
{
    QTest::addColumn<QByteArray>("answer");
    QTest::addColumn<ClamdWay>("way");
    QTest::addColumn<Kind>("kind");
    QTest::addColumn<QString>("words");
    const auto add = [](const char *answer, ClamdWay way, Kind kind, const char *words) {
        QTest::addRow("%s by %s", answer, way == ClamdWay::File ? "file" : "stream")
            << QByteArray(answer) << way << kind << QString::fromLatin1(words);
    };
    constexpr auto file = ClamdWay::File;
    constexpr auto stream = ClamdWay::Stream;
    add("fd[12]: OK", file, Kind::Clean, "");
    add("stream: OK", stream, Kind::Clean, "");
    add("fd[12]: Eicar-Test FOUND", file, Kind::Found, "Eicar-Test");
    add("stream: Win.Test.EICAR_HDB-1 FOUND", stream, Kind::Found, "Win.Test.EICAR_HDB-1");
    add("fd[1]: OK FOUND", file, Kind::Found, "OK");
    add("fd[1]: A: OK FOUND", file, Kind::Found, "A: OK");
    add("INSTREAM size limit exceeded. ERROR", stream, Kind::TooLarge,
        "INSTREAM size limit exceeded. ERROR");
    add("fd[12]: Not a regular file ERROR", file, Kind::Error, "Not a regular file ERROR");
    add("No file descriptor received. ERROR", file, Kind::Error,
        "No file descriptor received. ERROR");
    add("stream: Can't allocate memory ERROR", stream, Kind::Error, "Can't allocate memory ERROR");

    for (const char *nonsense : {"", "OK", "OK\n", "ok", "PONG", " OK", "fd: OK", "fd[]: OK",
             "fd[-1]: OK", "fd[12]:OK", "fd[12]: OK ", "fd[12]:  OK", "fd[12]: ok", "fd[12]: OKAY",
             "fd[12]: O", "fd[12]: OK OK", "fd[1a]: OK", "fd[12] OK", "FD[12]: OK",
             "fd[12]: ", "fd[12]: FOUND", "fd[12]:  FOUND", "fd[12]: X found", "fd[12]: X FOUND ",
             "X FOUND", "fd[12345678901]: OK", "fd[12]: fd[12]: OK", "stream: fd[12]: OK",
             "fd[12]: stream: OK", "COMMAND READ TIMED OUT\n", "UNKNOWN COMMAND", "1: fd[12]: OK",
             "fd[12]: X FOUND\nfd[12]: OK"})
        for (const ClamdWay way : {file, stream})
            QTest::addRow("'%s' by %d", nonsense, int(way))
                << QByteArray(nonsense) << way << Kind::NotUnderstood << QString();
    add("stream: OK", file, Kind::NotUnderstood, "stream: OK");
    add("fd[12]: OK", stream, Kind::NotUnderstood, "fd[12]: OK");
    add("stream: X FOUND", file, Kind::NotUnderstood, "stream: X FOUND");
}

void tst_ClamdReply::answer_any_isUnderstoodOnlyIfExact()
{
    QFETCH(QByteArray, answer);
    QFETCH(ClamdWay, way);
    QFETCH(Kind, kind);
    QFETCH(QString, words);
    const ClamdReply reply = ClamdReply::parse(answer, way);
    QCOMPARE(reply.kind, kind);
    if (kind != Kind::NotUnderstood)
        QCOMPARE(reply.words, words);
}

void tst_ClamdReply::answer_changedInOneByte_isNeverClean()
{
    for (const QByteArray &good : {QByteArray("stream: OK"), QByteArray("fd[]: OK")}) {
        for (qsizetype at = 0; at < good.size(); ++at) {
            for (int byte = 0; byte < 256; ++byte) {
                QByteArray bad = good;
                bad[at] = char(byte);
                if (bad == "stream: OK")
                    continue;
                QVERIFY2(ClamdReply::parse(bad, ClamdWay::Stream).kind != Kind::Clean, bad);
                QVERIFY2(ClamdReply::parse(bad, ClamdWay::File).kind != Kind::Clean, bad);
            }
        }
    }
}

void tst_ClamdReply::answer_longAndUnprintable_isBoundedAndPrintable()
{
    QRandomGenerator random(1);
    for (int i = 0; i < 1'000; ++i) {
        QByteArray bytes(random.bounded(5'000), '\0');
        std::ranges::generate(bytes, [&] { return char(random.bounded(256)); });
        for (const char *end : {"", " FOUND", " ERROR"}) {
            const auto reply = ClamdReply::parse("stream: " + bytes + end, ClamdWay::Stream);
            QVERIFY(reply.kind != Kind::Clean);
            QVERIFY(reply.words.toUtf8().size() <= Limits::maxClamdWords);
            for (const QChar c : reply.words)
                QVERIFY(c >= u' ' && c <= u'~');
        }
    }
}

namespace {

Coverage wholeCoverage()
{
    Coverage whole;
    whole.bytesTotal = 5;
    whole.bytesScanned = 5;
    whole.engines = {QStringLiteral("clamd 1")};
    whole.ruleSetDigest = QByteArray(32, 'd');
    whole.wholeEvaluated = true;
    return whole;
}

} // namespace

void tst_ClamdReply::reply_any_givesTheResult_data()
{
    QTest::addColumn<Kind>("kind");
    QTest::addColumn<QString>("words");
    QTest::addColumn<Verdict>("verdict");
    QTest::addColumn<Reason>("reason");
    const auto add = [](const char *words, Kind kind, Verdict verdict, Reason reason) {
        QTest::addRow("%d %s", int(kind), words)
            << kind << QString::fromLatin1(words) << verdict << reason;
    };
    add("", Kind::Clean, Verdict::Clean, Reason::None);
    for (const char *name : {"Eicar-Test", "OK", "Heuristics.Phishing.Email.SpoofedDomain",
             "Heuristics.Limit", "Heuristics.EncryptedX", "Heuristics.Broken.Executable"})
        add(name, Kind::Found, Verdict::Malicious, Reason::None);
    for (const char *name : {"Heuristics.Limits.Exceeded.MaxFileSize",
             "Heuristics.Limits.Exceeded.MaxRecursion", "Heuristics.Limits."})
        add(name, Kind::Found, Verdict::NotScanned, Reason::LimitHit);
    for (const char *name : {"Heuristics.Encrypted.Zip", "Heuristics.Encrypted.PDF"})
        add(name, Kind::Found, Verdict::NotScanned, Reason::Encrypted);
    add("too large", Kind::TooLarge, Verdict::NotScanned, Reason::TooLarge);
    add("Can't open file", Kind::Error, Verdict::NotScanned, Reason::EngineError);
    add("OK", Kind::NotUnderstood, Verdict::NotScanned, Reason::EngineError);
}

void tst_ClamdReply::reply_any_givesTheResult()
{
    QFETCH(Kind, kind);
    QFETCH(QString, words);
    QFETCH(Verdict, verdict);
    QFETCH(Reason, reason);
    const ScanResult result = resultOf({kind, words}, wholeCoverage());
    QCOMPARE(result.verdict(), verdict);
    QCOMPARE(nameOf(result.reason()), nameOf(reason));
    if (verdict == Verdict::Malicious) {
        QCOMPARE(result.findings().size(), size_t(1));
        QCOMPARE(result.findings().front().engine, QStringLiteral("clamd"));
        QCOMPARE(result.findings().front().rule, words);
        QCOMPARE(result.findings().front().severity, Severity::Malicious);
    }
    if (kind == Kind::Error)
        QVERIFY(result.detail().contains(words));
}

void tst_ClamdReply::reply_clean_needsACompleteCoverage()
{
    Coverage part = wholeCoverage();
    part.bytesScanned = 4;
    QCOMPARE(resultOf({Kind::Clean, {}}, part).verdict(), Verdict::NotScanned);
}

void tst_ClamdReply::version_any_isParsed_data()
{
    QTest::addColumn<QByteArray>("answer");
    QTest::addColumn<QString>("text"); // empty: is none
    const auto add = [](const char *answer, const char *text) {
        QTest::addRow("%s", answer) << QByteArray(answer) << QString::fromLatin1(text);
    };
    add("ClamAV 1.4.6/27000/Fri Nov 20 08:21:44 2026",
        "clamd 1.4.6, signatures 27000 of 2026-11-20");
    add("ClamAV 0.103.12/27001/Sun Nov  1 08:21:44 2026",
        "clamd 0.103.12, signatures 27001 of 2026-11-01");
    add("ClamAV 1.4.6", "clamd 1.4.6");
    add("ClamAV 1.4.6/27000", "clamd 1.4.6");
    add("ClamAV 1.4.6/27000/sometime", "clamd 1.4.6, signatures 27000");
    add("ClamAV 1.4.6/-3/sometime", "clamd 1.4.6");
    add("ClamAV 1.4.6/x/y/z", "clamd 1.4.6");
    add("ClamAV \x01/1/x", "clamd ?, signatures 1");
    add("ClamAV ", "");
    add("ClamAV", "");
    add("", "");
    add("PONG", "");
    add("clamav 1.4.6", "");
}

void tst_ClamdReply::version_any_isParsed()
{
    QFETCH(QByteArray, answer);
    QFETCH(QString, text);
    const auto version = ClamdVersion::parse(answer);
    QCOMPARE(version ? version->text() : QString(), text);
}

void tst_ClamdReply::version_otherSignatures_otherDigest()
{
    const auto digest = [](const char *answer) { return ClamdVersion::parse(answer)->digest(); };
    const QByteArray one = digest("ClamAV 1.4.6/27000/Fri Nov 20 08:21:44 2026");
    QCOMPARE(one.size(), 32);
    QCOMPARE(digest("ClamAV 1.4.6/27000/Fri Nov 20 08:21:44 2026"), one);
    QVERIFY(digest("ClamAV 1.4.6/27001/Fri Nov 20 08:21:44 2026") != one);
    QVERIFY(digest("ClamAV 1.4.6/27000/Fri Nov 20 08:21:45 2026") != one);
    QVERIFY(digest("ClamAV 1.4.7/27000/Fri Nov 20 08:21:44 2026") != one);
}

void tst_ClamdReply::address_any_isParsedOrRefused_data()
{
    QTest::addColumn<QString>("text");
    QTest::addColumn<int>("family"); // 0: refused
    const auto add = [](const QString &text, int family) {
        QTest::addRow("%s", qPrintable(text)) << text << family;
    };
    add(QStringLiteral("/run/clamav/clamd.ctl"), AF_UNIX);
    add(QStringLiteral("127.0.0.1:3310"), AF_INET);
    add(QStringLiteral("localhost:3310"), AF_INET);
    add(QStringLiteral("[::1]:3310"), AF_INET6);
    for (const char *bad : {"", "clamd", "run/clamd.ctl", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
             "127.0.0.1:65536", "127.0.0.1:-1", ":3310", "::1:3310", "[::1]", "[x]:1", "[]:1",
             "example.org:3310", "127.0.0.256:1", "127.0.0.1:33 10"})
        add(QString::fromLatin1(bad), 0);
    add(QLatin1Char('/') + QString(107, u'x'), 0);
    add(QStringLiteral("/a\u0000b"), 0);
}

void tst_ClamdReply::address_any_isParsedOrRefused()
{
    QFETCH(QString, text);
    QFETCH(int, family);
    const auto address = ClamdAddress::parse(text);
    QCOMPARE(address ? address->family() : 0, family);
    if (address) {
        QCOMPARE(address->text(), text);
        QCOMPARE(address->isLocalSocket(), family == AF_UNIX);
    }
}

void tst_ClamdReply::settings_outOfBounds_sayWhat_data()
{
    QTest::addColumn<std::function<void(ClamdSettings &)>>("change");
    QTest::addColumn<bool>("isFine");
    const auto add = [](const char *name, bool isFine,
                         std::function<void(ClamdSettings &)> change) {
        QTest::addRow("%s", name) << std::move(change) << isFine;
    };
    using std::chrono::milliseconds;
    add("defaults", true, [](ClamdSettings &) {});
    add("one connection", true, [](ClamdSettings &s) { s.poolSize = 1; });
    add("no connection", false, [](ClamdSettings &s) { s.poolSize = 0; });
    add("too many", false, [](ClamdSettings &s) { s.poolSize = Limits::maxClamdConnections + 1; });
    add("no time to acquire", false, [](ClamdSettings &s) { s.acquireTimeout = {}; });
    add("negative age", false, [](ClamdSettings &s) { s.maxAge = milliseconds(-1); });
    add("no time to scan", false, [](ClamdSettings &s) { s.scanTimeout = {}; });
    add("for ever", false, [](ClamdSettings &s) { s.scanTimeout = milliseconds::max(); });
    add("no pause between pings", false, [](ClamdSettings &s) { s.pingInterval = {}; });
    add("no patience", false, [](ClamdSettings &s) { s.pingPatience = {}; });
    add("no bytes", false, [](ClamdSettings &s) { s.maxBytes = 0; });
    add("2 GiB", false, [](ClamdSettings &s) { s.maxBytes = 2 * Limits::gib; });
}

void tst_ClamdReply::settings_outOfBounds_sayWhat()
{
    QFETCH(std::function<void(ClamdSettings &)>, change);
    QFETCH(bool, isFine);
    ClamdSettings settings = clamdSettings(QStringLiteral("/nowhere"));
    change(settings);
    QCOMPARE(settings.problem().isEmpty(), isFine);
}

QTEST_GUILESS_MAIN(tst_ClamdReply)
#include "tst_clamdreply.moc"
