// SPDX-License-Identifier: MIT
#include "SecurityTap/policy/PolicyExceptions.h"

#include "SecurityTap/Limits.h"
#include "tests/support/CliRun.h"

#include <QFile>
#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QTemporaryDir>
#include <QTest>

#include <functional>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

const QDateTime now(QDate(2030, 5, 1), QTime(12, 0), Qt::UTC);

PolicyException exceptionFor(char hash)
{
    PolicyException exception;
    exception.sha256 = QByteArray(32, hash);
    exception.origin = Origin::of(QUrl("https://example.org:8443"_L));
    exception.who = "somebody"_L;
    exception.why = "our own \"build\"\n\u202e"_L;
    exception.made = now;
    exception.expires = now.addDays(30);
    return exception;
}

int modeOf(const QString &path)
{
    struct stat status { };
    return ::lstat(QFile::encodeName(path).constData(), &status) == 0 ? status.st_mode & 07777 : -1;
}

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

} // namespace

class PolicyExceptionsTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init();
    void all_noStore_isEmptyAndMakesNone();
    void add_good_isKeptAsItWas();
    void add_private_isForItsUserAlone();
    void add_theSameAgain_takesItsPlace();
    void add_change_dropsWhatHasExpired();
    void add_bad_isRefused_data();
    void add_bad_isRefused();
    void add_tooMany_isRefused();
    void add_unwritable_changesNothing();
    void add_leftoverOfOneThatDied_isNoObstacle();
    void remove_known_isGoneAndTold();
    void remove_unknown_isNothing();
    void all_unchanged_isShared();
    void all_changedElsewhere_isReadAnew();
    void file_broken_isToldAndLeftAsItIs_data();
    void file_broken_isToldAndLeftAsItIs();
    void file_link_isNotFollowed();
    void file_ofAnotherKind_isToldAtOnce();
    void json_anyMemberMissing_isRefused();
    void writers_atOnce_loseNothing();

private:
    QString path(const char *name) const
    {
        return m_directory->filePath(QString::fromLatin1(name));
    }
    QString file() const { return path("data/exceptions.json"); }

    std::unique_ptr<QTemporaryDir> m_directory;
    std::unique_ptr<PolicyExceptions> m_store;
};

void PolicyExceptionsTest::init()
{
    m_directory = std::make_unique<QTemporaryDir>();
    m_store = std::make_unique<PolicyExceptions>(path("data"));
}

void PolicyExceptionsTest::all_noStore_isEmptyAndMakesNone()
{
    const auto all = m_store->all();
    QVERIFY(all && (*all)->empty());
    QVERIFY(!QFileInfo::exists(path("data")));
}

void PolicyExceptionsTest::add_good_isKeptAsItWas()
{
    PolicyException wide = exceptionFor('b');
    wide.sha256.clear();
    wide.origin = Origin::of(QUrl("file:"_L));
    wide.rules = QStringList{"One"_L, "Two"_L};
    wide.allowsUnscanned = true;
    wide.expires = QDateTime();
    PolicyException anywhere = exceptionFor('c');
    anywhere.origin.reset();
    PolicyExceptions::List kept;
    for (const PolicyException &one : {exceptionFor('a'), wide, anywhere}) {
        const auto added = m_store->add(one, now);
        QVERIFY2(added, added ? "" : qPrintable(added.error()));
        QCOMPARE(added->id.size(), 8);
        PolicyException expected = one;
        expected.id = added->id;
        QVERIFY(*added == expected);
        kept.push_back(expected);
    }
    for (PolicyExceptions *store : {m_store.get(), new PolicyExceptions(path("data"))}) {
        const auto all = store->all();
        QVERIFY2(all, all ? "" : qPrintable(all.error()));
        QVERIFY(**all == kept);
        if (store != m_store.get())
            delete store;
    }
}

void PolicyExceptionsTest::add_private_isForItsUserAlone()
{
    const auto before = ::umask(0);
    QVERIFY(m_store->add(exceptionFor('a'), now));
    ::umask(before);
    QCOMPARE(modeOf(path("data")), 0700);
    QCOMPARE(modeOf(file()), 0600);
    QCOMPARE(modeOf(path("data/exceptions.lock")), 0600);
    QCOMPARE(entriesOf(path("data")).size(), 2);
    ::umask(0777);
    const auto added = m_store->add(exceptionFor('b'), now);
    ::umask(before);
    QVERIFY(added);
    QCOMPARE(modeOf(file()), 0600);
}

