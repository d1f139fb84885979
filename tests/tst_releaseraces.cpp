// SPDX-License-Identifier: MIT
//
// 10,000 races: while downloads are staged and released, somebody exchanges the directory for a
// link, and puts files, links, directories and pipes under the name that the release wants.
#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileRelease.h"
#include "SecurityTap/content/Sha256.h"
#include "tests/support/FileSystemLack.h"

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <array>
#include <atomic>
#include <random>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace Qt::StringLiterals;

namespace {

constexpr int racesOfEach = 1'250; // with eight rows, 10,000
const QByteArray scanned = QByteArray("the bytes that were scanned ").repeated(100);
constexpr const char *name = "name.bin";

QByteArray sha256Of(const QByteArray &bytes)
{
    Sha256 hash;
    hash.add({reinterpret_cast<const uchar *>(bytes.constData()), size_t(bytes.size())});
    return hash.result();
}

bool hasWholeRelease(int file, const struct stat &status)
{
    QByteArray bytes(scanned.size() + 1, '\0');
    const ssize_t count = ::pread(file, bytes.data(), size_t(bytes.size()), 0);
    return S_ISREG(status.st_mode) && count == scanned.size() && bytes.left(count) == scanned;
}

// Two directories that exchange their places, as "target" is now one and now a link to the other.
class Adversary {
public:
    Adversary(const QString &root, ExistingFile existing)
        : m_root(openDirectory(root))
        , m_inside{openDirectory(root + u"/target"_s), openDirectory(root + u"/other"_s)}
        , m_elsewhere(openDirectory(root + u"/elsewhere"_s))
        , m_existing(existing)
        , m_thread([this] { run(); })
    {
    }
    ~Adversary() { stop(); }
    Q_DISABLE_COPY_MOVE(Adversary)

    void stop()
    {
        m_isOver = true;
        if (m_thread.joinable())
            m_thread.join();
    }

