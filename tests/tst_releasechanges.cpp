// SPDX-License-Identifier: MIT
//
// 1,200 tries to change a content between its scan and its release: another process of the same
// user opens the nameless file through /proc, writes to it, maps it, shortens it. What appears as
// scanned has the bytes that were scanned.
#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileRelease.h"
#include "SecurityTap/content/Sha256.h"
#include "tests/support/ChildProcess.h"

#include <QDir>
#include <QElapsedTimer>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <atomic>
#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <random>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace Qt::StringLiterals;

namespace {

constexpr int triesOfEach = 400; // with three rows, 1,200
constexpr qint64 contentBytes = 300'000;

// What the two processes share.
struct Board {
    std::atomic<int> opened = 0;
    std::atomic<int> written = 0;
};

enum class Attack { Write, Map, Shorten };

// A file that is on its way: regular, and without a name. What has one is its user's already.
bool isOnItsWay(int file)
{
    struct stat status { };
    return ::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 0
        && status.st_size > 0;
}

void attack(int file, Attack way, Board &board, std::minstd_rand &random)
{
    struct stat status { };
    if (::fstat(file, &status) != 0 || status.st_size == 0)
        return;
    const auto offset = off_t(random() % quint64(status.st_size)); // nobody else shortens it
    if (way == Attack::Shorten) {
        board.written += isOnItsWay(file) && ::ftruncate(file, offset) == 0;
    } else if (way == Attack::Write) {
        board.written += isOnItsWay(file) && ::pwrite(file, "evil", 1, offset) == 1;
    } else {
        const auto size = size_t(status.st_size);
        void *mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (mapped == MAP_FAILED)
            return;
        constexpr int rounds = 500;
        for (int i = 0; i < rounds && isOnItsWay(file); ++i) {
            static_cast<volatile char *>(mapped)[offset] = char(i);
            ++board.written;
        }
        ::munmap(mapped, size);
    }
}

// Looks for files of \p victim that are on their way, for ever.
int adversary(pid_t victim, Board &board)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGBUS, SIG_DFL);
    std::minstd_rand random(1);
    const QByteArray directory = "/proc/" + QByteArray::number(victim) + "/fd";
    for (;;) {
        DIR *entries = ::opendir(directory.constData());
        if (!entries)
            return 1;
        while (const dirent *entry = ::readdir(entries)) {
            const int file =
                ::openat(::dirfd(entries), entry->d_name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
            if (file < 0)
                continue;
            if (isOnItsWay(file)) {
                ++board.opened;
                // Shortened under its mapping, a file would end this process: seldom.
                const auto choice = random() % 8;
                attack(file,
                    choice == 0      ? Attack::Shorten
                        : choice < 4 ? Attack::Map
                                     : Attack::Write,
                    board, random);
            }
            ::close(file);
        }
        ::closedir(entries);
    }
}

QByteArray sha256Of(const QByteArray &bytes)
{
    Sha256 hash;
    hash.add({reinterpret_cast<const uchar *>(bytes.constData()), size_t(bytes.size())});
    return hash.result();
}

} // namespace

class tst_ReleaseChanges : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void release_changedByAnother_isNeverGivenOutAsScanned_data();
    void release_changedByAnother_isNeverGivenOutAsScanned();
};

void tst_ReleaseChanges::release_changedByAnother_isNeverGivenOutAsScanned_data()
{
    QTest::addColumn<bool>("inMemory");
    QTest::addColumn<bool>("isRead");
    QTest::newRow("disk, linked") << false << false;
    QTest::newRow("disk, copied") << false << true;
    QTest::newRow("memory") << true << false;
}

void tst_ReleaseChanges::release_changedByAnother_isNeverGivenOutAsScanned()
{
    QFETCH(bool, inMemory);
    QFETCH(bool, isRead);
    const QTemporaryDir directory;
    void *shared =
        ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    QVERIFY(shared != MAP_FAILED);
    auto &board = *new (shared) Board;
    const pid_t self = ::getpid();
    const pid_t child = startChild([&] {
        ::alarm(0);
        return adversary(self, board);
    });
    QVERIFY(child > 0);

    const QByteArray bytes = QByteArray("0123456789").repeated(contentBytes / 10);
    const ReleasedContent content{sha256Of(bytes), {}};
    const QString path = directory.filePath(u"name"_s);
    int intact = 0;
    int refused = 0;
    int others = 0;
    QString offence;
    for (int i = 0; i < triesOfEach && offence.isEmpty(); ++i) {
        // A part of the tries waits until it was found, before it is sealed or after that.
        const auto beFound = [&] {
            constexpr int patience = 20; // milliseconds
            QElapsedTimer timer;
            timer.start();
            for (const int before = board.opened;
                 board.opened == before && timer.elapsed() < patience;) { }
        };
        auto spool = Spool::create({directory.path(), bytes.size(), Limits::gib, Limits::mib,
            std::make_shared<SpoolBudget>(inMemory ? Limits::gib : 0)});
        const bool isKept = spool && (*spool)->append(bytes);
        if (i % 4 == 0)
            beFound();
        if (!isKept || !(*spool)->seal()) {
            ++refused; // it was shortened before its end
            continue;
        }
        const auto reader = isRead ? (*spool)->content() : nullptr;
        if (i % 4 == 2)
            beFound();
        const auto released =
            releaseInto(**spool, directory.path(), u"name"_s, ExistingFile::Keep, content);
        QFile file(path);
        if (!released) {
            const bool isChanged = released.error().code == ReleaseError::Code::Changed;
            ++(isChanged ? refused : others);
            if (file.exists())
                offence = u"refused, and there all the same"_s;
        } else if (!file.open(QIODevice::ReadOnly) || file.readAll() != bytes) {
            offence = u"released with other bytes"_s;
        } else {
            ++intact;
        }
        QFile::remove(path);
    }
    ::kill(child, SIGKILL);
    QCOMPARE(endOf(child), u"signal 9"_s);
    qInfo("%d intact, %d refused, %d failed; opened %d times, written to %d times", intact, refused,
        others, board.opened.load(), board.written.load());
    QVERIFY2(offence.isEmpty(), qPrintable(offence));
    QVERIFY(board.opened > 0);
    QVERIFY(intact + refused + others == triesOfEach);
    ::munmap(shared, sizeof(Board));
}

QTEST_GUILESS_MAIN(tst_ReleaseChanges)
#include "tst_releasechanges.moc"
