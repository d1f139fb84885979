// SPDX-License-Identifier: MIT
#include "Sentinel/rules/RuleWatch.h"
#include "tests/support/Patience.h"
#include "tests/support/ProcessFigures.h"

#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <array>
#include <functional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace Sentinel;
using namespace std::chrono_literals;
using namespace Qt::StringLiterals;

namespace {

constexpr RuleWatch::Times shortTimes{30ms, 5s};

void write(const QString &path, const QByteArray &text)
{
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(text) != text.size())
        qFatal("cannot write %s", qPrintable(path));
}

//! In one step, over what is there.
void replace(const QString &path, const QString &by)
{
    if (::rename(QFile::encodeName(by).constData(), QFile::encodeName(path).constData()) != 0)
        qFatal("cannot rename to %s", qPrintable(path));
}

void link(const QString &target, const QString &path)
{
    if (!QFile::link(target, path))
        qFatal("cannot link %s", qPrintable(path));
}

void makeDirectory(const QString &path)
{
    if (!QDir().mkpath(path))
        qFatal("cannot make %s", qPrintable(path));
}

} // namespace

//! Which changes of a tree of rules are told, and how often.
class TestRuleWatch : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init();

    void change_isTold_data();
    void change_isTold();
    void nothingThatMatters_isNotTold_data();
    void nothingThatMatters_isNotTold();
    void afterAReplacement_theNewIsWatched_data();
    void afterAReplacement_theNewIsWatched();
    void singleFile_itsChanges_areTold_data();
    void singleFile_itsChanges_areTold();
    void manyChanges_atOnce_areToldOnce();
    void changes_withoutEnd_areToldAllTheSame();
    void path_thatIsNotThereYet_isToldWhenItComes();
    void link_toItself_endsTheWay();
    void directories_tooMany_areATrouble();
    void watch_manyReplacements_keepsNothingOfTheOld();
    void watch_gone_leavesNoDescriptor();

private:
    QString at(const QString &name) const { return m_directory->filePath(name); }

    //! Waits for the one word about what \p change does.
    void verifyToldOnce(const RuleWatch &watch, const std::function<void()> &change) const;
    //! Waits until the watch had twice the time that it needs to tell.
    void waitUntilToldIfEver() const;

    std::unique_ptr<QTemporaryDir> m_directory;
};

using Change = std::function<void(const QString &base)>;
Q_DECLARE_METATYPE(Change)

void TestRuleWatch::init()
{
    m_directory = std::make_unique<QTemporaryDir>();
    makeDirectory(at(u"v1/sub"_s));
    write(at(u"v1/a.yar"_s), "rule a { condition: false }");
    write(at(u"v1/sub/b.yara"_s), "rule b { condition: false }");
    makeDirectory(at(u"v2"_s));
    write(at(u"v2/a.yar"_s), "rule a { condition: false }");
    link(u"v1"_s, at(u"current"_s));
    link(u"current"_s, at(u"rules"_s));
}

// Another watch, of what changes after it and rests for twice as long, has spoken: by then the
// first has looked.
void TestRuleWatch::waitUntilToldIfEver() const
{
    const QTemporaryDir beside;
    RuleWatch slower({beside.path()}, {2 * shortTimes.quiet, shortTimes.longest});
    QSignalSpy spy(&slower, &RuleWatch::changed);
    write(beside.filePath(u"x.yar"_s), "rule x { condition: false }");
    QTRY_COMPARE_WITH_TIMEOUT(spy.count(), 1, Test::patienceMs);
}

void TestRuleWatch::verifyToldOnce(
    const RuleWatch &watch, const std::function<void()> &change) const
{
    QSignalSpy spy(&watch, &RuleWatch::changed);
    change();
    QTRY_COMPARE_WITH_TIMEOUT(spy.count(), 1, Test::patienceMs);
    waitUntilToldIfEver();
    QCOMPARE(spy.count(), 1);
    QCOMPARE(watch.trouble(), QString());
}

