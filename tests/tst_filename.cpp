// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileName.h"

#include "SecurityTap/Limits.h"

#include <QTest>

#include <array>
#include <random>

using namespace Sentinel;
using namespace Qt::StringLiterals;

namespace {

constexpr qsizetype maxBytes = Limits::maxFileNameBytes;

QString text(char32_t codePoint)
{
    return QString::fromUcs4(&codePoint, 1);
}

} // namespace

class tst_FileName : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void sanitised_goodName_isKept_data();
    void sanitised_goodName_isKept();
    void sanitised_badName_isMadeFit_data();
    void sanitised_badName_isMadeFit();
    void sanitised_longName_isCutBeforeItsExtension_data();
    void sanitised_longName_isCutBeforeItsExtension();
    void sanitised_everyCharacter_isFit_data();
    void sanitised_everyCharacter_isFit();
    void sanitised_anything_isFitAndStable_data();
    void sanitised_anything_isFitAndStable();

    void proposed_header_namesTheFile_data();
    void proposed_header_namesTheFile();
    void proposed_badHeader_fallsBack_data();
    void proposed_badHeader_fallsBack();
    void proposed_noHeader_takesTheUrl_data();
    void proposed_noHeader_takesTheUrl();

    void printable_deceivingCharacters_areEscaped_data();
    void printable_deceivingCharacters_areEscaped();

private:
    static void verifyFit(const QString &name);
};

// What the header promises of every result.
void tst_FileName::verifyFit(const QString &name)
{
    QVERIFY(!name.isEmpty());
    QVERIFY(name.isValidUtf16());
    QVERIFY2(name.toUtf8().size() <= maxBytes, qPrintable(name));
    for (const QChar c : u"/\\:*?\"<>|"_s)
        QVERIFY2(!name.contains(c), qPrintable(name));
    QVERIFY(name.front() != u'.' && name.front() != u'~' && name.front() != u' ');
    QVERIFY(name.back() != u'.' && name.back() != u'~' && name.back() != u' ');
    QCOMPARE(printable(name), name);
    QCOMPARE(sanitisedFileName(name), name);
}

// ---- sanitisedFileName

void tst_FileName::sanitised_goodName_isKept_data()
{
    QTest::addColumn<QString>("name");
    for (const QString &name : {u"report.pdf"_s, u"archive.tar.gz"_s, u"no extension"_s, u"a"_s,
             u"-rf"_s, u"100%.txt"_s, u"\u00fcber.txt"_s, u"\u65e5\u672c\u8a9e.doc"_s,
             u"\U0001f600.png"_s, u"a~b.txt"_s, u"PROGRA~1"_s, u"con1.txt"_s, u"COM.txt"_s,
             u"COM10"_s, u"console.log"_s, u"null"_s, u"LPTX"_s, u"\u0601\u0661.txt"_s})
        QTest::newRow(qPrintable(name)) << name;
}

void tst_FileName::sanitised_goodName_isKept()
{
    QFETCH(QString, name);
    QCOMPARE(sanitisedFileName(name), name);
}

