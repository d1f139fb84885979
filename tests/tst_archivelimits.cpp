// SPDX-License-Identifier: MIT
#include "support/ArchiveBench.h"
#include "support/Patience.h"
#include "support/Slowness.h"

#include <QElapsedTimer>
#include <QRandomGenerator>
#include <QTest>

#include <functional>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace Qt::StringLiterals;

namespace {

const QByteArray text("nothing but words\n");

QByteArray hiddenEicar()
{
    return eicar() + QByteArray(200, ' ');
}

//! What a scan may take of the memory and time of a test.
constexpr qint64 maxScanMs = 20'000;

} // namespace

//! What cannot be seen is never called clean: limits, encryption, damage, bombs.
class TestArchiveLimits : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void limit_exceeded_isNamedAndNeverClean_data();
    void limit_exceeded_isNamedAndNeverClean();
    void limit_exactlyMet_isClean_data();
    void limit_exactlyMet_isClean();
    void limit_exceeded_whatWasFoundCounts();

    void encrypted_withoutPassword_isEncrypted_data();
    void encrypted_withoutPassword_isEncrypted();
    void encrypted_besideOthers_theOthersAreScanned();
    void encrypted_withPassword_isFound_data();
    void encrypted_withPassword_isFound();

    void truncated_anywhere_isNeverClean_data();
    void truncated_anywhere_isNeverClean();
    void changed_anywhere_neverHidesAThreat_data();
    void changed_anywhere_neverHidesAThreat();
    void zip_directoryWithBytes_isNeverClean();
    void damaged_memberBesideOthers_theOthersAreScanned();

    void bomb_endsInTimeAndIsNotScanned_data();
    void bomb_endsInTimeAndIsNotScanned();
    void slices_areShort();

private:
    const ArchiveBench m_bench{eicarRules()};
};

using Adjust = std::function<void(ArchiveLimits &)>;

