// SPDX-License-Identifier: MIT
#include "ipc/Codec.h"
#include "ipc/Limits.h"
#include "support/RandomMessages.h"
#include "support/RawFrame.h"

#include "SecurityTap/Limits.h"

#include <QSet>
#include <QTest>

#include <algorithm>

using namespace Sentinel;
using namespace Sentinel::Test;
using Code = ProtocolError::Code;

namespace {

constexpr size_t messageTypes = std::variant_size_v<Message>;

Coverage completeCoverage()
{
    Coverage coverage;
    coverage.bytesTotal = 5;
    coverage.bytesScanned = 5;
    coverage.engines = {QStringLiteral("yara 4.2.3")};
    coverage.ruleSetDigest = QByteArray(32, 'd');
    coverage.wholeEvaluated = true;
    return coverage;
}

// A finding with \p strings places, every text and list as long as they may be.
Finding largestFinding(Severity severity, int strings)
{
    const QString name(IpcLimits::maxNameBytes, u'n');
    Finding finding;
    finding.engine = finding.rule = finding.ruleNamespace = name;
    finding.member = QString(IpcLimits::maxMemberBytes, u'm');
    finding.tags = QStringList(IpcLimits::maxTagsPerFinding, name);
    for (int i = 0; i < IpcLimits::maxMetaPerFinding; ++i)
        finding.meta.emplace_back(name, QString(IpcLimits::maxTextBytes, u'v'));
    for (int i = 0; i < strings; ++i)
        finding.strings.push_back({name, i, IpcLimits::maxCount});
    finding.severity = severity;
    return finding;
}

Finding smallFinding(Severity severity, int number = 0)
{
    Finding finding;
    finding.engine = QStringLiteral("yara");
    finding.rule = QStringLiteral("Rule%1").arg(number);
    finding.severity = severity;
    return finding;
}

// What arrives when \p message is sent; fails the test if nothing does.
template <typename T>
T sent(const T &message)
{
    const QByteArray frame = encode(message);
    if (frame.size() > IpcLimits::maxFrameBytes)
        qFatal("a frame of %lld bytes", qlonglong(frame.size()));
    const auto decoded = decode(frame);
    if (!decoded)
        qFatal("not decoded: %s", qPrintable(decoded.error().detail));
    return std::get<T>(*decoded);
}

// If \p frame is a verdict, its claim.
bool claimsClean(const QByteArray &frame)
{
    return frame.size() > 24 && frame[0] == 14 && frame[24] == 0;
}

} // namespace

class tst_IpcCodec : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void message_anyType_comesBackEqual();
    void message_wireTypes_areUnique();
    void frame_layout_isThatOfTheDocument_data();
    void frame_layout_isThatOfTheDocument();
    void frame_malformed_isRefused_data();
    void frame_malformed_isRefused();
    void frame_truncatedAnywhere_isRefused();
    void frame_withBytesBehind_isRefused();
    void frame_mutated_neverCrashesNorCleans();
    void frame_randomBytes_neverCrashes();
    void verdict_contradictory_isRefused_data();
    void verdict_contradictory_isRefused();
    void verdict_rawClean_isClean();
    void list_atItsBound_isTakenAndOverItRefused_data();
    void list_atItsBound_isTakenAndOverItRefused();
    void text_atItsBound_isWhole();
    void text_overItsBound_losesItsMiddle_data();
    void text_overItsBound_losesItsMiddle();
    void text_loneSurrogates_stillArrives();
    void url_overItsBound_stillArrives();
    void url_nonsense_isNone();
    void numbers_outOfRange_areBroughtIntoIt();
    void digest_ofAWrongLength_isMissing();
    void verdict_largest_fitsAndIsCounted();
    void verdict_tooManyFindings_keepsTheWorstInOrder();
    void verdict_manyPlaces_losesPlacesBeforeFindings();
    void verdict_notScannedWithFindings_staysSo();
    void verdict_fullCount_staysInRange();
    void reload_tooManyProblems_areCounted();
    void status_largest_fits();
    void begin_largest_fits();
};

void tst_IpcCodec::message_anyType_comesBackEqual()
{
    RandomMessages messages(1);
    for (int round = 0; round < 500; ++round) {
        for (size_t type = 0; type < messageTypes; ++type) {
            const Message message = messages.make(type);
            QCOMPARE(message.index(), type);
            const QByteArray frame = encode(message);
            const auto decoded = decode(frame);
            QVERIFY2(decoded, qPrintable(decoded ? QString() : decoded.error().detail));
            QVERIFY2(*decoded == message, qPrintable(nameOf(message)));
            QCOMPARE(encode(*decoded), frame);
        }
    }
}

