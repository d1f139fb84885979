// SPDX-License-Identifier: MIT
//
// A release that is killed at each of its system calls, or of which each one fails: the name has
// the whole file, or what it had before, and what was downloaded can still be released.
#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileRelease.h"
#include "SecurityTap/content/Sha256.h"
#include "tests/support/FileSystemLack.h"
#include "tests/support/SystemCallFault.h"

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace Qt::StringLiterals;

namespace {

constexpr int mostCalls = 1'000;
constexpr auto allEntries = QDir::AllEntries | QDir::Hidden | QDir::System | QDir::NoDotAndDotDot;

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray("(no such file)");
}

QByteArray sha256Of(const QByteArray &bytes)
{
    Sha256 hash;
    hash.add({reinterpret_cast<const uchar *>(bytes.constData()), size_t(bytes.size())});
    return hash.result();
}

} // namespace

class tst_ReleaseFaults : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void release_faultAtEveryCall_isWholeOrAsBefore_data();
    void release_faultAtEveryCall_isWholeOrAsBefore();
};

void tst_ReleaseFaults::release_faultAtEveryCall_isWholeOrAsBefore_data()
{
    QTest::addColumn<bool>("inMemory");
    QTest::addColumn<int>("lack");
    QTest::addColumn<bool>("replaces");
    QTest::addColumn<int>("error");
    struct Fault {
        const char *name;
        int error;
    };
    for (const auto &[name, error] : {Fault{"killed", 0}, Fault{"ENOSPC", ENOSPC},
             Fault{"EIO", EIO}, Fault{"EMFILE", EMFILE}, Fault{"EACCES", EACCES}}) {
        QTest::addRow("%s, disk", name) << false << int(Lack::Nothing) << false << error;
        QTest::addRow("%s, disk, replace", name) << false << int(Lack::Nothing) << true << error;
        QTest::addRow("%s, memory", name) << true << int(Lack::Nothing) << false << error;
        QTest::addRow("%s, memory, no nameless files", name)
            << true << int(Lack::NamelessFiles) << false << error;
        QTest::addRow("%s, memory, no links, replace", name)
            << true << int(Lack::NamelessFilesAndLinks) << true << error;
    }
}

void tst_ReleaseFaults::release_faultAtEveryCall_isWholeOrAsBefore()
{
    QFETCH(bool, inMemory);
    QFETCH(int, lack);
    QFETCH(bool, replaces);
    QFETCH(int, error);
#ifdef SENTINEL_SANITIZED
    if (error != 0)
        QSKIP("the address sanitizer needs calls of its own to succeed");
#endif
    const ExistingFile existing = replaces ? ExistingFile::Replace : ExistingFile::Keep;
    const QByteArray bytes = QByteArray("0123456789").repeated(1'000);
    const ReleasedContent content{sha256Of(bytes), {QUrl(u"https://example.org/a"_s), {}}};
    int call = 0;
    int released = 0;
    int absent = 0;
    for (bool wasReached = true; wasReached;) {
        QVERIFY(++call < mostCalls);
        const QTemporaryDir directory;
        const QString path = directory.filePath(u"name"_s);
        const QByteArray before = replaces ? "mine" : "(no such file)";
        if (replaces) {
            QFile file(path);
            QVERIFY(file.open(QIODevice::WriteOnly) && file.write(before) == before.size());
        }
        auto spool = Spool::create({directory.path(), bytes.size(), Limits::gib, Limits::mib,
            std::make_shared<SpoolBudget>(inMemory ? Limits::gib : 0)});
        QVERIFY(spool && (*spool)->append(bytes) && (*spool)->seal());
        const auto end = runWithFault([&] { apply(Lack(lack)); },
            [&] {
                return releaseInto(**spool, directory.path(), u"name"_s, existing, content) ? 0 : 1;
            },
            {call, error});
        if (!end)
            QSKIP("this process may not trace another one");
        wasReached = end->wasReached;

        const QByteArray now = contentOf(path);
        const QByteArray where =
            "call " + QByteArray::number(call) + ", number " + QByteArray::number(int(end->number));
        QVERIFY2(now == bytes || now == before, where);
        QVERIFY2(end->exitCode != 0 || now == bytes, where);
        ++(now == bytes ? released : absent);
        // A hidden file may stay of a process that was killed, or that could not remove it.
        const bool mayStay = end->exitCode == -1 || end->number == SYS_unlinkat;
        const QStringList entries = QDir(directory.path()).entryList(allEntries);
        for (const QString &entry : entries)
            QVERIFY2(entry == u"name"_s || (mayStay && entry.startsWith(u".download-"_s)), where);
        // Nothing is lost: here, where it was downloaded, it can still be released.
        const auto again =
            releaseInto(**spool, directory.path(), u"again"_s, ExistingFile::Keep, content);
        QVERIFY2(
            again, again ? "" : qPrintable(QString::fromLatin1(where) + again.error().message));
        QCOMPARE(contentOf(*again), bytes);
    }
    qInfo("%d calls: there after %d, as before after %d", call - 1, released, absent);
    QVERIFY(released > 0 && absent > 0);
}

QTEST_GUILESS_MAIN(tst_ReleaseFaults)
#include "tst_releasefaults.moc"
