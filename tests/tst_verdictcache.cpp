// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/VerdictCache.h"
#include "tests/support/ScriptedTask.h"

#include <QTest>

#include <atomic>
#include <barrier>
#include <latch>
#include <set>
#include <thread>

using namespace Sentinel;
using namespace std::chrono_literals;
using Role = VerdictCache::Role;

namespace {

const QByteArray someKey("key");

void nothing() { }

//! Asks as one who expects to be told.
Role roleFor(VerdictCache &cache, const QByteArray &key)
{
    return cache.ask(key, nothing).role;
}

} // namespace

class TestVerdictCache : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void key_anyPartDiffers_isAnotherKey();
    void ask_unknown_leads();
    void ask_settledWithVerdict_isHit();
    void ask_settledWithThreat_isHitWithItsFindings();
    void settle_crashed_isRemembered();
    void settle_withoutVerdict_isNotRemembered_data();
    void settle_withoutVerdict_isNotRemembered();
    void settle_calledFromFollower_mayAskAgain();
    void settle_leaderFailed_firstFollowerLeads();
    void settle_nobodyLeads_remembers();
    void settle_secondTime_callsNobodyTwice();
    void ask_afterTimeToLive_leadsAgain();
    void ask_endlessTimeToLive_isHit();
    void settle_overBound_forgetsLeastRecentlyUsed();
    void settle_boundOfNothing_remembersNothing_data();
    void settle_boundOfNothing_remembersNothing();
    void clear_scanInFlight_goesOn();
    void disabled_everybodyLeads();
    void identicalInFlight_manyThreads_scannedOnce();
    void failingLeaders_manyThreads_everybodyEndsWithAVerdict();
};

void TestVerdictCache::key_anyPartDiffers_isAnotherKey()
{
    const std::vector<QByteArray> keys{
        VerdictCache::key("content", "rules", {"name", "path"}),
        VerdictCache::key("content", "rules", {"namepath"}),
        VerdictCache::key("content", "rules", {"name", "path", ""}),
        VerdictCache::key("content", "rules", {"path", "name"}),
        VerdictCache::key("contentrules", "", {"name", "path"}),
        VerdictCache::key("content", "rulesname", {"path"}),
        VerdictCache::key("Content", "rules", {"name", "path"}),
        VerdictCache::key("content", "Rules", {"name", "path"}),
        VerdictCache::key("", "", {}),
    };
    QCOMPARE(std::set<QByteArray>(keys.begin(), keys.end()).size(), keys.size());
    for (const QByteArray &key : keys)
        QCOMPARE(key.size(), 32);
    QCOMPARE(VerdictCache::key("content", "rules", {"name", "path"}), keys.front());
}

void TestVerdictCache::ask_unknown_leads()
{
    VerdictCache cache({});
    const VerdictCache::Answer answer = cache.ask(someKey, nothing);
    QCOMPARE(answer.role, Role::Leader);
    QVERIFY(!answer.result);
    QCOMPARE(roleFor(cache, "another"), Role::Leader);
    QCOMPARE(cache.statistics().misses, 2u);
    QCOMPARE(cache.statistics().entries, 0);
}

void TestVerdictCache::ask_settledWithVerdict_isHit()
{
    VerdictCache cache({});
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    cache.settle(someKey, Test::cleanResult(17));
    bool isTold = false;
    const VerdictCache::Answer answer = cache.ask(someKey, [&isTold] { isTold = true; });
    QCOMPARE(answer.role, Role::Hit);
    QVERIFY(answer.result == Test::cleanResult(17));
    QCOMPARE(cache.statistics().hits, 1u);
    QCOMPARE(cache.statistics().entries, 1);
    cache.settle(someKey, Test::cleanResult(17));
    QVERIFY(!isTold); // only followers are called back
}

void TestVerdictCache::ask_settledWithThreat_isHitWithItsFindings()
{
    VerdictCache cache({});
    Finding finding;
    finding.rule = QStringLiteral("R");
    const ScanResult threat = ScanResult::judge({}, {finding}, {});
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    cache.settle(someKey, threat);
    QVERIFY(cache.ask(someKey, nothing).result == threat);
}