void TestRuleWatch::change_isTold_data()
{
    QTest::addColumn<Change>("change");
    const auto add = [](const char *name, Change change) { QTest::newRow(name) << change; };
    add("written in its place",
        [](const QString &base) { write(base + u"/v1/a.yar"_s, "rule a { condition: true }"); });
    add("appended to", [](const QString &base) {
        QFile file(base + u"/v1/a.yar"_s);
        QVERIFY(file.open(QIODevice::Append));
        QVERIFY(file.write("\n") == 1);
    });
    add("written in its place below", [](const QString &base) {
        write(base + u"/v1/sub/b.yara"_s, "rule b { condition: true }");
    });
    add("replaced in one step", [](const QString &base) {
        write(base + u"/v1/a.yar.new"_s, "rule a { condition: true }");
        replace(base + u"/v1/a.yar"_s, base + u"/v1/a.yar.new"_s);
    });
    add("replaced by the same from elsewhere", [](const QString &base) {
        write(base + u"/elsewhere"_s, "rule a { condition: true }");
        replace(base + u"/v1/a.yar"_s, base + u"/elsewhere"_s);
    });
    add("replaced by one of the same size and time", [](const QString &base) {
        const QByteArray old = QFile::encodeName(base + u"/v1/a.yar"_s);
        struct stat status { };
        QCOMPARE(::stat(old.constData(), &status), 0);
        write(base + u"/new"_s, "rule b { condition: false }");
        const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
        QCOMPARE(
            ::utimensat(AT_FDCWD, QFile::encodeName(base + u"/new"_s).constData(), times.data(), 0),
            0);
        replace(base + u"/v1/a.yar"_s, base + u"/new"_s);
    });
    add("added", [](const QString &base) { write(base + u"/v1/c.yar"_s, "rule c {}"); });
    add("added empty", [](const QString &base) { write(base + u"/v1/c.yar"_s, ""); });
    add("removed", [](const QString &base) { QVERIFY(QFile::remove(base + u"/v1/a.yar"_s)); });
    add("renamed", [](const QString &base) {
        QVERIFY(QFile::rename(base + u"/v1/a.yar"_s, base + u"/v1/z.yar"_s));
    });
    add("renamed to what is no rule file", [](const QString &base) {
        QVERIFY(QFile::rename(base + u"/v1/a.yar"_s, base + u"/v1/a.off"_s));
    });
    add("touched a nanosecond later", [](const QString &base) {
        struct stat status { };
        const QByteArray name = QFile::encodeName(base + u"/v1/a.yar"_s);
        QCOMPARE(::stat(name.constData(), &status), 0);
        status.st_mtim.tv_nsec ^= 1;
        const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
        QCOMPARE(::utimensat(AT_FDCWD, name.constData(), times.data(), 0), 0);
    });
    add("new directory with a file", [](const QString &base) {
        makeDirectory(base + u"/v1/new/deep"_s);
        write(base + u"/v1/new/deep/c.yar"_s, "rule c {}");
    });
    add("directory moved in",
        [](const QString &base) { replace(base + u"/v1/moved"_s, base + u"/v2"_s); });
    add("directory moved out",
        [](const QString &base) { replace(base + u"/out"_s, base + u"/v1/sub"_s); });
    add("directory removed",
        [](const QString &base) { QVERIFY(QDir(base + u"/v1/sub"_s).removeRecursively()); });
    add("all removed",
        [](const QString &base) { QVERIFY(QDir(base + u"/v1"_s).removeRecursively()); });
    add("all replaced in one step", [](const QString &base) {
        replace(base + u"/old"_s, base + u"/v1"_s);
        replace(base + u"/v1"_s, base + u"/v2"_s);
    });
    add("link switched", [](const QString &base) {
        link(u"v2"_s, base + u"/next"_s);
        replace(base + u"/current"_s, base + u"/next"_s);
    });
    add("link on the way switched", [](const QString &base) {
        link(base + u"/v2"_s, base + u"/next"_s);
        replace(base + u"/rules"_s, base + u"/next"_s);
    });
    add("link removed", [](const QString &base) { QVERIFY(QFile::remove(base + u"/current"_s)); });
    add("way removed", [](const QString &base) { QVERIFY(QDir(base).removeRecursively()); });
}

void TestRuleWatch::change_isTold()
{
    QFETCH(const Change, change);
    RuleWatch watch({at(u"rules"_s)}, shortTimes);
    verifyToldOnce(watch, [&] { change(m_directory->path()); });
}

