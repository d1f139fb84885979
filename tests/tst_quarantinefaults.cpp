// SPDX-License-Identifier: MIT
//
// The quarantine under a system that fails: at every system call of every operation the process is
// killed, or the call returns an error. What there was is there afterwards, and nothing is there by
// halves.
#include "SecurityTap/quarantine/Quarantine.h"
#include "tests/support/ChildProcess.h"
#include "tests/support/QuarantineBench.h"
#include "tests/support/Slowness.h"
#include "tests/support/SystemCallFaults.h"

#include <QTest>

#include <algorithm>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;
using Code = QuarantineError::Code;

namespace {

constexpr int good = 0;
constexpr int told = 1; // an error, by what the operation returned
constexpr int unconfirmed = 2; // NotConfirmed
constexpr int broken = 3; // what no fault may lead to

constexpr int noMount = 77;

constexpr qint64 smallDiskBytes = 200 * Limits::kib; // three small items, no large one
const std::vector<int> faultErrors{ENOSPC, EIO, EMFILE, EACCES};

template <typename T>
int codeOf(const Quarantine::Result<T> &result)
{
    if (result)
        return good;
    if (result.error().message.isEmpty())
        return broken;
    return result.error().code == Code::NotConfirmed ? unconfirmed : told;
}

// What is done in the child, and what there was before.
enum class Operation { TakeFirst, Take, Restore, Remove, Purge, Recover };

void copyDirectory(const QString &from, const QString &to)
{
    QDir().mkpath(to);
    for (const QString &name : entriesOf(from)) {
        const QString source = from + u'/' + name;
        if (QFileInfo(source).isDir())
            copyDirectory(source, to + u'/' + name);
        else
            QFile::copy(source, to + u'/' + name);
    }
}

bool writeText(const char *path, const QByteArray &text)
{
    QFile file(QString::fromLatin1(path));
    return file.open(QIODevice::WriteOnly | QIODevice::Unbuffered)
        && file.write(text) == text.size();
}

// Seen by this process alone, and gone with it.
bool mountSmallDisk(const QByteArray &point)
{
    const QByteArray user = QByteArray::number(::geteuid());
    if (::unshare(CLONE_NEWNS) != 0
        && (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0
            || !writeText("/proc/self/uid_map", user + ' ' + user + " 1")))
        return false;
    const QByteArray options = "mode=0700,size=" + QByteArray::number(smallDiskBytes);
    return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0
        && ::mount("tmpfs", point.constData(), "tmpfs", 0, options.constData()) == 0;
}

} // namespace

class TestQuarantineFaults : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void everyCall_killed_losesNothing_data() { operations(); }
    void everyCall_killed_losesNothing();
    void everyCall_failing_losesNothing_data() { operations(); }
    void everyCall_failing_losesNothing();
    void smallDisk_isFullOrReadOnly_losesNothing();

