// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileRelease.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/Sha256.h"
#include "tests/support/FileSystemLack.h"

#include <QDir>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QTemporaryDir>
#include <QTest>

#include <array>
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace Qt::StringLiterals;

namespace {

using Result = std::expected<QString, ReleaseError>;

constexpr auto allEntries = QDir::AllEntries | QDir::Hidden | QDir::System | QDir::NoDotAndDotDot;

QByteArray pattern(qint64 size)
{
    QByteArray bytes(size, Qt::Uninitialized);
    for (qint64 i = 0; i < size; ++i)
        bytes[i] = static_cast<char>((i * 2'654'435'761U) >> 13);
    return bytes;
}

QByteArray sha256Of(const QByteArray &bytes)
{
    Sha256 hash;
    hash.add({reinterpret_cast<const uchar *>(bytes.constData()), size_t(bytes.size())});
    return hash.result();
}

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray("(no such file)");
}

bool write(const QString &path, const QByteArray &bytes)
{
    QFile file(path);
    return file.open(QIODevice::WriteOnly) && file.write(bytes) == bytes.size();
}

struct stat statusOf(const QString &path)
{
    struct stat status { };
    ::lstat(QFile::encodeName(path).constData(), &status);
    return status;
}

struct stat statusOf(const Spool &spool)
{
    struct stat status { };
    ::fstat(spool.descriptor(), &status);
    return status;
}

} // namespace

class tst_FileRelease : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();

    void release_anySpool_appearsWithAllItsBytes_data();
    void release_anySpool_appearsWithAllItsBytes();
    void release_diskOfTheSameFileSystem_isLinkedNotCopied_data();
    void release_diskOfTheSameFileSystem_isLinkedNotCopied();
    void release_stillBeingScanned_isAFileOfItsOwn();
    void release_changedSince_isNotReadAgain();
    void release_twice_makesTwoFiles();
    void release_umask_isHonoured_data();
    void release_umask_isHonoured();
    void release_unusualNames_areTakenAsTheyAre_data();
    void release_unusualNames_areTakenAsTheyAre();
    void release_relativeDirectory_givesTheWholePath();

    void release_existing_isKept_data();
    void release_existing_isKept();
    void release_existing_isReplaced_data();
    void release_existing_isReplaced();
    void release_symbolicLink_isNeverFollowed_data();
    void release_symbolicLink_isNeverFollowed();
    void release_directoryOfThatName_isNeverReplaced_data();
    void release_directoryOfThatName_isNeverReplaced();

    void release_badName_fails_data();
    void release_badName_fails();
    void release_badDirectory_isSaid_data();
    void release_badDirectory_isSaid();
    void release_unwritableDirectory_isSaid();
    void release_notSealed_fails();
    void release_noSpace_leavesNothing_data();
    void release_noSpace_leavesNothing();
    void release_noWayIntoPlace_leavesNothing();
    void release_killed_isWholeOrAbsent_data();
    void release_killed_isWholeOrAbsent();

    void release_scannedBytes_isChecked_data();
    void release_scannedBytes_isChecked();
    void release_otherBytes_isRefused_data();
    void release_otherBytes_isRefused();
    void release_changedUnderItsOldTime_isRefused();
    void release_heldOpenByAnother_isACopyOfWhatWasScanned();
    void release_shortened_isRefused();
    void release_checkAsked_costsAHash();

private:
    std::unique_ptr<Spool> makeSpool(const QString &kind, const QByteArray &bytes) const;
    QStringList entries() const { return QDir(m_directory->path()).entryList(allEntries); }
    QString path(const QString &name) const { return m_directory->filePath(name); }
    // In a thread of its own, where \p lack holds.
    Result release(const Spool &spool, ExistingFile existing, Lack lack,
        const ReleasedContent &content = {}) const;
    void addKinds() const;

