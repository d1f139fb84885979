// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/WaitingRoom.h"
#include "tests/support/Patience.h"

#include <QTest>

#include <memory>
#include <vector>

using namespace Sentinel;
using namespace std::chrono_literals;
using Test::patienceMs;

namespace {

class Visitor final : public WaitingRoom::Guest {
public:
    explicit Visitor(QString name, QStringList &book) : m_name(std::move(name)), m_book(book) { }

    bool tryAgain() override
    {
        m_book += m_name;
        if (onTry)
            onTry();
        return isLetIn;
    }
    void turnAway() override { m_book += m_name + QStringLiteral(" turned away"); }

    bool isLetIn = true;
    std::function<void()> onTry;

private:
    const QString m_name;
    QStringList &m_book;
};

} // namespace

class tst_WaitingRoom : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_room = std::make_unique<WaitingRoom>(100);
        m_visitors.clear();
        m_book.clear();
        m_number = 0;
    }
    void tryNext_originsInTurn_eachInOrderOfArrival();
    void tryNext_refused_keepsItsPlace();
    void tryNext_empty_isNothing();
    void tryFirst_otherOrigins_areNotTried();
    void enter_again_isBeforeThoseThatCameLater();
    void enter_floodOfOneOrigin_leavesRoomForOthers();
    void leave_anyOfThem_isNotTried();
    void leave_inItsOwnTry_isFine();
    void leave_stranger_isNothing();
    void timeOver_isTurnedAwayAlone();
    void timeOver_before_isTurnedAwayFromTheEventLoop();
    void timeOver_gone_isNotTurnedAway();

private:
    Visitor &add(const QString &name, quint64 origin, Deadline until = noDeadline)
    {
        m_visitors.push_back(std::make_unique<Visitor>(name, m_book));
        if (!m_room->enter(*m_visitors.back(), {origin, Clock::time_point{1h}, ++m_number, until}))
            qFatal("no room");
        return *m_visitors.back();
    }

    std::unique_ptr<WaitingRoom> m_room;
    std::vector<std::unique_ptr<Visitor>> m_visitors;
    QStringList m_book;
    quint64 m_number = 0;
};

void tst_WaitingRoom::tryNext_originsInTurn_eachInOrderOfArrival()
{
    for (const char *name : {"a1", "a2", "a3", "b1", "b2", "c1"})
        add(QString::fromLatin1(name), quint64(name[0]));
    m_room->tryNext(4);
    QCOMPARE(m_book.join(u' '), QStringLiteral("a1 b1 c1 a2"));
    m_room->tryNext(100);
    QCOMPARE(m_book.join(u' '), QStringLiteral("a1 b1 c1 a2 b2 a3"));
    QCOMPARE(m_room->size(), 0);
}

void tst_WaitingRoom::tryNext_refused_keepsItsPlace()
{
    add(QStringLiteral("a1"), 1).isLetIn = false;
    add(QStringLiteral("a2"), 1);
    m_room->tryNext(2);
    QCOMPARE(m_book.join(u' '), QStringLiteral("a1 a1"));
    m_visitors.front()->isLetIn = true;
    m_room->tryNext(2);
    QCOMPARE(m_book.join(u' '), QStringLiteral("a1 a1 a1 a2"));
}

void tst_WaitingRoom::tryNext_empty_isNothing()
{
    m_room->tryNext(10);
    m_room->tryFirst(1);
    QCOMPARE(m_room->size(), 0);
}

void tst_WaitingRoom::tryFirst_otherOrigins_areNotTried()
{
    add(QStringLiteral("a1"), 1);
    add(QStringLiteral("b1"), 2);
    QVERIFY(m_room->isWaitedFor(2));
    m_room->tryFirst(2);
    QCOMPARE(m_book.join(u' '), QStringLiteral("b1"));
    QVERIFY(!m_room->isWaitedFor(2));
    QVERIFY(m_room->isWaitedFor(1));
}

void tst_WaitingRoom::enter_again_isBeforeThoseThatCameLater()
{
    Visitor &first = add(QStringLiteral("a1"), 1);
    add(QStringLiteral("a2"), 1);
    m_room->tryNext(1); // let in, and sent back by a sentinel
    QVERIFY(m_room->enter(first, {1, Clock::time_point{1h}, 1, noDeadline}));
    m_room->tryNext(2);
    QCOMPARE(m_book.join(u' '), QStringLiteral("a1 a1 a2"));
}

void tst_WaitingRoom::enter_floodOfOneOrigin_leavesRoomForOthers()
{
    for (int i = 0; i < 50; ++i)
        add(QStringLiteral("a"), 1);
    Visitor late(QStringLiteral("late"), m_book);
    QVERIFY(!m_room->enter(late, {1, Clock::now(), 1'000, noDeadline}));
    QCOMPARE(m_room->size(), 50);
    add(QStringLiteral("b"), 2);
    m_room->tryNext(2);
    QVERIFY(m_room->enter(late, {1, Clock::now(), 1'000, noDeadline}));
    m_room->leave(late);
}

void tst_WaitingRoom::leave_anyOfThem_isNotTried()
{
    for (int i = 0; i < 3; ++i)
        add(QStringLiteral("a%1").arg(i), 1);
    m_room->leave(*m_visitors[1]);
    m_room->tryNext(10);
    QCOMPARE(m_book.join(u' '), QStringLiteral("a0 a2"));
}

void tst_WaitingRoom::leave_inItsOwnTry_isFine()
{
    Visitor &visitor = add(QStringLiteral("a1"), 1);
    visitor.onTry = [&] { m_room->leave(visitor); };
    m_room->tryNext(3);
    QCOMPARE(m_book.size(), 1);
    QCOMPARE(m_room->size(), 0);
}

void tst_WaitingRoom::leave_stranger_isNothing()
{
    Visitor stranger(QStringLiteral("stranger"), m_book);
    add(QStringLiteral("a1"), 1);
    m_room->leave(stranger);
    QCOMPARE(m_room->size(), 1);
}

void tst_WaitingRoom::timeOver_isTurnedAwayAlone()
{
    add(QStringLiteral("a1"), 1);
    add(QStringLiteral("a2"), 1, Clock::now() + 5ms);
    add(QStringLiteral("a3"), 1, Clock::now() + 10ms);
    QTRY_COMPARE_WITH_TIMEOUT(
        m_book.join(u' '), QStringLiteral("a2 turned away a3 turned away"), patienceMs);
    QCOMPARE(m_room->size(), 1);
}

void tst_WaitingRoom::timeOver_before_isTurnedAwayFromTheEventLoop()
{
    add(QStringLiteral("a1"), 1, Clock::time_point());
    QVERIFY(m_book.isEmpty());
    QTRY_COMPARE_WITH_TIMEOUT(m_book.size(), 1, patienceMs);
}

void tst_WaitingRoom::timeOver_gone_isNotTurnedAway()
{
    Visitor &gone = add(QStringLiteral("a1"), 1, Clock::now() + 5ms);
    add(QStringLiteral("a2"), 1, Clock::now() + 20ms);
    m_room->leave(gone);
    QTRY_COMPARE_WITH_TIMEOUT(m_book.join(u' '), QStringLiteral("a2 turned away"), patienceMs);
}

QTEST_GUILESS_MAIN(tst_WaitingRoom)
#include "tst_waitingroom.moc"