void PolicyExceptionsTest::add_theSameAgain_takesItsPlace()
{
    const auto first = m_store->add(exceptionFor('a'), now);
    PolicyException later = exceptionFor('a');
    later.made = now.addDays(1);
    later.expires = now.addDays(40);
    later.why = "again"_L;
    const auto second = m_store->add(later, now);
    QVERIFY(first && second);
    QCOMPARE((*m_store->all())->size(), size_t(1));
    QCOMPARE((*m_store->all())->front().why, "again"_L);
    later.allowsUnscanned = true;
    QVERIFY(m_store->add(later, now));
    QCOMPARE((*m_store->all())->size(), size_t(2));
}

void PolicyExceptionsTest::add_change_dropsWhatHasExpired()
{
    QVERIFY(m_store->add(exceptionFor('a'), now));
    PolicyException never = exceptionFor('b');
    never.expires = QDateTime();
    QVERIFY(m_store->add(never, now));
    QCOMPARE((*m_store->all())->size(), size_t(2));
    PolicyException later = exceptionFor('c');
    later.made = now.addDays(30);
    later.expires = now.addDays(31);
    QVERIFY(m_store->add(later, now.addDays(30)));
    const auto all = *m_store->all();
    QCOMPARE(all->size(), size_t(2));
    QCOMPARE(all->front().sha256, QByteArray(32, 'b'));
}

void PolicyExceptionsTest::add_bad_isRefused_data()
{
    QTest::addColumn<QString>("what");
    for (const char *what :
        {"everything", "64 hexadecimal digits", "its origin is none", "why", "more than 1024 bytes",
            "more than 16 rules", "name of a rule", "when it was made", "ends more than 366 days"})
        QTest::newRow(what) << QString::fromLatin1(what);
}

void PolicyExceptionsTest::add_bad_isRefused()
{
    QFETCH(QString, what);
    PolicyException bad = exceptionFor('a');
    const std::map<QString, std::function<void()>> changes{
        {"everything"_L,
            [&] {
                bad.sha256.clear();
                bad.origin.reset();
            }},
        {"64 hexadecimal digits"_L, [&] { bad.sha256.chop(1); }},
        {"its origin is none"_L, [&] { bad.origin = Origin(); }},
        {"why"_L, [&] { bad.why = " \n"_L; }},
        {"more than 1024 bytes"_L, [&] { bad.why = QString(1025, u'x'); }},
        {"more than 16 rules"_L,
            [&] {
                for (int i = 0; i < 17; ++i)
                    bad.rules.append(QString::number(i));
            }},
        {"name of a rule"_L, [&] { bad.rules.append(QString()); }},
        {"when it was made"_L, [&] { bad.made = QDateTime(); }},
        {"ends more than 366 days"_L, [&] { bad.expires = now.addDays(367); }},
    };
    QVERIFY(m_store->add(bad, now));
    const QByteArray before = contentOf(file());
    changes.at(what)();
    const auto added = m_store->add(bad, now);
    QVERIFY(!added);
    QVERIFY2(added.error().contains(what), qPrintable(added.error()));
    QCOMPARE(contentOf(file()), before);
}

void PolicyExceptionsTest::add_tooMany_isRefused()
{
    QJsonArray all;
    PolicyException one = exceptionFor('a');
    one.id = "00000000"_L;
    for (int i = 0; i < Limits::maxPolicyExceptions; ++i)
        all.append(one.toJson());
    QVERIFY(m_store->add(exceptionFor('x'), now));
    writeFile(file(), QJsonDocument(QJsonObject{{"version"_L, 1}, {"exceptions"_L, all}}).toJson());
    QVERIFY(m_store->all());
    QCOMPARE((*m_store->all())->size(), size_t(Limits::maxPolicyExceptions));
    const QByteArray before = contentOf(file());
    const auto added = m_store->add(exceptionFor('b'), now);
    QVERIFY(!added && added.error().contains("more than 10000"_L));
    QVERIFY(contentOf(file()) == before);
}

void PolicyExceptionsTest::add_unwritable_changesNothing()
{
    QVERIFY(m_store->add(exceptionFor('a'), now));
    const QByteArray before = contentOf(file());
    // What stands in the way of the new file cannot be taken away: it is a directory with content.
    QVERIFY(QDir().mkpath(path("data/exceptions.json.new/x")));
    const auto added = m_store->add(exceptionFor('b'), now);
    QVERIFY(!added);
    QVERIFY2(
        added.error().contains("exceptions.json cannot be written"_L), qPrintable(added.error()));
    QCOMPARE(contentOf(file()), before);
    QCOMPARE((*m_store->all())->size(), size_t(1));

    writeFile(path("file"), "x");
    PolicyExceptions nowhere(path("file"));
    QVERIFY(!nowhere.add(exceptionFor('a'), now));
    QVERIFY(!nowhere.all());
}

