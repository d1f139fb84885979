// SPDX-License-Identifier: MIT
//
// 5,000 names as a hostile server would propose them: each lands in its directory as one harmless
// entry with its extension, or is refused, and none is shown as it came.
#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/FileRelease.h"
#include "SecurityTap/inspection/SecurityEvent.h"

#include <QDir>
#include <QFileInfo>
#include <QTemporaryDir>
#include <QTest>

#include <array>
#include <random>
#include <set>

using namespace Sentinel;
using namespace Qt::StringLiterals;

namespace {

constexpr int hostileNames = 5'000;

// What such names are made of.
const std::array bad{u"../"_s, u"..\\"_s, u"/"_s, u"\\"_s, u".."_s, u"."_s, u"-"_s, u"--"_s, u"~"_s,
    u"~/"_s, u"C:\\"_s, u"\\\\host\\"_s, u":"_s, u"%2e%2e%2f"_s, u"%00"_s, u"%0a"_s, u"${HOME}"_s,
    u"`id`"_s, u"$(id)"_s, u";"_s, u"|"_s, u"&"_s, u"*"_s, u"?"_s, u"\""_s, u"'"_s, u"<"_s, u">"_s,
    u"CON"_s, u"nul"_s, u"COM1"_s, u"LPT\u00b2"_s, u"CONIN$"_s, u"aux."_s, u" "_s, u"          "_s,
    u"\t"_s, u"\n"_s, u"\r\n"_s, u"\x1b[2J"_s, u"\x07"_s, u"\x7f"_s, u"\u0085"_s, u"\u009b"_s,
    QString(QChar(0)), u"\u202e"_s, u"\u202d"_s, u"\u2066"_s, u"\u2069"_s, u"\u200e"_s, u"\u061c"_s,
    u"\u200b"_s, u"\u200d"_s, u"\u2060"_s, u"\ufeff"_s, u"\u00ad"_s, u"\u034f"_s, u"\u3164"_s,
    u"\u2800"_s, u"\u2028"_s, u"\u2029"_s, u"\ufffe"_s, QString(QChar(0xd83d)),
    QString(QChar(0xde00)), u"\U0001f600"_s, u"\U000e0041"_s, u"\U000e0100"_s,
    u"\uff0e\uff0e\uff0f"_s, u"\u2215"_s, u"e\u0301"_s, u"\u0300\u0300\u0300"_s, u"a"_s,
    u"invoice"_s, u"passwd"_s, QString(300, u'a'), QString(200, u'\u65e5'), QString(90, u'\u0301'),
    u"\u00a0\u2003"_s};

// What a name may end with, behind its extension, without having another one.
const std::array tails{u""_s, u"."_s, u"..."_s, u" "_s, u". . "_s, u"~"_s, u"\u200b"_s, u"\u202e"_s,
    u"\u00a0"_s, u"\u3000"_s, u"\ufeff."_s};
const std::array extensions{u"exe"_s, u"pdf"_s, u"txt"_s, u"gz"_s, u"desktop"_s, u"7z"_s};

QString piece(std::minstd_rand &random, const auto &pieces)
{
    return pieces[random() % pieces.size()];
}

QString stem(std::minstd_rand &random)
{
    QString name;
    for (auto count = random() % 6; count > 0; --count)
        name += piece(random, bad);
    return name;
}

// As a server writes it: one of the ways of RFC 6266, or none of them.
QString throughHeader(std::minstd_rand &random, const QString &name)
{
    const QByteArray utf8 = name.toUtf8();
    const QByteArray encoded = utf8.toPercentEncoding();
    const QUrl url(u"https://example.org/url.bin"_s);
    switch (random() % 6) {
    case 0:
        return proposedFileName("attachment; filename*=UTF-8''" + encoded, url);
    case 1:
        return proposedFileName("attachment; filename=x; filename*=utf-8'en'" + encoded, url);
    case 2:
        return proposedFileName("attachment; filename=\"" + utf8 + '"', url);
    case 3:
        return proposedFileName("filename*=UTF-8''%ff; filename=" + utf8, url);
    case 4:
        return proposedFileName({}, QUrl::fromEncoded("https://example.org/" + encoded));
    default:
        return name;
    }
}

// By another way than the product's: what must not reach a terminal.
bool isShownRaw(const QString &text)
{
    for (const char32_t c : text.toUcs4()) {
        switch (QChar::category(c)) {
        case QChar::Other_Control:
        case QChar::Other_Format:
        case QChar::Other_Surrogate:
        case QChar::Separator_Line:
        case QChar::Separator_Paragraph:
            return true;
        default:
            break;
        }
    }
    return !text.isValidUtf16();
}

} // namespace

