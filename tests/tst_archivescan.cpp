// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Spool.h"
#include "Sentinel/sandbox/Sandbox_p.h"
#include "Sentinel/worker/WorkerParent.h"
#include "support/ArchiveBench.h"
#include "support/Patience.h"

#include <QTest>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace Qt::StringLiterals;
using Progress = ScanTask::Progress;

namespace {

const QByteArray text("nothing but words\n");

//! What rules see of a member: each finding names one of them.
QByteArray rules()
{
    return eicarRules()
        + "rule Marked { strings: $a = \"THREAT-MARK\" condition: $a }\n"
          "rule NamedExe { condition: filename == \"setup.exe\" and extension == \".exe\" }\n"
          "rule Program { condition: filetype == \"PE\" }\n"
          "rule Pathed { condition: filepath endswith \"!docs/readme.txt\" }\n";
}

//! EICAR where a raw look at the archive does not find it.
QByteArray deflated(const QByteArray &name = "eicar.com")
{
    return zipOf(name, eicar() + QByteArray(200, ' '));
}

} // namespace

//! Archives of every kind, scanned in this process and in a sandboxed worker.
class TestArchiveScan : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();

    void member_inEveryFormat_isFound_data();
    void member_inEveryFormat_isFound();
    void clean_inEveryFormat_isClean_data();
    void clean_inEveryFormat_isClean();
    void archive_behindOrInsideOthers_isLookedInto_data();
    void archive_behindOrInsideOthers_isLookedInto();
    void archive_stillArriving_isOpenedWhenItIsThere();
    void member_rulesSeeItsOwnNameAndType();
    void noArchive_resultIsTheEnginesOwn_data();
    void noArchive_resultIsTheEnginesOwn();
    void document_withStreams_isCleanAndSaysSo();
    void lha_namesACodePage_endsTheWorkerAlone();
    void threat_foundBeforeTheEnd_isToldAtOnce();
    void settings_off_onlyTheFile();
    void settings_asAnArgument_areTheSame();
    void passwords_reachTheWorkerByNoArgument();
    void names_hostile_arePrintableAndBounded_data();
    void names_hostile_arePrintableAndBounded();

private:
    ScanResult scanInWorker(const QByteArray &bytes, const QString &name);
    ScanResult scanInSlices(const QByteArray &bytes, const QString &name) const;

    std::unique_ptr<ArchiveBench> m_bench;
    std::unique_ptr<RuleDirectory> m_rules;
    std::shared_ptr<WorkerParent> m_parent;
    std::unique_ptr<ScanWorker> m_worker;
};

void TestArchiveScan::initTestCase()
{
    m_bench = std::make_unique<ArchiveBench>(rules());
    m_rules = std::make_unique<RuleDirectory>(rules());
    auto parent = WorkerParent::start(SENTINEL_BINARY, {m_rules->settings().rulePaths, {}});
    QVERIFY2(parent, parent ? "" : qPrintable(describe(parent.error().front())));
    m_parent = *parent;
}

//! By a worker that has scanned what came before, if it lives.
ScanResult TestArchiveScan::scanInWorker(const QByteArray &bytes, const QString &name)
{
    SpoolOptions options;
    options.maxBytes = options.maxMappedBytes = Limits::maxScanBytes;
    auto spool = Spool::create(options);
    if (!spool || !(*spool)->append({bytes.constData(), size_t(bytes.size())}) || !(*spool)->seal())
        qFatal("no spool");
    if (!m_worker || !m_worker->isAlive()) {
        auto worker = m_parent->makeWorker();
        if (!worker)
            qFatal("%s", qPrintable(worker.error()));
        m_worker = std::move(*worker);
    }
    WorkerRequest request;
    request.kind = WorkerRequest::Kind::Begin;
    request.filename = name;
    request.mappedBytes = request.sizeBytes = bytes.size();
    request.isComplete = true;
    request.slice = Limits::sliceDuration;
    auto answer = m_worker->ask(request, (*spool)->descriptor());
    request.kind = WorkerRequest::Kind::Continue;
    while (answer && answer->progress != Progress::Done)
        answer = m_worker->ask(request);
    if (!answer)
        return ScanResult::notScanned(
            Reason::EngineCrashed, answer.error() + u", "_s + m_parent->endingOf(*m_worker));
    return *answer->result;
}