void PolicyExceptionsTest::add_leftoverOfOneThatDied_isNoObstacle()
{
    QVERIFY(m_store->add(exceptionFor('a'), now));
    writeFile(path("data/exceptions.json.new"), "{\"version\": 1, \"exc");
    QCOMPARE((*m_store->all())->size(), size_t(1));
    QVERIFY(m_store->add(exceptionFor('b'), now));
    QCOMPARE((*m_store->all())->size(), size_t(2));
    QVERIFY(!QFile::exists(path("data/exceptions.json.new")));
    // A link that somebody has put there is replaced, not written through.
    writeFile(path("victim"), "precious");
    QVERIFY(QFile::link(path("victim"), path("data/exceptions.json.new")));
    QVERIFY(m_store->add(exceptionFor('c'), now));
    QCOMPARE(contentOf(path("victim")), QByteArray("precious"));
}

void PolicyExceptionsTest::remove_known_isGoneAndTold()
{
    const auto first = m_store->add(exceptionFor('a'), now);
    const auto second = m_store->add(exceptionFor('b'), now);
    QVERIFY(first && second);
    const auto removed = m_store->remove(first->id, now);
    QVERIFY(removed && *removed && **removed == *first);
    QCOMPARE((*m_store->all())->size(), size_t(1));
    QVERIFY((*m_store->all())->front() == *second);
    QVERIFY(!*m_store->remove(first->id, now));
}

void PolicyExceptionsTest::remove_unknown_isNothing()
{
    QVERIFY(m_store->add(exceptionFor('a'), now));
    const auto removed = m_store->remove("nonsense"_L, now);
    QVERIFY(removed && !*removed);
    QVERIFY(!*m_store->remove(QString(), now));
    QCOMPARE((*m_store->all())->size(), size_t(1));
}

void PolicyExceptionsTest::all_unchanged_isShared()
{
    QVERIFY(m_store->add(exceptionFor('a'), now));
    const auto first = m_store->all();
    QVERIFY(first && *first == *m_store->all());
}

void PolicyExceptionsTest::all_changedElsewhere_isReadAnew()
{
    PolicyExceptions elsewhere(path("data"));
    QCOMPARE((*m_store->all())->size(), size_t(0));
    for (int round = 0; round < 200; ++round) {
        // Of the same size, within the same tick of the clock: only the file is another.
        const auto added = elsewhere.add(exceptionFor(char('a' + round % 2)), now);
        QVERIFY(added);
        const auto all = m_store->all();
        QVERIFY(all && (*all)->size() == 1);
        QVERIFY((*all)->front() == *added);
        QVERIFY(elsewhere.remove(added->id, now));
        QVERIFY((*m_store->all())->empty());
    }
    QVERIFY(elsewhere.add(exceptionFor('a'), now));
    QCOMPARE((*m_store->all())->size(), size_t(1));
    QVERIFY(QFile::remove(file()));
    QCOMPARE((*m_store->all())->size(), size_t(0));
}

void PolicyExceptionsTest::file_broken_isToldAndLeftAsItIs_data()
{
    QTest::addColumn<QByteArray>("text");
    QTest::addColumn<QString>("problem");
    const auto add = [](const char *name, const QByteArray &text, const char *problem) {
        QTest::newRow(name) << text << QString::fromLatin1(problem);
    };
    PolicyException one = exceptionFor('a');
    one.id = "00000000"_L;
    const auto with = [&one](const QString &key, const QJsonValue &value) {
        QJsonObject object = one.toJson();
        object.insert(key, value);
        return QJsonDocument(
            QJsonObject{{"version"_L, 1}, {"exceptions"_L, QJsonArray{one.toJson(), object}}})
            .toJson();
    };
    add("empty", "", "is no JSON");
    add("cut off", with("why"_L, "x"_L).chopped(9), "is no JSON");
    add("no JSON", "exceptions = []", "is no JSON");
    add("list", "[]", "is not of version 1");
    add("no version", R"({"exceptions": []})", "is not of version 1");
    add("another version", R"({"version": 2, "exceptions": []})", "is not of version 1");
    add("no list", R"({"version": 1})", "has no list");
    add("number in the list", R"({"version": 1, "exceptions": [1]})", "exception 1: ");
    add("unknown member", with("onlyOnTuesdays"_L, true),
        "exception 2: \"onlyOnTuesdays\" is not known");
    add("another type", with("unscanned"_L, "no"_L), "exception 2: \"unscanned\" is missing or");
    add("no id", with("id"_L, QString()), "exception 2: \"id\" is empty");
    add("no hash", with("sha256"_L, "xyz"_L), "exception 2: \"sha256\" is no hash");
    add("empty hash", with("sha256"_L, ""_L), "exception 2: \"sha256\" is no hash");
    add("short hash", with("sha256"_L, "abcd"_L), "exception 2: a SHA-256 has 64");
    add("pattern", with("origin"_L, "https://*.example.org"_L), "exception 2: \"origin\" is no");
    add("origin with a path", with("origin"_L, "https://example.org/x"_L), "exception 2: \"ori");
    add("empty origin", with("origin"_L, ""_L), "exception 2: ");
    add("rules that are none", with("rules"_L, QJsonArray{1}), "exception 2: a name of a rule");
    add("too wide", R"({"version": 1, "exceptions": [{"id": "1", "sha256": "*", "origin": "*",
        "rules": [], "unscanned": false, "who": "", "why": "x", "made": "2030-01-01T00:00:00Z",
        "expires": "never"}]})",
        "exception 1: it would allow everything");
    add("no time", with("expires"_L, "soon"_L), "exception 2: \"expires\" is no time");
    add("too late", with("expires"_L, "2099-01-01T00:00:00Z"_L), "exception 2: it ends more");
    add("not made", with("made"_L, ""_L), "exception 2: it does not say when");
}