class tst_HostileNames : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void names_anyWay_stayInTheirDirectory();
    void names_anyTail_keepTheirExtension();
    void names_inMessages_areEscaped();
};

void tst_HostileNames::names_anyWay_stayInTheirDirectory()
{
    const QTemporaryDir parent;
    const QString inside = parent.filePath(u"in"_s);
    QVERIFY(QDir().mkpath(inside));
    auto spool = Spool::create({inside, 5, Limits::gib, Limits::mib, nullptr});
    QVERIFY(spool && (*spool)->append(QByteArrayView("bytes")) && (*spool)->seal());
    constexpr auto all = QDir::AllEntries | QDir::Hidden | QDir::System | QDir::NoDotAndDotDot;

    std::minstd_rand random(1);
    std::set<QString> proposed;
    for (int i = 0; i < hostileNames; ++i) {
        const QString raw = throughHeader(random, stem(random) + stem(random));
        proposed.insert(raw);
        const QString name = sanitisedFileName(raw);
        QVERIFY2(sanitisedFileName(name) == name, qPrintable(printable(raw)));
        QVERIFY2(!isShownRaw(name) && !isShownRaw(printable(raw)), qPrintable(printable(raw)));
        const auto released = releaseInto(**spool, inside, name, ExistingFile::Keep);
        QVERIFY2(released, qPrintable(printable(raw)));
        QCOMPARE(*released, inside + u'/' + name);
        QCOMPARE(QDir(inside).entryList(all), QStringList{name});
        QVERIFY(QFileInfo(*released).isFile() && !QFileInfo(*released).isSymLink());
        QVERIFY(QFile::remove(*released));
        // As it came, it is refused or is one entry all the same.
        if (const auto itself = releaseInto(**spool, inside, raw, ExistingFile::Keep)) {
            QVERIFY(!raw.contains(u'/'));
            QCOMPARE(QDir(inside).entryList(all).size(), 1);
            QVERIFY(QFile::remove(*itself));
        }
    }
    QCOMPARE(QDir(parent.path()).entryList(all), QStringList{u"in"_s});
    QVERIFY(QDir(inside).isEmpty(all));
    QVERIFY2(proposed.size() > hostileNames / 2, "the generator repeats itself");
}

void tst_HostileNames::names_anyTail_keepTheirExtension()
{
    std::minstd_rand random(2);
    for (int i = 0; i < hostileNames; ++i) {
        const QString extension = u'.' + piece(random, extensions);
        const QString raw = stem(random) + u'x' + extension + piece(random, tails);
        const QString name = sanitisedFileName(raw);
        QVERIFY2(name.endsWith(extension), qPrintable(printable(raw) + u" -> "_s + name));
        QVERIFY(name.toUtf8().size() <= Limits::maxFileNameBytes);
    }
}

void tst_HostileNames::names_inMessages_areEscaped()
{
    const QTemporaryDir directory;
    auto spool = Spool::create({directory.path(), 5, Limits::gib, Limits::mib, nullptr});
    QVERIFY(spool && (*spool)->append(QByteArrayView("bytes")) && (*spool)->seal());
    std::minstd_rand random(3);
    int noticed = 0;
    for (int i = 0; i < hostileNames; ++i) {
        const QString raw = stem(random) + stem(random);
        const auto released =
            releaseInto(**spool, directory.filePath(u"no"_s) + raw, raw, ExistingFile::Keep);
        QVERIFY(!released);
        QVERIFY2(!isShownRaw(released.error().message), qPrintable(printable(raw)));
        Download download;
        download.metadata.filename = raw;
        for (const SecurityEvent &event : securityEvents(download, {})) {
            ++noticed;
            QVERIFY2(!isShownRaw(event.text), qPrintable(printable(raw)));
        }
    }
    QVERIFY(noticed > hostileNames / 4);
}

QTEST_GUILESS_MAIN(tst_HostileNames)
#include "tst_hostilenames.moc"
