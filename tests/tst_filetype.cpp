// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileType.h"

#include <QTest>

#include <random>
#include <vector>

using namespace Sentinel;
using namespace Qt::StringLiterals;

Q_DECLARE_METATYPE(Sentinel::FileType)

namespace {

std::span<const uchar> bytesOf(const QByteArray &bytes)
{
    return {reinterpret_cast<const uchar *>(bytes.constData()), static_cast<size_t>(bytes.size())};
}

template <size_t size>
QByteArray raw(const char (&bytes)[size])
{
    return {bytes, size - 1}; // with the zeros in it
}

QByteArray at(qsizetype offset, const QByteArray &bytes)
{
    return QByteArray(offset, '\0') + bytes;
}

QByteArray utf16(const QByteArray &mark, const char *text)
{
    const bool isLittle = mark.startsWith('\xff');
    QByteArray result = mark;
    for (const char *c = text; *c; ++c)
        result += isLittle ? QByteArray{} + *c + '\0' : QByteArray{} + '\0' + *c;
    return result;
}

} // namespace

class tst_FileType : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void content_knownStart_isRecognised_data();
    void content_knownStart_isRecognised();
    void content_cutSignature_isNotRead_data();
    void content_cutSignature_isNotRead();
    void content_lookalike_isNotTaken_data();
    void content_lookalike_isNotTaken();
    void content_empty_isUnknown();
    void content_behindTheSniffedBytes_doesNotCount();
    void content_random_neverFails();
    void mimeType_contentTells_isIgnored_data();
    void mimeType_contentTells_isIgnored();
    void mimeType_contentDoesNotTell_decides_data();
    void mimeType_contentDoesNotTell_decides();
};