void TestRuleWatch::nothingThatMatters_isNotTold_data()
{
    QTest::addColumn<Change>("change");
    const auto add = [](const char *name, Change change) { QTest::newRow(name) << change; };
    add("nothing", [](const QString &) {});
    add("read", [](const QString &base) {
        QFile file(base + u"/v1/a.yar"_s);
        QVERIFY(file.open(QIODevice::ReadOnly) && !file.readAll().isEmpty());
    });
    add("opened to be written, and not", [](const QString &base) {
        const int file =
            ::open(QFile::encodeName(base + u"/v1/a.yar"_s).constData(), O_WRONLY | O_CLOEXEC);
        QVERIFY(file >= 0);
        QCOMPARE(::close(file), 0);
    });
    add("an editor's own file", [](const QString &base) {
        write(base + u"/v1/.a.yar.swp"_s, "x");
        QVERIFY(QFile::remove(base + u"/v1/.a.yar.swp"_s));
        write(base + u"/v1/4913"_s, "x");
        write(base + u"/v1/a.yar~"_s, "x");
    });
    add("a hidden rule file", [](const QString &base) { write(base + u"/v1/.c.yar"_s, "x"); });
    add("a hidden directory", [](const QString &base) {
        makeDirectory(base + u"/v1/.git"_s);
        write(base + u"/v1/.git/c.yar"_s, "x");
    });
    add("another kind of file", [](const QString &base) { write(base + u"/v1/README.md"_s, "x"); });
    add("an empty directory", [](const QString &base) { makeDirectory(base + u"/v1/empty.d"_s); });
    add("beside the rules", [](const QString &base) {
        write(base + u"/c.yar"_s, "x");
        write(base + u"/v2/c.yar"_s, "x");
    });
    add("come and gone", [](const QString &base) {
        write(base + u"/v1/c.yar"_s, "x");
        QVERIFY(QFile::remove(base + u"/v1/c.yar"_s));
    });
    add("moved away and back", [](const QString &base) {
        replace(base + u"/away"_s, base + u"/v1"_s);
        replace(base + u"/v1"_s, base + u"/away"_s);
    });
}

void TestRuleWatch::nothingThatMatters_isNotTold()
{
    QFETCH(const Change, change);
    RuleWatch watch({at(u"rules"_s)}, shortTimes);
    QSignalSpy spy(&watch, &RuleWatch::changed);
    change(m_directory->path());
    waitUntilToldIfEver();
    QCOMPARE(spy.count(), 0);
    // And it is still awake.
    verifyToldOnce(watch, [this] { write(at(u"v1/a.yar"_s), "rule other {}"); });
}

void TestRuleWatch::afterAReplacement_theNewIsWatched_data()
{
    QTest::addColumn<Change>("replacement");
    QTest::addColumn<QString>("file");
    const auto add = [](const char *name, const QString &file, Change change) {
        QTest::newRow(name) << change << file;
    };
    add("file", u"v1/a.yar"_s, [](const QString &base) {
        write(base + u"/new"_s, "rule a {}");
        replace(base + u"/v1/a.yar"_s, base + u"/new"_s);
    });
    add("new directory", u"v1/new/c.yar"_s, [](const QString &base) {
        makeDirectory(base + u"/v1/new"_s);
        write(base + u"/v1/new/c.yar"_s, "");
    });
    add("link switched", u"v2/a.yar"_s, [](const QString &base) {
        link(u"v2"_s, base + u"/next"_s);
        replace(base + u"/current"_s, base + u"/next"_s);
    });
    add("directory made again", u"v1/z.yar"_s, [](const QString &base) {
        QVERIFY(QDir(base + u"/v1"_s).removeRecursively());
        makeDirectory(base + u"/v1"_s);
        write(base + u"/v1/z.yar"_s, "");
    });
    add("directory replaced", u"v1/a.yar"_s, [](const QString &base) {
        replace(base + u"/old"_s, base + u"/v1"_s);
        replace(base + u"/v1"_s, base + u"/v2"_s);
    });
    add("all of the way made again", u"rules/z.yar"_s, [](const QString &base) {
        QVERIFY(QDir(base).removeRecursively());
        makeDirectory(base + u"/rules"_s);
        write(base + u"/rules/z.yar"_s, "");
    });
}

void TestRuleWatch::afterAReplacement_theNewIsWatched()
{
    QFETCH(const Change, replacement);
    QFETCH(const QString, file);
    RuleWatch watch({at(u"rules"_s)}, shortTimes);
    verifyToldOnce(watch, [&] { replacement(m_directory->path()); });
    verifyToldOnce(watch, [&] { write(at(file), "rule changed {}"); });
}

void TestRuleWatch::singleFile_itsChanges_areTold_data()
{
    QTest::addColumn<Change>("change");
    QTest::addColumn<bool>("isTold");
    const auto add = [](const char *name, bool isTold, Change change) {
        QTest::newRow(name) << change << isTold;
    };
    add("in place", true, [](const QString &base) { write(base + u"/v1/a.yar"_s, "x"); });
    add("replaced", true, [](const QString &base) {
        write(base + u"/new"_s, "x");
        replace(base + u"/v1/a.yar"_s, base + u"/new"_s);
    });
    add("removed", true,
        [](const QString &base) { QVERIFY(QFile::remove(base + u"/v1/a.yar"_s)); });
    add("another", false, [](const QString &base) { write(base + u"/v1/c.yar"_s, "x"); });
    add("below", false, [](const QString &base) { write(base + u"/v1/sub/b.yara"_s, "x"); });
}

