// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/LimitedOrigins.h"
#include "SecurityTap/inspection/ShareKey.h"
#include "SecurityTap/scan/SharedRoom.h"

#include <QTest>

#include <limits>

using namespace Sentinel;
using namespace std::chrono_literals;

//! Who shares with whom, how much each gets, and who is told of when he wants more.
class tst_Shares : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void key_addresses_shareOrNot_data();
    void key_addresses_shareOrNot();
    void key_ofNothing_isNone_data();
    void key_ofNothing_isNone();

    void room_floodOfOne_leavesHalf();
    void room_nobody_mayTakeAll();
    void room_whoHasNothing_mayTakeMoreThanAShare();
    void room_hostileAmounts_areRefused();
    void room_givenBack_isAsBefore();

    void limited_manyRefusals_areToldOnceAMinute();
    void limited_moreOriginsThanAreRemembered_boundHolds();
};

void tst_Shares::key_addresses_shareOrNot_data()
{
    QTest::addColumn<QString>("one");
    QTest::addColumn<QString>("another");
    QTest::addColumn<bool>("isShared");
    const auto row = [](const char *name, const char *one, const char *another, bool isShared) {
        QTest::newRow(name) << QString::fromLatin1(one) << QString::fromLatin1(another) << isShared;
    };
    row("paths", "https://a.example/1", "https://a.example/2?q#f", true);
    row("subdomains", "https://a.b.flood.example/", "https://c.flood.example/", true);
    row("subdomain and site", "https://flood.example/", "https://www.flood.example/", true);
    row("schemes and ports", "http://flood.example:8080/", "https://flood.example/", true);
    row("case", "https://Flood.Example/", "https://flood.example/", true);
    row("dot at the end", "https://flood.example./", "https://flood.example/", true);
    row("credentials", "https://u:p@flood.example/", "https://flood.example/", true);
    row("sites", "https://one.example/", "https://two.example/", false);
    row("second levels", "https://one.co.uk/", "https://two.co.uk/", false);
    row("below a second level", "https://a.one.co.uk/", "https://b.one.co.uk/", true);
    row("three letters below a country", "https://a.abc.de/", "https://b.abc.de/", true);
    row("hosts without dots", "http://printer/", "http://scanner/", false);
    row("IPv4", "http://10.0.0.1/", "http://10.1.0.1/", false);
    row("IPv4, same", "http://10.0.0.1/", "http://10.0.0.1:81/", true);
    row("IPv6", "http://[::1]/", "http://[::2]/", false);
    row("blob", "blob:https://a.flood.example/1", "https://flood.example/", true);
    row("data", "data:text/plain,1", "data:text/plain,2", true);
    row("data and host", "data:text/plain,1", "https://flood.example/", false);
}

void tst_Shares::key_addresses_shareOrNot()
{
    QFETCH(QString, one);
    QFETCH(QString, another);
    QFETCH(bool, isShared);
    QVERIFY(shareKeyOf(QUrl(one)) != 0);
    QCOMPARE(shareKeyOf(QUrl(one)) == shareKeyOf(QUrl(another)), isShared);
}

void tst_Shares::key_ofNothing_isNone_data()
{
    QTest::addColumn<QUrl>("url");
    QTest::newRow("empty") << QUrl();
    QTest::newRow("a local file") << QUrl(QStringLiteral("file:///etc/passwd"));
    QTest::newRow("no scheme, no host") << QUrl(QStringLiteral("a/path"));
}

void tst_Shares::key_ofNothing_isNone()
{
    QFETCH(QUrl, url);
    QCOMPARE(shareKeyOf(url), quint64(0));
}

void tst_Shares::room_floodOfOne_leavesHalf()
{
    SharedRoom room(100);
    int first = 0;
    while (room.tryTake(1, 1))
        ++first;
    QCOMPARE(first, 50);
    int second = 0;
    while (room.tryTake(1, 2))
        ++second;
    QCOMPARE(second, 25);
    QVERIFY(room.tryTake(1, 3));
}

void tst_Shares::room_nobody_mayTakeAll()
{
    SharedRoom room(100);
    QVERIFY(room.tryTake(100, 0));
    QVERIFY(!room.tryTake(1, 0));
    QVERIFY(!room.tryTake(1, 1));
}

void tst_Shares::room_whoHasNothing_mayTakeMoreThanAShare()
{
    SharedRoom room(100);
    QVERIFY(room.tryTake(90, 1));
    QVERIFY(!room.tryTake(1, 1));
    QVERIFY(room.tryTake(10, 2));
    QVERIFY(!room.tryTake(1, 3));
}

void tst_Shares::room_hostileAmounts_areRefused()
{
    SharedRoom room(100);
    QVERIFY(!room.tryTake(-1, 1));
    QVERIFY(!room.tryTake(101, 1));
    QVERIFY(!room.tryTake(std::numeric_limits<qint64>::max(), 1));
    QVERIFY(room.tryTake(0, 1));
    QCOMPARE(room.used(), 0);
    SharedRoom none(0);
    QVERIFY(!none.tryTake(1, 1));
}

void tst_Shares::room_givenBack_isAsBefore()
{
    SharedRoom room(100);
    QVERIFY(room.tryTake(30, 1));
    QVERIFY(room.tryTake(20, 1));
    room.giveBack(20, 1);
    room.giveBack(30, 1);
    QCOMPARE(room.used(), 0);
    QVERIFY(room.tryTake(90, 1)); // has nothing again
}

void tst_Shares::limited_manyRefusals_areToldOnceAMinute()
{
    LimitedOrigins limited;
    const Origin origin = Origin::of(QUrl(QStringLiteral("https://flood.example/")));
    const Origin other = Origin::of(QUrl(QStringLiteral("https://other.example/")));
    const Clock::time_point start{1h};
    QCOMPARE(limited.note(origin, start), std::optional(1));
    for (int i = 0; i < 59; ++i)
        QCOMPARE(limited.note(origin, start + i * 1s), std::nullopt);
    QCOMPARE(limited.note(other, start + 59s), std::optional(1));
    QCOMPARE(limited.note(origin, start + 60s), std::optional(60));
    QCOMPARE(limited.note(origin, start + 61s), std::nullopt);
    QCOMPARE(limited.note(origin, start + 120s), std::optional(2));
}

void tst_Shares::limited_moreOriginsThanAreRemembered_boundHolds()
{
    LimitedOrigins limited;
    const auto origin = [](int number) {
        return Origin{QStringLiteral("https"), QStringLiteral("%1.example").arg(number), 443};
    };
    const Clock::time_point start{1h};
    int told = 0;
    for (int i = 0; i < 2 * Limits::maxLimitedOrigins; ++i)
        told += limited.note(origin(i), start).has_value();
    QCOMPARE(told, Limits::maxLimitedOrigins);
    QCOMPARE(limited.size(), Limits::maxLimitedOrigins);
    // A minute later they are forgotten for others.
    QVERIFY(limited.note(origin(-1), start + 2min));
    QCOMPARE(limited.size(), 1);
}

QTEST_GUILESS_MAIN(tst_Shares)
#include "tst_shares.moc"