ScanResult TestArchiveScan::scanInSlices(const QByteArray &bytes, const QString &name) const
{
    const auto task = m_bench->begin(bytes, {}, name);
    while (task->step({.until = Clock::now()}) != Progress::Done) { }
    return task->takeResult();
}

void TestArchiveScan::member_inEveryFormat_isFound_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("fileName");
    QTest::addColumn<QString>("member");
    const auto row = [](const char *name, const QByteArray &bytes, const QString &member,
                         const QString &fileName = u"file"_s) {
        QTest::newRow(name) << bytes << fileName << member;
    };
    const QByteArray zip = deflated();
    const std::vector<Packed> members{{"readme.txt", text}, {"eicar.zip", zip}, {"end", text}};
    const QString inMember = u"eicar.zip!eicar.com"_s;
    row("zip", zip, u"eicar.com"_s);
    row("zip, streamed", archiveOf("zip", members), inMember);
    row("zip, stored", archiveOf("zip", members, "zip:compression=store"), inMember);
    row("zip64", archiveOf("zip", members, "zip:zip64"), inMember);
    for (const char *format :
        {"7zip", "pax", "ustar", "gnutar", "v7tar", "newc", "odc", "bin", "iso9660", "ar", "arbsd"})
        row(format, archiveOf(format, members), inMember);
    row("7zip, lzma1", archiveOf("7zip", members, "7zip:compression=lzma1"), inMember);
    row("7zip, ppmd", archiveOf("7zip", members, "7zip:compression=ppmd"), inMember);
    row("7zip, bzip2", archiveOf("7zip", members, "7zip:compression=bzip2"), inMember);
    row("7zip, deflate", archiveOf("7zip", members, "7zip:compression=deflate"), inMember);
    row("rar", rarOf("eicar.zip", zip), inMember);
    row("rar5", rar5Of("eicar.zip", zip), inMember);
    row("lha", lhaOf("eicar.zip", zip), inMember);
    row("cab", cabOf("eicar.zip", zip), inMember);
    for (const char *filter : {"gzip", "bzip2", "xz", "lzma", "lzip", "zstd", "lz4", "compress"})
        row(filter, compressed(filter, eicar()), u"eicar.com"_s,
            u"eicar.com."_s
                + (qstrcmp(filter, "gzip") == 0            ? u"gz"_s
                        : qstrcmp(filter, "bzip2") == 0    ? u"bz2"_s
                        : qstrcmp(filter, "lzip") == 0     ? u"lz"_s
                        : qstrcmp(filter, "zstd") == 0     ? u"zst"_s
                        : qstrcmp(filter, "compress") == 0 ? u"Z"_s
                                                           : QString::fromLatin1(filter)));
    row("gzip, twice", compressed("gzip", text) + compressed("gzip", eicar()), u"a"_s, u"a.gz"_s);
    row("lz4, behind a frame to be skipped",
        QByteArray::fromHex("502a4d18") + QByteArray::fromHex("03000000") + "abc"
            + compressed("lz4", eicar()),
        u"a"_s, u"a.lz4"_s);
    const QByteArray tarGz = compressed("gzip", archiveOf("pax", {{"in.zip", zip}}));
    row("zip in tar.gz in 7z", archiveOf("7zip", {{"a.tar.gz", tarGz}}),
        u"a.tar.gz!a.tar!in.zip!eicar.com"_s);
    const QByteArray data = compressed("xz", archiveOf("ustar", {{"./usr/bin/x", zip}}));
    row("deb", archiveOf("ar", {{"debian-binary", "2.0\n"}, {"data.tar.xz", data}}),
        u"data.tar.xz!data.tar!./usr/bin/x!eicar.com"_s);
    row("rpm", rpmOf(compressed("zstd", archiveOf("newc", {{"./x.zip", zip}}))),
        u"a.cpio!a.cpio!./x.zip!eicar.com"_s, u"a.rpm"_s);
    row("docx",
        archiveOf("zip",
            {{"[Content_Types].xml", "<Types/>"}, {"word/document.xml", "<document/>"},
                {"word/embeddings/oleObject1.bin", eicar() + text}}),
        u"word/embeddings/oleObject1.bin"_s, u"letter.docx"_s);
}

