// SPDX-License-Identifier: MIT
#include "SecurityTap/Limits.h"
#include "support/ArchiveBench.h"

#include <QTest>
#include <QtEndian>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace Qt::StringLiterals;

namespace {

const QByteArray text("nothing but words\n");

//! EICAR where a raw look does not find it.
QByteArray deflated()
{
    return zipOf("eicar.com", eicar() + QByteArray(200, ' '));
}

QByteArray sevenZip()
{
    return archiveOf("7zip", {{"eicar.com", eicar() + QByteArray(200, ' ')}});
}

QByteArray number16(quint16 number)
{
    QByteArray bytes(2, '\0');
    qToLittleEndian(number, bytes.data());
    return bytes;
}

QByteArray number32(quint32 number)
{
    QByteArray bytes(4, '\0');
    qToLittleEndian(number, bytes.data());
    return bytes;
}

//! A gzip of \p content with \p field in its header, which unpackers of gzip skip.
QByteArray gzipWithField(const QByteArray &content, const QByteArray &field)
{
    constexpr qsizetype headerBytes = 10;
    const QByteArray gzip = compressed("gzip", content);
    return gzip.first(3) + '\4' + gzip.sliced(4, headerBytes - 4) + number16(quint16(field.size()))
        + field + gzip.sliced(headerBytes);
}

//! \p zip with \p bytes between its last member and its directory.
QByteArray withGap(QByteArray zip, const QByteArray &bytes)
{
    const qsizetype directory = zip.indexOf("PK\1\2");
    const qsizetype offset = zip.lastIndexOf("PK\5\6") + 16;
    zip.replace(offset, 4, number32(quint32(directory + bytes.size())));
    return zip.insert(directory, bytes);
}

//! \p zip with one member as zip64 has it, behind \p before, with \p more at the end of its large
//! record, whose mark is \p mark.
QByteArray largeZip(
    const QByteArray &before, QByteArray zip, const QByteArray &more, const QByteArray &mark)
{
    const qsizetype directory = zip.indexOf("PK\1\2");
    const qsizetype end = zip.lastIndexOf("PK\5\6");
    constexpr qsizetype offsetAt = 42;
    zip.replace(directory + offsetAt, 4, number32(quint32(before.size())));
    QByteArray large = mark + QByteArray(52, '\0');
    qToLittleEndian(quint64(44 + more.size()), large.data() + 4);
    qToLittleEndian(quint64(1), large.data() + 24);
    qToLittleEndian(quint64(1), large.data() + 32);
    qToLittleEndian(quint64(end - directory), large.data() + 40);
    qToLittleEndian(quint64(before.size() + directory), large.data() + 48);
    QByteArray locator = "PK\6\7" + QByteArray(16, '\0');
    qToLittleEndian(quint64(before.size() + end), locator.data() + 8);
    qToLittleEndian(quint32(1), locator.data() + 16);
    return before + zip.first(end) + large + more + locator + zip.sliced(end, 8)
        + QByteArray(12, '\xff') + QByteArray(2, '\0');
}

//! \p zip with one member, written as if its size had not been known before.
QByteArray streamed(QByteArray zip, const QByteArray &sizes)
{
    constexpr qsizetype crcAt = 14;
    constexpr qsizetype numbersBytes = 12;
    const qsizetype record = zip.indexOf("PK\1\2");
    const QByteArray numbers = zip.sliced(record + 16, numbersBytes);
    zip[6] = zip[record + 8] = 8;
    zip.replace(crcAt, numbersBytes, QByteArray(numbersBytes, '\0'));
    zip.replace(record + 20, sizes.size(), sizes);
    return withGap(zip, "PK\7\10" + numbers);
}

//! \p zip with \p comment, which its end record tells of.
QByteArray commented(const QByteArray &zip, const QByteArray &comment)
{
    return zip.chopped(2) + number16(quint16(comment.size())) + comment;
}

//! A disk image whose first tree says that a file is another one: the tree for Windows has both.
QByteArray imageWithTwoTrees()
{
    QByteArray image = archiveOf("iso9660", {{"A.TXT", text}, {"E.ZIP", deflated()}});
    const qsizetype plain = image.indexOf("A.TXT");
    const qsizetype threat = image.indexOf("E.ZIP");
    if (plain < 0 || threat < 0)
        qFatal("another layout");
    constexpr qsizetype recordBytes = 33; // before the name
    constexpr qsizetype extentAt = 2; // where its bytes are, and how many
    constexpr qsizetype extentBytes = 16;
    return image.replace(threat - recordBytes + extentAt, extentBytes,
        image.sliced(plain - recordBytes + extentAt, extentBytes));
}

} // namespace