void TestVerdictCache::settle_crashed_isRemembered()
{
    VerdictCache cache({});
    const ScanResult crashed = ScanResult::notScanned(Reason::EngineCrashed);
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    cache.settle(someKey, crashed);
    QVERIFY(cache.ask(someKey, nothing).result == crashed);
}

void TestVerdictCache::settle_withoutVerdict_isNotRemembered_data()
{
    QTest::addColumn<std::optional<ScanResult>>("result");
    QTest::newRow("no result") << std::optional<ScanResult>();
    for (const Reason reason : allReasons) {
        if (reason != Reason::None && reason != Reason::EngineCrashed)
            QTest::newRow(qPrintable(nameOf(reason)))
                << std::optional(ScanResult::notScanned(reason));
    }
}

void TestVerdictCache::settle_withoutVerdict_isNotRemembered()
{
    QFETCH(const std::optional<ScanResult>, result);
    VerdictCache cache({});
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    cache.settle(someKey, result);
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    QCOMPARE(cache.statistics().entries, 0);
}

void TestVerdictCache::settle_calledFromFollower_mayAskAgain()
{
    VerdictCache cache({});
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    QList<Role> roles;
    const auto askAgain = [&] { roles.append(roleFor(cache, someKey)); };
    QCOMPARE(cache.ask(someKey, askAgain).role, Role::Follower);
    QCOMPARE(cache.ask(someKey, askAgain).role, Role::Follower);
    QCOMPARE(cache.statistics().shared, 2u);
    cache.settle(someKey, Test::cleanResult());
    QCOMPARE(roles, (QList<Role>{Role::Hit, Role::Hit}));
}

void TestVerdictCache::settle_leaderFailed_firstFollowerLeads()
{
    VerdictCache cache({});
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    QStringList log;
    const auto follower = [&](const QString &name) {
        return [&log, &cache, name] {
            const Role role = roleFor(cache, someKey);
            log.append(name
                + (role == Role::Leader ? QStringLiteral(" leads") : QStringLiteral(" follows")));
        };
    };
    QCOMPARE(cache.ask(someKey, follower(QStringLiteral("first"))).role, Role::Follower);
    QCOMPARE(cache.ask(someKey, follower(QStringLiteral("second"))).role, Role::Follower);
    cache.settle(someKey, std::nullopt);
    QCOMPARE(log, (QStringList{QStringLiteral("first leads"), QStringLiteral("second follows")}));
}

void TestVerdictCache::settle_nobodyLeads_remembers()
{
    VerdictCache cache({});
    cache.settle(someKey, std::nullopt);
    cache.settle(someKey, Test::cleanResult());
    QCOMPARE(roleFor(cache, someKey), Role::Hit);
}

void TestVerdictCache::settle_secondTime_callsNobodyTwice()
{
    VerdictCache cache({});
    int calls = 0;
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    QCOMPARE(cache.ask(someKey, [&calls] { ++calls; }).role, Role::Follower);
    QCOMPARE(cache.ask(someKey, {}).role, Role::Follower); // one that need not be told
    cache.settle(someKey, Test::cleanResult());
    cache.settle(someKey, Test::cleanResult());
    QCOMPARE(calls, 1);
}

void TestVerdictCache::ask_afterTimeToLive_leadsAgain()
{
    VerdictCache cache({.timeToLive = 1ms});
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    cache.settle(someKey, Test::cleanResult());
    // Not QTRY_COMPARE: it asks once more than it has to, and who asks after a leader follows.
    const Deadline limit = Clock::now() + Test::patience;
    Role role = Role::Hit;
    while (role == Role::Hit && Clock::now() < limit)
        role = roleFor(cache, someKey);
    QCOMPARE(role, Role::Leader);
    QCOMPARE(cache.statistics().entries, 0);
    QCOMPARE(roleFor(cache, someKey), Role::Follower);
}

void TestVerdictCache::ask_endlessTimeToLive_isHit()
{
    VerdictCache cache({.timeToLive = std::chrono::milliseconds::max()});
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    cache.settle(someKey, Test::cleanResult());
    QCOMPARE(roleFor(cache, someKey), Role::Hit);
}

