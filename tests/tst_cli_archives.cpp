// SPDX-License-Identifier: MIT
#include "support/ArchiveMaker.h"
#include "support/CliRun.h"

#include <QDir>
#include <QDirIterator>
#include <QFile>
#include <QJsonArray>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <QTest>

#include <set>

using namespace Sentinel::Test;

namespace {

constexpr char rules[] = R"(
rule elf { condition: uint32(0) == 0x464c457f }
rule script { condition: uint16be(0) == 0x2321 }
rule words { strings: $a = "copyright" nocase fullword condition: $a }
rule url { strings: $a = /https?:\/\/[a-z0-9.]{6,30}/ condition: $a }
rule small { condition: filesize < 2000 }
)";

using Hits = std::set<std::pair<QString, QString>>; // name in the archive, rule

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

} // namespace

//! Archives of real files, made by the tools that people make them with: what is found in them is
//! what `yara` finds in the files.
class TestCliArchives : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void archive_ofRealFiles_isAsItsFiles_data();
    void archive_ofRealFiles_isAsItsFiles();

private:
    QString path(const QString &name) const { return m_directory.filePath(name); }
    Hits hitsOfYara() const;
    Hits hitsInside(const QString &archive) const;

    const QTemporaryDir m_directory;
    std::vector<Packed> m_files;
};

void TestCliArchives::initTestCase()
{
    for (const char *tool : {"yara", "dpkg-deb", "tar"}) {
        if (QStandardPaths::findExecutable(QString::fromLatin1(tool)).isEmpty())
            QSKIP(qPrintable(QStringLiteral("%1 is not installed").arg(QLatin1StringView(tool))));
    }
    constexpr qint64 maxBytes = 200'000;
    constexpr size_t most = 45; // so that no archive has more findings than a verdict tells
    writeFile(path("rules.yar"_L), rules);
    QVERIFY(QDir().mkpath(path("tree/DEBIAN"_L)));
    QDirIterator programs("/usr/bin"_L, QDir::Files | QDir::NoSymLinks);
    while (programs.hasNext() && m_files.size() < most) {
        const QFileInfo program = programs.nextFileInfo();
        if (program.size() == 0 || program.size() > maxBytes || !program.isReadable())
            continue;
        m_files.push_back({program.fileName().toUtf8(), contentOf(program.filePath())});
        writeFile(path("tree/"_L + program.fileName()), m_files.back().bytes);
    }
    QVERIFY(m_files.size() == most);
}

Hits TestCliArchives::hitsOfYara() const
{
    const CliRun run = runProgram("yara"_L, {"-w"_L, "-N"_L, path("rules.yar"_L), path("tree"_L)},
        {m_directory.path(), {}, {}});
    Hits hits;
    for (const QByteArray &line : run.out.split('\n')) {
        const qsizetype space = line.indexOf(' ');
        if (space > 0)
            hits.emplace(QFileInfo(QString::fromUtf8(line.sliced(space + 1))).fileName(),
                QString::fromUtf8(line.first(space)));
    }
    return hits;
}

//! In the innermost archive: what wraps it, and the papers of a package, are not files of ours.
Hits TestCliArchives::hitsInside(const QString &archive) const
{
    const CliRun run =
        runSentinel({"scan"_L, "--json"_L, "--rules"_L, path("rules.yar"_L), archive});
    Hits hits;
    for (const QJsonObject &object : run.objects()) {
        if (object["verdict"_L] == "NotScanned"_L)
            hits.emplace("not scanned"_L, object["detail"_L].toString());
        for (const QJsonValue finding : object["findings"_L].toArray()) {
            const QString member = finding["member"_L].toString();
            const QString name = QFileInfo(member.section(u'!', -1)).fileName();
            const bool isOurs = std::ranges::any_of(m_files,
                [&name](const Packed &file) { return name == QString::fromUtf8(file.name); });
            if (isOurs)
                hits.emplace(name, finding["rule"_L].toString());
        }
    }
    return hits;
}

void TestCliArchives::archive_ofRealFiles_isAsItsFiles_data()
{
    QTest::addColumn<QString>("file");
    QTest::addColumn<QByteArray>("bytes"); // or else:
    QTest::addColumn<QStringList>("command");
    const auto made = [](const char *file, const QByteArray &bytes) {
        QTest::newRow(file) << QString::fromLatin1(file) << bytes << QStringList();
    };
    const auto run = [](const char *file, const QStringList &command) {
        QTest::newRow(file) << QString::fromLatin1(file) << QByteArray() << command;
    };
    writeFile(path("tree/DEBIAN/control"_L),
        "Package: files\nVersion: 1\nArchitecture: all\nMaintainer: none <none@example.org>\n"
        "Description: files\n");
    run("files.deb", {"dpkg-deb"_L, "--root-owner-group"_L, "--build"_L, "tree"_L, "files.deb"_L});
    run("gzip.deb",
        {"dpkg-deb"_L, "--root-owner-group"_L, "-Zgzip"_L, "--build"_L, "tree"_L, "gzip.deb"_L});
    run("files.tar.xz", {"tar"_L, "-cJf"_L, "files.tar.xz"_L, "tree"_L});
    run("files.tgz", {"tar"_L, "-czf"_L, "files.tgz"_L, "tree"_L});
    made("files.jar", archiveOf("zip", m_files));
    made("files.docx", archiveOf("zip", m_files));
    made("files.iso", archiveOf("iso9660", m_files));
    made("files.7z", archiveOf("7zip", m_files));
    made("files.cpio.zst", compressed("zstd", archiveOf("newc", m_files)));
}

void TestCliArchives::archive_ofRealFiles_isAsItsFiles()
{
    QFETCH(const QString, file);
    QFETCH(const QByteArray, bytes);
    QFETCH(const QStringList, command);
    if (command.isEmpty()) {
        writeFile(path(file), bytes);
    } else {
        const CliRun run =
            runProgram(command.first(), command.sliced(1), {m_directory.path(), {}, {}});
        QVERIFY2(run.exitCode == 0, tell(run).constData());
    }
    const Hits expected = hitsOfYara();
    QVERIFY(expected.size() > m_files.size());
    const Hits found = hitsInside(path(file));
    for (const auto &[name, rule] : expected) {
        QVERIFY2(found.contains({name, rule}),
            qPrintable(QStringLiteral("%1 in %2 is missed").arg(rule, name)));
    }
    QCOMPARE(found.size(), expected.size());
}

QTEST_GUILESS_MAIN(TestCliArchives)
#include "tst_cli_archives.moc"