    std::unique_ptr<QTemporaryDir> m_directory;
    std::unique_ptr<QTemporaryDir> m_otherFileSystem;
};

void tst_FileRelease::initTestCase()
{
    std::signal(SIGXFSZ, SIG_IGN);
    m_otherFileSystem = std::make_unique<QTemporaryDir>(u"/dev/shm/tst_filerelease-XXXXXX"_s);
}

void tst_FileRelease::init()
{
    m_directory = std::make_unique<QTemporaryDir>();
    QVERIFY(m_directory->isValid());
}

std::unique_ptr<Spool> tst_FileRelease::makeSpool(
    const QString &kind, const QByteArray &bytes) const
{
    SpoolOptions options{m_directory->path(), bytes.size() + 1, Limits::gib, Limits::mib,
        std::make_shared<SpoolBudget>(kind == "memory"_L1 ? Limits::gib : 0)};
    if (kind == "other disk"_L1)
        options.directory = m_otherFileSystem->path();
    auto spool = Spool::create(options);
    if (!spool || !(*spool)->append(bytes) || !(*spool)->seal()
        || (*spool)->isInMemory() != (kind == "memory"_L1))
        qFatal("No spool");
    return std::move(*spool);
}

Result tst_FileRelease::release(
    const Spool &spool, ExistingFile existing, Lack lack, const ReleasedContent &content) const
{
    std::optional<Result> result;
    std::thread([&] {
        apply(lack);
        result = releaseInto(spool, m_directory->path(), u"name.bin"_s, existing, content);
    }).join();
    return *result;
}

// Every way that there is from a spool to a directory.
void tst_FileRelease::addKinds() const
{
    QTest::addColumn<QString>("kind");
    QTest::addColumn<int>("lack");
    const auto row = [](const char *name, const QString &kind, Lack lack) {
        QTest::newRow(name) << kind << static_cast<int>(lack);
    };
    row("disk", u"disk"_s, Lack::Nothing);
    row("memory", u"memory"_s, Lack::Nothing);
    if (m_otherFileSystem->isValid())
        row("other file system", u"other disk"_s, Lack::Nothing);
    else
        qWarning("No second file system: nothing is released from one to another");
    row("memory, no nameless files", u"memory"_s, Lack::NamelessFiles);
    row("memory, no nameless files, no links", u"memory"_s, Lack::NamelessFilesAndLinks);
    row("memory, no links", u"memory"_s, Lack::Links);
    row("disk, no links", u"disk"_s, Lack::Links);
    row("memory, no links, no keeping renames", u"memory"_s, Lack::LinksAndKeepingRenames);
    row("disk, no links, no keeping renames", u"disk"_s, Lack::LinksAndKeepingRenames);
    row("disk, no /proc", u"disk"_s, Lack::Descriptors);
}

// ---- the file

void tst_FileRelease::release_anySpool_appearsWithAllItsBytes_data()
{
    addKinds();
}