void TestVerdictCache::settle_overBound_forgetsLeastRecentlyUsed()
{
    VerdictCache cache({.maxEntries = 3});
    for (const char *key : {"a", "b", "c"})
        cache.settle(key, Test::cleanResult());
    QCOMPARE(roleFor(cache, "a"), Role::Hit); // b is now the one used least recently
    cache.settle("d", Test::cleanResult());
    QCOMPARE(cache.statistics().entries, 3);
    QCOMPARE(roleFor(cache, "b"), Role::Leader);
    for (const char *key : {"a", "c", "d"})
        QCOMPARE(roleFor(cache, key), Role::Hit);
}

void TestVerdictCache::settle_boundOfNothing_remembersNothing_data()
{
    QTest::addColumn<int>("maxEntries");
    QTest::newRow("zero") << 0;
    QTest::newRow("negative") << -5;
}

void TestVerdictCache::settle_boundOfNothing_remembersNothing()
{
    QFETCH(const int, maxEntries);
    VerdictCache cache({.maxEntries = maxEntries});
    cache.settle(someKey, Test::cleanResult());
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
}

void TestVerdictCache::clear_scanInFlight_goesOn()
{
    VerdictCache cache({});
    cache.settle("old", Test::cleanResult());
    int calls = 0;
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    QCOMPARE(cache.ask(someKey, [&calls] { ++calls; }).role, Role::Follower);
    cache.clear();
    QCOMPARE(cache.statistics().entries, 0);
    QCOMPARE(roleFor(cache, "old"), Role::Leader);
    cache.settle(someKey, Test::cleanResult());
    QCOMPARE(calls, 1);
    QCOMPARE(roleFor(cache, someKey), Role::Hit);
}

void TestVerdictCache::disabled_everybodyLeads()
{
    VerdictCache cache({.enabled = false});
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    cache.settle(someKey, Test::cleanResult());
    QCOMPARE(roleFor(cache, someKey), Role::Leader);
    QCOMPARE(cache.statistics().entries, 0);
}

void TestVerdictCache::identicalInFlight_manyThreads_scannedOnce()
{
    VerdictCache cache({});
    constexpr int count = 8;
    std::atomic<int> scans = 0;
    std::atomic<int> verdicts = 0;
    std::latch asked(count);
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < count; ++i) {
            threads.emplace_back([&] {
                Test::Gate settled;
                VerdictCache::Answer answer = cache.ask(someKey, [settled] { settled.open(); });
                asked.arrive_and_wait();
                if (answer.role == Role::Leader) {
                    ++scans;
                    cache.settle(someKey, Test::cleanResult());
                    ++verdicts;
                } else if (settled.wait()) {
                    answer = cache.ask(someKey, nothing);
                    verdicts += answer.role == Role::Hit && answer.result == Test::cleanResult();
                }
            });
        }
    }
    QCOMPARE(scans.load(), 1);
    QCOMPARE(verdicts.load(), count);
    QCOMPARE(cache.statistics().shared, quint64(count - 1));
}

void TestVerdictCache::failingLeaders_manyThreads_everybodyEndsWithAVerdict()
{
    constexpr int count = 6;
    constexpr int failures = 3;
    for (int round = 0; round < 100; ++round) {
        VerdictCache cache({});
        std::atomic<int> scans = 0;
        std::atomic<int> verdicts = 0;
        std::barrier start(count);
        {
            std::vector<std::jthread> threads;
            for (int i = 0; i < count; ++i) {
                threads.emplace_back([&] {
                    start.arrive_and_wait();
                    while (true) {
                        Test::Gate settled;
                        const auto answer = cache.ask(someKey, [settled] { settled.open(); });
                        if (answer.role == Role::Follower && settled.wait())
                            continue;
                        if (answer.role == Role::Leader) {
                            if (scans++ < failures) {
                                cache.settle(someKey, ScanResult::notScanned(Reason::EngineError));
                                continue;
                            }
                            cache.settle(someKey, Test::cleanResult());
                        }
                        verdicts += answer.role != Role::Follower;
                        return;
                    }
                });
            }
        }
        QCOMPARE(verdicts.load(), count);
        QCOMPARE(scans.load(), failures + 1);
    }
}

QTEST_GUILESS_MAIN(TestVerdictCache)
#include "tst_verdictcache.moc"
