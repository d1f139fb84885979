// SPDX-License-Identifier: MIT
#include "SecurityTap/store/StorePaths.h"

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace Sentinel;

class tst_StorePaths : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void cleanup();
    void ofUser_directoriesOfTheSession_areUsed();
    void ofUser_relativeOrMissingOnes_areBelowHome();
    void openPrivateDirectory_missingOnes_areMadeForTheirUserAlone();
    void openPrivateDirectory_openToOthers_isClosedToThem();
    void openPrivateDirectory_unfitPlace_isRefusedWithItsReason_data();
    void openPrivateDirectory_unfitPlace_isRefusedWithItsReason();
    void openPrivateDirectory_ofSomebodyElse_isRefused();
};

void tst_StorePaths::cleanup()
{
    qunsetenv("XDG_DATA_HOME");
    qunsetenv("XDG_STATE_HOME");
}

void tst_StorePaths::ofUser_directoriesOfTheSession_areUsed()
{
    qputenv("XDG_DATA_HOME", "/some/data");
    qputenv("XDG_STATE_HOME", "/some/state/");
    QCOMPARE(StorePaths::ofUser(),
        (StorePaths{
            QStringLiteral("/some/data/sentinel"), QStringLiteral("/some/state/sentinel")}));
}

void tst_StorePaths::ofUser_relativeOrMissingOnes_areBelowHome()
{
    qputenv("XDG_DATA_HOME", "data");
    qunsetenv("XDG_STATE_HOME");
    const StorePaths paths = StorePaths::ofUser();
    QCOMPARE(paths.data, QDir::homePath() + QStringLiteral("/.local/share/sentinel"));
    QCOMPARE(paths.state, QDir::homePath() + QStringLiteral("/.local/state/sentinel"));
}

static mode_t modeOf(const QString &path)
{
    struct stat status { };
    return ::stat(QFile::encodeName(path).constData(), &status) == 0 ? status.st_mode & 07777 : 0;
}

void tst_StorePaths::openPrivateDirectory_missingOnes_areMadeForTheirUserAlone()
{
    const QTemporaryDir directory;
    const auto opened = openPrivateDirectory(directory.filePath(QStringLiteral("a/b/c")));
    QVERIFY2(opened, opened ? "" : qPrintable(opened.error()));
    QCOMPARE(modeOf(directory.filePath(QStringLiteral("a"))), mode_t(0700));
    QCOMPARE(modeOf(directory.filePath(QStringLiteral("a/b/c"))), mode_t(0700));
    QCOMPARE(::fsync(opened->get()), 0);
    QCOMPARE(::fcntl(opened->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    QVERIFY(openPrivateDirectory(directory.filePath(QStringLiteral("a/b/c/"))));
}

void tst_StorePaths::openPrivateDirectory_openToOthers_isClosedToThem()
{
    const QTemporaryDir directory;
    const QString path = directory.filePath(QStringLiteral("open"));
    QVERIFY(QDir().mkdir(path));
    QCOMPARE(::chmod(QFile::encodeName(path).constData(), 0755), 0);
    QVERIFY(openPrivateDirectory(path));
    QCOMPARE(modeOf(path), mode_t(0700));
}

void tst_StorePaths::openPrivateDirectory_unfitPlace_isRefusedWithItsReason_data()
{
    QTest::addColumn<QString>("path");
    QTest::addColumn<QString>("says");

    QTest::newRow("relative") << "sentinel"
                              << "whole path";
    QTest::newRow("nothing") << ""
                             << "whole path";
    QTest::newRow("a file") << "%/file"
                            << "no directory";
    QTest::newRow("below a file") << "%/file/sentinel"
                                  << "cannot be made";
    QTest::newRow("a link") << "%/link"
                            << "not followed";
    QTest::newRow("a link to nowhere") << "%/dangling"
                                       << "not followed";
    QTest::newRow("name too long")
        << QLatin1String("%/") + QString(300, QLatin1Char('x')) << "cannot be made";
}

void tst_StorePaths::openPrivateDirectory_unfitPlace_isRefusedWithItsReason()
{
    QFETCH(QString, path);
    QFETCH(const QString, says);
    const QTemporaryDir directory;
    QFile file(directory.filePath(QStringLiteral("file")));
    QVERIFY(file.open(QIODevice::WriteOnly));
    QVERIFY(QDir().mkdir(directory.filePath(QStringLiteral("there"))));
    QVERIFY(QFile::link(
        directory.filePath(QStringLiteral("there")), directory.filePath(QStringLiteral("link"))));
    QVERIFY(QFile::link(directory.filePath(QStringLiteral("nowhere")),
        directory.filePath(QStringLiteral("dangling"))));

    const auto opened = openPrivateDirectory(path.replace(QLatin1Char('%'), directory.path()));
    QVERIFY(!opened);
    QVERIFY2(opened.error().contains(says), qPrintable(opened.error()));
    QVERIFY(!QFile::exists(directory.filePath(QStringLiteral("nowhere"))));
}

void tst_StorePaths::openPrivateDirectory_ofSomebodyElse_isRefused()
{
    if (::geteuid() != 0)
        QSKIP("only root can make a directory of somebody else");
    const QTemporaryDir directory;
    const QString path = directory.filePath(QStringLiteral("theirs"));
    QVERIFY(QDir().mkdir(path));
    QCOMPARE(::chown(QFile::encodeName(path).constData(), 65534, 65534), 0);
    const auto opened = openPrivateDirectory(path);
    QVERIFY(!opened);
    QVERIFY2(opened.error().contains(QStringLiteral("somebody else")), qPrintable(opened.error()));
}

QTEST_APPLESS_MAIN(tst_StorePaths)
#include "tst_storepaths.moc"