void TestArchiveScan::member_inEveryFormat_isFound()
{
    QFETCH(QByteArray, bytes);
    QFETCH(QString, fileName);
    QFETCH(QString, member);
    const ScanResult result = m_bench->scan(bytes, {}, fileName);
    QCOMPARE(told(result), u"Malicious"_s);
    QVERIFY2(membersOf(result).split(u", "_s).contains(member), qPrintable(membersOf(result)));
    QVERIFY2(result.coverage().isComplete(), qPrintable(result.coverage().limitsHit.join(u'\n')));
    QVERIFY(result.coverage().membersScanned > 0);
    QCOMPARE(result.coverage().engines.size(), 2);
    QVERIFY(scanInSlices(bytes, fileName) == result);
    const ScanResult inWorker = scanInWorker(bytes, fileName);
    QCOMPARE(told(inWorker), told(result));
    QVERIFY(inWorker == result);
}

void TestArchiveScan::clean_inEveryFormat_isClean_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<qint64>("members");
    const auto row = [](const char *name, const QByteArray &bytes, qint64 members) {
        QTest::newRow(name) << bytes << members;
    };
    const std::vector<Packed> members{{"readme.txt", text}, {"empty", ""},
        {"\xc3\xa4", noise(300'000)}, {"zeros", QByteArray(3'000'000, '\0')}};
    for (const char *format :
        {"zip", "7zip", "pax", "ustar", "gnutar", "newc", "odc", "bin", "iso9660", "ar"})
        row(format, archiveOf(format, members), 4);
    const QByteArray many = noise(3'000'000);
    for (const char *filter : {"gzip", "bzip2", "xz", "lzma", "lzip", "zstd", "lz4", "compress"})
        row(filter, compressed(filter, many), 1);
    row("gzip of nothing", compressed("gzip", {}), 1);
    row("zip of nothing", archiveOf("zip", {}), 0);
    row("tar.xz", compressed("xz", archiveOf("pax", members)), 5);
}

void TestArchiveScan::clean_inEveryFormat_isClean()
{
    QFETCH(QByteArray, bytes);
    QFETCH(qint64, members);
    const ScanResult result = m_bench->scan(bytes);
    QCOMPARE(told(result), u"Clean"_s);
    QCOMPARE(result.coverage().membersScanned, members);
    QCOMPARE(result.coverage().bytesTotal, bytes.size());
    QVERIFY(scanInSlices(bytes, {}) == result);
    const ScanResult inWorker = scanInWorker(bytes, {});
    QCOMPARE(told(inWorker), told(result));
    QVERIFY(inWorker == result);
}

void TestArchiveScan::archive_behindOrInsideOthers_isLookedInto_data()
{
    QTest::addColumn<QByteArray>("bytes");
    const QByteArray zip = deflated();
    const QByteArray program = "MZ" + noise(100'000);
    QTest::newRow("zip behind a PDF") << "%PDF-1.4\n" + text + zip;
    QTest::newRow("zip behind a program") << program + zip;
    QTest::newRow("zip behind a script") << "#!/bin/sh\nexec unzip \"$0\"\n" + zip;
    QTest::newRow("zip behind an image") << "\x89PNG\r\n\x1a\n" + noise(5'000'000) + zip;
    QTest::newRow("zip, then other things") << zip + noise(50'000);
    QTest::newRow("zip with a long comment")
        << zip.chopped(2) + QByteArray::fromHex("0080") + QByteArray(0x8000, 'c');
    QTest::newRow("an end record in the comment")
        << zip.chopped(2) + QByteArray::fromHex("1600") + "PK\5\6" + QByteArray(18, '\x7f');
    QTest::newRow("two zips, the first bad") << zip + zipOf("readme.txt", text);
    QTest::newRow("two zips, the last bad") << zipOf("readme.txt", text) + zip;
    QTest::newRow("a zip behind a tar.gz") << compressed("gzip", text) + zip;
    QTest::newRow("7z in a program")
        << program + archiveOf("7zip", {{"eicar.com", eicar() + QByteArray(200, ' ')}});
    QTest::newRow("rar in a program") << program + rarOf("eicar.zip", zip);
    QTest::newRow("cab in a program") << program + cabOf("eicar.zip", zip);
    QTest::newRow("tar behind a tar")
        << archiveOf("ustar", {{"a", text}}) + archiveOf("ustar", {{"b.zip", zip}});
    // Attributes of Unix, as it is written: a directory, a link, a device.
    const qsizetype attributes = zip.indexOf("PK\1\2") + 38;
    for (const char *mode : {"00a0ffa1", "0000ed41", "0000a421", "100000f0"}) {
        QByteArray called = zip;
        called[attributes - 33] = 3;
        QTest::addRow("called no file: %s", mode)
            << called.replace(attributes, 4, QByteArray::fromHex(mode));
    }
    // A member that no directory has, between two that it has.
    const QByteArray whole =
        archiveOf("zip", {{"a", text}, {"eicar.com", eicar() + QByteArray(200, ' ')}, {"c", text}});
    const qsizetype directory = whole.indexOf("PK\1\2");
    const qsizetype second = whole.indexOf("PK\1\2", directory + 1);
    const qsizetype third = whole.indexOf("PK\1\2", second + 1);
    const qsizetype end = whole.lastIndexOf("PK\5\6");
    QByteArray record = whole.sliced(end);
    record[8] = record[10] = 2;
    const auto size = quint32(end - directory - (third - second));
    record.replace(12, 4, QByteArray(reinterpret_cast<const char *>(&size), 4));
    QTest::newRow("a member in no directory")
        << whole.first(second) + whole.sliced(third, end - third) + record;
}

void TestArchiveScan::archive_behindOrInsideOthers_isLookedInto()
{
    QFETCH(QByteArray, bytes);
    const ScanResult result = m_bench->scan(bytes);
    QCOMPARE(told(result), u"Malicious"_s);
    QVERIFY2(membersOf(result).contains(u"eicar.com"_s), qPrintable(membersOf(result)));
    QVERIFY(scanInWorker(bytes, {}) == result);
}

void TestArchiveScan::archive_stillArriving_isOpenedWhenItIsThere()
{
    const QByteArray zip =
        archiveOf("zip", {{"noise", noise(3 * Limits::mib)}, {"e", eicar() + QByteArray(99, ' ')}});
    const auto content = std::make_shared<Content>(
        reinterpret_cast<const uchar *>(zip.constData()), std::make_shared<int>());
    const auto task = ArchiveEngine(m_bench->yara(), {}).begin({}, content);
    for (qint64 size = 0; size < zip.size(); size += 500'000) {
        content->grow(size);
        QCOMPARE(task->step({}), Progress::Starved);
    }
    content->grow(zip.size());
    QCOMPARE(task->step({}), Progress::Starved);
    content->complete();
    while (task->step({}) != Progress::Done) { }
    const ScanResult result = task->takeResult();
    QCOMPARE(told(result), u"Malicious"_s);
    QCOMPARE(membersOf(result), u"e"_s);
    QCOMPARE(result.coverage().membersScanned, 2);
}

void TestArchiveScan::member_rulesSeeItsOwnNameAndType()
{
    const QByteArray program = "MZ" + QByteArray(62, '\0');
    const QByteArray zip = archiveOf(
        "zip", {{"dir/setup.exe", text}, {"picture.png", program}, {"docs/readme.txt", text}});
    ScanSubject subject;
    subject.metadata.filename = u"all.zip"_s;
    subject.filePath = u"/home/all.zip"_s;
    const auto task =
        ArchiveEngine(m_bench->yara(), {}).begin(subject, Content::fromByteArray(zip));
    while (task->step({}) != Progress::Done) { }
    const ScanResult result = task->takeResult();
    QStringList found;
    for (const Finding &finding : result.findings())
        found.append(finding.rule + u' ' + finding.member);
    QCOMPARE(found,
        QStringList(
            {u"NamedExe dir/setup.exe"_s, u"Program picture.png"_s, u"Pathed docs/readme.txt"_s}));
    QCOMPARE(
        membersOf(m_bench->scan(archiveOf("zip", {{"x\\setup.exe", text}}))), u"x/setup.exe"_s);
}

void TestArchiveScan::noArchive_resultIsTheEnginesOwn_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::newRow("nothing") << QByteArray();
    QTest::newRow("text") << text;
    QTest::newRow("EICAR") << eicar();
    QTest::newRow("noise") << noise(2 * Limits::mib);
    QTest::newRow("zeros") << QByteArray(100'000, '\0');
    QTest::newRow("a program that knows archives") << "MZ" + noise(1000) + "7z\xbc\xaf\x27\x1c"
            + QByteArray("Rar!\x1a\x07\x00", 7) + noise(1000) + QByteArray("MSCF\0\0\0\0", 8)
            + noise(1000) + "PK\3\4PK\5\6" + noise(1000);
    QTest::newRow("a text about mtree") << QByteArray("#mtree\n./a size=3\n");
    QTest::newRow("digits") << QByteArray("070701 and 070707 are numbers\n").repeated(20);
    QTest::newRow("uuencoded") << QByteArray("begin 644 a\n#0V%T\n`\nend\n");
    QTest::newRow("almost gzip") << QByteArray("\x1f\x8b\x07") + text;
}

void TestArchiveScan::noArchive_resultIsTheEnginesOwn()
{
    QFETCH(QByteArray, bytes);
    const auto task = m_bench->yara()->begin({}, Content::fromByteArray(bytes));
    while (task->step({}) != Progress::Done) { }
    QVERIFY(m_bench->scan(bytes) == task->takeResult());
}

void TestArchiveScan::document_withStreams_isCleanAndSaysSo()
{
    const QByteArray pdf = "%PDF-1.4\n" + text;
    const QByteArray ole = QByteArray::fromHex("d0cf11e0a1b11ae1") + noise(1000);
    const ScanResult result = m_bench->scan(pdf);
    QCOMPARE(told(result), u"Clean"_s);
    QCOMPARE(result.coverage().notLookedInto, QStringList{u"streams of a PDF document"_s});
    const ScanResult both =
        m_bench->scan(archiveOf("zip", {{"a.pdf", pdf}, {"b.pdf", pdf}, {"c.doc", ole}}));
    QCOMPARE(told(both), u"Clean"_s);
    QCOMPARE(both.coverage().notLookedInto,
        QStringList({u"streams of a PDF document"_s, u"streams of an OLE2 document"_s}));
}

//! The one way that is left to files: the C library has a module for each code page.
void TestArchiveScan::lha_namesACodePage_endsTheWorkerAlone()
{
    const QByteArray lha = lhaWithCodePage("a", text, 932);
    QCOMPARE(told(m_bench->scan(lha)), u"Clean"_s);
    const ScanResult inWorker = scanInWorker(lha, {});
    if (!isSanitizerBuild) // else it has no filter
        QVERIFY2(inWorker.reason() == Reason::EngineCrashed, qPrintable(told(inWorker)));
    QCOMPARE(told(scanInWorker(eicar(), {})), u"Malicious"_s);
}

void TestArchiveScan::threat_foundBeforeTheEnd_isToldAtOnce()
{
    const QByteArray zip =
        archiveOf("zip", {{"bad", "THREAT-MARK" + text}, {"large", noise(20 * Limits::mib)}});
    const auto task = m_bench->begin(zip);
    std::optional<ScanResult> suspected;
    SliceBudget budget;
    budget.suspect = [&](ScanResult result) { suspected = std::move(result); };
    Progress progress = Progress::More;
    while (progress != Progress::Done && !suspected) {
        budget.until = Clock::now();
        progress = task->step(budget);
    }
    QCOMPARE(progress, Progress::More);
    QCOMPARE(suspected->verdict(), Verdict::Malicious);
    QCOMPARE(membersOf(*suspected), u"bad"_s);
    QVERIFY(!suspected->coverage().isComplete());
}

void TestArchiveScan::settings_off_onlyTheFile()
{
    ArchiveSettings settings;
    settings.enabled = false;
    const ScanResult result = m_bench->scan(deflated(), settings);
    QCOMPARE(told(result), u"Clean"_s);
    QCOMPARE(result.coverage().engines.size(), 1);
}

void TestArchiveScan::settings_asAnArgument_areTheSame()
{
    ArchiveSettings settings;
    QVERIFY(archiveSettingsOf(toArgument(settings)) == settings);
    settings.enabled = false;
    settings.limits = {1, 2, 3, 4, 5, 6, 7};
    settings.passwords = {u"infected"_s, u"a, b;\n\u00e4"_s};
    QVERIFY(archiveSettingsOf(toArgument(settings)) == settings);
    QVERIFY(archiveSettingsOf({}) == ArchiveSettings());
    QVERIFY(archiveSettingsOf("x,-1,99999999999999999999,,") == ArchiveSettings());
}

void TestArchiveScan::passwords_reachTheWorkerByNoArgument()
{
    WorkerRules rules{m_rules->settings().rulePaths, {}};
    rules.archives.passwords = {u"open-sesame"_s};
    const QByteArrayList arguments = rules.arguments();
    QVERIFY(!arguments.join(' ').contains("open-sesame"));
    QVERIFY(!arguments.join(' ').contains(QByteArray("open-sesame").toBase64()));
    auto parent = WorkerParent::start(SENTINEL_BINARY, rules);
    QVERIFY(parent);
    std::swap(m_parent, *parent);
    m_worker.reset();
    const ScanResult result = scanInWorker(archiveOf("zip", {{"e", eicar() + QByteArray(99, ' ')}},
                                               "zip:encryption=aes256", "open-sesame"),
        {});
    m_worker.reset();
    std::swap(m_parent, *parent);
    QCOMPARE(told(result), u"Malicious"_s);
}

void TestArchiveScan::names_hostile_arePrintableAndBounded_data()
{
    QTest::addColumn<QByteArray>("name");
    QTest::newRow("out of the directory") << QByteArray("../../../etc/cron.d/x");
    QTest::newRow("absolute") << QByteArray("/etc/passwd");
    QTest::newRow("a terminal's") << QByteArray("\x1b[2J\x1b]0;owned\a\r\n.txt");
    QTest::newRow("right to left") << QByteArray("\xe2\x80\xae"
                                                 "cod.exe");
    QTest::newRow("not UTF-8") << QByteArray("\xff\xfe\x80.exe");
    QTest::newRow("very long") << QByteArray(20'000, 'n') + ".exe";
    QTest::newRow("very long, wide") << QByteArray("\xf0\x9f\x92\xa3").repeated(3'000) + ".exe";
    QTest::newRow("marks of ours") << QByteArray("a!b!c");
}

void TestArchiveScan::names_hostile_arePrintableAndBounded()
{
    QFETCH(QByteArray, name);
    QByteArray nested = eicar();
    for (int depth = 0; depth < 6; ++depth) {
        nested = archiveOf("zip", {{QByteArray(name.size(), '\x01'), nested}});
        nested.replace(QByteArray(name.size(), '\x01'), name); // the writer would mend some
    }
    const ScanResult result = m_bench->scan(nested);
    QCOMPARE(told(result), u"Malicious"_s);
    const QString member = result.findings().back().member;
    QVERIFY(member.toUtf8().size() <= IpcLimits::maxMemberBytes);
    QVERIFY(member.toUtf8().size() >= 12); // six names, five marks
    for (const QChar c : member)
        QVERIFY2(c.isPrint() || c.isSurrogate(), qPrintable(member));
    QVERIFY(!member.contains(QChar(0x202e)));
    QVERIFY(scanInWorker(nested, {}) == result);
}

QTEST_GUILESS_MAIN(TestArchiveScan)
#include "tst_archivescan.moc"