void tst_FileName::sanitised_badName_isMadeFit_data()
{
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("expected");
    const auto row = [](const char *what, const QString &name, const QString &expected) {
        QTest::newRow(what) << name << expected;
    };
    row("nothing", u""_s, u"download"_s);
    row("null", QString(), u"download"_s);
    row("dot", u"."_s, u"download"_s);
    row("dots", u".."_s, u"download"_s);
    row("tilde", u"~"_s, u"download"_s);
    row("spaces", u"  "_s, u"download"_s);
    row("only invisible", u"\u200b\ufeff\u2060"_s, u"download"_s);

    row("path", u"../../etc/passwd"_s, u"_.._etc_passwd"_s);
    row("absolute", u"/etc/passwd"_s, u"_etc_passwd"_s);
    row("windows path", u"C:\\Windows\\x.dll"_s, u"C__Windows_x.dll"_s);
    row("stream", u"file.txt:evil.exe"_s, u"file.txt_evil.exe"_s);
    row("wildcards and pipes", u"a*b?c\"d<e>f|g"_s, u"a_b_c_d_e_f_g"_s);

    row("hidden", u".bashrc"_s, u"bashrc"_s);
    row("hidden by many", u". ..~.profile"_s, u"profile"_s);
    row("hidden behind nothing", u"\u200b.bashrc"_s, u"bashrc"_s);
    row("home", u"~root"_s, u"root"_s);
    row("backup", u"file.txt~"_s, u"file.txt"_s);
    row("trailing dots and spaces", u"file.exe. . "_s, u"file.exe"_s);
    row("trailing no-break space", u"file.exe\u00a0"_s, u"file.exe"_s);
    row("leading space", u" file"_s, u"file"_s);
    row("row of spaces", u"a.pdf          .exe"_s, u"a.pdf .exe"_s);
    row("row of other spaces", u"a.pdf\u3000\u2003\u00a0.exe"_s, u"a.pdf .exe"_s);

    row("device", u"CON"_s, u"_CON"_s);
    row("device in lower case", u"nul"_s, u"_nul"_s);
    row("device with extension", u"Aux.txt"_s, u"_Aux.txt"_s);
    row("device with extensions", u"com1.tar.gz"_s, u"_com1.tar.gz"_s);
    row("device before a space", u"LPT9 .txt"_s, u"_LPT9 .txt"_s);
    row("device with superscript", u"COM\u00b9.txt"_s, u"_COM\u00b9.txt"_s);
    row("device behind a dot", u".con"_s, u"_con"_s);
    row("console", u"CONIN$"_s, u"_CONIN$"_s);

    row("C0", u"a\x01\nb\tc"_s, u"a__b_c"_s);
    row("NUL", u"a"_s + QChar(0) + u".exe"_s, u"a_.exe"_s);
    row("DEL and C1", u"a\u007f\u0085\u009fb"_s, u"a___b"_s);
    row("line separators", u"a\u2028b\u2029c"_s, u"a_b_c"_s);
    row("right-to-left override", u"photo_\u202egpj.exe"_s, u"photo_gpj.exe"_s);
    row("isolates and marks", u"a\u2066\u2069\u200e\u200f\u061cb"_s, u"ab"_s);
    row("zero width", u"a\u200b\u200c\u200d\u2060\ufeff\u00adb"_s, u"ab"_s);
    row("fillers", u"a\u3164\u115f\uffa0\u2800\u034fb"_s, u"ab"_s);
    row("tags", u"a"_s + text(0xe0041) + text(0xe007f) + text(0xe0100) + u"b"_s, u"ab"_s);
    row("musical format", u"a"_s + text(0x1d173) + u"b"_s, u"ab"_s);
    row("lone high surrogate", u"a"_s + QChar(0xd83d) + u"b"_s, u"a_b"_s);
    row("lone low surrogate", u"a"_s + QChar(0xde00) + u"b"_s, u"a_b"_s);
    row("surrogate at the end", u"a"_s + QChar(0xd83d), u"a_"_s);
    row("surrogates swapped", QString(QChar(0xde00)) + QChar(0xd83d), u"__"_s);
    row("noncharacters", u"a\ufffe\ufdd0b"_s + text(0x1ffff), u"a__b_"_s);
    row("not composed", u"u\u0308ber"_s, u"\u00fcber"_s);
    row("composed after the joiner is gone", u"u\u034f\u0308"_s, u"\u00fc"_s);
}

void tst_FileName::sanitised_badName_isMadeFit()
{
    QFETCH(QString, name);
    QFETCH(QString, expected);
    QCOMPARE(sanitisedFileName(name), expected);
    verifyFit(expected);
}