void tst_FileRelease::release_anySpool_appearsWithAllItsBytes()
{
    QFETCH(QString, kind);
    QFETCH(int, lack);
    const mode_t mask = ::umask(0);
    ::umask(mask);
    for (const qint64 size : {0, 1, 4'096, 3'000'001}) { // the last is more than is mapped
        const QByteArray bytes = pattern(size);
        const auto spool = makeSpool(kind, bytes);
        const auto released = release(*spool, ExistingFile::Keep, static_cast<Lack>(lack));
        QVERIFY2(released, released ? "" : qPrintable(released.error().message));
        QCOMPARE(*released, path(u"name.bin"_s));
        QVERIFY(contentOf(*released) == bytes);
        QCOMPARE(entries(), QStringList{u"name.bin"_s});
        const struct stat status = statusOf(*released);
        QVERIFY(S_ISREG(status.st_mode));
        QCOMPARE(status.st_mode & 07777, 0666 & ~mask);
        QCOMPARE(status.st_nlink, 1U);
        QVERIFY(QFile::remove(*released));
    }
}

void tst_FileRelease::release_diskOfTheSameFileSystem_isLinkedNotCopied_data()
{
    QTest::addColumn<bool>("isMoved"); // from memory, when there was too much of it
    QTest::addColumn<bool>("isChecked"); // by its hash, while nobody else can write to it
    QTest::newRow("from the start") << false << false;
    QTest::newRow("from the start, checked") << false << true;
    QTest::newRow("moved") << true << false;
    QTest::newRow("moved, checked") << true << true;
}

void tst_FileRelease::release_diskOfTheSameFileSystem_isLinkedNotCopied()
{
    QFETCH(const bool, isMoved);
    QFETCH(const bool, isChecked);
    const QByteArray bytes = pattern(100'000);
    SpoolOptions options{m_directory->path(), isMoved ? 0 : bytes.size(), Limits::gib, Limits::mib,
        std::make_shared<SpoolBudget>(isMoved ? 4'096 : 0)};
    const auto spool = Spool::create(options);
    QVERIFY(spool && (*spool)->isInMemory() == isMoved);
    QVERIFY((*spool)->append(bytes) && (*spool)->seal() && !(*spool)->isInMemory());
    const auto released = release(**spool, ExistingFile::Keep, Lack::Nothing,
        {isChecked ? sha256Of(bytes) : QByteArray(), {}});
    QVERIFY(released);
    QCOMPARE(statusOf(*released).st_ino, statusOf(**spool).st_ino);
    QVERIFY(contentOf(*released) == bytes);
    // Started while we still hold it: no descriptor that can write is left (ETXTBSY).
    QCOMPARE(::fcntl((*spool)->descriptor(), F_GETFL) & O_ACCMODE, O_RDONLY);
}

void tst_FileRelease::release_stillBeingScanned_isAFileOfItsOwn()
{
    const auto spool = makeSpool(u"disk"_s, pattern(100));
    const auto scanned = spool->content(); // as a worker holds it that nobody waits for
    const auto released = release(*spool, ExistingFile::Keep, Lack::Nothing);
    QVERIFY(released);
    QVERIFY(statusOf(*released).st_ino != statusOf(*spool).st_ino);
    QCOMPARE(::truncate(QFile::encodeName(*released), 0), 0);
    QCOMPARE(QByteArray(reinterpret_cast<const char *>(scanned->bytes()), 100), pattern(100));
}

void tst_FileRelease::release_changedSince_isNotReadAgain()
{
    const auto spool = makeSpool(u"disk"_s, pattern(100));
    const auto released = release(*spool, ExistingFile::Keep, Lack::Nothing);
    QVERIFY(released);
    char byte = 0;
    QVERIFY(spool->read(&byte, 1, 0));
    QFile file(*released);
    QVERIFY(file.open(QIODevice::WriteOnly));
    QVERIFY(file.write("other bytes") > 0);
    file.close();
    QVERIFY(!spool->read(&byte, 1, 0));
    QVERIFY(!releaseInto(*spool, m_directory->path(), u"again"_s, ExistingFile::Keep));
    QVERIFY(!QFile::exists(m_directory->filePath(u"again"_s)));
}

void tst_FileRelease::release_twice_makesTwoFiles()
{
    const auto spool = makeSpool(u"disk"_s, pattern(100));
    const auto first = releaseInto(*spool, m_directory->path(), u"a"_s, ExistingFile::Keep);
    const auto second = releaseInto(*spool, m_directory->path(), u"b"_s, ExistingFile::Keep);
    QVERIFY(first && second);
    QVERIFY(statusOf(*first).st_ino != statusOf(*second).st_ino);
    QCOMPARE(contentOf(*first), contentOf(*second));
}

void tst_FileRelease::release_umask_isHonoured_data()
{
    QTest::addColumn<QString>("kind");
    QTest::addColumn<uint>("mask");
    for (const char *kind : {"disk", "memory"}) {
        for (const uint mask : {0U, 022U, 027U, 077U, 0777U})
            QTest::addRow("%s, %03o", kind, mask) << QString::fromLatin1(kind) << mask;
    }
}

void tst_FileRelease::release_umask_isHonoured()
{
    QFETCH(QString, kind);
    QFETCH(uint, mask);
    const auto spool = makeSpool(kind, pattern(100));
    const mode_t before = ::umask(mask);
    const auto released =
        releaseInto(*spool, m_directory->path(), u"name.bin"_s, ExistingFile::Keep);
    QCOMPARE(::umask(before), mask); // not touched, not even for a moment
    QVERIFY(released);
    QCOMPARE(statusOf(*released).st_mode & 07777, 0666U & ~mask);
}

void tst_FileRelease::release_unusualNames_areTakenAsTheyAre_data()
{
    QTest::addColumn<QString>("name");
    for (const QString &name : {u"-rf"_s, u"..."_s, u".hidden"_s, u"a b"_s, u"%1 %2"_s,
             u"\u65e5\u672c.txt"_s, u"a\\b"_s, u"a\nb"_s, QString(255, u'a')})
        QTest::newRow(qPrintable(printable(name))) << name;
}

void tst_FileRelease::release_unusualNames_areTakenAsTheyAre()
{
    QFETCH(QString, name);
    const auto spool = makeSpool(u"memory"_s, pattern(100));
    for (const ExistingFile existing : {ExistingFile::Keep, ExistingFile::Replace}) {
        const auto released = releaseInto(*spool, m_directory->path(), name, existing);
        QVERIFY2(released, released ? "" : qPrintable(released.error().message));
        QCOMPARE(entries(), QStringList{name});
    }
    const auto refused = releaseInto(*spool, m_directory->path(), name, ExistingFile::Keep);
    QCOMPARE(refused.error().code, ReleaseError::Code::Exists);
    QVERIFY(!refused.error().message.contains(u'\n'));
}

void tst_FileRelease::release_relativeDirectory_givesTheWholePath()
{
    const QString before = QDir::currentPath();
    QVERIFY(QDir::setCurrent(m_directory->path()));
    const auto spool = makeSpool(u"disk"_s, pattern(100));
    const auto released = releaseInto(*spool, u"."_s, u"a"_s, ExistingFile::Keep);
    QVERIFY(QDir::setCurrent(before));
    QVERIFY(released);
    QVERIFY(QDir::isAbsolutePath(*released));
    QVERIFY(contentOf(*released) == pattern(100));
}

// ---- what has the name already

void tst_FileRelease::release_existing_isKept_data()
{
    addKinds();
}

void tst_FileRelease::release_existing_isKept()
{
    QFETCH(QString, kind);
    QFETCH(int, lack);
    QVERIFY(write(path(u"name.bin"_s), "mine"));
    const auto spool = makeSpool(kind, pattern(100));
    const auto released = release(*spool, ExistingFile::Keep, static_cast<Lack>(lack));
    QVERIFY(!released);
    QCOMPARE(released.error().code, ReleaseError::Code::Exists);
    QVERIFY(released.error().message.contains(u"name.bin"_s));
    QCOMPARE(contentOf(path(u"name.bin"_s)), QByteArray("mine"));
    QCOMPARE(entries(), QStringList{u"name.bin"_s});
}

void tst_FileRelease::release_existing_isReplaced_data()
{
    addKinds();
}

void tst_FileRelease::release_existing_isReplaced()
{
    QFETCH(QString, kind);
    QFETCH(int, lack);
    QVERIFY(write(path(u"name.bin"_s), "mine"));
    QFile held(path(u"name.bin"_s));
    QVERIFY(held.open(QIODevice::ReadOnly));
    const auto spool = makeSpool(kind, pattern(100));
    const auto released = release(*spool, ExistingFile::Replace, static_cast<Lack>(lack));
    QVERIFY2(released, released ? "" : qPrintable(released.error().message));
    QVERIFY(contentOf(*released) == pattern(100));
    QCOMPARE(entries(), QStringList{u"name.bin"_s});
    QCOMPARE(held.readAll(), QByteArray("mine")); // replaced, not written over
}

void tst_FileRelease::release_symbolicLink_isNeverFollowed_data()
{
    addKinds();
}

void tst_FileRelease::release_symbolicLink_isNeverFollowed()
{
    QFETCH(QString, kind);
    QFETCH(int, lack);
    const QTemporaryDir elsewhere;
    for (const QString &target : {elsewhere.filePath(u"victim"_s), elsewhere.filePath(u"none"_s)}) {
        const bool isDangling = target.endsWith(u"none"_s);
        QVERIFY(isDangling || write(target, "mine"));
        QVERIFY(QFile::link(target, path(u"name.bin"_s)));
        const auto spool = makeSpool(kind, pattern(100));
        const auto kept = release(*spool, ExistingFile::Keep, static_cast<Lack>(lack));
        QVERIFY(!kept);
        QCOMPARE(kept.error().code, ReleaseError::Code::Exists);
        QVERIFY(S_ISLNK(statusOf(path(u"name.bin"_s)).st_mode));

        QVERIFY(release(*spool, ExistingFile::Replace, static_cast<Lack>(lack)));
        QVERIFY(S_ISREG(statusOf(path(u"name.bin"_s)).st_mode));
        QVERIFY(isDangling ? !QFile::exists(target) : contentOf(target) == "mine");
        QVERIFY(QFile::remove(path(u"name.bin"_s)));
    }
}

void tst_FileRelease::release_directoryOfThatName_isNeverReplaced_data()
{
    addKinds();
}

void tst_FileRelease::release_directoryOfThatName_isNeverReplaced()
{
    QFETCH(QString, kind);
    QFETCH(int, lack);
    QVERIFY(QDir(m_directory->path()).mkdir(u"name.bin"_s));
    const auto spool = makeSpool(kind, pattern(100));
    for (const ExistingFile existing : {ExistingFile::Keep, ExistingFile::Replace}) {
        const auto released = release(*spool, existing, static_cast<Lack>(lack));
        QVERIFY(!released);
        QCOMPARE(released.error().code, ReleaseError::Code::Exists);
        QVERIFY(QFileInfo(path(u"name.bin"_s)).isDir());
        QCOMPARE(entries(), QStringList{u"name.bin"_s});
    }
}

// ---- refusals

void tst_FileRelease::release_badName_fails_data()
{
    QTest::addColumn<QString>("name");
    QTest::newRow("empty") << u""_s;
    QTest::newRow("null") << QString();
    QTest::newRow("dot") << u"."_s;
    QTest::newRow("parent") << u".."_s;
    QTest::newRow("path") << u"a/b"_s;
    QTest::newRow("parent's") << u"../a"_s;
    QTest::newRow("absolute") << u"/tmp/a"_s;
    QTest::newRow("slash") << u"/"_s;
    QTest::newRow("slash at the end") << u"a/"_s;
    QTest::newRow("NUL") << u"a"_s + QChar(0) + u"b"_s;
    QTest::newRow("too long") << QString(256, u'a');
}

void tst_FileRelease::release_badName_fails()
{
    QFETCH(QString, name);
    for (const char *kind : {"disk", "memory"}) {
        const auto spool = makeSpool(QString::fromLatin1(kind), pattern(100));
        for (const ExistingFile existing : {ExistingFile::Keep, ExistingFile::Replace}) {
            const auto released = releaseInto(*spool, m_directory->path(), name, existing);
            QVERIFY(!released);
            QCOMPARE(released.error().code, ReleaseError::Code::Failed);
            QVERIFY(!released.error().message.isEmpty());
        }
    }
    QVERIFY(entries().isEmpty());
}

void tst_FileRelease::release_badDirectory_isSaid_data()
{
    QTest::addColumn<QString>("directory");
    QTest::newRow("missing") << u"%1/missing"_s;
    QTest::newRow("a file") << u"%1/file"_s;
    QTest::newRow("below a file") << u"%1/file/x"_s;
    QTest::newRow("empty") << u""_s;
    QTest::newRow("NUL") << u"%1"_s + QChar(0) + u"x"_s;
    QTest::newRow("link to itself") << u"%1/loop"_s;
}

void tst_FileRelease::release_badDirectory_isSaid()
{
    QFETCH(QString, directory);
    QVERIFY(write(path(u"file"_s), "mine"));
    QVERIFY(QFile::link(path(u"loop"_s), path(u"loop"_s)));
    directory.replace(u"%1"_s, m_directory->path());
    const auto spool = makeSpool(u"disk"_s, pattern(100));
    const auto released = releaseInto(*spool, directory, u"a"_s, ExistingFile::Replace);
    QVERIFY(!released);
    QCOMPARE(released.error().code, ReleaseError::Code::NoDirectory);
    QVERIFY2(released.error().message.contains(m_directory->path()) || directory.isEmpty(),
        qPrintable(released.error().message));
    QCOMPARE(contentOf(path(u"file"_s)), QByteArray("mine"));
}

void tst_FileRelease::release_unwritableDirectory_isSaid()
{
    constexpr uid_t nobody = 65'534;
    const auto spool = makeSpool(u"memory"_s, pattern(100));
    ::chmod(QFile::encodeName(m_directory->path()).constData(), 0555);
    std::optional<Result> result;
    std::thread([&] {
        if (::geteuid() == 0)
            ::setfsuid(nobody); // of this thread alone: root may write anywhere
        result = releaseInto(*spool, m_directory->path(), u"a"_s, ExistingFile::Keep);
    }).join();
    ::chmod(QFile::encodeName(m_directory->path()).constData(), 0700);
    QVERIFY(!result->has_value());
    QCOMPARE(result->error().code, ReleaseError::Code::NoDirectory);
    QVERIFY(result->error().message.contains(m_directory->path()));
    QVERIFY(entries().isEmpty());
}

void tst_FileRelease::release_notSealed_fails()
{
    auto spool = Spool::create({m_directory->path(), {}, 100, 100, nullptr});
    QVERIFY(spool && (*spool)->append(pattern(50)));
    const auto released = releaseInto(**spool, m_directory->path(), u"a"_s, ExistingFile::Keep);
    QVERIFY(!released);
    QCOMPARE(released.error().code, ReleaseError::Code::Failed);
    QVERIFY(entries().isEmpty());
}

void tst_FileRelease::release_noSpace_leavesNothing_data()
{
    QTest::addColumn<int>("lack");
    QTest::newRow("nameless file") << static_cast<int>(Lack::Nothing);
    QTest::newRow("hidden file") << static_cast<int>(Lack::NamelessFilesAndLinks);
}

void tst_FileRelease::release_noSpace_leavesNothing()
{
    QFETCH(int, lack);
    const auto spool = makeSpool(u"memory"_s, pattern(100'000));
    QVERIFY(write(path(u"name.bin"_s), "mine"));
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit lowered{10'000, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &lowered);
    const auto released = release(*spool, ExistingFile::Replace, static_cast<Lack>(lack));
    ::setrlimit(RLIMIT_FSIZE, &before);
    QVERIFY(!released);
    QCOMPARE(released.error().code, ReleaseError::Code::NoSpace);
    QVERIFY(released.error().message.contains(m_directory->path()));
    QCOMPARE(entries(), QStringList{u"name.bin"_s});
    QCOMPARE(contentOf(path(u"name.bin"_s)), QByteArray("mine"));
}

void tst_FileRelease::release_noWayIntoPlace_leavesNothing()
{
    const auto spool = makeSpool(u"memory"_s, pattern(100));
    for (const ExistingFile existing : {ExistingFile::Keep, ExistingFile::Replace}) {
        const auto released = release(*spool, existing, Lack::AllLinksAndRenames);
        QVERIFY(!released);
        QCOMPARE(released.error().code, ReleaseError::Code::Failed);
        QVERIFY(entries().isEmpty());
    }
}

void tst_FileRelease::release_killed_isWholeOrAbsent_data()
{
    QTest::addColumn<int>("lack");
    QTest::newRow("nameless file") << static_cast<int>(Lack::Nothing);
    QTest::newRow("hidden file") << static_cast<int>(Lack::NamelessFilesAndLinks);
}

void tst_FileRelease::release_killed_isWholeOrAbsent()
{
    QFETCH(int, lack);
    constexpr int rounds = 24;
    const QByteArray bytes = pattern(8 * Limits::mib);
    const auto spool = makeSpool(u"memory"_s, bytes);
    QElapsedTimer timer;
    int absent = 0;
    for (int round = 0; round < rounds; ++round) {
        std::array<int, 2> pipe{};
        QCOMPARE(::pipe(pipe.data()), 0);
        const pid_t child = ::fork();
        QVERIFY(child >= 0);
        if (child == 0) {
            apply(static_cast<Lack>(lack));
            const bool isTold = ::write(pipe[1], "", 1) == 1;
            const auto released =
                releaseInto(*spool, m_directory->path(), u"name.bin"_s, ExistingFile::Keep);
            ::_exit(isTold && released ? 0 : 1);
        }
        char begun = 0;
        QCOMPARE(::read(pipe[0], &begun, 1), 1);
        // A little later each round, from the start of the copy to beyond its end.
        for (timer.start(); timer.nsecsElapsed() < round * round * 30'000;) { }
        ::kill(child, SIGKILL);
        int status = 0;
        QCOMPARE(::waitpid(child, &status, 0), child);
        ::close(pipe[0]);
        ::close(pipe[1]);
        if (QFile::exists(path(u"name.bin"_s)))
            QVERIFY(contentOf(path(u"name.bin"_s)) == bytes);
        else
            ++absent;
        for (const QString &name : entries())
            QVERIFY(QFile::remove(path(name))); // a hidden file may be left
    }
    QVERIFY(absent > 0); // else nothing was interrupted
}

// ---- the very bytes that were scanned

namespace {

// As another process of the same user gets to a file without a name.
FileDescriptor reopened(const Spool &spool)
{
    const QByteArray path = "/proc/self/fd/" + QByteArray::number(spool.descriptor());
    return FileDescriptor(::open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
}

} // namespace

void tst_FileRelease::release_scannedBytes_isChecked_data()
{
    addKinds();
}

void tst_FileRelease::release_scannedBytes_isChecked()
{
    QFETCH(QString, kind);
    QFETCH(int, lack);
    for (const qint64 size : {0, 1, 300'000}) {
        const QByteArray bytes = pattern(size);
        const auto spool = makeSpool(kind, bytes);
        const auto released =
            release(*spool, ExistingFile::Keep, static_cast<Lack>(lack), {sha256Of(bytes), {}});
        QVERIFY2(released, released ? "" : qPrintable(released.error().message));
        QVERIFY(contentOf(*released) == bytes);
        QFile written(*released); // nobody is kept from it any more
        QVERIFY(written.open(QIODevice::ReadWrite));
        QVERIFY(QFile::remove(*released));
    }
}

void tst_FileRelease::release_otherBytes_isRefused_data()
{
    addKinds();
}

void tst_FileRelease::release_otherBytes_isRefused()
{
    QFETCH(QString, kind);
    QFETCH(int, lack);
    const auto spool = makeSpool(kind, pattern(100));
    for (const ExistingFile existing : {ExistingFile::Keep, ExistingFile::Replace}) {
        const auto released =
            release(*spool, existing, static_cast<Lack>(lack), {sha256Of(pattern(99) + 'x'), {}});
        QVERIFY(!released);
        QCOMPARE(released.error().code, ReleaseError::Code::Changed);
        QVERIFY(released.error().message.contains(u"name.bin"_s));
        QVERIFY(entries().isEmpty());
    }
}

void tst_FileRelease::release_changedUnderItsOldTime_isRefused()
{
    const QByteArray bytes = pattern(100);
    const auto spool = makeSpool(u"disk"_s, bytes);
    const struct stat before = statusOf(*spool);
    {
        const FileDescriptor other = reopened(*spool);
        QVERIFY(other.isValid());
        QCOMPARE(::pwrite(other.get(), "x", 1, 50), 1);
        const std::array times{before.st_atim, before.st_mtim};
        QCOMPARE(::futimens(other.get(), times.data()), 0);
    }
    const auto released = release(*spool, ExistingFile::Keep, Lack::Nothing, {sha256Of(bytes), {}});
    QVERIFY(!released);
    QCOMPARE(released.error().code, ReleaseError::Code::Changed);
    QVERIFY(entries().isEmpty());
}

void tst_FileRelease::release_heldOpenByAnother_isACopyOfWhatWasScanned()
{
    const QByteArray bytes = pattern(100);
    const auto spool = makeSpool(u"disk"_s, bytes);
    const FileDescriptor other = reopened(*spool);
    QVERIFY(other.isValid());
    const auto released = release(*spool, ExistingFile::Keep, Lack::Nothing, {sha256Of(bytes), {}});
    QVERIFY2(released, released ? "" : qPrintable(released.error().message));
    QVERIFY(statusOf(*released).st_ino != statusOf(*spool).st_ino);
    QCOMPARE(::pwrite(other.get(), "x", 1, 50), 1); // too late
    QVERIFY(contentOf(*released) == bytes);
}

void tst_FileRelease::release_shortened_isRefused()
{
    for (const qint64 size : {0, 99, 101}) {
        const QByteArray bytes = pattern(100);
        const auto spool = makeSpool(u"disk"_s, bytes);
        QCOMPARE(::ftruncate(reopened(*spool).get(), size), 0);
        const auto released =
            release(*spool, ExistingFile::Keep, Lack::Nothing, {sha256Of(bytes), {}});
        QVERIFY(!released);
        QCOMPARE(released.error().code, ReleaseError::Code::Changed);
        QVERIFY(entries().isEmpty());
    }
}

// No bound: what it costs depends on the machine, and is told.
void tst_FileRelease::release_checkAsked_costsAHash()
{
    struct Case {
        const char *kind;
        qint64 bytes;
    };
    for (const auto &[kind, size] :
        {Case{"disk", 64 * Limits::mib}, Case{"memory", 15 * Limits::mib}}) {
        const QByteArray bytes = pattern(size);
        const QByteArray sha256 = sha256Of(bytes);
        qint64 microseconds[2] = {};
        for (const bool isChecked : {false, true}) {
            const auto spool = makeSpool(QString::fromLatin1(kind), bytes);
            QElapsedTimer timer;
            timer.start();
            const auto released = releaseInto(*spool, m_directory->path(), u"name.bin"_s,
                ExistingFile::Replace, {isChecked ? sha256 : QByteArray(), {}});
            microseconds[isChecked ? 1 : 0] = timer.nsecsElapsed() / 1'000;
            QVERIFY(released);
        }
        qInfo("%s, %lld MiB: %lld us, checked %lld us", kind, size / Limits::mib, microseconds[0],
            microseconds[1]);
    }
}

QTEST_GUILESS_MAIN(tst_FileRelease)
#include "tst_filerelease.moc"