    int exchanges = 0; // read after stop()
    int entries = 0;
    int found = 0;
    QStringList offences;

private:
    static FileDescriptor openDirectory(const QString &path)
    {
        return FileDescriptor(::open(QFile::encodeName(path), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
    }

    void run()
    {
        while (!m_isOver) {
            if (m_random() % 4 == 0
                && ::renameat2(m_root.get(), "target", m_root.get(), "link", RENAME_EXCHANGE) == 0)
                ++exchanges;
            const auto one = m_random() % 2;
            judge(one);
            spoil(m_inside[one].get());
            put(one);
        }
        judge(0);
        judge(1);
    }

    // Is what was put there still there? Then it goes; what else is there must be a whole release.
    void judge(size_t one)
    {
        const int directory = m_inside[one].get();
        struct stat status { };
        const bool isThere = ::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
        const struct stat put = m_put[one];
        const bool isMine = isThere && put.st_ino != 0 && status.st_ino == put.st_ino;
        const bool mayGo = m_existing == ExistingFile::Replace && !S_ISDIR(put.st_mode);
        if (put.st_ino != 0 && !isMine && !mayGo)
            offences.append(u"what was there was replaced"_s);
        // Looked at through one descriptor: the name may be another's a moment later. (A link that
        // stood under a temporary name may have been renamed: it is not followed.)
        const FileDescriptor entry(
            ::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        struct stat opened { };
        if (isThere && !isMine && entry.isValid() && ::fstat(entry.get(), &opened) == 0) {
            ++found;
            if (!hasWholeRelease(entry.get(), opened))
                offences.append(u"what appeared is not the download"_s);
        }
        if (isThere)
            ::unlinkat(directory, name, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
        m_put[one] = {};
    }

    // A temporary name that is seen is made a link to somebody's file.
    void spoil(int directory)
    {
        const QDir dir(u"/proc/self/fd/"_s + QString::number(directory));
        for (const QString &temporary :
            dir.entryList({u".download-*"_s}, QDir::Files | QDir::Hidden)) {
            const QByteArray entry = QFile::encodeName(temporary);
            if (::unlinkat(directory, entry, 0) == 0) [[maybe_unused]]
                const int made = ::symlinkat("../elsewhere/victim", directory, entry);
        }
    }

    void put(size_t one)
    {
        const int directory = m_inside[one].get();
        struct stat status { };
        int result = -1;
        switch (m_random() % 16) {
        case 0:
            result = ::symlinkat("../elsewhere/victim", directory, name);
            break;
        case 1:
            result = ::symlinkat("../elsewhere/none", directory, name);
            break;
        case 2:
            result = ::linkat(m_elsewhere.get(), "victim", directory, name, 0);
            break;
        case 3:
            result = ::mkdirat(directory, name, 0700);
            break;
        case 4:
            result = ::mkfifoat(directory, name, 0600);
            break;
        case 5:
            result = FileDescriptor(::openat(directory, name, O_CREAT | O_EXCL | O_WRONLY, 0600))
                         .isValid()
                ? 0
                : -1;
            break;
        default:
            return; // room for a release
        }
        if (result != 0)
            return;
        ++entries;
        if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            m_put[one] = status;
    }

    const FileDescriptor m_root;
    const std::array<FileDescriptor, 2> m_inside;
    const FileDescriptor m_elsewhere;
    const ExistingFile m_existing;
    std::array<struct stat, 2> m_put{};
    std::minstd_rand m_random{1};
    std::atomic<bool> m_isOver = false;
    std::thread m_thread;
};

} // namespace

class tst_ReleaseRaces : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void release_exchangedEntries_staysInItsDirectory_data();
    void release_exchangedEntries_staysInItsDirectory();
};

void tst_ReleaseRaces::release_exchangedEntries_staysInItsDirectory_data()
{
    QTest::addColumn<bool>("inMemory");
    QTest::addColumn<int>("lack");
    QTest::addColumn<bool>("replaces");
    for (const bool replaces : {false, true}) {
        const char *how = replaces ? "replace" : "keep";
        QTest::addRow("disk, %s", how) << false << int(Lack::Nothing) << replaces;
        QTest::addRow("memory, %s", how) << true << int(Lack::Nothing) << replaces;
        QTest::addRow("no nameless files, %s", how) << true << int(Lack::NamelessFiles) << replaces;
        QTest::addRow("no nameless files, no links, %s", how)
            << true << int(Lack::NamelessFilesAndLinks) << replaces;
    }
}

void tst_ReleaseRaces::release_exchangedEntries_staysInItsDirectory()
{
    QFETCH(bool, inMemory);
    QFETCH(int, lack);
    QFETCH(bool, replaces);
    const ExistingFile existing = replaces ? ExistingFile::Replace : ExistingFile::Keep;
    const QTemporaryDir root;
    for (const QString &directory : {u"target"_s, u"other"_s, u"elsewhere"_s})
        QVERIFY(QDir(root.path()).mkdir(directory));
    QVERIFY(QFile::link(u"other"_s, root.filePath(u"link"_s)));
    QFile victim(root.filePath(u"elsewhere/victim"_s));
    QVERIFY(victim.open(QIODevice::WriteOnly) && victim.write("mine") == 4);
    victim.close();
    const QString target = root.filePath(u"target"_s);
    const ReleasedContent content{sha256Of(scanned), {}};

    int released = 0;
    int refused = 0;
    Adversary adversary(root.path(), existing);
    std::thread([&] {
        apply(Lack(lack)); // of this thread alone
        for (int race = 0; race < racesOfEach; ++race) {
            auto spool = Spool::create({target, scanned.size(), Limits::gib, Limits::mib,
                std::make_shared<SpoolBudget>(inMemory ? Limits::gib : 0)});
            if (!spool || !(*spool)->append(scanned) || !(*spool)->seal())
                qFatal("no spool");
            const auto path =
                releaseInto(**spool, target, QString::fromLatin1(name), existing, content);
            ++(path ? released : refused);
        }
    }).join();
    adversary.stop();

    QVERIFY2(adversary.offences.isEmpty(), qPrintable(adversary.offences.value(0)));
    QCOMPARE(QDir(root.filePath(u"elsewhere"_s))
                 .entryList(QDir::AllEntries | QDir::Hidden | QDir::NoDotAndDotDot),
        QStringList{u"victim"_s});
    QVERIFY(victim.open(QIODevice::ReadOnly));
    QCOMPARE(victim.readAll(), QByteArray("mine"));
    qInfo("%d released, %d refused; %d exchanges, %d entries put there, %d releases found",
        released, refused, adversary.exchanges, adversary.entries, adversary.found);
    QVERIFY(released > 0 && adversary.exchanges > 0 && adversary.entries > 0);
}

QTEST_GUILESS_MAIN(tst_ReleaseRaces)
#include "tst_releaseraces.moc"
