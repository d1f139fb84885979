// SPDX-License-Identifier: MIT
//
// What is noticed about a download, and, as often, what must not be: an alarm that honest servers
// raise is one that nobody reads.
#include "SecurityTap/inspection/SecurityEvent.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/FileType.h"

#include <QDirIterator>
#include <QMimeDatabase>
#include <QTest>

using namespace Sentinel;
using namespace Qt::StringLiterals;

namespace {

using Kind = SecurityEvent::Kind;

std::span<const uchar> spanOf(const QByteArray &bytes)
{
    return {reinterpret_cast<const uchar *>(bytes.constData()), size_t(bytes.size())};
}

QStringList kindsOf(const std::vector<SecurityEvent> &events)
{
    QStringList kinds;
    for (const SecurityEvent &event : events)
        kinds.append(nameOf(event.kind));
    return kinds;
}

std::vector<SecurityEvent> ofName(const QString &name)
{
    Download download;
    download.metadata.filename = name;
    return securityEvents(download, {});
}

std::vector<SecurityEvent> ofType(const QString &mimeType, const QByteArray &content)
{
    Download download;
    download.metadata.mimeType = mimeType;
    return securityEvents(download, {spanOf(content), content.size(), true});
}

QByteArray withZeros(const QByteArray &start)
{
    return start + QByteArray(600, '\0');
}

} // namespace

class tst_SecurityEvent : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void name_leavingItsDirectory_isNoticed_data();
    void name_leavingItsDirectory_isNoticed();
    void name_hidingItsKind_isNoticed_data();
    void name_hidingItsKind_isNoticed();
    void name_honest_isNot_data();
    void name_honest_isNot();

    void type_broken_isNoticed_data();
    void type_broken_isNoticed();
    void type_kept_isNot_data();
    void type_kept_isNot();
    void type_filesOfThisSystem_areNot();

    void size_other_isNoticed_data();
    void size_other_isNoticed();
    void size_asSaid_isNot_data();
    void size_asSaid_isNot();

    void nothing_saysNothing();
    void everything_isSaidOnceAndEscaped();
};

// ---- names

void tst_SecurityEvent::name_leavingItsDirectory_isNoticed_data()
{
    QTest::addColumn<QString>("name");
    const auto row = [](const char *what, const QString &name) { QTest::newRow(what) << name; };
    row("parent", u".."_s);
    row("above", u"../x"_s);
    row("far above", u"../../../../etc/passwd"_s);
    row("in the middle", u"a/../../x"_s);
    row("at the end", u"a/.."_s);
    row("backslashes", u"..\\..\\x.exe"_s);
    row("both", u"a\\../x"_s);
    row("absolute", u"/etc/passwd"_s);
    row("share", u"\\\\host\\share\\x"_s);
    row("drive", u"C:\\Windows\\x.dll"_s);
    row("home", u"~/.bashrc"_s);
    row("space behind", u".. /x"_s);
    row("percents", u"..%2f..%2fx"_s);
    row("all percents", u"%2e%2e%2fx"_s);
    row("wide", u"\uff0e\uff0e\uff0fx"_s);
    row("leaders", u"\u2024\u2024/x"_s);
    row("zero width", u".\u200b./x"_s);
    row("percent in wide", u"%ef%bc%8e%ef%bc%8e/x"_s);
}

void tst_SecurityEvent::name_leavingItsDirectory_isNoticed()
{
    QFETCH(QString, name);
    const auto events = ofName(name);
    QCOMPARE(kindsOf(events).filter(u"path-traversal"_s).size(), 1);
    QVERIFY(events[0].text.contains(printable(name)));
}