private:
    static void operations();
    void prepare(Operation operation);
    int perform(Operation operation) const;
    void check(Operation operation, const FaultedRun &run);
    void checkTaken(const FaultedRun &run, const QuarantineListing &listing);
    void tryAll(Operation operation,
        const std::function<FaultedRun(int, const std::function<int()> &)> &runAt);

    QString store() const { return m_place.path("store"_L); }
    QString out() const { return m_place.path("out"_L); }
    QString scratch() const { return m_place.path("scratch"_L); }

    FastDirectory m_place;
    const QByteArray m_bytes = patternOf(1'000); // small, as there are thousands of runs
    const QByteArray m_newBytes = patternOf(Limits::quarantineChunkBytes + 2'000, 5);
    std::vector<QuarantineItem> m_items; // three, the oldest first
    QStringList m_abandoned; // of Recover: what is to be there in the end
};

void TestQuarantineFaults::initTestCase()
{
    if (!SystemCallFaults::arePossible())
        QSKIP("processes may not be traced here (ptrace): no fault can be had");
    const QString original = m_place.path("original"_L);
    const auto quarantine = openQuarantine(original);
    for (int i = 0; i < 3; ++i) {
        QuarantineRecord record = recordOf(m_bytes);
        record.storedAt = QDateTime(QDate(2030, 5, 17), QTime(12, i), Qt::UTC);
        m_items.push_back(takeBytes(*quarantine, m_bytes, record));
    }
    QVERIFY(QDir().mkpath(scratch()));
    writeFile(m_place.path("source"_L), m_newBytes);
}

void TestQuarantineFaults::operations()
{
    QTest::addColumn<Operation>("operation");
    QTest::newRow("take, the first") << Operation::TakeFirst;
    QTest::newRow("take") << Operation::Take;
    QTest::newRow("restore") << Operation::Restore;
    QTest::newRow("delete") << Operation::Remove;
    QTest::newRow("purge") << Operation::Purge;
    QTest::newRow("recover") << Operation::Recover;
}

void TestQuarantineFaults::prepare(Operation operation)
{
    QDir(store()).removeRecursively();
    QDir(out()).removeRecursively();
    QDir().mkpath(out());
    if (operation == Operation::TakeFirst)
        return;
    copyDirectory(m_place.path("original"_L), store());
    if (operation == Operation::Recover) { // one to be completed, one to be removed
        QFile::rename(store() + u'/' + m_items[0].id, store() + u'/' + m_items[0].id + ".part"_L);
        QFile::rename(store() + u'/' + m_items[1].id, store() + u'/' + m_items[1].id + ".gone"_L);
    }
}

// In the child.
int TestQuarantineFaults::perform(Operation operation) const
{
    const auto quarantine = Quarantine::open(store());
    if (!quarantine)
        return codeOf(quarantine);
    switch (operation) {
    case Operation::TakeFirst:
    case Operation::Take: {
        const FileDescriptor source(
            ::open(QFile::encodeName(m_place.path("source"_L)).constData(), O_RDONLY | O_CLOEXEC));
        return codeOf((*quarantine)->take(source, m_newBytes.size(), recordOf(m_newBytes)));
    }
    case Operation::Restore:
        return codeOf((*quarantine)->restore(m_items[1].id, {out(), "restored"_L, "a test"_L}));
    case Operation::Remove:
        return codeOf((*quarantine)->remove(m_items[1].id));
    case Operation::Purge: {
        const auto purged =
            (*quarantine)->purge({{}, {}, 1}, QDateTime(QDate(2031, 1, 1), QTime(0, 0), Qt::UTC));
        if (!purged)
            return codeOf(purged);
        return purged->gone.size() == 2 && purged->problems.empty() ? good : told;
    }
    case Operation::Recover:
        return good;
    }
    return broken;
}

void TestQuarantineFaults::checkTaken(const FaultedRun &run, const QuarantineListing &listing)
{
    QCOMPARE(bytesOf(m_place.path("source"_L)), m_newBytes);
    const auto isNew = [this](const QuarantineItem &item) {
        return item.record.sha256 == recordOf(m_newBytes).sha256;
    };
    const auto count = std::ranges::count_if(listing.items, isNew);
    QVERIFY(count <= 1);
    if (run.exitCode == good || run.exitCode == unconfirmed)
        QCOMPARE(count, 1);
    if (run.exitCode == told)
        QCOMPARE(count, 0);
}

void TestQuarantineFaults::check(Operation operation, const FaultedRun &run)
{
    // A process that was not killed has said how it went.
    if (run.signal != SIGKILL)
        QVERIFY2(run.exitCode >= good && run.exitCode < broken,
            "exit " + QByteArray::number(run.exitCode) + " signal "
                + QByteArray::number(run.signal));
    // The restored file is the whole of it or is not there, and nothing else is.
    const QStringList files = entriesOf(out());
    if (operation == Operation::Restore) {
        QVERIFY(files.isEmpty() || files == QStringList{"restored"_L});
        QVERIFY(files.isEmpty() || bytesOf(out() + "/restored"_L) == m_bytes);
        QVERIFY(run.exitCode != good || !files.isEmpty());
    } else {
        QVERIFY(files.isEmpty());
    }

    const auto quarantine = openQuarantine(store());
    const auto listing = quarantine->list();
    QVERIFY(listing && listing->unreadable.empty());
    const auto isThere = [&](int i) { return std::ranges::count(listing->items, m_items[i]) == 1; };
    for (const QuarantineItem &item : listing->items)
        QCOMPARE(QCryptographicHash::hash(
                     contentOfItem(*quarantine, item.id, scratch()), QCryptographicHash::Sha256),
            item.record.sha256);
    for (const QString &entry : entriesOf(store()))
        QVERIFY2(!entry.contains(u'.'), qPrintable(entry)); // nothing unfinished
    switch (operation) {
    case Operation::TakeFirst:
        checkTaken(run, *listing);
        break;
    case Operation::Take:
        QVERIFY(isThere(0) && isThere(1) && isThere(2));
        checkTaken(run, *listing);
        break;
    case Operation::Restore:
        QVERIFY(isThere(0) && isThere(1) && isThere(2));
        break;
    case Operation::Remove:
        QVERIFY(isThere(0) && isThere(2));
        QVERIFY(run.exitCode > told || run.exitCode < good || isThere(1) == (run.exitCode == told));
        break;
    case Operation::Purge:
        QVERIFY(isThere(2));
        QVERIFY(run.exitCode != good || (!isThere(0) && !isThere(1)));
        break;
    case Operation::Recover:
        QVERIFY(isThere(0) && !isThere(1) && isThere(2));
        break;
    }
}

void TestQuarantineFaults::tryAll(
    Operation operation, const std::function<FaultedRun(int, const std::function<int()> &)> &runAt)
{
    const auto work = [this, operation] { return perform(operation); };
    prepare(operation);
    const FaultedRun whole = SystemCallFaults::count(work);
    QCOMPARE(whole.exitCode, good);
    QVERIFY(whole.calls.size() > 10);
    check(operation, whole);
    // With the error at one, there may be more calls than without: until one is not reached.
    for (int index = 0;; index += slowness) {
        prepare(operation);
        const FaultedRun run = runAt(index, work);
        if (run.faulted.isEmpty()) {
            QVERIFY(index >= int(whole.calls.size()));
            break;
        }
        check(operation, run);
        if (QTest::currentTestFailed()) {
            qWarning("at system call %d, %s", index, run.faulted.constData());
            return;
        }
    }
}

void TestQuarantineFaults::everyCall_killed_losesNothing()
{
    QFETCH(const Operation, operation);
    tryAll(operation, &SystemCallFaults::killAt);
}

void TestQuarantineFaults::everyCall_failing_losesNothing()
{
    QFETCH(const Operation, operation);
    for (const int error : faultErrors) {
        tryAll(operation, [error](int index, const std::function<int()> &work) {
            return SystemCallFaults::failAt(index, error, work);
        });
        if (QTest::currentTestFailed()) {
            qWarning("with the error %s", std::strerror(error));
            return;
        }
    }
}

void TestQuarantineFaults::smallDisk_isFullOrReadOnly_losesNothing()
{
    const QString end = runInChild([this] {
        const QString disk = m_place.path("disk"_L);
        QDir().mkpath(disk);
        const QByteArray point = QFile::encodeName(disk);
        if (!mountSmallDisk(point))
            return noMount;
        const QString small = disk + "/store"_L;
        copyDirectory(m_place.path("original"_L), small);
        const auto quarantine = openQuarantine(small);
        const auto isIntact = [&] {
            const auto listing = openQuarantine(small)->list();
            return listing && listing->items == m_items && listing->unreadable.empty()
                && contentOfItem(*quarantine, m_items[1].id, scratch()) == m_bytes;
        };
        const QByteArray large = patternOf(smallDiskBytes);
        for (const QByteArray &bytes : {large, large.first(smallDiskBytes * 9 / 10)}) {
            const auto taken =
                quarantine->take(readerOfBytes(bytes), bytes.size(), recordOf(bytes));
            if (taken || taken.error().code != Code::NoSpace || !isIntact())
                return broken;
        }
        if (::mount(nullptr, point.constData(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0)
            return noMount;
        const auto taken = quarantine->take(readerOfBytes("x"), 1, recordOf("x"));
        const auto removed = quarantine->remove(m_items[0].id);
        const bool isTold = !taken && taken.error().code == Code::NoAccess && !removed
            && removed.error().code == Code::NoAccess;
        return isTold && isIntact() ? good : broken;
    });
    if (end == "exit %1"_L.arg(noMount))
        QSKIP("file systems may not be mounted here");
    QCOMPARE(end, "exit 0"_L);
}

QTEST_APPLESS_MAIN(TestQuarantineFaults)
#include "tst_quarantinefaults.moc"