void tst_FileName::sanitised_longName_isCutBeforeItsExtension_data()
{
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("end");
    QTest::addColumn<qsizetype>("bytes");
    const auto row = [](const char *what, const QString &name, const QString &end,
                         qsizetype bytes) { QTest::newRow(what) << name << end << bytes; };
    row("just fits", QString(251, u'a') + u".txt"_s, u"a.txt"_s, 255);
    row("one too many", QString(252, u'a') + u".txt"_s, u"a.txt"_s, 255);
    row("much too long", QString(100'000, u'a') + u".exe"_s, u"a.exe"_s, 255);
    row("no extension", QString(300, u'a'), u"a"_s, 255);
    row("two bytes each", QString(200, u'\u00fc') + u".txt"_s, u"\u00fc.txt"_s, 254);
    row("three bytes each", QString(200, u'\u65e5') + u".txt"_s, u"\u65e5.txt"_s, 253);
    row("four bytes each", text(0x1f600).repeated(100) + u".txt"_s, text(0x1f600) + u".txt"_s, 252);
    row("hidden extension", u"x.pdf"_s + QString(300, u'_') + u".exe"_s, u"_.exe"_s, 255);
    row("long extension", u"a."_s + QString(260, u'b'), u"b"_s, 255);
    row("extension that leaves no room", u"abc."_s + QString(253, u'b'), u"b"_s, 255);
    row("cut behind a dot", QString(254, u'a') + u'.' + QString(260, u'b'), u"a"_s, 254);
    row("dots", u"a"_s + QString(300, u'.') + u"b"_s, u".b"_s, 255);
    row("device by the cut", u"CONx."_s + QString(251, u'b'), u"b"_s, 255);
}

void tst_FileName::sanitised_longName_isCutBeforeItsExtension()
{
    QFETCH(QString, name);
    QFETCH(QString, end);
    QFETCH(qsizetype, bytes);
    const QString result = sanitisedFileName(name);
    QVERIFY2(result.endsWith(end), qPrintable(result));
    QCOMPARE(result.toUtf8().size(), bytes);
    verifyFit(result);
}

void tst_FileName::sanitised_everyCharacter_isFit_data()
{
    QTest::addColumn<uint>("first");
    QTest::addColumn<uint>("last");
    QTest::newRow("basic plane") << 0U << 0xffffU;
    QTest::newRow("other scripts and symbols") << 0x10000U << 0x1ffffU;
    QTest::newRow("tags") << 0xe0000U << 0xe1000U;
    QTest::newRow("end") << 0x10ff00U << 0x10ffffU;
}

void tst_FileName::sanitised_everyCharacter_isFit()
{
    QFETCH(uint, first);
    QFETCH(uint, last);
    for (char32_t c = first; c <= last; ++c) {
        const QString result = sanitisedFileName(u"0"_s + text(c) + u"b.txt"_s);
        if (!result.startsWith(u'0') || !result.endsWith(u"b.txt") || !result.isValidUtf16()
            || printable(result) != result || sanitisedFileName(result) != result
            || result != result.normalized(QString::NormalizationForm_C))
            QFAIL(qPrintable(u"U+%1 gives %2"_s.arg(uint(c), 0, 16).arg(result)));
    }
}

void tst_FileName::sanitised_anything_isFitAndStable_data()
{
    QTest::addColumn<uint>("seed");
    for (uint seed = 0; seed < 50; ++seed)
        QTest::addRow("%u", seed) << seed;
}

void tst_FileName::sanitised_anything_isFitAndStable()
{
    QFETCH(uint, seed);
    static constexpr auto parts = std::to_array<char16_t>(
        {u'.', u'~', u' ', u'/', u'\\', u':', u'C', u'O', u'N', u'c', u'o', u'n', u'1', u'a', u'_',
            u'\u00e9', u'\u0308', u'\u034f', u'\u200b', u'\u202e', 0xd83d, 0xde00});
    std::minstd_rand random(seed + 1);
    for (int i = 0; i < 200; ++i) {
        QString name;
        for (auto size = random() % 400; size > 0; --size)
            name += QChar(parts[random() % parts.size()]);
        const QString result = sanitisedFileName(name);
        verifyFit(result);
        if (QTest::currentTestFailed())
            qFatal("%s", qPrintable(printable(name)));
    }
}

// ---- proposedFileName

void tst_FileName::proposed_header_namesTheFile_data()
{
    QTest::addColumn<QByteArray>("header");
    QTest::addColumn<QString>("expected");
    const auto row = [](const char *what, const QByteArray &header, const QString &expected) {
        QTest::newRow(what) << header << expected;
    };
    row("quoted", "attachment; filename=\"a b.txt\"", u"a b.txt"_s);
    row("token", "attachment; filename=a.txt", u"a.txt"_s);
    row("unquoted spaces", "attachment; filename=a b.txt ; x=y", u"a b.txt"_s);
    row("inline", "inline; filename=a.txt", u"a.txt"_s);
    row("upper case", "ATTACHMENT; FILENAME=\"a.txt\"", u"a.txt"_s);
    row("spaces around", "attachment ;  filename  =  \"a.txt\"  ;", u"a.txt"_s);
    row("no spaces", "attachment;filename=\"a.txt\";size=1", u"a.txt"_s);
    row("no type", "filename=\"a.txt\"", u"a.txt"_s);
    row("escapes", "attachment; filename=\"a\\\"b\\\\c.txt\"", u"a\"b\\c.txt"_s);
    row("semicolon in quotes", "attachment; filename=\"a;filename=b.txt\"", u"a;filename=b.txt"_s);
    row("other parameter quotes it", "attachment; x=\"filename=b\"; filename=a", u"a"_s);
    row("first of two", "attachment; filename=a; filename=b", u"a"_s);
    row("raw UTF-8", "attachment; filename=\"\xc3\xa4.txt\"", u"\u00e4.txt"_s);
    row("raw Latin-1", "attachment; filename=\"\xe4.txt\"", u"\u00e4.txt"_s);
    row("percent is literal", "attachment; filename=\"a%20b\"", u"a%20b"_s);

    row("extended", "attachment; filename*=UTF-8''%e2%82%ac%20rates", u"\u20ac rates"_s);
    row("extended, language", "attachment; filename*=utf-8'en'%C3%A4.txt", u"\u00e4.txt"_s);
    row("extended, Latin-1", "attachment; filename*=ISO-8859-1''%e4.txt", u"\u00e4.txt"_s);
    row("extended, quoted", "attachment; filename*=\"UTF-8''%C3%A4.txt\"", u"\u00e4.txt"_s);
    row("extended wins", "attachment; filename=a; filename*=UTF-8''b", u"b"_s);
    row("extended first wins", "attachment; filename*=UTF-8''b; filename=a", u"b"_s);
    row("not sanitised", "attachment; filename*=UTF-8''..%2F..%2Fx%00", u"../../x"_s + QChar(0));
    row("path", "attachment; filename=\"/etc/passwd\"", u"/etc/passwd"_s);
}

void tst_FileName::proposed_header_namesTheFile()
{
    QFETCH(QByteArray, header);
    QFETCH(QString, expected);
    QCOMPARE(proposedFileName(header, QUrl(u"https://example.org/url.bin"_s)), expected);
}

void tst_FileName::proposed_badHeader_fallsBack_data()
{
    QTest::addColumn<QByteArray>("header");
    QTest::addColumn<QString>("expected");
    const auto row = [](const char *what, const QByteArray &header,
                         const char *expected = "url.bin") {
        QTest::newRow(what) << header << QString::fromLatin1(expected);
    };
    row("nothing", "");
    row("type alone", "attachment");
    row("type and semicolon", "attachment;");
    row("semicolons", ";;;;");
    row("no value", "attachment; filename");
    row("empty value", "attachment; filename=");
    row("empty quotes", "attachment; filename=\"\"");
    row("open quotes", "attachment; filename=\"a.txt");
    row("only a quote", "attachment; filename=\"");
    row("escape at the end", "attachment; filename=\"a\\");
    row("escaped end", "attachment; filename=\"a\\\"");
    row("behind the quotes", "attachment; filename=\"a\"b");
    row("other name", "attachment; myfilename=a");
    row("equals signs", "=;=;filename;=a");
    row("extended without charset", "attachment; filename=a; filename*=''b", "a");
    row("extended without quotes", "attachment; filename=a; filename*=b", "a");
    row("extended with one quote", "attachment; filename=a; filename*=UTF-8'b", "a");
    row("unknown charset", "attachment; filename=a; filename*=KOI8-R''b", "a");
    row("bad percent", "attachment; filename=a; filename*=UTF-8''%zz", "a");
    row("short percent", "attachment; filename=a; filename*=UTF-8''b%4", "a");
    row("percent at the end", "attachment; filename=a; filename*=UTF-8''b%", "a");
    row("bad UTF-8", "attachment; filename=a; filename*=UTF-8''%ff", "a");
    row("overlong UTF-8", "attachment; filename=a; filename*=UTF-8''%c0%af", "a");
    row("cut UTF-8", "attachment; filename=a; filename*=UTF-8''%e2%82", "a");
    row("surrogate in UTF-8", "attachment; filename=a; filename*=UTF-8''%ed%a0%80", "a");
    row("not ASCII", "attachment; filename=a; filename*=UTF-8''\xc3\xa4", "a");
    row("empty extended", "attachment; filename=a; filename*=UTF-8''", "a");
    row("both bad", "attachment; filename=\"; filename*=UTF-8''%");
}

void tst_FileName::proposed_badHeader_fallsBack()
{
    QFETCH(QByteArray, header);
    QFETCH(QString, expected);
    QCOMPARE(
        proposedFileName(header, QUrl(u"https://example.org/dir/url.bin?x=y.z#f"_s)), expected);
}

void tst_FileName::proposed_noHeader_takesTheUrl_data()
{
    QTest::addColumn<QByteArray>("url");
    QTest::addColumn<QString>("expected");
    const auto row = [](const char *what, const QByteArray &url, const QString &expected) {
        QTest::newRow(what) << url << expected;
    };
    row("file", "https://example.org/a/b.txt", u"b.txt"_s);
    row("query and fragment", "https://example.org/b.txt?c/d.exe#e/f", u"b.txt"_s);
    row("encoded", "https://example.org/%C3%A4%20b.txt", u"\u00e4 b.txt"_s);
    row("encoded Latin-1", "https://example.org/%e4.txt", u"\u00e4.txt"_s);
    row("encoded percent", "https://example.org/a%2541", u"a%41"_s);
    row("encoded slashes", "https://example.org/x/..%2f..%2fy", u"../../y"_s);
    row("directory", "https://example.org/a/", u""_s);
    row("host alone", "https://example.org", u""_s);
    row("no URL", "", u""_s);
    row("data", "data:text/html,<a/b.exe>", u""_s);
    row("blob", "blob:https://example.org/1b2c", u"1b2c"_s);
}

void tst_FileName::proposed_noHeader_takesTheUrl()
{
    QFETCH(QByteArray, url);
    QFETCH(QString, expected);
    QCOMPARE(proposedFileName({}, QUrl::fromEncoded(url)), expected);
}

// ---- printable

void tst_FileName::printable_deceivingCharacters_areEscaped_data()
{
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("expected");
    const auto row = [](const char *what, const QString &name, const QString &expected) {
        QTest::newRow(what) << name << expected;
    };
    row("nothing", u""_s, u""_s);
    row("plain", u"a b/c\\d\u00e4\u65e5"_s, u"a b/c\\d\u00e4\u65e5"_s);
    row("pair", text(0x1f600), text(0x1f600));
    row("override", u"a\u202eb"_s, u"a\\u{202e}b"_s);
    row("terminal", u"\x1b[31m\n\x07"_s, u"\\u{1b}[31m\\u{a}\\u{7}"_s);
    row("NUL, DEL and C1", QChar(0) + u"\u007f\u009b"_s, u"\\u{0}\\u{7f}\\u{9b}"_s);
    row("zero width", u"\u200b\ufeff"_s, u"\\u{200b}\\u{feff}"_s);
    row("tag", text(0xe0041), u"\\u{e0041}"_s);
    row("surrogates", u"a"_s + QChar(0xd83d), u"a\\u{d83d}"_s);
    row("line separator", u"\u2028"_s, u"\\u{2028}"_s);
}

void tst_FileName::printable_deceivingCharacters_areEscaped()
{
    QFETCH(QString, name);
    QFETCH(QString, expected);
    QCOMPARE(printable(name), expected);
    QCOMPARE(printable(expected), expected);
}

QTEST_GUILESS_MAIN(tst_FileName)
#include "tst_filename.moc"