void tst_FileType::content_knownStart_isRecognised_data()
{
    QTest::addColumn<QByteArray>("start");
    QTest::addColumn<FileType>("type");
    QTest::addColumn<QString>("name");
    const auto row = [](const char *what, const QByteArray &start, FileType type,
                         const char *name) {
        QTest::newRow(what) << start << type << QString::fromLatin1(name);
    };
    using enum FileType;
    row("PE", raw("MZ\x90\0\x03"), Executable, "PE");
    row("PE, two bytes", "MZ", Executable, "PE");
    row("ELF",
        raw("\x7f"
            "ELF\x02\x01"),
        Executable, "ELF");
    row("Mach-O", raw("\xcf\xfa\xed\xfe\x07\0\0\x01"), Executable, "MACHO");
    row("Mach-O, universal", raw("\xca\xfe\xba\xbe\0\0\0\x02"), Executable, "MACHO");
    row("Java class", raw("\xca\xfe\xba\xbe\0\0\0\x34"), Executable, "CLASS");
    row("Java class, minor version", raw("\xca\xfe\xba\xbe\0\x03\0\x2d"), Executable, "CLASS");
    row("Java class, cut", raw("\xca\xfe\xba\xbe\0"), Executable, "CLASS");
    row("LNK", raw("\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0"), Executable, "LNK");

    row("shell", "#!/bin/sh\n", Script, "SCRIPT");
    row("shell behind a mark", "\xef\xbb\xbf#!/bin/sh\n", Script, "SCRIPT");
    row("batch", "\r\n@Echo OFF\r\ndel x", Script, "BAT");
    row("HTA", "<html><head><HTA:APPLICATION id=x>", Script, "HTA");
    row("HTA in UTF-16", utf16("\xff\xfe", "<hta:application"), Script, "HTA");
    row("registry in UTF-16", utf16("\xff\xfe", "Windows Registry Editor"), Script, "REG");
    row("shortcut", "[InternetShortcut]\r\nURL=", Script, "URL");

    row("OLE2", raw("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), Document, "OLE2");
    row("RTF", "{\\rtf1", Document, "RTF");
    row("RTF as Word takes it", "{\\rt", Document, "RTF");
    row("PDF", "%PDF-1.7\n", Document, "PDF");
    row("PDF behind rubbish", at(100, "%PDF-1.7\n"), Document, "PDF");

    row("zip", raw("PK\x03\x04\x14\0"), Archive, "ZIP");
    row("empty zip", raw("PK\x05\x06\0\0"), Archive, "ZIP");
    row("gzip", raw("\x1f\x8b\x08"), Archive, "GZIP");
    row("bzip2", "BZh91AY&SY", Archive, "BZIP2");
    row("xz",
        raw("\xfd"
            "7zXZ\0\0"),
        Archive, "XZ");
    row("zstd", raw("\x28\xb5\x2f\xfd\x04"), Archive, "ZSTD");
    row("7z", raw("7z\xbc\xaf\x27\x1c\0\x04"), Archive, "7Z");
    row("rar 4", raw("Rar!\x1a\x07\0"), Archive, "RAR");
    row("rar 5", raw("Rar!\x1a\x07\x01\0"), Archive, "RAR");
    row("cab", raw("MSCF\0\0\0\0"), Archive, "CAB");
    row("tar", at(257, raw("ustar\0")), Archive, "TAR");
    row("deb", "!<arch>\ndebian-binary   ", Archive, "DEB");
    row("ar", "!<arch>\nmember/", Archive, "AR");
    row("rpm", raw("\xed\xab\xee\xdb\x03\0"), Archive, "RPM");

    row("HTML", "<!DOCTYPE html>\n<html>", Markup, "HTML");
    row("HTML behind white space", " \r\n\t<HTML lang=en>", Markup, "HTML");
    row("HTML behind a mark", "\xef\xbb\xbf<body>", Markup, "HTML");
    row("HTML in UTF-16", utf16("\xfe\xff", "<script>"), Markup, "HTML");
    row("HTML comment", "<!-- x --><script>", Markup, "HTML");
    row("XML", "<?xml version=\"1.0\"?><a/>", Markup, "XML");
    row("SVG", "<svg xmlns=\"x\">", Markup, "SVG");
    row("SVG in XML", "<?xml version=\"1.0\"?>\n<svg>", Markup, "SVG");

    row("PNG", raw("\x89PNG\r\n\x1a\n"), Media, "PNG");
    row("JPEG", raw("\xff\xd8\xff\xe0\0\x10JFIF"), Media, "JPEG");
    row("GIF", "GIF89a", Media, "GIF");
    row("BMP", raw("BM\x36\x10\0\0\0\0\0\0\x36"), Media, "BMP");
    row("MP4",
        raw("\0\0\0\x20"
            "ftypisom"),
        Media, "MP4");
    row("WebP", raw("RIFF\0\0\0\0WEBP"), Media, "RIFF");
    row("Ogg", raw("OggS\0"), Media, "OGG");

    row("text", "Hello, world.\n", Text, "TEXT");
    row("text in UTF-8",
        "Gr\xc3\xbc\xc3\x9f"
        "e",
        Text, "TEXT");
    row("text in UTF-16", utf16("\xff\xfe", "Hello"), Text, "TEXT");
    row("only a mark", "\xef\xbb\xbf", Text, "TEXT");
    row("only half a mark", "\xff\xfe", Text, "TEXT");
    row("only white space", " \n", Text, "TEXT");
    row("binary", raw("\x01\x02\x03\x04"), Unknown, "");
    row("one zero", raw("\0"), Unknown, "");
}

void tst_FileType::content_knownStart_isRecognised()
{
    QFETCH(QByteArray, start);
    QFETCH(FileType, type);
    QFETCH(QString, name);
    QCOMPARE(fileTypeName(bytesOf(start)), name);
    QCOMPARE(sniffFileType(bytesOf(start), {}), type);
}

void tst_FileType::content_cutSignature_isNotRead_data()
{
    content_knownStart_isRecognised_data();
}

void tst_FileType::content_cutSignature_isNotRead()
{
    QFETCH(QByteArray, start);
    // Every shorter start, in memory of its own: a byte too far is the sanitizer's business.
    for (qsizetype size = 0; size < start.size(); ++size) {
        const std::vector<uchar> exact(start.begin(), start.begin() + size);
        const QString name = fileTypeName(exact);
        QCOMPARE(sniffFileType(exact, {}) == FileType::Unknown, name.isEmpty());
    }
}

void tst_FileType::content_lookalike_isNotTaken_data()
{
    QTest::addColumn<QByteArray>("start");
    QTest::addColumn<QString>("name");
    QTest::newRow("ustar elsewhere") << at(256, "ustar") << u""_s;
    QTest::newRow("mail address") << QByteArray("<bob@example.org>") << u"TEXT"_s;
    QTest::newRow("tag without an end") << QByteArray("<p") << u"TEXT"_s;
    QTest::newRow("BM in a text") << QByteArray("BMW drives") << u"TEXT"_s;
    QTest::newRow("ftyp in a text") << QByteArray("the ftyp box") << u"TEXT"_s;
    QTest::newRow("shebang later") << QByteArray("x #!/bin/sh") << u"TEXT"_s;
    QTest::newRow("zero in a text") << raw("Hello\0world") << u""_s;
}

void tst_FileType::content_lookalike_isNotTaken()
{
    QFETCH(QByteArray, start);
    QFETCH(QString, name);
    QCOMPARE(fileTypeName(bytesOf(start)), name);
}

void tst_FileType::content_empty_isUnknown()
{
    QCOMPARE(sniffFileType({}, {}), FileType::Unknown);
    QCOMPARE(sniffFileType({}, u"application/pdf"_s), FileType::Unknown);
    QCOMPARE(fileTypeName({}), QString());
}

void tst_FileType::content_behindTheSniffedBytes_doesNotCount()
{
    const QByteArray text = QByteArray(fileTypeSniffBytes, 'a') + raw("\0%PDF-1.7");
    QCOMPARE(fileTypeName(bytesOf(text)), u"TEXT"_s);
    QCOMPARE(sniffFileType(bytesOf(text), {}), FileType::Text);
}

void tst_FileType::content_random_neverFails()
{
    std::minstd_rand random(1);
    for (int i = 0; i < 20'000; ++i) {
        std::vector<uchar> bytes(random() % 64);
        for (uchar &byte : bytes)
            byte = uchar(random() >> 8);
        const bool isUnknown = sniffFileType(bytes, {}) == FileType::Unknown;
        QCOMPARE(fileTypeName(bytes).isEmpty(), isUnknown);
    }
}

void tst_FileType::mimeType_contentTells_isIgnored_data()
{
    QTest::addColumn<QByteArray>("start");
    QTest::addColumn<QString>("mimeType");
    QTest::addColumn<FileType>("type");
    using enum FileType;
    QTest::newRow("program as picture") << QByteArray("MZ") << u"image/png"_s << Executable;
    QTest::newRow("program as text") << raw("\x7f"
                                            "ELF")
                                     << u"text/plain"_s << Executable;
    QTest::newRow("script as picture") << QByteArray("#!/bin/sh") << u"image/png"_s << Script;
    QTest::newRow("page as text") << QByteArray("<html>") << u"text/plain"_s << Markup;
    QTest::newRow("picture as program")
        << QByteArray("GIF89a") << u"application/x-msdownload"_s << Media;
    QTest::newRow("text as picture") << QByteArray("Hello") << u"image/png"_s << Text;
    QTest::newRow("text as program")
        << QByteArray("Hello") << u"application/x-msdownload"_s << Text;
}

void tst_FileType::mimeType_contentTells_isIgnored()
{
    QFETCH(QByteArray, start);
    QFETCH(QString, mimeType);
    QFETCH(FileType, type);
    QCOMPARE(sniffFileType(bytesOf(start), mimeType), type);
}

void tst_FileType::mimeType_contentDoesNotTell_decides_data()
{
    QTest::addColumn<QByteArray>("start");
    QTest::addColumn<QString>("mimeType");
    QTest::addColumn<FileType>("type");
    const QByteArray binary = raw("\x01\x02\0\x03");
    const QByteArray text("dir c:\r\n");
    using enum FileType;
    const auto row = [](const QByteArray &start, const QString &mimeType, FileType type) {
        QTest::addRow("%s, %d bytes", qPrintable(mimeType), int(start.size()))
            << start << mimeType << type;
    };
    row(binary, u"application/x-msdownload"_s, Executable);
    row(binary, u"Application/X-MSDownload ; charset=x"_s, Executable);
    row(binary, u"application/x-iso9660-image"_s, Archive);
    row(binary, u"application/vnd.ms-cab-compressed"_s, Archive);
    row(binary, u"application/vnd.ms-excel"_s, Document);
    row(binary, u"video/x-unknown"_s, Media);
    row(binary, u"text/html"_s, Markup);
    row(binary, u"text/plain"_s, Unknown);
    row(binary, u"application/octet-stream"_s, Unknown);
    row(binary, u"nonsense"_s, Unknown);
    row(binary, u";"_s, Unknown);
    row(text, u"application/x-bat"_s, Script);
    row(text, u"text/javascript"_s, Script);
    row(text, u"application/atom+xml"_s, Markup);
    row(text, u"application/octet-stream"_s, Text);
    row(text, u""_s, Text);
}

void tst_FileType::mimeType_contentDoesNotTell_decides()
{
    QFETCH(QByteArray, start);
    QFETCH(QString, mimeType);
    QFETCH(FileType, type);
    QCOMPARE(sniffFileType(bytesOf(start), mimeType), type);
}

QTEST_GUILESS_MAIN(tst_FileType)
#include "tst_filetype.moc"