void PolicyExceptionsTest::file_broken_isToldAndLeftAsItIs()
{
    QFETCH(QByteArray, text);
    QFETCH(QString, problem);
    const auto added = m_store->add(exceptionFor('x'), now);
    QVERIFY(added);
    writeFile(file(), text);
    for (int i = 0; i < 2; ++i) {
        const auto all = m_store->all();
        QVERIFY(!all);
        QVERIFY2(all.error().startsWith(file()), qPrintable(all.error()));
        QVERIFY2(all.error().contains(problem), qPrintable(all.error()));
    }
    const auto again = m_store->add(exceptionFor('y'), now);
    QVERIFY(!again && again.error().contains(problem));
    QVERIFY(!m_store->remove(added->id, now));
    QCOMPARE(contentOf(file()), text);
    // It is put right by hand.
    writeFile(file(), R"({"version": 1, "exceptions": []})");
    QVERIFY(m_store->all());
}

void PolicyExceptionsTest::file_link_isNotFollowed()
{
    QVERIFY(m_store->add(exceptionFor('a'), now));
    QVERIFY(QFile::rename(file(), path("elsewhere")));
    QVERIFY(QFile::link(path("elsewhere"), file()));
    QVERIFY(!m_store->all());
    QVERIFY(!m_store->add(exceptionFor('b'), now));
    QVERIFY(QFileInfo(file()).isSymLink());
}

void PolicyExceptionsTest::file_ofAnotherKind_isToldAtOnce()
{
    QVERIFY(QDir().mkpath(path("data")));
    QCOMPARE(::mkfifo(QFile::encodeName(file()).constData(), 0600), 0);
    const auto all = m_store->all();
    QVERIFY(!all && all.error().contains("no regular file"_L));
    QVERIFY(QFile::remove(file()));
    QVERIFY(QDir().mkpath(file()));
    QVERIFY(!m_store->all());
    QVERIFY(!m_store->add(exceptionFor('b'), now));
}

void PolicyExceptionsTest::json_anyMemberMissing_isRefused()
{
    PolicyException one = exceptionFor('a');
    one.id = "00000000"_L;
    const QJsonObject whole = one.toJson();
    QVERIFY(*PolicyException::fromJson(whole) == one);
    for (const QString &key : whole.keys()) {
        QJsonObject less = whole;
        less.remove(key);
        const auto read = PolicyException::fromJson(less);
        QVERIFY2(!read && read.error().contains(key), qPrintable(key));
    }
}

//! Each has a lock of its own, as processes have.
void PolicyExceptionsTest::writers_atOnce_loseNothing()
{
    constexpr int writers = 4;
    constexpr int rounds = 20;
    std::atomic<int> failures = 0;
    std::vector<std::thread> threads;
    for (int writer = 0; writer < writers; ++writer) {
        threads.emplace_back([&, writer] {
            PolicyExceptions store(path("data"));
            for (int round = 0; round < rounds; ++round) {
                PolicyException one = exceptionFor('a');
                one.why = QString::number(round);
                one.sha256[0] = char(writer);
                one.sha256[1] = char(round);
                const auto added = store.add(one, now);
                const auto all = store.all();
                const bool isKept =
                    added && all && std::ranges::find((**all), *added) != (*all)->end();
                failures += !isKept;
                if (isKept && round % 2 == 1)
                    failures += !store.remove(added->id, now).value_or(std::nullopt);
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    QCOMPARE(failures.load(), 0);
    QCOMPARE((*m_store->all())->size(), size_t(writers * rounds / 2));
}

QTEST_APPLESS_MAIN(PolicyExceptionsTest)
#include "tst_policyexceptions.moc"
