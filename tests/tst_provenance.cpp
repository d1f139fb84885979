// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Provenance.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileRelease.h"
#include "tests/support/FileAttribute.h"

#include <QDir>
#include <QTemporaryDir>
#include <QTest>

using namespace Sentinel;
using Test::attribute;
using namespace Qt::StringLiterals;

namespace {

constexpr const char *originName = "user.xdg.origin.url";
constexpr const char *referrerName = "user.xdg.referrer.url";

} // namespace

class tst_Provenance : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void text_address_isStripped_data();
    void text_address_isStripped();
    void text_noAddress_isEmpty_data();
    void text_noAddress_isEmpty();
    void write_file_hasIt();
    void write_nothing_removesIt();
    void write_fileWithoutAttributes_isNoError();
    void release_everyWay_hasItFromTheBeginning_data();
    void release_everyWay_hasItFromTheBeginning();
    void release_withoutProvenance_saysNothing();
};

void tst_Provenance::text_address_isStripped_data()
{
    QTest::addColumn<QString>("url");
    QTest::addColumn<QByteArray>("expected");
    const auto row = [](const char *what, const QString &url, const QByteArray &expected) {
        QTest::newRow(what) << url << expected;
    };
    row("plain", u"https://example.org/a/b.zip"_s, "https://example.org/a/b.zip");
    row("http", u"http://example.org:8080/a"_s, "http://example.org:8080/a");
    row("ftp", u"ftp://example.org/a"_s, "ftp://example.org/a");
    row("capitals", u"HTTPS://Example.ORG/A"_s, "https://example.org/A");
    row("password", u"https://me:secret@example.org/a"_s, "https://example.org/a");
    row("user", u"ftp://me@example.org/a"_s, "ftp://example.org/a");
    row("query", u"https://example.org/a?token=secret"_s, "https://example.org/a");
    row("fragment", u"https://example.org/a#secret"_s, "https://example.org/a");
    row("all of it", u"https://u:p@example.org/a?b#c"_s, "https://example.org/a");
    row("not ASCII", u"https://b\u00fccher.example/\u00e4 b"_s,
        "https://xn--bcher-kva.example/%C3%A4%20b");
    row("line break", u"https://example.org/a%0Ab"_s, "https://example.org/a%0Ab");
    row("just fits", u"https://example.org/"_s + QString(1'004, u'a'),
        "https://example.org/" + QByteArray(1'004, 'a'));
    row("too long", u"https://me:secret@example.org:81/"_s + QString(5'000, u'a') + u"?q"_s,
        "https://example.org:81/");
}

void tst_Provenance::text_address_isStripped()
{
    QFETCH(QString, url);
    QFETCH(QByteArray, expected);
    QCOMPARE(provenanceText(QUrl(url)), expected);
    QVERIFY(expected.size() <= Limits::maxProvenanceUrlBytes);
}

void tst_Provenance::text_noAddress_isEmpty_data()
{
    QTest::addColumn<QString>("url");
    for (const QString &url : {u""_s, u"x"_s, u"file:///home/me/a"_s, u"data:text/plain,secret"_s,
             u"blob:https://example.org/1-2"_s, u"about:blank"_s, u"javascript:alert(1)"_s,
             u"https:///a"_s, u"https:a"_s, u"//example.org/a"_s, u"chrome://settings"_s,
             u"https://example.org:99999/a"_s, u"mailto:me@example.org"_s})
        QTest::newRow(url.isEmpty() ? "nothing" : qPrintable(url)) << url;
}

void tst_Provenance::text_noAddress_isEmpty()
{
    QFETCH(QString, url);
    QCOMPARE(provenanceText(QUrl(url)), QByteArray());
}

void tst_Provenance::write_file_hasIt()
{
    const QTemporaryDir directory;
    QFile file(directory.filePath(u"a"_s));
    QVERIFY(file.open(QIODevice::WriteOnly));
    const QUrl page(u"https://me:p@example.org/page?q=secret#f"_s);
    if (!writeProvenance(file.handle(), {QUrl(u"https://cdn.example/a?s"_s), page}))
        QSKIP("the file system keeps no extended attributes");
    QCOMPARE(attribute(file.fileName(), originName), QByteArray("https://cdn.example/a"));
    QCOMPARE(attribute(file.fileName(), referrerName), QByteArray("https://example.org/page"));
}

void tst_Provenance::write_nothing_removesIt()
{
    const QTemporaryDir directory;
    QFile file(directory.filePath(u"a"_s));
    QVERIFY(file.open(QIODevice::WriteOnly));
    if (!writeProvenance(file.handle(), {QUrl(u"https://a.example/"_s), {}}))
        QSKIP("the file system keeps no extended attributes");
    QVERIFY(writeProvenance(file.handle(), {QUrl(u"data:,x"_s), {}}));
    QCOMPARE(attribute(file.fileName(), originName), QByteArray("(none)"));
    QCOMPARE(attribute(file.fileName(), referrerName), QByteArray("(none)"));
}

void tst_Provenance::write_fileWithoutAttributes_isNoError()
{
    QFile file(u"/proc/self/comm"_s);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QVERIFY(!writeProvenance(file.handle(), {QUrl(u"https://a.example/"_s), {}}));
    QVERIFY(!writeProvenance(-1, {QUrl(u"https://a.example/"_s), {}}));
}

void tst_Provenance::release_everyWay_hasItFromTheBeginning_data()
{
    QTest::addColumn<bool>("inMemory");
    QTest::addColumn<QString>("spoolDirectory");
    QTest::newRow("linked") << false << QString();
    QTest::newRow("copied from memory") << true << QString();
    QTest::newRow("from another file system") << false << u"/dev/shm"_s;
}

void tst_Provenance::release_everyWay_hasItFromTheBeginning()
{
    QFETCH(bool, inMemory);
    QFETCH(QString, spoolDirectory);
    const QTemporaryDir directory;
    auto spool = Spool::create({spoolDirectory.isEmpty() ? directory.path() : spoolDirectory, 5,
        Limits::gib, Limits::mib, std::make_shared<SpoolBudget>(inMemory ? Limits::gib : 0)});
    QVERIFY(spool && (*spool)->append(QByteArrayView("bytes")) && (*spool)->seal());
    QCOMPARE((*spool)->isInMemory(), inMemory);
    for (const QString &name : {u"a"_s, u"b"_s}) { // the second is a copy
        const auto released = releaseInto(**spool, directory.path(), name, ExistingFile::Keep,
            {{}, {QUrl(u"https://example.org/a"_s), QUrl(u"https://example.org/"_s)}});
        QVERIFY2(released, released ? "" : qPrintable(released.error().message));
        if (attribute(*released, originName) == "(none)")
            QSKIP("the file system keeps no extended attributes");
        QCOMPARE(attribute(*released, originName), QByteArray("https://example.org/a"));
        QCOMPARE(attribute(*released, referrerName), QByteArray("https://example.org/"));
    }
}

void tst_Provenance::release_withoutProvenance_saysNothing()
{
    const QTemporaryDir directory;
    auto spool = Spool::create({directory.path(), 5, Limits::gib, Limits::mib, nullptr});
    QVERIFY(spool && (*spool)->append(QByteArrayView("bytes")) && (*spool)->seal());
    const auto released = releaseInto(**spool, directory.path(), u"a"_s, ExistingFile::Keep);
    QVERIFY(released);
    QCOMPARE(attribute(*released, originName), QByteArray("(none)"));
    QCOMPARE(attribute(*released, referrerName), QByteArray("(none)"));
}

QTEST_GUILESS_MAIN(tst_Provenance)
#include "tst_provenance.moc"
