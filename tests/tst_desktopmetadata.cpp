// SPDX-License-Identifier: MIT
#include "SecurityTap/content/DesktopMetadata.h"

#include "tests/support/Patience.h"

#include <QElapsedTimer>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace Qt::StringLiterals;

namespace {

const QUrl address(u"https://me:secret@example.org/a?token=secret"_s);

} // namespace

class tst_DesktopMetadata : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void tell_address_isHandedToTheProgram();
    void tell_nothingToTell_isFalse();
    void tell_hangingProgram_isEnded();
    void tell_flood_isBounded();
    void tell_missingProgram_doesNoHarm();

private:
    // In the place of gio; writes its arguments into a file, then does \p more.
    QString program(const QByteArray &more = {})
    {
        const QString path = m_directory.filePath(u"gio"_s);
        QFile file(path);
        const QByteArray text =
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >>\"" + log().toUtf8() + "\"\n" + more;
        if (!file.open(QIODevice::WriteOnly) || file.write(text) != text.size())
            qFatal("no program");
        file.setPermissions(QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
        QFile::remove(log());
        return path;
    }
    QString log() const { return m_directory.filePath(u"log"_s); }
    QByteArray logged() const
    {
        QFile file(log());
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    }

    QTemporaryDir m_directory;
};

void tst_DesktopMetadata::tell_address_isHandedToTheProgram()
{
    DesktopMetadata desktop(program());
    QVERIFY(desktop.tell(u"/tmp/a b"_s, address));
    QTRY_COMPARE_WITH_TIMEOUT(logged(),
        QByteArray("set\n-t\nstring\n/tmp/a b\nmetadata::download-uri\nhttps://example.org/a\n"),
        patienceMs);
}

void tst_DesktopMetadata::tell_nothingToTell_isFalse()
{
    {
        DesktopMetadata desktop(program());
        QVERIFY(!desktop.tell(u"/tmp/a"_s, {}));
        QVERIFY(!desktop.tell(u"/tmp/a"_s, QUrl(u"data:,x"_s)));
        QVERIFY(!DesktopMetadata(QString()).tell(u"/tmp/a"_s, address));
    }
    QCOMPARE(logged(), QByteArray());
}

void tst_DesktopMetadata::tell_hangingProgram_isEnded()
{
    QElapsedTimer timer;
    timer.start();
    {
        DesktopMetadata desktop(program("exec tail -f /dev/null\n"));
        QVERIFY(desktop.tell(u"/tmp/a"_s, address));
    }
    QVERIFY(timer.elapsed() < patienceMs / 2);
}

void tst_DesktopMetadata::tell_flood_isBounded()
{
    int told = 0;
    {
        DesktopMetadata desktop(program("exec tail -f /dev/null\n"));
        for (int i = 0; i < 1'000; ++i)
            told += desktop.tell(u"/tmp/a"_s, address) ? 1 : 0;
        QCOMPARE(told, 16);
        QTRY_VERIFY_WITH_TIMEOUT(!logged().isEmpty(), patienceMs);
    }
    QCOMPARE(logged().count("set\n"), 1); // one at a time; those that waited are forgotten
}

void tst_DesktopMetadata::tell_missingProgram_doesNoHarm()
{
    DesktopMetadata desktop(m_directory.filePath(u"none"_s));
    QVERIFY(desktop.tell(u"/tmp/a"_s, address));
}

QTEST_GUILESS_MAIN(tst_DesktopMetadata)
#include "tst_desktopmetadata.moc"