void TestRuleWatch::singleFile_itsChanges_areTold()
{
    QFETCH(const Change, change);
    QFETCH(const bool, isTold);
    RuleWatch watch({at(u"rules/a.yar"_s)}, shortTimes);
    QSignalSpy spy(&watch, &RuleWatch::changed);
    change(m_directory->path());
    if (isTold)
        QTRY_COMPARE_WITH_TIMEOUT(spy.count(), 1, Test::patienceMs);
    waitUntilToldIfEver();
    QCOMPARE(spy.count(), isTold ? 1 : 0);
    // Made again, it is watched as before.
    verifyToldOnce(watch, [this] { write(at(u"v1/a.yar"_s), "rule again {}"); });
    verifyToldOnce(watch, [this] { write(at(u"v1/a.yar"_s), "rule and_again {}"); });
}

void TestRuleWatch::manyChanges_atOnce_areToldOnce()
{
    RuleWatch watch({at(u"rules"_s), at(u"v2"_s)}, shortTimes);
    verifyToldOnce(watch, [this] {
        for (int i = 0; i < 500; ++i) {
            write(at(u"v1/%1.yar"_s.arg(i)), "x");
            write(at(u"v2/%1.yar"_s.arg(i)), "x");
        }
    });
}

void TestRuleWatch::changes_withoutEnd_areToldAllTheSame()
{
    RuleWatch watch({at(u"rules"_s)}, {10min, 300ms}); // it never comes to rest
    QSignalSpy spy(&watch, &RuleWatch::changed);
    int writes = 0;
    QTimer writer;
    connect(&writer, &QTimer::timeout, this,
        [&] { write(at(u"v1/a.yar"_s), QByteArray(++writes, ' ')); });
    writer.start(10ms);
    QTRY_VERIFY_WITH_TIMEOUT(spy.count() >= 3, Test::patienceMs);
    QVERIFY(writes > spy.count());
}

void TestRuleWatch::path_thatIsNotThereYet_isToldWhenItComes()
{
    RuleWatch watch({at(u"later/deep/rules"_s)}, shortTimes);
    QCOMPARE(watch.trouble(), QString());
    verifyToldOnce(watch, [this] {
        makeDirectory(at(u"later/deep/rules"_s));
        write(at(u"later/deep/rules/a.yar"_s), "x");
    });
    verifyToldOnce(watch, [this] { write(at(u"later/deep/rules/a.yar"_s), "xy"); });
}

void TestRuleWatch::link_toItself_endsTheWay()
{
    link(u"loop"_s, at(u"loop"_s));
    RuleWatch watch({at(u"loop/rules"_s)}, shortTimes);
    verifyToldOnce(watch, [this] {
        link(u"."_s, at(u"next"_s));
        replace(at(u"loop"_s), at(u"next"_s));
    });
}

void TestRuleWatch::directories_tooMany_areATrouble()
{
    for (int i = 0; i <= Limits::maxRuleDirectories; ++i)
        makeDirectory(at(u"v1/%1"_s.arg(i)));
    const RuleWatch watch({at(u"rules"_s)}, shortTimes);
    QVERIFY2(watch.trouble().contains(u"directories"_s), qPrintable(watch.trouble()));
}

void TestRuleWatch::watch_manyReplacements_keepsNothingOfTheOld()
{
    const auto watches = [](const QString &descriptor) {
        QFile file(u"/proc/self/fdinfo/"_s + descriptor);
        return file.open(QIODevice::ReadOnly) ? file.readAll().count("inotify wd:") : 0;
    };
    const auto allWatches = [&] {
        qsizetype all = 0;
        for (const QString &descriptor :
            QDir(u"/proc/self/fdinfo"_s).entryList(QDir::Files | QDir::System))
            all += watches(descriptor);
        return all;
    };
    RuleWatch watch({at(u"rules"_s)}, shortTimes);
    QSignalSpy spy(&watch, &RuleWatch::changed);
    QVERIFY(QDir(at(u"v1/sub"_s)).removeRecursively());
    QTRY_COMPARE_WITH_TIMEOUT(spy.count(), 1, Test::patienceMs);
    const qsizetype before = allWatches();
    QVERIFY(before > 0);
    for (int i = 0; i < 4; ++i) {
        link(i % 2 ? u"v1"_s : u"v2"_s, at(u"next"_s));
        replace(at(u"current"_s), at(u"next"_s));
        QTRY_COMPARE_WITH_TIMEOUT(spy.count(), 2 + i, Test::patienceMs);
        QCOMPARE(allWatches(), before);
    }
}

void TestRuleWatch::watch_gone_leavesNoDescriptor()
{
    const int before = Test::descriptorCount();
    for (int i = 0; i < 10; ++i)
        const RuleWatch watch({at(u"rules"_s)}, shortTimes);
    QCOMPARE(Test::descriptorCount(), before);
}

QTEST_GUILESS_MAIN(TestRuleWatch)
#include "tst_rulewatch.moc"