void tst_SecurityEvent::name_hidingItsKind_isNoticed_data()
{
    QTest::addColumn<QString>("name");
    const auto row = [](const char *what, const QString &name) { QTest::newRow(what) << name; };
    row("override", u"photo_\u202egpj.exe"_s);
    row("left override", u"a\u202db"_s);
    row("embedding", u"\u202bexe.doc"_s);
    row("isolate", u"a\u2067.txt"_s);
    row("two extensions", u"invoice.pdf.exe"_s);
    row("two in capitals", u"Invoice.PDF.Exe"_s);
    row("script", u"invoice.doc.js"_s);
    row("shortcut", u"photo.jpg.lnk"_s);
    row("three", u"a.b.docx.scr"_s);
    row("row of spaces", u"a.pdf                    .exe"_s);
    row("dots behind", u"a.pdf.exe. ."_s);
    row("zero width in the extension", u"a.e\u200bxe"_s);
    row("zero width between", u"a.pdf\u200b.exe"_s);
    row("line break", u"a.txt\n.exe"_s);
    row("escape", u"\x1b[2Ja.txt"_s);
    row("NUL", u"a.txt"_s + QChar(0) + u".exe"_s);
    row("C1", u"a\u009bb"_s);
}

void tst_SecurityEvent::name_hidingItsKind_isNoticed()
{
    QFETCH(QString, name);
    const auto events = ofName(name);
    QCOMPARE(kindsOf(events), QStringList{u"deceptive-name"_s});
    QCOMPARE(printable(events[0].text), events[0].text);
}

void tst_SecurityEvent::name_honest_isNot_data()
{
    QTest::addColumn<QString>("name");
    for (const QString &name :
        {u""_s, u"report.pdf"_s, u"archive.tar.gz"_s, u"setup.exe"_s, u"setup-1.2.3.exe"_s,
            u"pdf.js"_s, u"jquery.min.js"_s, u"pdf.worker.js"_s, u"AC/DC.mp3"_s,
            u"2026/11 report.pdf"_s, u"a..b"_s, u"...and more.txt"_s, u"wait..."_s, u"a/.../b"_s,
            u".bashrc"_s, u"~backup"_s, u"100%.txt"_s, u"50%2F50.txt"_s, u"a b  c.txt"_s,
            u"e.g. this.txt"_s, u"v1.0.doc"_s, u"readme.txt.gz"_s, u"photo.jpg.zip"_s,
            u"self-extracting.zip.exe"_s, u"libfoo.doc.deb"_s, u"C: drive.txt"_s, u"10:30.txt"_s,
            u"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.pdf"_s,
            u"1. \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"_s,
            u"\U0001f469\u200d\U0001f4bb.png"_s, u"\u2764\ufe0f.png"_s, u"\u05d0\u200f.txt"_s,
            u"\u2068name\u2069.txt"_s, u"so\u00adft.pdf"_s, u"\u65e5\u672c\u8a9e.doc"_s,
            u"\u2026.txt"_s, u"www.example.com"_s})
        QTest::newRow(name.isEmpty() ? "nothing" : qPrintable(printable(name))) << name;
}

void tst_SecurityEvent::name_honest_isNot()
{
    QFETCH(QString, name);
    QCOMPARE(kindsOf(ofName(name)), QStringList());
}

// ---- types

namespace {

const QByteArray program = withZeros("MZ\x90");
const QByteArray elf = withZeros("\x7f"
                                 "ELF\x02\x01\x01");
const QByteArray zip = withZeros("PK\x03\x04\x14");
const QByteArray rar = withZeros("Rar!\x1a\x07\x01");
const QByteArray gzip = withZeros("\x1f\x8b\x08");
const QByteArray png = withZeros("\x89PNG\r\n\x1a\n");
const QByteArray script = "#!/bin/sh\nrm -r x\n";
const QByteArray page = "<!doctype html><p>not found";

} // namespace