void tst_IpcCodec::message_wireTypes_areUnique()
{
    RandomMessages messages(2);
    QSet<char> types;
    for (size_t type = 0; type < messageTypes; ++type)
        types.insert(encode(messages.make(type)).at(0));
    QCOMPARE(types.size(), qsizetype(messageTypes));
}

void tst_IpcCodec::frame_layout_isThatOfTheDocument_data()
{
    using namespace Raw;
    QTest::addColumn<QByteArray>("expected");
    QTest::addColumn<QByteArray>("encoded");
    const RuleSetSummary rules{QByteArray(32, 'd'), 1'204, 3};
    const QByteArray rawRules = digest() + i64(1'204) + i64(3);
    const auto add = [](const char *name, const QByteArray &expected, const Message &message) {
        QTest::newRow(name) << expected << encode(message);
    };
    add("Hello", frame(1, u16(1) + u16(2) + u8(1) + text("tap 1")),
        Hello{1, 2, Hello::Role::Control, QStringLiteral("tap 1")});
    add("Welcome", frame(2, u16(1) + text("s") + rawRules), Welcome{1, QStringLiteral("s"), rules});
    add("Refusal", frame(3, text("no")), Refusal{QStringLiteral("no")});
    DownloadMetadata metadata;
    metadata.url = QUrl(QStringLiteral("http://a/b"));
    metadata.filename = QStringLiteral("b");
    metadata.mimeType = QStringLiteral("text/x");
    metadata.sizeBytes = 7;
    metadata.sha256 = QByteArray(32, 'h');
    add("ScanBegin",
        frame(10,
            i64(9) + text("http://a/b") + text("b") + text("text/x") + u8(1) + i64(7) + digest('h')
                + text("/f") + u8(2) + i64(5) + u8(1) + u8(1) + i64(1'500) + u8(1) + u8(1),
            1),
        ScanBegin{9, metadata, QStringLiteral("/f"), FileType::Script, 5, true,
            std::chrono::milliseconds(1'500), true, true});
    add("ScanGrow", frame(11, i64(9) + i64(5)), ScanGrow{9, 5});
    add("ScanEnd", frame(12, i64(9) + i64(5) + u8(0)), ScanEnd{9, 5, {}});
    add("ScanCancel", frame(13, i64(9) + u8(13)), ScanCancel{9, Reason::Cancelled});
    add("ScanVerdict, clean", Raw::Verdict{}.bytes(),
        ScanVerdict{
            1, ScanResult::judge(completeCoverage(), {}, {}), std::chrono::microseconds(250)});
    add("VerdictAck", frame(15, i64(9) + u8(1)), VerdictAck{9, Disposition::Block});
    add("Ping", frame(20, i64(9)), Ping{9});
    add("Pong", frame(21, i64(9)), Pong{9});
    add("StatusRequest", frame(30, i64(9)), StatusRequest{9});
    add("ReloadRequest", frame(32, i64(9)), ReloadRequest{9});
    add("ReloadResult",
        frame(33,
            i64(9) + u8(0) + rawRules + u16(1) + u8(1) + text("a.yar") + i64(3) + text("bad")
                + i64(0)),
        ReloadResult{9, false, rules,
            {{RuleProblem::Level::Error, QStringLiteral("a.yar"), 3, QStringLiteral("bad")}}, 0});
    add("RuleSetChanged", frame(34, rawRules), RuleSetChanged{rules});
}

void tst_IpcCodec::frame_layout_isThatOfTheDocument()
{
    QFETCH(QByteArray, expected);
    QFETCH(QByteArray, encoded);
    QCOMPARE(encoded.toHex(' '), expected.toHex(' '));
}

void tst_IpcCodec::frame_malformed_isRefused_data()
{
    using namespace Raw;
    QTest::addColumn<QByteArray>("frameBytes");
    QTest::addColumn<int>("code");
    const auto add = [](const char *name, const QByteArray &frameBytes, Code code) {
        QTest::newRow(name) << frameBytes << int(code);
    };
    const QByteArray ping = frame(20, i64(1));
    const auto hello = [](const QByteArray &product) {
        return frame(1, u16(1) + u16(1) + u8(0) + product);
    };
    // the header
    add("empty", {}, Code::Truncated);
    add("seven bytes", ping.left(7), Code::Truncated);
    add("reserved in use", QByteArray(ping).replace(2, 1, "\x01"), Code::BadHeader);
    add("body longer than said", ping + '\0', Code::TrailingBytes);
    add("body shorter than said", ping.chopped(1), Code::Truncated);
    add("4 GiB said", QByteArray(ping).replace(4, 4, "\xff\xff\xff\xff"), Code::Truncated);
    add("over the frame's bound", frame(20, QByteArray(IpcLimits::maxFrameBytes - 7, 'x')),
        Code::TooLong);
    add("at the frame's bound",
        frame(3, text("x") + QByteArray(IpcLimits::maxFrameBytes - 11, 'x')), Code::TrailingBytes);
    add("type 0", frame(0, i64(1)), Code::UnknownType);
    add("type 255", frame(255, i64(1)), Code::UnknownType);
    add("a type between two", frame(4, i64(1)), Code::UnknownType);
    add("ScanBegin without its flag", QByteArray(encode(ScanBegin())).replace(1, 1, "\0", 1),
        Code::BadFlags);
    add("ScanBegin with a flag too much", QByteArray(encode(ScanBegin())).replace(1, 1, "\x03"),
        Code::BadFlags);
    add("Ping with a descriptor's flag", frame(20, i64(1), 1), Code::BadFlags);
    add("Ping with an unknown flag", frame(20, i64(1), 0x80), Code::BadFlags);
    add("Ping with a longer body", frame(20, i64(1) + u8(0)), Code::TrailingBytes);
    add("Ping without a body", frame(20, {}), Code::Truncated);
    // texts
    add("text over its bound", hello(text(QByteArray(256, 'x'))), Code::TooLong);
    add("text of 64 KiB said", hello("\xff\xff"), Code::TooLong);
    add("text beyond the body", hello(u16(5) + "four"), Code::Truncated);
    add("lone continuation", hello(text("\x80")), Code::BadText);
    add("overlong NUL", hello(text("\xc0\x80")), Code::BadText);
    add("surrogate", hello(text("\xed\xa0\x80")), Code::BadText);
    add("cut sequence", hello(text("a\xe2\x82")), Code::BadText);
    add("beyond Unicode", hello(text("\xf4\x90\x80\x80")), Code::BadText);
    // values
    add("unknown role", frame(1, u16(1) + u16(1) + u8(2) + text("")), Code::BadValue);
    add("empty range of versions", frame(1, u16(2) + u16(1) + u8(0) + text("")), Code::BadValue);
    add("cancelled for no reason", frame(13, i64(1) + u8(0)), Code::BadValue);
    add("cancelled for an unknown reason", frame(13, i64(1) + u8(14)), Code::BadValue);
    add("unknown disposition", frame(15, i64(1) + u8(4)), Code::BadValue);
    add("negative size", frame(11, i64(1) + i64(-1)), Code::BadValue);
    add("size near overflow", frame(11, i64(1) + i64(IpcLimits::maxCount + 1)), Code::BadValue);
    add("presence neither yes nor no", frame(12, i64(1) + i64(1) + u8(2)), Code::BadValue);
    add("negative timeout", frame(12, i64(1) + i64(1) + u8(1) + i64(-1)), Code::BadValue);
    add("timeout near overflow",
        frame(12, i64(1) + i64(1) + u8(1) + i64(std::numeric_limits<qint64>::max())),
        Code::BadValue);
    add("timeout announced but missing", frame(12, i64(1) + i64(1) + u8(1)), Code::Truncated);
    add("flag of 2", frame(33, i64(1) + u8(2)), Code::BadValue);
    add("short digest", frame(34, u8(1) + QByteArray(31, 'd')), Code::Truncated);
    const auto problem = [](int level, qint64 line) {
        return frame(33,
            i64(1) + u8(0) + u8(0) + i64(0) + i64(0) + u16(1) + u8(level) + text("") + i64(line)
                + text("") + i64(0));
    };
    add("unknown level", problem(2, 1), Code::BadValue);
    add("line beyond int", problem(1, qint64(1) << 31), Code::BadValue);
    // verdicts
    add("unknown verdict", Raw::Verdict{.verdict = 4}.bytes(), Code::BadValue);
    add("unknown reason", Raw::Verdict{.verdict = 3, .reason = 14}.bytes(), Code::BadValue);
    add("total of -2", Raw::Verdict{.coverage = {.bytesTotal = -2}}.bytes(), Code::BadValue);
    add("unknown severity", Raw::Verdict{.findings = findings({.severity = 3})}.bytes(),
        Code::BadValue);
    add("unknown type of metadata",
        Raw::Verdict{.findings = findings({.meta = list(1, text("k") + u8(3))})}.bytes(),
        Code::BadValue);
    add("bad text in a finding's tag",
        Raw::Verdict{.findings = findings({.tags = list(1, text("\xff"))})}.bytes(), Code::BadText);
    add("negative offset",
        Raw::Verdict{.findings = findings({.strings = list(1, text("$a") + i64(-1) + i64(1))})}
            .bytes(),
        Code::BadValue);
    add("list announced but missing",
        frame(14, Raw::Verdict{}.bytes().sliced(8).chopped(3) + "\x99"), Code::Truncated);
}

void tst_IpcCodec::frame_malformed_isRefused()
{
    QFETCH(QByteArray, frameBytes);
    QFETCH(int, code);
    const auto decoded = decode(frameBytes);
    QVERIFY(!decoded);
    QCOMPARE(nameOf(decoded.error().code), nameOf(Code(code)));
    QVERIFY(!decoded.error().detail.isEmpty());
}

void tst_IpcCodec::frame_truncatedAnywhere_isRefused()
{
    RandomMessages messages(3);
    for (int round = 0; round < 5; ++round) {
        for (size_t type = 0; type < messageTypes; ++type) {
            const QByteArray whole = encode(messages.make(type));
            for (qsizetype size = 0; size < whole.size(); ++size) {
                QByteArray cut = whole.left(size);
                QVERIFY(!decode(cut)); // the header still tells the whole size
                if (size < IpcLimits::frameHeaderBytes)
                    continue;
                cut.replace(4, 4, Raw::number(quint32(size - IpcLimits::frameHeaderBytes)));
                const auto decoded = decode(cut); // the header agrees
                QVERIFY(!decoded);
                QCOMPARE(nameOf(decoded.error().code), nameOf(Code::Truncated));
            }
        }
    }
}

void tst_IpcCodec::frame_withBytesBehind_isRefused()
{
    RandomMessages messages(4);
    for (size_t type = 0; type < messageTypes; ++type) {
        const QByteArray whole = encode(messages.make(type));
        const QByteArray body = whole.sliced(IpcLimits::frameHeaderBytes) + '\0';
        const auto decoded = decode(Raw::frame(whole[0], body, whole[1]));
        QVERIFY(!decoded);
        QCOMPARE(nameOf(decoded.error().code), nameOf(Code::TrailingBytes));
    }
}

void tst_IpcCodec::frame_mutated_neverCrashesNorCleans()
{
    RandomMessages messages(5);
    QRandomGenerator &random = messages.random();
    int taken = 0;
    int cleans = 0;
    for (int round = 0; round < 100'000; ++round) {
        const size_t type = round % 2 == 0 ? 7 : size_t(random.bounded(int(messageTypes)));
        QByteArray frame = encode(messages.make(type));
        for (int changes = 1 + random.bounded(3); changes > 0; --changes) {
            const int at = random.bounded(int(frame.size()));
            switch (random.bounded(5)) {
            case 0:
                frame[at] = char(random.bounded(256));
                break;
            case 1:
                frame[at] = char(frame[at] ^ (1 << random.bounded(8)));
                break;
            case 2: // values that lengths and counts break at
                frame[at] = "\x00\x01\x7f\x80\xff"[random.bounded(5)];
                break;
            case 3:
                frame.remove(at, 1 + random.bounded(4));
                break;
            default:
                frame.insert(at, 1 + random.bounded(4), char(random.bounded(256)));
            }
            if (frame.size() < IpcLimits::frameHeaderBytes)
                break;
            if (random.bounded(4) != 0)
                frame.replace(4, 4, Raw::number(quint32(frame.size() - 8)));
        }
        const auto decoded = decode(frame);
        if (!decoded)
            continue;
        ++taken;
        QVERIFY(decode(encode(*decoded)) == decoded);
        if (const auto *verdict = std::get_if<ScanVerdict>(&*decoded)) {
            const bool isClean = verdict->result.verdict() == Verdict::Clean;
            cleans += isClean;
            QCOMPARE(isClean, claimsClean(frame));
            QVERIFY(!isClean || verdict->result.coverage().isComplete());
        }
    }
    qInfo("%d of 100,000 mutated frames still were messages, %d of them Clean", taken, cleans);
    QVERIFY(taken > 1'000); // else the mutations were too coarse to test anything
    QVERIFY(cleans > 0);
}

void tst_IpcCodec::frame_randomBytes_neverCrashes()
{
    QRandomGenerator random(6);
    const QByteArray types = QByteArray::fromHex("01020 30a0b0c0d0e0f14151e1f202122");
    for (int round = 0; round < 100'000; ++round) {
        QByteArray body;
        for (int i = random.bounded(200); i > 0; --i)
            body.append(random.bounded(3) == 0 ? char(random.bounded(256)) : '\0');
        const char type = types[random.bounded(int(types.size()))];
        const auto decoded = decode(Raw::frame(type, body, type == 10));
        if (decoded)
            QVERIFY(decode(encode(*decoded)) == decoded);
    }
}

void tst_IpcCodec::verdict_contradictory_isRefused_data()
{
    using namespace Raw;
    QTest::addColumn<QByteArray>("frameBytes");
    const auto add = [](const char *name, const Raw::Verdict &verdict) {
        QTest::newRow(name) << verdict.bytes();
    };
    add("clean, size unknown", {.coverage = {.bytesTotal = -1}});
    add("clean, a byte unseen", {.coverage = {.bytesTotal = 6}});
    add("clean, a byte too much", {.coverage = {.bytesScanned = 6}});
    add("clean, no engine", {.coverage = {.engines = u16(0)}});
    add("clean, a limit hit", {.coverage = {.limitsHit = list(1, text("matches"))}});
    add("clean, no rules", {.coverage = {.ruleSetDigest = u8(0)}});
    add("clean, not evaluated", {.coverage = {.wholeEvaluated = 0}});
    add("clean, malicious finding", {.findings = findings({})});
    add("clean, suspicious finding", {.findings = findings({.severity = 1})});
    add("clean, with a reason", {.reason = 1});
    add("clean, with a detail", {.detail = "but"});
    add("suspicious, nothing found", {.verdict = 1});
    add("suspicious, malicious finding", {.verdict = 1, .findings = findings({})});
    add("malicious, nothing found", {.verdict = 2});
    add("malicious, suspicious finding", {.verdict = 2, .findings = findings({.severity = 1})});
    add("malicious, with a reason", {.verdict = 2, .reason = 1, .findings = findings({})});
    add("malicious, with a detail", {.verdict = 2, .detail = "but", .findings = findings({})});
    add("not scanned, without a reason", {.verdict = 3});
    add("not scanned, malicious finding", {.verdict = 3, .reason = 3, .findings = findings({})});
    add("not scanned, complete with an info",
        {.verdict = 3, .reason = 3, .findings = findings({.severity = 0})});
    add("not scanned, info and a detail",
        {.verdict = 3,
            .reason = 3,
            .detail = "but",
            .coverage = {.bytesTotal = 6},
            .findings = findings({.severity = 0})});
}

void tst_IpcCodec::verdict_contradictory_isRefused()
{
    QFETCH(QByteArray, frameBytes);
    const auto decoded = decode(frameBytes);
    QVERIFY(!decoded);
    QCOMPARE(nameOf(decoded.error().code), nameOf(Code::Contradiction));
}

void tst_IpcCodec::verdict_rawClean_isClean()
{
    const auto decoded = decode(Raw::Verdict{}.bytes());
    QVERIFY(decoded);
    const auto verdict = std::get<ScanVerdict>(*decoded);
    QVERIFY(verdict.result == ScanResult::judge(completeCoverage(), {}, {}));
    QCOMPARE(verdict.duration, std::chrono::microseconds(250));
}

void tst_IpcCodec::list_atItsBound_isTakenAndOverItRefused_data()
{
    using namespace Raw;
    QTest::addColumn<QByteArray>("atBound");
    QTest::addColumn<QByteArray>("overBound");
    const auto add = [](const char *name, int bound, auto make) {
        QTest::newRow(name) << QByteArray(make(bound)) << QByteArray(make(bound + 1));
    };
    add("engines", IpcLimits::maxEngines, [](int count) {
        return Raw::Verdict{.coverage = {.engines = list(count, text("e"))}}.bytes();
    });
    add("gaps", IpcLimits::maxEngines, [](int count) {
        return Raw::Verdict{
            .coverage = {.gaps = list(count, text("clamd") + u8(1) + text("it is away"))}}
            .bytes();
    });
    add("limits", IpcLimits::maxLimitsHit, [](int count) {
        return Raw::Verdict{
            .verdict = 3, .reason = 5, .coverage = {.limitsHit = list(count, text("l"))}}
            .bytes();
    });
    add("not looked into", IpcLimits::maxNotLookedInto, [](int count) {
        return Raw::Verdict{.coverage = {.notLookedInto = list(count, text("n"))}}.bytes();
    });
    add("findings", IpcLimits::maxFindings, [](int count) {
        return Raw::Verdict{.verdict = 2, .findings = findings({}, count)}.bytes();
    });
    add("tags", IpcLimits::maxTagsPerFinding, [](int count) {
        return Raw::Verdict{.verdict = 2, .findings = findings({.tags = list(count, text("t"))})}
            .bytes();
    });
    add("metadata", IpcLimits::maxMetaPerFinding, [](int count) {
        return Raw::Verdict{
            .verdict = 2, .findings = findings({.meta = list(count, text("k") + u8(2) + u8(1))})}
            .bytes();
    });
    add("strings", IpcLimits::maxStringsPerFinding, [](int count) {
        return Raw::Verdict{.verdict = 2,
            .findings = findings({.strings = list(count, text("$a") + i64(1) + i64(2))})}
            .bytes();
    });
    const QByteArray rules = u8(0) + i64(0) + i64(0);
    add("problems", IpcLimits::maxRuleProblems, [rules](int count) {
        const QByteArray problem = u8(0) + text("f") + i64(1) + text("m");
        return frame(33, i64(1) + u8(0) + rules + list(count, problem) + i64(0));
    });
    const auto status = [rules](int workers, int features, int troubles) {
        return frame(31,
            i64(1) + text("v") + i64(1) + i64(1) + i64(1) + rules + i64(0).repeated(3)
                + list(workers, i64(1) + u8(1) + i64(1) + i64(1))
                + list(features, text("n") + u8(1) + text("")) + i64(0).repeated(7)
                + i64(0).repeated(qsizetype(allReasons.size())) + i64(0).repeated(9) + u8(0)
                + list(troubles, text("t")));
    };
    add("workers", IpcLimits::maxWorkersListed, [&](int count) { return status(count, 0, 0); });
    add("features", IpcLimits::maxSandboxFeatures, [&](int count) { return status(0, count, 0); });
    add("troubles", IpcLimits::maxTroubles, [&](int count) { return status(0, 0, count); });
}

void tst_IpcCodec::list_atItsBound_isTakenAndOverItRefused()
{
    QFETCH(QByteArray, atBound);
    QFETCH(QByteArray, overBound);
    const auto taken = decode(atBound);
    QVERIFY2(taken, qPrintable(taken ? QString() : taken.error().detail));
    QCOMPARE(encode(*taken), atBound);
    const auto refused = decode(overBound);
    QVERIFY(!refused);
    QCOMPARE(nameOf(refused.error().code), nameOf(Code::TooLong));
}

void tst_IpcCodec::text_atItsBound_isWhole()
{
    ScanBegin begin;
    begin.metadata.filename = QString(IpcLimits::maxPathBytes, u'x');
    begin.filePath = QString(IpcLimits::maxPathBytes / 2, u'\u00e9');
    begin.metadata.mimeType = QString(IpcLimits::maxNameBytes, u'x');
    QCOMPARE(sent(begin), begin);
}

void tst_IpcCodec::text_overItsBound_losesItsMiddle_data()
{
    QTest::addColumn<QString>("character");
    QTest::newRow("one byte") << QStringLiteral("x");
    QTest::newRow("two bytes") << QStringLiteral("\u00e9");
    QTest::newRow("three bytes") << QStringLiteral("\u20ac");
    QTest::newRow("four bytes") << QStringLiteral("\U0001f4a3");
}

void tst_IpcCodec::text_overItsBound_losesItsMiddle()
{
    QFETCH(QString, character);
    for (int shift = 0; shift < 4; ++shift) { // every way in which the cut can fall into it
        ScanBegin begin;
        begin.metadata.filename = QString(shift, u's') + QStringLiteral("start")
            + character.repeated(IpcLimits::maxPathBytes) + QStringLiteral("end.exe");
        const QString arrived = sent(begin).metadata.filename;
        QVERIFY(arrived.contains(QStringLiteral("start")));
        QVERIFY(arrived.endsWith(QStringLiteral("end.exe"))); // what a rule judges a name by
        QCOMPARE(arrived.count(u'\u2026'), 1);
        QVERIFY(!arrived.contains(QChar::ReplacementCharacter));
        const qsizetype bytes = arrived.toUtf8().size();
        QVERIFY(bytes <= IpcLimits::maxPathBytes && bytes > IpcLimits::maxPathBytes - 8);
    }
}

void tst_IpcCodec::text_loneSurrogates_stillArrives()
{
    ScanBegin begin;
    begin.metadata.filename = QString(QChar(0xd800)) + QStringLiteral(".exe");
    QVERIFY(sent(begin).metadata.filename.endsWith(QStringLiteral(".exe")));
}

void tst_IpcCodec::url_overItsBound_stillArrives()
{
    ScanBegin begin;
    begin.metadata.url = QUrl(QStringLiteral("data:text/plain,") + QString(3'000'000, u'%'));
    sent(begin);
    begin.metadata.url = QUrl(QStringLiteral("http://h/") + QString(9'000, u'p'));
    QVERIFY(sent(begin).metadata.url.toString().startsWith(QStringLiteral("http://h/ppp")));
    begin.metadata.url = QUrl(QStringLiteral("http://[::1]/\u00e9 %zz?\u202e#"));
    QCOMPARE(sent(begin).metadata.url.host(), QStringLiteral("::1"));
}

void tst_IpcCodec::url_nonsense_isNone()
{
    using namespace Raw;
    QByteArray frameBytes = encode(ScanBegin());
    const QByteArray nonsense = text("http://[not an address/");
    frameBytes = frame(10, frameBytes.sliced(8, 8) + nonsense + frameBytes.sliced(18), 1);
    const auto decoded = decode(frameBytes);
    QVERIFY(decoded);
    QVERIFY(std::get<ScanBegin>(*decoded).metadata.url.isEmpty());
}

void tst_IpcCodec::numbers_outOfRange_areBroughtIntoIt()
{
    constexpr qint64 most = std::numeric_limits<qint64>::max();
    QCOMPARE(sent(ScanGrow{1, -5}).sizeBytes, 0);
    QCOMPARE(sent(ScanGrow{1, most}).sizeBytes, IpcLimits::maxCount);
    QCOMPARE(sent(ScanEnd{1, 1, std::chrono::milliseconds(-7)}).timeout,
        std::optional(std::chrono::milliseconds(0)));
    QCOMPARE(sent(ScanEnd{1, 1, std::chrono::milliseconds(most)}).timeout,
        std::optional(std::chrono::milliseconds(IpcLimits::maxDuration)));
    ScanBegin begin;
    begin.metadata.sizeBytes = -1; // as a server may announce it
    QCOMPARE(sent(begin).metadata.sizeBytes, std::optional<qint64>(0));
}

void tst_IpcCodec::digest_ofAWrongLength_isMissing()
{
    ScanBegin begin;
    begin.metadata.sha256 = QByteArray(31, 'h'); // as an embedder may announce it
    QVERIFY(sent(begin).metadata.sha256.isEmpty());
}

void tst_IpcCodec::verdict_largest_fitsAndIsCounted()
{
    Coverage coverage = completeCoverage();
    coverage.engines = QStringList(100, QString(9'000, u'e'));
    coverage.limitsHit = QStringList(100, QString(9'000, u'l'));
    std::vector<Finding> findings(
        300, largestFinding(Severity::Suspicious, Limits::maxStringsPerFinding));
    findings[200] = largestFinding(Severity::Malicious, Limits::maxStringsPerFinding);
    const ScanVerdict verdict{1, ScanResult::judge(coverage, findings, QByteArray(32, 's')), {}};
    const ScanResult arrived = sent(verdict).result;
    QCOMPARE(arrived.verdict(), Verdict::Malicious);
    QCOMPARE(arrived.findings().size(), size_t(1));
    QCOMPARE(arrived.findings()[0].severity, Severity::Malicious);
    QVERIFY(arrived.findings()[0].strings.empty());
    QCOMPARE(arrived.findings()[0].stringsOmitted, qint64(Limits::maxStringsPerFinding));
    QCOMPARE(arrived.findings()[0].meta.size(), size_t(IpcLimits::maxMetaPerFinding));
    QCOMPARE(arrived.coverage().findingsOmitted, 299);
    QCOMPARE(arrived.sha256(), QByteArray(32, 's'));
}

void tst_IpcCodec::verdict_tooManyFindings_keepsTheWorstInOrder()
{
    std::vector<Finding> findings;
    for (int i = 0; i < 1'000; ++i)
        findings.push_back(smallFinding(Severity(i % 3), i));
    const ScanVerdict verdict{1, ScanResult::judge(completeCoverage(), findings, {}), {}};
    const ScanResult arrived = sent(verdict).result;
    QCOMPARE(arrived.findings().size(), size_t(IpcLimits::maxFindings));
    QCOMPARE(arrived.coverage().findingsOmitted, 1'000 - IpcLimits::maxFindings);
    for (size_t i = 0; i < arrived.findings().size(); ++i) // the first malicious ones, in order
        QCOMPARE(arrived.findings()[i].rule, QStringLiteral("Rule%1").arg(3 * i + 2));
}

void tst_IpcCodec::verdict_manyPlaces_losesPlacesBeforeFindings()
{
    Finding finding = smallFinding(Severity::Malicious);
    for (int i = 0; i < Limits::maxStringsPerFinding; ++i)
        finding.strings.push_back({QStringLiteral("$string"), i, 4});
    const std::vector<Finding> findings(Limits::maxFindings, finding);
    const ScanVerdict verdict{1, ScanResult::judge(completeCoverage(), findings, {}), {}};
    const ScanResult arrived = sent(verdict).result;
    QCOMPARE(arrived.findings().size(), findings.size());
    QCOMPARE(arrived.coverage().findingsOmitted, 0);
    for (const Finding &kept : arrived.findings()) {
        QVERIFY(!kept.strings.empty());
        QCOMPARE(qint64(kept.strings.size()) + kept.stringsOmitted,
            qint64(Limits::maxStringsPerFinding));
    }
}

void tst_IpcCodec::verdict_notScannedWithFindings_staysSo()
{
    Coverage coverage = completeCoverage();
    coverage.bytesScanned = 1;
    coverage.limitsHit = QStringList(20, QString(400, u'l'));
    const std::vector<Finding> findings(300, smallFinding(Severity::Info));
    const ScanVerdict verdict{
        1, ScanResult::judge(coverage, findings, {}, Reason::EngineError), {}};
    const ScanResult arrived = sent(verdict).result;
    QCOMPARE(arrived.verdict(), Verdict::NotScanned);
    QCOMPARE(arrived.reason(), Reason::EngineError);
    QCOMPARE(arrived.detail(), arrived.coverage().limitsHit.join(QStringLiteral("; ")));
}

void tst_IpcCodec::verdict_fullCount_staysInRange()
{
    Coverage coverage = completeCoverage();
    coverage.findingsOmitted = std::numeric_limits<int>::max();
    const std::vector<Finding> findings(300, smallFinding(Severity::Malicious));
    const ScanVerdict verdict{1, ScanResult::judge(coverage, findings, {}), {}};
    QCOMPARE(sent(verdict).result.coverage().findingsOmitted, std::numeric_limits<int>::max());
}

void tst_IpcCodec::reload_tooManyProblems_areCounted()
{
    ReloadResult result;
    const QString longest(9'000, u'x');
    result.problems.assign(1'000, {RuleProblem::Level::Error, longest, 1, longest});
    result.problemsOmitted = 5;
    const ReloadResult arrived = sent(result);
    QCOMPARE(arrived.problems.size(), size_t(IpcLimits::maxRuleProblems));
    QCOMPARE(arrived.problemsOmitted, qint64(1'005 - IpcLimits::maxRuleProblems));
}

void tst_IpcCodec::status_largest_fits()
{
    const QString longest(9'000, u'x');
    StatusReport report;
    report.status.productVersion = longest;
    report.status.workers.resize(1'000);
    report.status.sandbox.assign(1'000, {longest, true, longest});
    report.status.troubles = QStringList(1'000, longest);
    report.status.clamd = ClamdStatus{.address = longest, .version = longest, .trouble = longest};
    const SentinelStatus arrived = sent(report).status;
    QCOMPARE(arrived.workers.size(), size_t(IpcLimits::maxWorkersListed));
    QCOMPARE(arrived.sandbox.size(), size_t(IpcLimits::maxSandboxFeatures));
    QCOMPARE(arrived.troubles.size(), qsizetype(IpcLimits::maxTroubles));
    QVERIFY(arrived.clamd.has_value());
}

void tst_IpcCodec::begin_largest_fits()
{
    const QString longest(90'000, u'\u20ac');
    ScanBegin begin;
    begin.metadata.url = QUrl(QStringLiteral("http://h/") + longest);
    begin.metadata.filename = begin.metadata.mimeType = begin.filePath = longest;
    QVERIFY(!sent(begin).filePath.isEmpty());
}

QTEST_APPLESS_MAIN(tst_IpcCodec)
#include "tst_ipccodec.moc"
