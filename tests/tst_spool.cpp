// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Spool.h"

#include "SecurityTap/Limits.h"

#include <QCryptographicHash>
#include <QDir>
#include <QTemporaryDir>
#include <QTest>

#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace Sentinel;
using namespace Qt::StringLiterals;

Q_DECLARE_METATYPE(std::optional<qint64>)

namespace {

constexpr qint64 mib = Limits::mib;

// Bytes that tell where they belong: no page is like another.
QByteArray pattern(qint64 size, qint64 from = 0)
{
    QByteArray bytes(size, Qt::Uninitialized);
    for (qint64 i = 0; i < size; ++i)
        bytes[i] = static_cast<char>(((from + i) * 2'654'435'761U) >> 13);
    return bytes;
}

QByteArray readAll(const Spool &spool)
{
    QByteArray bytes(spool.sizeBytes(), Qt::Uninitialized);
    const auto count = spool.read(bytes.data(), bytes.size(), 0);
    return count ? bytes.first(*count) : QByteArray();
}

QByteArray shownBytes(const Content &content)
{
    const auto span = content.span();
    return {reinterpret_cast<const char *>(span.data()), static_cast<qsizetype>(span.size())};
}

qint64 fileSize(int descriptor)
{
    struct stat status { };
    return ::fstat(descriptor, &status) == 0 ? status.st_size : -1;
}

qsizetype openDescriptors()
{
    return QDir(u"/proc/self/fd"_s).entryList(QDir::AllEntries | QDir::System).size();
}

// Lowers one of the process's limits, and puts it back.
class LimitGuard {
public:
    LimitGuard(__rlimit_resource resource, rlim_t value) : m_resource(resource)
    {
        ::getrlimit(resource, &m_before);
        const rlimit lowered{value, m_before.rlim_max};
        ::setrlimit(resource, &lowered);
    }
    ~LimitGuard() { ::setrlimit(m_resource, &m_before); }
    Q_DISABLE_COPY_MOVE(LimitGuard)

private:
    __rlimit_resource m_resource;
    rlimit m_before{};
};

} // namespace

class tst_Spool : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();

    void budget_reserve_staysWithinTheLimit_data();
    void budget_reserve_staysWithinTheLimit();
    void budget_manyThreads_neverOverTheLimit();

    void create_announcedSize_choosesThePlace_data();
    void create_announcedSize_choosesThePlace();
    void create_budgetFull_goesToDisk();
    void create_noBudget_goesToMemory();
    void create_missingDirectory_failsAndNamesIt();
    void create_directoryWithoutNamelessFiles_usesTheTemporaryOne();
    void create_noNamelessFilesAnywhere_fails();
    void create_noDescriptorLeft_fails();
    void create_hugeMappedLimit_isBoundedBySize();

    void append_inPieces_readsBack_data();
    void append_inPieces_readsBack();
    void append_unknownSize_movesToDiskOverTheLimit();
    void append_unknownSize_takesFromTheBudgetInSteps();
    void append_moreThanAnnounced_staysInMemoryThenMoves();
    void append_announcedLargeThenMore_movesAtOnce();
    void append_budgetRunsOut_movesToDisk();
    void append_moveImpossible_staysAsItWas();
    void append_overMaxBytes_isRefused_data();
    void append_overMaxBytes_isRefused();
    void append_afterSeal_isRefused();
    void append_fileTooLarge_staysAsItWas_data();
    void append_fileTooLarge_staysAsItWas();
    void append_leftoversInMemory_areGoneOnceSealed();
    void append_diskFull_staysAsItWas();
    void append_memoryRefused_goesToDisk();

    void seal_empty_completesContent_data();
    void seal_empty_completesContent();
    void seal_memory_nobodyCanWrite();
    void seal_disk_descriptorCannotWrite();
    void seal_twice_isTheSameAsOnce();
    void seal_notYet_memoryCannotShrink();
    void seal_overMappedBytes_contentNeverCompletes_data();
    void seal_overMappedBytes_contentNeverCompletes();

    void read_outside_givesNothingOrFails_data();
    void read_outside_givesNothingOrFails();
    void copyTo_anyPlace_writesAllBytes_data();
    void copyTo_anyPlace_writesAllBytes();
    void copyTo_unwritableFile_fails();
    void openReadOnly_growingSpool_seesTheGrowthAndCannotWrite_data();
    void openReadOnly_growingSpool_seesTheGrowthAndCannotWrite();

    void content_spoolGone_staysReadable_data();
    void content_spoolGone_staysReadable();
    void content_spoolGone_countsUntilItIsLetGo();
    void content_readDuringTheMove_showsNoDifference();
    void content_hashedWhileItGrowsAndMoves_isTheDownload();
    void spool_gone_leavesNothingBehind();

private:
    SpoolOptions options(std::optional<qint64> announced = {}) const;
    std::unique_ptr<Spool> make(const SpoolOptions &options) const;
    std::unique_ptr<Spool> makeIn(const QString &place) const;
    void addPlaces() const;

    std::unique_ptr<QTemporaryDir> m_directory;
    std::shared_ptr<SpoolBudget> m_budget;
};

void tst_Spool::initTestCase()
{
    std::signal(SIGXFSZ, SIG_IGN); // as the processes that embed us do
}

void tst_Spool::init()
{
    m_directory = std::make_unique<QTemporaryDir>();
    QVERIFY(m_directory->isValid());
    m_budget = std::make_shared<SpoolBudget>(Limits::maxSpoolMemoryBytes);
}

SpoolOptions tst_Spool::options(std::optional<qint64> announced) const
{
    return {m_directory->path(), announced, 256 * mib, 100 * mib, m_budget};
}

std::unique_ptr<Spool> tst_Spool::make(const SpoolOptions &options) const
{
    auto spool = Spool::create(options);
    if (!spool)
        qFatal("%s", qPrintable(spool.error().message));
    return std::move(*spool);
}

std::unique_ptr<Spool> tst_Spool::makeIn(const QString &place) const
{
    SpoolOptions chosen = options(mib);
    if (place == "disk"_L1)
        chosen.budget = std::make_shared<SpoolBudget>(0);
    auto spool = make(chosen);
    if (spool->isInMemory() != (place == "memory"_L1))
        qFatal("The spool is in the wrong place");
    return spool;
}

void tst_Spool::addPlaces() const
{
    QTest::addColumn<QString>("place");
    QTest::newRow("memory") << u"memory"_s;
    QTest::newRow("disk") << u"disk"_s;
}

// ---- SpoolBudget

void tst_Spool::budget_reserve_staysWithinTheLimit_data()
{
    QTest::addColumn<qint64>("bytes");
    QTest::addColumn<bool>("isTaken");
    QTest::newRow("nothing") << qint64(0) << true;
    QTest::newRow("what is left") << qint64(60) << true;
    QTest::newRow("one too many") << qint64(61) << false;
    QTest::newRow("largest") << std::numeric_limits<qint64>::max() << false;
    QTest::newRow("negative") << qint64(-1) << false;
}

void tst_Spool::budget_reserve_staysWithinTheLimit()
{
    QFETCH(qint64, bytes);
    QFETCH(bool, isTaken);
    SpoolBudget budget(100);
    QVERIFY(budget.tryReserve(40));
    QCOMPARE(budget.tryReserve(bytes), isTaken);
    QCOMPARE(budget.usedBytes(), 40 + (isTaken ? bytes : 0));
    budget.release(40);
    QCOMPARE(budget.usedBytes(), isTaken ? bytes : 0);
}

void tst_Spool::budget_manyThreads_neverOverTheLimit()
{
    SpoolBudget budget(3);
    std::atomic<int> over = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 10'000; ++i) {
                if (!budget.tryReserve(2))
                    continue;
                over += budget.usedBytes() > budget.limitBytes();
                budget.release(2);
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    QCOMPARE(over.load(), 0);
    QCOMPARE(budget.usedBytes(), 0);
}

// ---- create

void tst_Spool::create_announcedSize_choosesThePlace_data()
{
    QTest::addColumn<std::optional<qint64>>("announced");
    QTest::addColumn<bool>("isInMemory");
    QTest::addColumn<qint64>("used");
    const auto row = [](const char *name, std::optional<qint64> announced, bool inMemory,
                         qint64 used) { QTest::newRow(name) << announced << inMemory << used; };
    row("unknown", {}, true, 0);
    row("negative", -1, true, 0);
    row("nothing", 0, true, 0);
    row("one byte", 1, true, ::sysconf(_SC_PAGESIZE));
    row("largest in memory", Limits::maxMemorySpoolBytes, true, Limits::maxMemorySpoolBytes);
    row("one more", Limits::maxMemorySpoolBytes + 1, false, 0);
    row("more than may come", std::numeric_limits<qint64>::max(), false, 0);
}

void tst_Spool::create_announcedSize_choosesThePlace()
{
    QFETCH(std::optional<qint64>, announced);
    QFETCH(bool, isInMemory);
    QFETCH(qint64, used);
    const auto spool = make(options(announced));
    QCOMPARE(spool->isInMemory(), isInMemory);
    QCOMPARE(m_budget->usedBytes(), used);
    QCOMPARE(spool->sizeBytes(), 0);
    QCOMPARE(spool->directory(), m_directory->path());
    QVERIFY((::fcntl(spool->descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
}

void tst_Spool::create_budgetFull_goesToDisk()
{
    QVERIFY(m_budget->tryReserve(m_budget->limitBytes() - 10));
    const auto spool = make(options(mib));
    QVERIFY(!spool->isInMemory());
    QCOMPARE(m_budget->usedBytes(), m_budget->limitBytes() - 10);
}

void tst_Spool::create_noBudget_goesToMemory()
{
    SpoolOptions chosen = options();
    chosen.budget = nullptr;
    const auto spool = make(chosen);
    QVERIFY(spool->append(pattern(mib)));
    QVERIFY(spool->isInMemory());
}

void tst_Spool::create_missingDirectory_failsAndNamesIt()
{
    SpoolOptions chosen = options(Limits::maxMemorySpoolBytes + 1);
    chosen.directory = m_directory->filePath(u"missing"_s);
    const auto spool = Spool::create(chosen);
    QVERIFY(!spool);
    QCOMPARE(spool.error().code, SpoolError::Code::Failed);
    QVERIFY2(spool.error().message.contains(chosen.directory), qPrintable(spool.error().message));
}

void tst_Spool::create_directoryWithoutNamelessFiles_usesTheTemporaryOne()
{
    if (::geteuid() != 0)
        QSKIP("only root is told that /proc has no such files; others may not write there at all");
    qputenv("TMPDIR", m_directory->path().toUtf8());
    SpoolOptions chosen = options(Limits::maxMemorySpoolBytes + 1);
    chosen.directory = u"/proc"_s; // has no O_TMPFILE, like vfat
    const auto spool = make(chosen);
    qunsetenv("TMPDIR");
    QVERIFY(!spool->isInMemory());
    QCOMPARE(spool->directory(), m_directory->path());
    QVERIFY(spool->append(pattern(10)));
    QCOMPARE(readAll(*spool), pattern(10));
}

void tst_Spool::create_noNamelessFilesAnywhere_fails()
{
    qputenv("TMPDIR", "/proc");
    SpoolOptions chosen = options(Limits::maxMemorySpoolBytes + 1);
    chosen.directory = u"/proc"_s;
    const auto spool = Spool::create(chosen);
    qunsetenv("TMPDIR");
    QVERIFY(!spool);
    QCOMPARE(spool.error().code, SpoolError::Code::Failed);
    QVERIFY2(spool.error().message.contains("/proc"_L1), qPrintable(spool.error().message));
}

void tst_Spool::create_noDescriptorLeft_fails()
{
    const LimitGuard limit(RLIMIT_NOFILE, 0);
    const auto spool = Spool::create(options());
    QVERIFY(!spool);
    QCOMPARE(spool.error().code, SpoolError::Code::Failed);
    QVERIFY2(spool.error().message.contains("ulimit"_L1), qPrintable(spool.error().message));
    QCOMPARE(m_budget->usedBytes(), 0);
}

void tst_Spool::create_hugeMappedLimit_isBoundedBySize()
{
    SpoolOptions chosen = options();
    chosen.maxMappedBytes = std::numeric_limits<qint64>::max(); // "no limit"
    const auto spool = make(chosen);
    QVERIFY(spool->append(pattern(100)));
    QVERIFY(spool->seal());
    QVERIFY(spool->content()->extent().isComplete);
}

// ---- append

void tst_Spool::append_inPieces_readsBack_data()
{
    QTest::addColumn<QString>("place");
    QTest::addColumn<qint64>("pieceBytes");
    for (const char *place : {"memory", "disk"}) {
        for (const qint64 piece : {1, 4095, 4096, 4097, 65'536, 300'001})
            QTest::addRow("%s, %lld", place, piece) << QString::fromLatin1(place) << piece;
    }
}

void tst_Spool::append_inPieces_readsBack()
{
    QFETCH(QString, place);
    QFETCH(qint64, pieceBytes);
    const QByteArray bytes = pattern(std::min<qint64>(pieceBytes * 2'000, 300'001));
    const auto spool = makeIn(place);
    const auto content = spool->content();
    for (qint64 at = 0; at < bytes.size(); at += pieceBytes) {
        QVERIFY(spool->append(bytes.mid(at, pieceBytes)));
        QCOMPARE(content->extent().sizeBytes, spool->sizeBytes());
        QVERIFY(content->span().back() == uchar(bytes[spool->sizeBytes() - 1]));
    }
    QVERIFY(spool->append({}));
    QVERIFY(!content->extent().isComplete);
    QVERIFY(spool->seal());
    QVERIFY(spool->isSealed());
    QVERIFY(content->extent().isComplete);
    QVERIFY(shownBytes(*content) == bytes);
    QVERIFY(readAll(*spool) == bytes);
    QCOMPARE(fileSize(spool->descriptor()), bytes.size());
}

void tst_Spool::append_unknownSize_movesToDiskOverTheLimit()
{
    const auto spool = make(options());
    const auto content = spool->content();
    const auto *const place = content->bytes();
    const QByteArray bytes = pattern(Limits::maxUnannouncedMemoryBytes);
    QVERIFY(spool->append(bytes));
    QVERIFY(spool->isInMemory());
    QCOMPARE(m_budget->usedBytes(), Limits::maxUnannouncedMemoryBytes);

    QVERIFY(spool->append(pattern(1)));
    QVERIFY(!spool->isInMemory());
    QCOMPARE(m_budget->usedBytes(), 0);
    QCOMPARE(spool->content(), content);
    QCOMPARE(content->bytes(), place);
    QVERIFY(spool->seal());
    QVERIFY(content->extent().isComplete);
    QVERIFY(shownBytes(*content) == bytes + pattern(1));
    QVERIFY(readAll(*spool) == bytes + pattern(1));
}

void tst_Spool::append_unknownSize_takesFromTheBudgetInSteps()
{
    const auto spool = make(options());
    QVERIFY(spool->append(pattern(1)));
    const qint64 step = m_budget->usedBytes();
    QVERIFY(step >= 1);
    QVERIFY(spool->append(pattern(step - 1)));
    QCOMPARE(m_budget->usedBytes(), step);
    QVERIFY(spool->append(pattern(1)));
    QCOMPARE(m_budget->usedBytes(), 2 * step);
}

void tst_Spool::append_moreThanAnnounced_staysInMemoryThenMoves()
{
    const auto spool = make(options(10));
    QVERIFY(spool->append(pattern(mib)));
    QVERIFY(spool->isInMemory());
    QVERIFY(m_budget->usedBytes() >= mib);
    QVERIFY(spool->append(pattern(Limits::maxUnannouncedMemoryBytes)));
    QVERIFY(!spool->isInMemory());
    QCOMPARE(m_budget->usedBytes(), 0);
    QVERIFY(readAll(*spool) == pattern(mib) + pattern(Limits::maxUnannouncedMemoryBytes));
}

void tst_Spool::append_announcedLargeThenMore_movesAtOnce()
{
    const qint64 announced = 2 * Limits::maxUnannouncedMemoryBytes;
    const auto spool = make(options(announced));
    QVERIFY(spool->append(pattern(announced)));
    QVERIFY(spool->isInMemory());
    QVERIFY(spool->append(pattern(1)));
    QVERIFY(!spool->isInMemory());
    QVERIFY(readAll(*spool) == pattern(announced) + pattern(1));
}

void tst_Spool::append_budgetRunsOut_movesToDisk()
{
    m_budget = std::make_shared<SpoolBudget>(mib);
    const auto spool = make(options());
    QVERIFY(spool->append(pattern(mib)));
    QVERIFY(spool->isInMemory());
    QVERIFY(spool->append(pattern(1)));
    QVERIFY(!spool->isInMemory());
    QCOMPARE(m_budget->usedBytes(), 0);
}

void tst_Spool::append_moveImpossible_staysAsItWas()
{
    SpoolOptions chosen = options();
    chosen.directory = m_directory->filePath(u"missing"_s);
    const auto spool = make(chosen);
    const QByteArray bytes = pattern(Limits::maxUnannouncedMemoryBytes);
    QVERIFY(spool->append(bytes));
    const auto appended = spool->append(pattern(1));
    QVERIFY(!appended);
    QCOMPARE(appended.error().code, SpoolError::Code::Failed);
    QVERIFY2(
        appended.error().message.contains(chosen.directory), qPrintable(appended.error().message));
    QVERIFY(spool->isInMemory());
    QCOMPARE(spool->sizeBytes(), bytes.size());
    QVERIFY(spool->seal());
    QVERIFY(shownBytes(*spool->content()) == bytes);
}

void tst_Spool::append_overMaxBytes_isRefused_data()
{
    addPlaces();
}

void tst_Spool::append_overMaxBytes_isRefused()
{
    QFETCH(QString, place);
    SpoolOptions chosen = options(100);
    chosen.maxBytes = 100;
    if (place == "disk"_L1)
        chosen.budget = std::make_shared<SpoolBudget>(0);
    const auto spool = make(chosen);
    QVERIFY(spool->append(pattern(60)));
    const auto appended = spool->append(pattern(41));
    QVERIFY(!appended);
    QCOMPARE(appended.error().code, SpoolError::Code::TooLarge);
    QVERIFY(appended.error().message.contains("100"_L1));
    QCOMPARE(spool->sizeBytes(), 60);
    QVERIFY(spool->append(pattern(40, 60)));
    QVERIFY(readAll(*spool) == pattern(100));
    QVERIFY(spool->append({}));
}

void tst_Spool::append_afterSeal_isRefused()
{
    const auto spool = make(options());
    QVERIFY(spool->append(pattern(10)));
    QVERIFY(spool->seal());
    const auto appended = spool->append(pattern(10));
    QVERIFY(!appended);
    QCOMPARE(appended.error().code, SpoolError::Code::Failed);
    QCOMPARE(spool->sizeBytes(), 10);
}

void tst_Spool::append_fileTooLarge_staysAsItWas_data()
{
    addPlaces();
}

void tst_Spool::append_fileTooLarge_staysAsItWas()
{
    QFETCH(QString, place);
    const auto spool = makeIn(place);
    QVERIFY(spool->append(pattern(5'000)));
    {
        const LimitGuard limit(RLIMIT_FSIZE, 10'000); // writes the first half, then EFBIG
        const auto appended = spool->append(QByteArray(10'000, '!'));
        QVERIFY(!appended);
        QCOMPARE(appended.error().code, SpoolError::Code::NoSpace);
        QVERIFY2(appended.error().message.contains(m_directory->path()),
            qPrintable(appended.error().message));
        QCOMPARE(spool->sizeBytes(), 5'000);
        QCOMPARE(spool->content()->extent().sizeBytes, 5'000);
        QVERIFY(readAll(*spool) == pattern(5'000));
        QVERIFY(spool->isInMemory() || fileSize(spool->descriptor()) == 5'000);
    }
    QVERIFY(spool->append(pattern(1'000, 5'000)));
    QVERIFY(spool->seal());
    QVERIFY(readAll(*spool) == pattern(6'000));
    QVERIFY(shownBytes(*spool->content()) == pattern(6'000));
    QCOMPARE(fileSize(spool->descriptor()), 6'000); // no leftovers for a process that gets it
}

void tst_Spool::append_leftoversInMemory_areGoneOnceSealed()
{
    // What a failed append() has written stays in memory that cannot shrink, if there is no disk.
    SpoolOptions chosen = options(mib);
    chosen.directory = m_directory->filePath(u"later"_s);
    const auto spool = make(chosen);
    QVERIFY(spool->append(pattern(5'000)));
    {
        const LimitGuard limit(RLIMIT_FSIZE, 10'000);
        QVERIFY(!spool->append(QByteArray(10'000, '!')));
    }
    QVERIFY(spool->isInMemory());
    QCOMPARE(fileSize(spool->descriptor()), 10'000);
    QVERIFY(readAll(*spool) == pattern(5'000));
    QVERIFY(!spool->seal()); // rather than show bytes that never were in the download
    QVERIFY(!spool->isSealed());
    QVERIFY(!spool->content()->extent().isComplete);

    QVERIFY(QDir(m_directory->path()).mkdir(u"later"_s));
    QVERIFY(spool->seal());
    QCOMPARE(fileSize(spool->descriptor()), 5'000);
    QVERIFY(shownBytes(*spool->content()) == pattern(5'000));
    QVERIFY(spool->content()->extent().isComplete);
}

void tst_Spool::append_diskFull_staysAsItWas()
{
    // A file system of 1 MiB, in a mount namespace that only this thread has.
    enum class Step { Mount, Fill, Overflow, Refill, Done };
    auto reached = Step::Mount;
    SpoolError refused;
    qint64 size = 0;
    std::thread([&] {
        const QByteArray path = m_directory->path().toUtf8();
        if (::unshare(CLONE_NEWNS) != 0
            || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr)
            || ::mount("tmpfs", path.constData(), "tmpfs", 0, "size=1m") != 0)
            return;
        SpoolOptions chosen = options(Limits::maxMemorySpoolBytes + 1);
        auto spool = Spool::create(chosen);
        reached = Step::Fill;
        if (!spool || !(*spool)->append(pattern(1'000'000)))
            return;
        reached = Step::Overflow;
        const auto appended = (*spool)->append(QByteArray(100'000, '!'));
        if (appended)
            return;
        refused = appended.error();
        reached = Step::Refill;
        if (!(*spool)->append(pattern(10'000, 1'000'000)) || !(*spool)->seal())
            return;
        if (readAll(**spool) == pattern(1'010'000)
            && shownBytes(*(*spool)->content()) == pattern(1'010'000))
            reached = Step::Done;
        size = fileSize((*spool)->descriptor());
    }).join();
    if (reached == Step::Mount)
        QSKIP("Needs the right to mount a small file system");
    QCOMPARE(reached, Step::Done);
    QCOMPARE(refused.code, SpoolError::Code::NoSpace);
    QVERIFY2(refused.message.contains(m_directory->path()), qPrintable(refused.message));
    QCOMPARE(size, 1'010'000);
}

void tst_Spool::append_memoryRefused_goesToDisk()
{
    // The seal makes every write to the memory fail, as a lack of memory would.
    const auto spool = makeIn(u"memory"_s);
    const auto content = spool->content();
    QVERIFY(spool->append(pattern(5'000)));
    QCOMPARE(::fcntl(spool->descriptor(), F_ADD_SEALS, F_SEAL_WRITE), 0);
    QVERIFY(spool->append(pattern(5'000, 5'000)));
    QVERIFY(!spool->isInMemory());
    QVERIFY(spool->seal());
    QVERIFY(content->extent().isComplete);
    QVERIFY(shownBytes(*content) == pattern(10'000));
}

// ---- seal

void tst_Spool::seal_empty_completesContent_data()
{
    addPlaces();
}

void tst_Spool::seal_empty_completesContent()
{
    QFETCH(QString, place);
    const auto spool = makeIn(place);
    QVERIFY(!spool->content()->extent().isComplete);
    QVERIFY(spool->append({}));
    QVERIFY(spool->seal());
    QVERIFY(spool->content()->extent().isComplete);
    QCOMPARE(spool->content()->extent().sizeBytes, 0);
    QVERIFY(spool->content()->bytes());
    char byte = 0;
    QCOMPARE(spool->read(&byte, 1, 0).value(), 0);
}

void tst_Spool::seal_memory_nobodyCanWrite()
{
    const auto spool = makeIn(u"memory"_s);
    QVERIFY(spool->append(pattern(5'000)));
    QVERIFY(spool->seal());
    constexpr int wanted = F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    QCOMPARE(::fcntl(spool->descriptor(), F_GET_SEALS) & wanted, wanted);
    QVERIFY(::mmap(nullptr, 5'000, PROT_READ | PROT_WRITE, MAP_SHARED, spool->descriptor(), 0)
        == MAP_FAILED);
    QCOMPARE(::pwrite(spool->descriptor(), "x", 1, 0), -1);
    QCOMPARE(::pwrite(spool->descriptor(), "x", 1, 5'000), -1);
    QCOMPARE(::ftruncate(spool->descriptor(), 10), -1);
    QVERIFY(readAll(*spool) == pattern(5'000));
}

void tst_Spool::seal_disk_descriptorCannotWrite()
{
    const auto spool = makeIn(u"disk"_s);
    QVERIFY(spool->append(pattern(5'000)));
    QVERIFY(spool->seal());
    QCOMPARE(::fcntl(spool->descriptor(), F_GETFL) & O_ACCMODE, O_RDONLY);
    QCOMPARE(::pwrite(spool->descriptor(), "x", 1, 0), -1);
    QVERIFY((::fcntl(spool->descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
    QVERIFY(readAll(*spool) == pattern(5'000));
}

void tst_Spool::seal_twice_isTheSameAsOnce()
{
    const auto spool = make(options());
    QVERIFY(spool->append(pattern(10)));
    QVERIFY(spool->seal());
    QVERIFY(spool->seal());
    QCOMPARE(spool->content()->extent().sizeBytes, 10);
}

void tst_Spool::seal_notYet_memoryCannotShrink()
{
    const auto spool = makeIn(u"memory"_s);
    QVERIFY(spool->append(pattern(5'000)));
    QCOMPARE(::ftruncate(spool->descriptor(), 0), -1);
    QVERIFY(shownBytes(*spool->content()) == pattern(5'000));
}

void tst_Spool::seal_overMappedBytes_contentNeverCompletes_data()
{
    QTest::addColumn<qint64>("mappedBytes");
    QTest::addColumn<qint64>("sizeBytes");
    QTest::addColumn<bool>("isComplete");
    QTest::newRow("exactly") << qint64(10'000) << qint64(10'000) << true;
    QTest::newRow("one more") << qint64(10'000) << qint64(10'001) << false;
    QTest::newRow("page boundary") << qint64(4'096) << qint64(4'097) << false;
    QTest::newRow("much more, on disk") << qint64(4'096) << 6 * mib << false;
    QTest::newRow("nothing mapped, nothing there") << qint64(0) << qint64(0) << true;
    QTest::newRow("nothing mapped") << qint64(0) << qint64(1) << false;
    QTest::newRow("negative") << qint64(-1) << qint64(1) << false;
}

void tst_Spool::seal_overMappedBytes_contentNeverCompletes()
{
    QFETCH(qint64, mappedBytes);
    QFETCH(qint64, sizeBytes);
    QFETCH(bool, isComplete);
    SpoolOptions chosen = options();
    chosen.maxMappedBytes = mappedBytes;
    const auto spool = make(chosen);
    QVERIFY(spool->append(pattern(sizeBytes)));
    QVERIFY(spool->seal());
    QCOMPARE(spool->content()->extent().isComplete, isComplete);
    const qint64 shown = std::min(std::max<qint64>(mappedBytes, 0), sizeBytes);
    QCOMPARE(spool->content()->extent().sizeBytes, shown);
    QVERIFY(shownBytes(*spool->content()) == pattern(shown));
    QVERIFY(readAll(*spool) == pattern(sizeBytes));
}

// ---- read, copyTo, openReadOnly

void tst_Spool::read_outside_givesNothingOrFails_data()
{
    constexpr qint64 largest = std::numeric_limits<qint64>::max();
    QTest::addColumn<qint64>("size");
    QTest::addColumn<qint64>("offset");
    QTest::addColumn<qint64>("expected"); // -1: fails
    QTest::newRow("all") << qint64(100) << qint64(0) << qint64(100);
    QTest::newRow("tail") << qint64(100) << qint64(90) << qint64(10);
    QTest::newRow("nothing") << qint64(0) << qint64(50) << qint64(0);
    QTest::newRow("at the end") << qint64(1) << qint64(100) << qint64(0);
    QTest::newRow("behind the end") << qint64(1) << qint64(101) << qint64(0);
    QTest::newRow("far behind") << qint64(100) << largest << qint64(0);
    QTest::newRow("largest size") << largest << qint64(99) << qint64(1);
    QTest::newRow("negative offset") << qint64(1) << qint64(-1) << qint64(-1);
    QTest::newRow("negative size") << qint64(-1) << qint64(0) << qint64(-1);
}

void tst_Spool::read_outside_givesNothingOrFails()
{
    QFETCH(qint64, size);
    QFETCH(qint64, offset);
    QFETCH(qint64, expected);
    const auto spool = make(options());
    QVERIFY(spool->append(pattern(100)));
    QByteArray target(100, '\0');
    const auto count = spool->read(target.data(), size, offset);
    QCOMPARE(count.value_or(-1), expected);
    if (expected > 0)
        QCOMPARE(target.first(expected), pattern(100).mid(offset, expected));
}

void tst_Spool::copyTo_anyPlace_writesAllBytes_data()
{
    addPlaces();
}

void tst_Spool::copyTo_anyPlace_writesAllBytes()
{
    QFETCH(QString, place);
    const auto spool = makeIn(place);
    const QByteArray bytes = pattern(700'001);
    QVERIFY(spool->append(bytes));
    QFile target(m_directory->filePath(u"copy"_s));
    QVERIFY(target.open(QIODevice::ReadWrite));
    for (int i = 0; i < 2; ++i) { // the offset of the descriptor does not count
        QVERIFY(spool->copyTo(target.handle()));
        target.seek(0);
        QVERIFY(target.readAll() == bytes);
    }
    QCOMPARE(readAll(*spool), bytes);
}

void tst_Spool::copyTo_unwritableFile_fails()
{
    const auto spool = make(options());
    QVERIFY(spool->append(pattern(10)));
    QFile target(m_directory->filePath(u"copy"_s));
    QVERIFY(target.open(QIODevice::ReadWrite));
    target.close();
    QVERIFY(target.open(QIODevice::ReadOnly));
    const auto copied = spool->copyTo(target.handle());
    QVERIFY(!copied);
    QCOMPARE(copied.error().code, SpoolError::Code::Failed);
    QVERIFY(!spool->copyTo(-1));
}

void tst_Spool::openReadOnly_growingSpool_seesTheGrowthAndCannotWrite_data()
{
    addPlaces();
}

void tst_Spool::openReadOnly_growingSpool_seesTheGrowthAndCannotWrite()
{
    QFETCH(QString, place);
    const auto spool = makeIn(place);
    const auto lent = spool->openReadOnly();
    QVERIFY(lent);
    QVERIFY(spool->append(pattern(5'000)));
    QByteArray bytes(5'000, '\0');
    QCOMPARE(::pread(lent->get(), bytes.data(), 5'000, 0), 5'000);
    QVERIFY(bytes == pattern(5'000));
    QCOMPARE(::pwrite(lent->get(), "x", 1, 0), -1);
    QCOMPARE(::ftruncate(lent->get(), 0), -1);
    QCOMPARE(::fcntl(lent->get(), F_ADD_SEALS, F_SEAL_WRITE), -1); // would stop the download
    QVERIFY(spool->append(pattern(5'000, 5'000)));
    QVERIFY(spool->seal());
    QCOMPARE(fileSize(lent->get()), 10'000);
}

// ---- content

void tst_Spool::content_spoolGone_staysReadable_data()
{
    addPlaces();
}

void tst_Spool::content_spoolGone_staysReadable()
{
    QFETCH(QString, place);
    auto spool = makeIn(place);
    QVERIFY(spool->append(pattern(mib)));
    const auto content = spool->content();
    spool.reset();
    QVERIFY(shownBytes(*content) == pattern(mib));
    QVERIFY(!content->extent().isComplete);
}

void tst_Spool::content_spoolGone_countsUntilItIsLetGo()
{
    auto spool = make(options(mib));
    auto content = spool->content();
    spool.reset();
    QCOMPARE(m_budget->usedBytes(), mib); // the memory is still there
    content.reset();
    QCOMPARE(m_budget->usedBytes(), 0);
}

void tst_Spool::content_readDuringTheMove_showsNoDifference()
{
    constexpr int rounds = 30;
    const QByteArray bytes = pattern(Limits::maxUnannouncedMemoryBytes);
    for (int round = 0; round < rounds; ++round) {
        const auto spool = make(options());
        QVERIFY(spool->append(bytes));
        std::atomic<int> readers = 0;
        std::atomic<bool> isOver = false;
        std::atomic<int> faults = 0;
        const auto read = [&, content = spool->content()] {
            ++readers;
            // Goes on over the same bytes, page by page, while they change their place.
            do {
                for (qint64 at = 0; at < bytes.size(); at += 512)
                    faults += content->bytes()[at] != uchar(bytes[at]);
            } while (!isOver);
        };
        std::thread first(read);
        std::thread second(read);
        while (readers < 2)
            std::this_thread::yield();
        const bool isAppended = spool->append(pattern(1)).has_value();
        isOver = true;
        first.join();
        second.join();
        QVERIFY(isAppended);
        QVERIFY(!spool->isInMemory());
        QCOMPARE(faults.load(), 0);
    }
}

void tst_Spool::content_hashedWhileItGrowsAndMoves_isTheDownload()
{
    const QByteArray bytes = pattern(3 * Limits::maxUnannouncedMemoryBytes);
    const auto spool = make(options());
    QByteArray seen;
    std::thread reader([&, content = spool->content()] {
        QCryptographicHash hash(QCryptographicHash::Sha256);
        qint64 done = 0;
        Content::Extent extent;
        do {
            extent = content->extent();
            const auto *start = reinterpret_cast<const char *>(content->bytes()) + done;
            hash.addData(QByteArrayView(start, extent.sizeBytes - done));
            done = extent.sizeBytes;
        } while (!extent.isComplete);
        seen = hash.result();
    });
    bool isGood = true;
    for (qint64 at = 0; at < bytes.size(); at += 10'007)
        isGood = spool->append(bytes.mid(at, 10'007)) && isGood;
    isGood = spool->seal() && isGood; // in any case, as it ends the reader
    reader.join();
    QVERIFY(isGood);
    QVERIFY(!spool->isInMemory());
    QCOMPARE(seen, QCryptographicHash::hash(bytes, QCryptographicHash::Sha256));
}

void tst_Spool::spool_gone_leavesNothingBehind()
{
    const qsizetype descriptors = openDescriptors();
    for (const qint64 size : {qint64(0), mib, 5 * mib}) {
        for (const bool isSealed : {false, true}) {
            const auto spool = make(options());
            QVERIFY(spool->append(pattern(size)));
            QVERIFY(!isSealed || spool->seal());
            QCOMPARE(openDescriptors(), descriptors + 1);
            QVERIFY(QDir(m_directory->path())
                        .isEmpty(
                            QDir::AllEntries | QDir::Hidden | QDir::System | QDir::NoDotAndDotDot));
        }
    }
    QCOMPARE(openDescriptors(), descriptors);
    QCOMPARE(m_budget->usedBytes(), 0);
}

QTEST_GUILESS_MAIN(tst_Spool)
#include "tst_spool.moc"