void tst_SecurityEvent::type_broken_isNoticed_data()
{
    QTest::addColumn<QString>("mimeType");
    QTest::addColumn<QByteArray>("content");
    const auto row = [](const char *type, const QByteArray &content) {
        QTest::addRow("%s, %.4s", type, content.constData())
            << QString::fromLatin1(type) << content;
    };
    row("image/png", program);
    row("image/jpeg", elf);
    row("image/gif", script);
    row("image/webp", zip);
    row("audio/mpeg", program);
    row("video/mp4", program);
    row("font/woff2", program);
    row("application/pdf", program);
    row("application/pdf", zip);
    row("application/pdf", script);
    row("text/plain", program);
    row("text/plain", elf);
    row("text/html", program);
    row("text/html", zip);
    row("text/csv", rar);
    row("application/json", elf);
    row("image/svg+xml", program);
    row("application/msword", program);
    row("application/msword", rar);
    row("application/vnd.openxmlformats-officedocument.wordprocessingml.document", script);
    row("application/vnd.oasis.opendocument.text", elf);
    row("application/zip", program);
    row("application/zip", script);
    row("Image/PNG; charset=binary", program);
}

void tst_SecurityEvent::type_broken_isNoticed()
{
    QFETCH(QString, mimeType);
    QFETCH(QByteArray, content);
    const auto events = ofType(mimeType, content);
    QCOMPARE(kindsOf(events), QStringList{u"mime-mismatch"_s});
    QVERIFY(events[0].text.contains(fileTypeName(spanOf(content))));
}

void tst_SecurityEvent::type_kept_isNot_data()
{
    QTest::addColumn<QString>("mimeType");
    QTest::addColumn<QByteArray>("content");
    const auto row = [](const char *type, const QByteArray &content) {
        QTest::addRow("%s, %.6s", type, content.constData())
            << QString::fromLatin1(type) << content;
    };
    row("", program);
    row("", zip);
    row("application/octet-stream", program);
    row("application/octet-stream", zip);
    row("binary/octet-stream", elf);
    row("application/force-download", program);
    row("application/x-unknown", program);
    row("application/x-msdownload", program);
    row("application/x-msdownload", page);
    row("text/plain", script);
    row("text/plain", zip); // what old servers say of what they do not know
    row("text/plain", gzip);
    row("text/plain", "MZ is not the only way to begin a text");
    row("text/plain", "CWS 2026: the programme");
    row("text/csv", "070701,12,13\n");
    row("text/html", script);
    row("text/html", gzip); // compressed on its way
    row("image/svg+xml", gzip);
    row("image/png", gzip);
    row("image/png", png);
    row("image/png", page);
    row("image/png", withZeros("RIFF"));
    row("image/png", {});
    row("image/x-portable-anymap", program);
    row("application/pdf", "%PDF-1.4");
    row("application/pdf", page);
    row("application/vnd.openxmlformats-officedocument.wordprocessingml.document", zip);
    row("application/vnd.oasis.opendocument.text", zip);
    row("application/epub+zip", zip);
    row("application/msword", zip);
    row("application/msword", withZeros("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"));
    row("application/zip", zip);
    row("application/zip", rar);
    row("application/gzip", program); // decompressed on its way
    row("application/java-archive", zip);
    row("application/vnd.android.package-archive", zip);
}

void tst_SecurityEvent::type_kept_isNot()
{
    QFETCH(QString, mimeType);
    QFETCH(QByteArray, content);
    QCOMPARE(kindsOf(ofType(mimeType, content)), QStringList());
}

// As honest servers announce them: by the extension alone.
void tst_SecurityEvent::type_filesOfThisSystem_areNot()
{
    constexpr int most = 20'000;
    const QMimeDatabase types;
    int seen = 0;
    int promised = 0;
    for (const QString &directory : {u"/usr/share"_s, u"/usr/lib"_s, u"/usr/bin"_s}) {
        int here = 0;
        QDirIterator files(directory, QDir::Files | QDir::NoSymLinks, QDirIterator::Subdirectories);
        while (files.hasNext() && here < most / 2) {
            QFile file(files.next());
            if (!file.open(QIODevice::ReadOnly))
                continue;
            ++here;
            const QString type =
                types.mimeTypeForFile(file.fileName(), QMimeDatabase::MatchExtension).name();
            const auto events = ofType(type, file.read(fileTypeSniffBytes));
            QVERIFY2(events.empty(),
                qPrintable(file.fileName() + u": "_s + (events.empty() ? u""_s : events[0].text)));
            promised += ofType(type, program).empty() ? 0 : 1;
        }
        seen += here;
    }
    qInfo("%d files, of %d of which a program would have been noticed", seen, promised);
    QVERIFY(promised > 0);
}