//! Readers do not agree what is in a file. Whatever one of them takes out of it is looked at, or
//! the file is not Clean.
class TestArchiveReaders : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void threat_thatOneReaderSees_isFound_data();
    void threat_thatOneReaderSees_isFound();
    void archives_asMembers_areClean_data();
    void archives_asMembers_areClean();
    void zip_saysTwoThings_isNeverClean_data();
    void zip_saysTwoThings_isNeverClean();
    void image_sameFileInBothTrees_isScannedOnce();
    void archives_tooManyInOneFile_isLimitHit();
    void document_encrypted_isEncrypted();
    void content_nobodyCanOpen_isNamed_data();
    void content_nobodyCanOpen_isNamed();

private:
    const ArchiveBench m_bench{eicarRules()};
};

void TestArchiveReaders::threat_thatOneReaderSees_isFound_data()
{
    QTest::addColumn<QByteArray>("bytes");
    const QByteArray zip = deflated();
    const QByteArray packed = compressed("gzip", zip);
    const QByteArray plain = compressed("gzip", text);
    const QByteArray program = "MZ" + QByteArray(1'000, '\0');
    QTest::newRow("gzip, zeros, gzip") << plain + QByteArray(7, '\0') + packed;
    QTest::newRow("gzip, xz") << plain + compressed("xz", zip);
    QTest::newRow("bzip2, xz") << compressed("bzip2", text) + compressed("xz", zip);
    QTest::newRow("lzma, gzip") << compressed("lzma", text) + packed;
    QTest::newRow("7z, 7z") << archiveOf("7zip", {{"a", text}}) + sevenZip();
    QTest::newRow("7z, gzip") << archiveOf("7zip", {{"a", text}}) + packed;
    QTest::newRow("cpio, cpio.gz, as an initrd")
        << archiveOf("newc", {{"a", text}}) + compressed("gzip", archiveOf("newc", {{"e", zip}}));
    QTest::newRow("gzip, zip, a byte") << plain + zip + 'x';
    // As `xz --format=lzma --lzma1=lc=2` makes it.
    QTest::newRow("lzma of other properties")
        << QByteArray::fromHex("5c00000100ffffffffffffffff002292446ba4d9945925790bc28949"
                               "dbb3e532477ed1dc08aa5b0bacd955fd486f9432983ce119dffffff1"
                               "e69000");
    QByteArray frames;
    for (int i = 0; i < 1'100; ++i)
        frames += QByteArray::fromHex("502a4d1800000000");
    QTest::newRow("many frames to be skipped, zstd") << frames + compressed("zstd", zip);

    QTest::newRow("7z behind its signature in a program")
        << program + "7z\xbc\xaf\x27\x1c" + program + sevenZip();
    QTest::newRow("7z far in a program") << program + QByteArray(3'000'000, '\0') + sevenZip();
    QTest::newRow("7z behind text") << text + sevenZip();
    QTest::newRow("two cabs in a program") << program + cabOf("a", text) + cabOf("eicar.zip", zip);
    QTest::newRow("rar behind text") << text + rarOf("eicar.zip", zip);
    QTest::newRow("rar5 behind text") << text + rar5Of("eicar.zip", zip);
    QTest::newRow("a script's payload") << "#!/bin/sh\ntail -n +3 \"$0\" | tar xz; exit\n" + packed;
    QTest::newRow("zip in a program, with much behind it")
        << program + zip + QByteArray(70'000, 'x');

    QTest::newRow("end records of nothing in the comment")
        << '#' + commented(zip, ("PK\5\6" + QByteArray(18, '\x7f')).repeated(17));
    QTest::newRow("an empty directory in the comment")
        << '#' + commented(zip, "PK\5\6" + QByteArray(18, '\0') + 'x');
    QTest::newRow("another directory in the comment")
        << '#' + commented(zip, zipOf("readme.txt", text).chopped(2) + number16(7));
    const QByteArray tar =
        archiveOf("v7tar", {{"e.gz", compressed("gzip", eicar() + QByteArray(200, ' '))}});
    const QByteArray tarHeader = archiveOf("ustar", {{"a", text}}).first(512);
    QTest::newRow("a tar's header in a gzip's") << gzipWithField(zip, tarHeader.sliced(12));
    QTest::newRow("zip in a gzip's header") << gzipWithField(text, zip);
    QTest::newRow("zip in a frame to be skipped, zstd") << QByteArray::fromHex("502a4d18")
            + number32(quint32(zip.size())) + zip + compressed("zstd", text);
    QTest::newRow("7z behind two letters") << "PK" + sevenZip();
    QTest::newRow("7z behind a member, before the directory")
        << withGap(zipOf("readme.txt", text), sevenZip());
    QTest::newRow("zip members behind another mark")
        << "PK00" + zip.first(zip.indexOf("PK\1\2")) + zipOf("readme.txt", text);
    QTest::newRow("7z far in a tar that is called a program")
        << archiveOf("ustar", {{"MZ", QByteArray(1'200'000, 'x') + sevenZip()}});
    QTest::newRow("zip64 with more in its record, behind text")
        << largeZip(QByteArray(1'100'000, 'x'), zip, "more of it", "PK\6\6");
    QTest::newRow("7z in what says to be a cab") << program + QByteArray("MSCF\0\0\0\0", 8)
            + number32(quint32(36 + sevenZip().size())) + QByteArray(12, '\0') + "\3\1"
            + QByteArray(10, '\0') + sevenZip();
    QTest::newRow("a script's payload behind another one")
        << "#!/bin/sh\ntail -n +4 \"$0\" | tar xz; exit\nBZhx\n" + packed;
    QTest::newRow("a zip's members behind what says to be one") << program + "PK\3\4"
            + QByteArray(22, '\0') + number16(1) + number16(5) + "a\1" + QByteArray(1, '\0')
            + "\xff\xff" + program + zip + QByteArray(70'000, 'x');
    QTest::newRow("tar whose first member has no name") << [&] {
        QByteArray header(512, '\0');
        header[156] = '5';
        const int sum = '5' + 8 * ' ';
        return header.replace(148, 7, QByteArray::number(sum, 8).rightJustified(6, '0') + '\0')
            + tar;
    }();
    QTest::newRow("tar behind a block of others") << text.leftJustified(512, 'x') + tar;
    // A frame as zstd 0.7 wrote it, its one block stored.
    QTest::newRow("zstd before it had a format for good") << QByteArray::fromHex("27b52ffd005040")
            + char(packed.size() >> 8) + char(packed.size() & 0xff) + packed
            + QByteArray::fromHex("c00000");
    QTest::newRow("a disk image's tree for Windows") << imageWithTwoTrees();
}

void TestArchiveReaders::threat_thatOneReaderSees_isFound()
{
    QFETCH(const QByteArray, bytes);
    const ScanResult result = m_bench.scan(bytes);
    QCOMPARE(told(result), u"Malicious"_s);
}

//! What is found inside of an archive is mostly a member of it, or what shines through of one.
void TestArchiveReaders::archives_asMembers_areClean_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<qint64>("members");
    const QByteArray zip = zipOf("noise", noise(300'000));
    const std::vector<Packed> members{{"a.zip", zip}, {"b.7z", archiveOf("7zip", {{"b", text}})},
        {"c.rar", rarOf("c", noise(200'000))}, {"d.rar", rar5Of("d", text)},
        {"e.cab", cabOf("e", text)}, {"f.zip", zipOf("f", text)}, {"g", text}};
    for (const char *format : {"ustar", "newc", "ar", "zip"})
        QTest::newRow(format) << archiveOf(format, members) << qint64(13);
    QTest::newRow("zip, stored") << archiveOf("zip", members, "zip:compression=store")
                                 << qint64(13);
    std::vector<Packed> many;
    for (int i = 0; i < 2 * Limits::maxArchivesInOneFile; ++i)
        many.push_back({QByteArray::number(i) + ".zip", zipOf("a", QByteArray::number(i))});
    QTest::newRow("many") << archiveOf("ustar", many) << qint64(2 * many.size());
    // What cannot be packed is stored, in pieces.
    QTest::newRow("gzip of a zip") << compressed("gzip", zip) << qint64(-1);
    QTest::newRow("gzip of a rar") << compressed("gzip", rarOf("a", noise(200'000))) << qint64(-1);
    QTest::newRow("gzip of a tar") << compressed("gzip", archiveOf("ustar", many)) << qint64(-1);
    QTest::newRow("7z of all") << archiveOf("7zip", members) << qint64(-1);
    QTest::newRow("7z of many") << archiveOf("7zip", many) << qint64(-1);
    const QByteArray one = zipOf("a", text);
    QTest::newRow("zip, streamed") << streamed(one, {}) << qint64(1);
}

void TestArchiveReaders::archives_asMembers_areClean()
{
    QFETCH(const QByteArray, bytes);
    QFETCH(const qint64, members);
    const ScanResult result = m_bench.scan(bytes);
    QCOMPARE(told(result), u"Clean"_s);
    if (members >= 0) // each is scanned once
        QCOMPARE(result.coverage().membersScanned, members);
}

void TestArchiveReaders::zip_saysTwoThings_isNeverClean_data()
{
    QTest::addColumn<QByteArray>("bytes");
    const QByteArray zip =
        archiveOf("zip", {{"first", text}, {"other", text}}, "zip:compression=store");
    const qsizetype record = zip.indexOf("PK\1\2");
    const auto changed = [&](qsizetype at, const QByteArray &bytes) {
        return QByteArray(zip).replace(record + at, bytes.size(), bytes);
    };
    QTest::newRow("deflated or stored") << changed(10, number16(8));
    QTest::newRow("its name") << changed(46, "setup");
    QTest::newRow("that it has no bytes")
        << streamed(zipOf("eicar.com", eicar()), QByteArray(8, '\0'));
    QTest::newRow("that it has few bytes") << streamed(zipOf("eicar.com", eicar()), number32(3));
    QTest::newRow("where zip64's record is, and there is none")
        << largeZip(text, zipOf("a", text), "more of it", "PK\6\5");
    // A record of zip64 that tells of the same directory, and the plain one of fewer members.
    const qsizetype end = zip.lastIndexOf("PK\5\6");
    QByteArray large = "PK\6\6" + QByteArray(52, '\0');
    qToLittleEndian(quint64(2), large.data() + 32);
    qToLittleEndian(quint64(end - record), large.data() + 40);
    qToLittleEndian(quint64(record), large.data() + 48);
    QByteArray locator = "PK\6\7" + QByteArray(16, '\0');
    qToLittleEndian(quint64(end), locator.data() + 8);
    QByteArray fewer = zip.sliced(end);
    fewer.replace(10, 2, number16(1));
    QTest::newRow("its members, by zip64") << zip.first(end) + large + locator + fewer;
    qToLittleEndian(quint64(end + 1), locator.data() + 8);
    QTest::newRow("where zip64's record is") << zip.first(end) + large + locator + zip.sliced(end);
}

void TestArchiveReaders::zip_saysTwoThings_isNeverClean()
{
    QFETCH(const QByteArray, bytes);
    const ScanResult result = m_bench.scan(bytes);
    QVERIFY2(told(result).startsWith(u"NotScanned Damaged: "_s), qPrintable(told(result)));
    QVERIFY2(told(result).contains(u"different things"_s), qPrintable(told(result)));
}

void TestArchiveReaders::image_sameFileInBothTrees_isScannedOnce()
{
    const ScanResult result = m_bench.scan(archiveOf("iso9660", {{"a.txt", text}, {"b", eicar()}}));
    QCOMPARE(result.coverage().membersScanned, 2);
    QCOMPARE(membersOf(result), u", b"_s);
}

void TestArchiveReaders::archives_tooManyInOneFile_isLimitHit()
{
    const QByteArray one = compressed("gzip", text) + QByteArray(1, '\0');
    QCOMPARE(told(m_bench.scan(one.repeated(Limits::maxArchivesInOneFile))), u"Clean"_s);
    const ScanResult result = m_bench.scan(one.repeated(Limits::maxArchivesInOneFile + 1));
    QVERIFY2(told(result).startsWith(u"NotScanned LimitHit: "_s), qPrintable(told(result)));
}

void TestArchiveReaders::document_encrypted_isEncrypted()
{
    const QByteArray ole2 = QByteArray::fromHex("d0cf11e0a1b11ae1") + QByteArray(1'000, '\0');
    const QString name = u"EncryptedPackage"_s;
    const QByteArray utf16(reinterpret_cast<const char *>(name.utf16()), name.size() * 2);
    QCOMPARE(told(m_bench.scan(ole2 + text)), u"Clean"_s);
    const ScanResult result = m_bench.scan(ole2 + utf16 + text);
    QVERIFY2(told(result).startsWith(u"NotScanned Encrypted: "_s), qPrintable(told(result)));
}

void TestArchiveReaders::content_nobodyCanOpen_isNamed_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("what");
    QTest::newRow("ace") << text.first(7) + "**ACE**" + text << u"members of an ACE archive"_s;
    QTest::newRow("arj") << QByteArray::fromHex("60ea290022020b0110000200") + text
                         << u"members of an ARJ archive"_s;
    QTest::newRow("wim") << QByteArray("MSWIM\0\0\0", 8) + text << u"files of a WIM image"_s;
    QTest::newRow("pack") << "\x1f\x1e" + text << u"the content of a pack stream"_s;
    QTest::newRow("lzh") << "\x1f\xa0" + text << u"the content of an LZH stream"_s;
    QTest::newRow("rtf") << "{\\rtf1 " + text << u"objects in an RTF document"_s;
    QByteArray udf(64 * 1024, '\0');
    QTest::newRow("udf") << udf.replace(16 * 2048 + 1, 5, "NSR02")
                         << u"the UDF tree of a disk image"_s;
    QByteArray trailer(512, '\0');
    QTest::newRow("dmg") << text + trailer.replace(0, 4, "koly") << u"files of a DMG image"_s;
}

void TestArchiveReaders::content_nobodyCanOpen_isNamed()
{
    QFETCH(const QByteArray, bytes);
    QFETCH(const QString, what);
    const ScanResult result = m_bench.scan(bytes);
    QCOMPARE(told(result), u"Clean"_s);
    QCOMPARE(result.coverage().notLookedInto, QStringList(what));
}

QTEST_GUILESS_MAIN(TestArchiveReaders)
#include "tst_archivereaders.moc"