void TestArchiveLimits::limit_exceeded_isNamedAndNeverClean_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<Adjust>("adjust");
    QTest::addColumn<QString>("detail");
    const auto row = [](const char *name, const QByteArray &bytes, const Adjust &adjust,
                         const QString &detail) {
        QTest::newRow(name) << bytes << adjust << detail;
    };
    const QByteArray two = archiveOf("zip", {{"a", text}, {"b", text}});
    QByteArray nested = zipOf("a", text);
    for (int depth = 2; depth <= Limits::maxArchiveDepth + 1; ++depth)
        nested = zipOf("a", nested);
    row("depth", nested, {}, u"archives are nested too deep: a!a!a!a!a!a!a!a"_s);
    row(
        "depth of one", zipOf("a", zipOf("b", text)), [](auto &l) { l.maxDepth = 1; },
        u"archives are nested too deep: a"_s);
    row(
        "members", two, [](auto &l) { l.maxMembers = 1; }, u"too many members"_s);
    row(
        "members, in all", archiveOf("zip", {{"a", two}, {"b", two}}),
        [](auto &l) { l.maxMembers = 5; }, u"too many members: b"_s);
    row(
        "a member's size", two, [](auto &l) { l.maxMemberBytes = text.size() - 1; },
        u"a member is too large: a, and 1 more"_s);
    row(
        "expanded bytes", two, [](auto &l) { l.maxExpandedBytes = 2 * text.size() - 1; },
        u"the members are too large together: b"_s);
    row(
        "held bytes", zipOf("a", zipOf("b", noise(100'000))),
        [](auto &l) { l.maxHeldBytes = 150'000; }, u"nested archives are too large: a!b"_s);
    row("ratio", zipOf("a", QByteArray(11 * Limits::mib, '\0')), {},
        u"expands too much for its size: a"_s);
    row("ratio, of a stream", compressed("xz", QByteArray(11 * Limits::mib, '\0')), {},
        u"expands too much for its size: content"_s);
}

void TestArchiveLimits::limit_exceeded_isNamedAndNeverClean()
{
    QFETCH(QByteArray, bytes);
    QFETCH(Adjust, adjust);
    QFETCH(QString, detail);
    ArchiveSettings settings;
    if (adjust)
        adjust(settings.limits);
    QCOMPARE(told(m_bench.scan(bytes, settings)), u"NotScanned LimitHit: "_s + detail);
}

void TestArchiveLimits::limit_exactlyMet_isClean_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<Adjust>("adjust");
    const QByteArray two = archiveOf("zip", {{"a", text}, {"b", text}});
    QByteArray nested = zipOf("a", text);
    for (int depth = 2; depth <= Limits::maxArchiveDepth; ++depth)
        nested = zipOf("a", nested);
    QTest::newRow("depth") << nested << Adjust();
    QTest::newRow("members") << two << Adjust([](auto &l) { l.maxMembers = 2; });
    QTest::newRow("a member's size")
        << two << Adjust([](auto &l) { l.maxMemberBytes = text.size(); });
    QTest::newRow("expanded bytes")
        << two << Adjust([](auto &l) { l.maxExpandedBytes = 2 * text.size(); });
    QTest::newRow("ratio") << zipOf("a", QByteArray(9 * Limits::mib, '\0')) << Adjust();
}

void TestArchiveLimits::limit_exactlyMet_isClean()
{
    QFETCH(QByteArray, bytes);
    QFETCH(Adjust, adjust);
    ArchiveSettings settings;
    if (adjust)
        adjust(settings.limits);
    QCOMPARE(told(m_bench.scan(bytes, settings)), u"Clean"_s);
}

void TestArchiveLimits::limit_exceeded_whatWasFoundCounts()
{
    ArchiveSettings settings;
    settings.limits.maxMembers = 1;
    const ScanResult result =
        m_bench.scan(archiveOf("zip", {{"a", hiddenEicar()}, {"b", text}}), settings);
    QCOMPARE(told(result), u"Malicious"_s);
    QCOMPARE(result.coverage().limitsHit, QStringList{u"too many members"_s});
    // Also in the part of a member that there is room for.
    settings.limits = {};
    settings.limits.maxMemberBytes = 1'000'000;
    const QByteArray large = hiddenEicar() + QByteArray(3'000'000, 'x');
    const ScanResult part =
        m_bench.scan(archiveOf("zip", {{"a", large}, {"b", hiddenEicar()}}), settings);
    QCOMPARE(membersOf(part), u"a, b"_s);
    QCOMPARE(part.coverage().membersScanned, 1);
}

void TestArchiveLimits::encrypted_withoutPassword_isEncrypted_data()
{
    QTest::addColumn<QByteArray>("bytes");
    for (const char *method : {"zipcrypt", "aes128", "aes256"}) {
        const QByteArray options = QByteArray("zip:encryption=") + method;
        QTest::newRow(method) << archiveOf(
            "zip", {{"e", hiddenEicar()}}, options.constData(), "infected");
    }
    // By 7-Zip, which libarchive cannot imitate: a member, and the names as well.
    QTest::newRow("7z") << QByteArray::fromBase64(
        "N3q8ryccAAStFIAqUAAAAAAAAABiAAAAAAAAADHWB/S8CnTvU/9quMaYf60abc+feV2EbDvIgxac"
        "DWgkjA+ephbbT9+dZS7lO1sep3JvpWBgcTZEmjFgC24zTXfv7L4x81aHlREcNhBTEh54AjNBeQEE"
        "BgABCVAABwsBAAIkBvEHARJTD2CLF1BxEs8XCiHmYL5q6RQhIQEAAQAMSEQACAoBPM9RaAAABQEZ"
        "AQARDQB4AC4AZQB4AGUAAAAUCgEArhJB3u153QEVBgEAIICkgQAA");
    QTest::newRow("7z, names too") << QByteArray::fromBase64(
        "N3q8ryccAASfa+YiwAAAAAAAAAAuAAAAAAAAAIpXugH1pdoqxiuAlMAzV5WoRnfAngWDc2kPeSMW"
        "tqVWqXdbXtq1tEKzEPZzH644ms6phqlqBmlH8fVHqobNKzzC4mYR8KNENqps/V1U63s9jrf6ePLM"
        "pd5DMQHLWHBzg/8hHI0UlclGihciZw27wbWmO3b9sHoGVeUC9S1oVmGPaGzm3cjc7HTdlt+ODUR7"
        "W1R/cWklqPpKuoIpYT3GTt9AX7dt90kZaf5tLdbyScAiIPK1uip+MPB0EYSrLXFJEpu2ifYXBlAB"
        "CXAABwsBAAEkBvEHARJTD2UnjW36e+08V49g4/imfaoMYgoB0wMWuwAA");
    QTest::newRow("zip in a zip") << zipOf(
        "a.zip", archiveOf("zip", {{"e", hiddenEicar()}}, "zip:encryption=aes256", "infected"));
}

void TestArchiveLimits::encrypted_withoutPassword_isEncrypted()
{
    QFETCH(QByteArray, bytes);
    const ScanResult result = m_bench.scan(bytes);
    QCOMPARE(result.verdict(), Verdict::NotScanned);
    QCOMPARE(nameOf(result.reason()), u"Encrypted"_s);
    ArchiveSettings settings;
    settings.passwords = {u"wrong"_s, u"also wrong"_s};
    QCOMPARE(nameOf(m_bench.scan(bytes, settings).reason()), u"Encrypted"_s);
}

void TestArchiveLimits::encrypted_besideOthers_theOthersAreScanned()
{
    const QByteArray locked =
        archiveOf("zip", {{"secret", text}}, "zip:encryption=aes256", "infected");
    const ScanResult result =
        m_bench.scan(archiveOf("zip", {{"a", text}, {"locked.zip", locked}, {"b", hiddenEicar()}}));
    QCOMPARE(told(result), u"Malicious"_s);
    QCOMPARE(membersOf(result), u"b"_s);
    QCOMPARE(result.coverage().membersScanned, 3);
    QVERIFY(result.coverage().limitsHit.front().startsWith(u"encrypted: locked.zip!secret"_s));
}

void TestArchiveLimits::encrypted_withPassword_isFound_data()
{
    QTest::addColumn<QByteArray>("method");
    for (const char *method : {"zipcrypt", "aes128", "aes256"})
        QTest::newRow(method) << QByteArray("zip:encryption=") + method;
}

void TestArchiveLimits::encrypted_withPassword_isFound()
{
    QFETCH(QByteArray, method);
    ArchiveSettings settings;
    settings.passwords = {u"wrong"_s, u"infected"_s};
    const auto locked = [&](const QByteArray &bytes) {
        return archiveOf("zip", {{"e", bytes}, {"f", text}}, method.constData(), "infected");
    };
    QCOMPARE(told(m_bench.scan(locked(hiddenEicar()), settings)), u"Malicious"_s);
    const ScanResult clean = m_bench.scan(locked(text), settings);
    QCOMPARE(told(clean), u"Clean"_s);
    QCOMPARE(clean.coverage().membersScanned, 2);
}

void TestArchiveLimits::truncated_anywhere_isNeverClean_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<int>("signature");
    const std::vector<Packed> members{{"a", text}, {"e", noise(700)}, {"b", text}};
    QTest::newRow("zip") << archiveOf("zip", members) << 4;
    QTest::newRow("tar.gz") << compressed("gzip", archiveOf("ustar", members)) << 3;
    QTest::newRow("tar.xz") << compressed("xz", archiveOf("ustar", members)) << 6;
    QTest::newRow("tar.zst") << compressed("zstd", archiveOf("ustar", members)) << 4;
    QTest::newRow("tar.bz2") << compressed("bzip2", archiveOf("ustar", members)) << 10;
    QTest::newRow("tar.lz4") << compressed("lz4", archiveOf("ustar", members)) << 4;
    QTest::newRow("7z") << archiveOf("7zip", members) << 6;
    QTest::newRow("cpio") << archiveOf("newc", members) << 110;
    QTest::newRow("rar") << rarOf("a", noise(700)) << 7;
    QTest::newRow("cab") << cabOf("a", noise(700)) << 8;
}

void TestArchiveLimits::truncated_anywhere_isNeverClean()
{
    QFETCH(QByteArray, bytes);
    QFETCH(int, signature);
    QCOMPARE(told(m_bench.scan(bytes)), u"Clean"_s);
    for (qsizetype size = signature; size < bytes.size(); ++size) {
        const ScanResult result = m_bench.scan(bytes.first(size));
        if (result.verdict() != Verdict::NotScanned || result.reason() != Reason::Damaged)
            QFAIL(
                qPrintable(u"%1 of %2 bytes: %3"_s.arg(size).arg(bytes.size()).arg(told(result))));
    }
}

void TestArchiveLimits::changed_anywhere_neverHidesAThreat_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<int>("signature"); // without it, it is no archive; -1: may be anything
    const std::vector<Packed> members{{"a", text}, {"e", hiddenEicar()}, {"b", noise(300)}};
    QTest::newRow("zip") << archiveOf("zip", members) << 0;
    QTest::newRow("zip, stored") << archiveOf("zip", members, "zip:compression=store") << 0;
    QTest::newRow("7z") << archiveOf("7zip", members) << 6;
    for (const char *filter : {"gzip", "bzip2", "xz"})
        QTest::newRow(filter) << compressed(filter, hiddenEicar())
                              << (qstrcmp(filter, "gzip") == 0        ? 3
                                         : qstrcmp(filter, "xz") == 0 ? 6
                                                                      : 10);
    for (const char *filter : {"zstd", "lz4", "lzip", "lzma", "compress"})
        QTest::newRow(filter) << compressed(filter, hiddenEicar()) << -1;
    for (const char *format : {"pax", "newc", "odc", "bin", "ar", "iso9660"})
        QTest::newRow(format) << archiveOf(format, members) << -1;
    const QByteArray zip = archiveOf("zip", members);
    QTest::newRow("rar") << rarOf("e", zip) << -1;
    QTest::newRow("lha") << lhaOf("e", zip) << -1;
    QTest::newRow("cab") << cabOf("e", zip) << -1;
    QTest::newRow("tar.gz") << compressed("gzip", archiveOf("ustar", members)) << -1;
    QTest::newRow("rpm") << rpmOf(compressed("xz", archiveOf("newc", members))) << -1;
}

void TestArchiveLimits::changed_anywhere_neverHidesAThreat()
{
    QFETCH(QByteArray, bytes);
    QFETCH(int, signature);
    QCOMPARE(told(m_bench.scan(bytes)), u"Malicious"_s);
    QRandomGenerator random(1);
    QElapsedTimer time;
    const int rounds = (bytes.size() > 100'000 ? 200 : 3'000) / Test::slowness;
    for (int round = 0; round < rounds; ++round) {
        QByteArray changed = bytes;
        qsizetype first = bytes.size();
        for (int i = signature < 0 ? random.bounded(1, 5) : 1; i > 0; --i) {
            const qsizetype at = random.bounded(int(std::min<qsizetype>(bytes.size(), 100'000)));
            const char bit = char(1 << random.bounded(8));
            changed[at] = random.bounded(2) ? char(changed[at] ^ bit) : char(random.bounded(256));
            first = std::min(first, at);
        }
        if (changed == bytes)
            continue;
        time.start();
        const ScanResult result = m_bench.scan(changed);
        QVERIFY2(time.elapsed() < maxScanMs, changed.toHex().constData());
        if (signature >= 0 && first >= signature && result.verdict() == Verdict::Clean)
            QFAIL(qPrintable(u"round %1, byte %2: %3"_s.arg(round).arg(first).arg(told(result))));
    }
}

void TestArchiveLimits::zip_directoryWithBytes_isNeverClean()
{
    QByteArray zip = zipOf("name_", hiddenEicar());
    zip.replace("name_", "name/");
    const ScanResult result = m_bench.scan(zip);
    QCOMPARE(told(result),
        u"NotScanned LimitHit: cannot be unpacked here: name/ (it has bytes, and says it is no file)"_s);
}

void TestArchiveLimits::damaged_memberBesideOthers_theOthersAreScanned()
{
    QByteArray zip =
        archiveOf("zip", {{"broken", noise(3000)}, {"e", hiddenEicar()}}, "zip:compression=store");
    zip[1000] = char(zip[1000] ^ 1);
    const ScanResult result = m_bench.scan(zip);
    QCOMPARE(membersOf(result), u", e"_s);
    QVERIFY(result.coverage().limitsHit.front().startsWith(u"damaged: broken (ZIP bad CRC"_s));
    QCOMPARE(result.coverage().membersScanned, 1);
}

void TestArchiveLimits::bomb_endsInTimeAndIsNotScanned_data()
{
    QTest::addColumn<QByteArray>("bytes");
    // Sixteen in each of sixteen, and so on, as the one of 42 kB has it.
    QByteArray nested = zipOf("0", QByteArray(50 * Limits::mib, '\0'));
    for (int level = 0; level < 5; ++level) {
        std::vector<Packed> members;
        for (int i = 0; i < 16; ++i)
            members.push_back({QByteArray::number(i), nested});
        nested = archiveOf("zip", members);
    }
    QTest::newRow("nested") << nested;
    QTest::newRow("overlapping") << overlappingZip(200, 20 * Limits::mib);
    QTest::newRow("many empty members") << [] {
        std::vector<Packed> members;
        for (int i = 0; i < 30'000; ++i)
            members.push_back({QByteArray::number(i), {}});
        return archiveOf("zip", members);
    }();
    QTest::newRow("one large stream") << compressed("zstd", QByteArray(300 * Limits::mib, '\0'));
    QByteArray gzip = compressed("gzip", QByteArray(100 * Limits::mib, '\0'));
    for (int level = 0; level < 4; ++level)
        gzip = compressed("gzip", gzip);
    QTest::newRow("gzip in gzip") << gzip;
}

void TestArchiveLimits::bomb_endsInTimeAndIsNotScanned()
{
    QFETCH(QByteArray, bytes);
    QElapsedTimer time;
    time.start();
    const ScanResult result = m_bench.scan(bytes);
    QCOMPARE(result.verdict(), Verdict::NotScanned);
    QCOMPARE(result.reason(), Reason::LimitHit);
    QVERIFY2(time.elapsed() < maxScanMs, qPrintable(QString::number(time.elapsed())));
}

void TestArchiveLimits::slices_areShort()
{
    constexpr qint64 largeBytes = 8 * Limits::mib;
    const QByteArray large = noise(largeBytes);
    std::vector<Packed> members{{"a", large}, {"b", large}};
    for (const QByteArray &bytes :
        {archiveOf("zip", members), compressed("gzip", large), archiveOf("7zip", {{"a", large}})}) {
        const auto task = m_bench.begin(bytes);
        int slices = 0;
        while (task->step({.until = Clock::now()}) != ScanTask::Progress::Done)
            ++slices;
        // Each hands over a block at most.
        QVERIFY2(slices > largeBytes / (4 * Limits::archiveBlockBytes),
            qPrintable(QString::number(slices)));
    }
}

QTEST_GUILESS_MAIN(TestArchiveLimits)
#include "tst_archivelimits.moc"