// ---- sizes

void tst_SecurityEvent::size_other_isNoticed_data()
{
    QTest::addColumn<qint64>("announced");
    QTest::addColumn<qint64>("arrived");
    QTest::addColumn<bool>("hasEnded");
    QTest::newRow("one more") << qint64(100) << qint64(101) << true;
    QTest::newRow("one more, and more to come") << qint64(100) << qint64(101) << false;
    QTest::newRow("one less") << qint64(100) << qint64(99) << true;
    QTest::newRow("nothing") << qint64(100) << qint64(0) << true;
    QTest::newRow("something") << qint64(0) << qint64(1) << true;
    QTest::newRow("huge") << qint64(1) << std::numeric_limits<qint64>::max() << true;
}

void tst_SecurityEvent::size_other_isNoticed()
{
    QFETCH(qint64, announced);
    QFETCH(qint64, arrived);
    QFETCH(bool, hasEnded);
    Download download;
    download.metadata.sizeBytes = announced;
    const auto events = securityEvents(download, {{}, arrived, hasEnded});
    QCOMPARE(kindsOf(events), QStringList{u"size-violation"_s});
    QVERIFY(events[0].text.contains(QLocale::c().toString(arrived)));
}

void tst_SecurityEvent::size_asSaid_isNot_data()
{
    QTest::addColumn<qint64>("announced"); // -1: not at all
    QTest::addColumn<qint64>("arrived");
    QTest::addColumn<bool>("hasEnded");
    QTest::newRow("the same") << qint64(100) << qint64(100) << true;
    QTest::newRow("empty") << qint64(0) << qint64(0) << true;
    QTest::newRow("not all yet") << qint64(100) << qint64(99) << false;
    QTest::newRow("nothing yet") << qint64(100) << qint64(0) << false;
    QTest::newRow("not announced") << qint64(-1) << qint64(100) << true;
    QTest::newRow("not announced, empty") << qint64(-1) << qint64(0) << true;
}

void tst_SecurityEvent::size_asSaid_isNot()
{
    QFETCH(qint64, announced);
    QFETCH(qint64, arrived);
    QFETCH(bool, hasEnded);
    Download download;
    if (announced >= 0)
        download.metadata.sizeBytes = announced;
    QCOMPARE(kindsOf(securityEvents(download, {{}, arrived, hasEnded})), QStringList());
}

// ---- all together

void tst_SecurityEvent::nothing_saysNothing()
{
    QVERIFY(securityEvents({}, {}).empty());
}

void tst_SecurityEvent::everything_isSaidOnceAndEscaped()
{
    Download download;
    download.metadata.filename = u"../\x1b[2J"_s + QString(5'000, u'\u202e') + u"x.pdf.exe"_s;
    download.metadata.mimeType = u"image/png"_s;
    download.metadata.sizeBytes = 1;
    const auto events = securityEvents(download, {spanOf(program), program.size(), true});
    QCOMPARE(kindsOf(events),
        QStringList(
            {u"path-traversal"_s, u"deceptive-name"_s, u"mime-mismatch"_s, u"size-violation"_s}));
    for (const SecurityEvent &event : events) {
        QCOMPARE(printable(event.text), event.text);
        QVERIFY(event.text.size() < 3'000);
        QVERIFY(event.text.endsWith(u'.'));
    }
}

QTEST_GUILESS_MAIN(tst_SecurityEvent)
#include "tst_securityevent.moc"
