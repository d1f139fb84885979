// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/Origin.h"

#include <QTest>

using namespace Sentinel;

class tst_Origin : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void of_addresses_originAsText_data();
    void of_addresses_originAsText();
    void of_sameOriginWrittenInOtherWords_isEqual();
    void of_anyOtherPart_isAnotherOrigin();
};

void tst_Origin::of_addresses_originAsText_data()
{
    QTest::addColumn<QString>("url");
    QTest::addColumn<QString>("text");

    QTest::newRow("usual port") << "https://example.org/a?b#c"
                                << "https://example.org";
    QTest::newRow("usual port, named") << "https://example.org:443/"
                                       << "https://example.org";
    QTest::newRow("http's port on https") << "https://example.org:80/"
                                          << "https://example.org:80";
    QTest::newRow("ftp") << "ftp://example.org/a"
                         << "ftp://example.org";
    QTest::newRow("case") << "HTTP://EXAMPLE.org/A"
                          << "http://example.org";
    QTest::newRow("other alphabet") << QString::fromUtf8("http://b\xc3\xbc"
                                                         "cher.example/")
                                    << "http://xn--bcher-kva.example";
    QTest::newRow("credentials") << "https://user:secret@example.org/"
                                 << "https://example.org";
    QTest::newRow("IPv6") << "http://[::1]:8080/"
                          << "http://[::1]:8080";
    QTest::newRow("blob") << "blob:https://example.org/9115d58c"
                          << "https://example.org";
    QTest::newRow("blob of nobody") << "blob:null/9115d58c"
                                    << "blob:";
    QTest::newRow("data") << "data:text/plain,hello"
                          << "data:";
    QTest::newRow("file") << "file:///etc/passwd"
                          << "file:";
    QTest::newRow("nothing") << ""
                             << ":";
}

void tst_Origin::of_addresses_originAsText()
{
    QFETCH(const QString, url);
    QFETCH(const QString, text);
    QCOMPARE(Origin::of(QUrl(url)).toString(), text);
}

void tst_Origin::of_sameOriginWrittenInOtherWords_isEqual()
{
    const Origin one = Origin::of(QUrl(QStringLiteral("https://example.org/one")));
    const Origin other = Origin::of(QUrl(QStringLiteral("HTTPS://Example.ORG:443/other")));
    QCOMPARE(one, other);
    QCOMPARE(qHash(one), qHash(other));
}

void tst_Origin::of_anyOtherPart_isAnotherOrigin()
{
    const Origin origin = Origin::of(QUrl(QStringLiteral("https://example.org/")));
    for (const char *other :
        {"http://example.org/", "https://www.example.org/", "https://example.org:8443/"})
        QVERIFY2(Origin::of(QUrl(QString::fromLatin1(other))) != origin, other);
}

QTEST_APPLESS_MAIN(tst_Origin)
#include "tst_origin.moc"
