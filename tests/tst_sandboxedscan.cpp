// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Sha256.h"
#include "SecurityTap/engine/YaraEngine.h"
#include "Sentinel/sandbox/Sandbox.h"
#include "Sentinel/sandbox/Sandbox_p.h"
#include "Sentinel/worker/Packet.h"
#include "ipc/FileDescriptor.h"
#include "support/ChildProcess.h"
#include "support/RuleDirectory.h"
#include "support/RuleSamples.h"

#include <QTest>

#include <array>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

using namespace Sentinel;
using namespace Sentinel::Test;
using namespace Qt::StringLiterals;

namespace {

constexpr int allSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

std::shared_ptr<const RuleSet> compile(const QString &path)
{
    auto compiled = compileRules({path}, {});
    if (!compiled)
        qFatal("%s", qPrintable(describe(compiled.error().front())));
    return compiled->ruleSet;
}

//! "Malicious EICAR_Test_File <sha256>"
QByteArray scan(
    const std::shared_ptr<const RuleSet> &ruleSet, std::shared_ptr<const Content> content)
{
    Sha256 sha256;
    sha256.add(content->span());
    const auto task = YaraEngine::begin(ruleSet, ScanSubject{}, std::move(content));
    while (
        task->step({.until = Clock::now() + Limits::sliceDuration}) != ScanTask::Progress::Done) { }
    const ScanResult result = task->takeResult();
    QByteArray answer = QByteArray::number(int(result.verdict()));
    for (const Finding &finding : result.findings())
        answer += ' ' + finding.rule.toUtf8();
    return answer + ' ' + sha256.result().toHex();
}

//! What arrives with one byte as a sealed file in memory; null at the end of the requests.
std::shared_ptr<const Content> receive(int socket)
{
    const auto packet = receivePacket(socket);
    if (!packet)
        return nullptr;
    const FileDescriptor &file = packet->file;
    struct stat status { };
    if (::fcntl(file.get(), F_GET_SEALS) != allSeals || !statDescriptor(file.get(), status))
        return nullptr;
    const auto size = size_t(status.st_size);
    void *bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (bytes == MAP_FAILED)
        return nullptr;
    const std::shared_ptr<void> mapping(bytes, [size](void *start) { ::munmap(start, size); });
    auto content = std::make_shared<Content>(static_cast<const uchar *>(bytes), mapping);
    content->grow(status.st_size);
    content->complete();
    return content;
}

void send(int socket, const QByteArray &bytes)
{
    const FileDescriptor file(::memfd_create("content", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (::write(file.get(), bytes.constData(), size_t(bytes.size())) != bytes.size()
        || ::fcntl(file.get(), F_ADD_SEALS, allSeals) != 0)
        qFatal("no content to send");
    sendPacket(socket, "x", file.get());
}

//! A worker: scans what comes over \p socket until its other end is closed.
int serve(int socket, const std::shared_ptr<const RuleSet> &ruleSet)
{
    const SandboxReport report = enterSandbox();
    if (report.features.back().isInForce == isSanitizerBuild)
        return 2; // the filter comes last
    while (const auto content = receive(socket)) {
        const QByteArray answer = scan(ruleSet, content);
        if (::send(socket, answer.constData(), size_t(answer.size()), MSG_NOSIGNAL)
            != answer.size())
            return 1;
    }
    return 0;
}

//! A worker process and the socket to it.
class Worker {
public:
    explicit Worker(const std::shared_ptr<const RuleSet> &ruleSet)
    {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
            qFatal("no sockets");
        m_socket = FileDescriptor(ends[0]);
        m_process = startChild([&] {
            ::close(ends[0]);
            return serve(ends[1], ruleSet);
        });
        ::close(ends[1]);
    }

    QByteArray ask(const QByteArray &content) const
    {
        send(m_socket.get(), content);
        std::array<char, 4096> answer{};
        const ssize_t size = ::recv(m_socket.get(), answer.data(), answer.size(), 0);
        return {answer.data(), std::max<ssize_t>(size, 0)};
    }
    QString end()
    {
        m_socket = {};
        return endOf(m_process);
    }

private:
    FileDescriptor m_socket;
    pid_t m_process = -1;
};

//! Rules that use every module that a scan may.
QByteArray moduleRules()
{
    return "import \"pe\" import \"elf\" import \"math\" import \"hash\" import \"dotnet\"\n"
           "import \"time\"\n"
           "rule hashed { condition: filesize > 0 and hash.sha256(0, filesize) != \"\" and\n"
           "    hash.md5(0, filesize) != \"\" and hash.crc32(0, filesize) != 0 }\n"
           "rule measured { condition: math.entropy(0, filesize) >= 0.0 }\n"
           "rule timed { condition: time.now() > 0 }\n"
           "rule program { condition: pe.is_pe or elf.type == elf.ET_EXEC\n"
           "    or dotnet.number_of_streams > 0 }\n"
           "rule expressed { strings: $a = /[a-f]{3,9}x+y?z/ nocase wide ascii condition: $a }\n";
}

} // namespace

class tst_SandboxedScan : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void scan_insideTheSandbox_findsAsOutside_data();
    void scan_insideTheSandbox_findsAsOutside();
    void scan_manyInOneWorker_allAnswered();
    void scan_memoryRunsOut_isNotScanned();

private:
    std::shared_ptr<const RuleSet> m_house;
    std::shared_ptr<const RuleSet> m_modules;
};

void tst_SandboxedScan::initTestCase()
{
    m_house = compile(QStringLiteral(SENTINEL_SOURCE_DIR "/rules"));
    const RuleDirectory modules(moduleRules());
    m_modules = compile(modules.settings().rulePaths.front());
}

void tst_SandboxedScan::scan_insideTheSandbox_findsAsOutside_data()
{
    QTest::addColumn<QByteArray>("content");
    QTest::newRow("the test file") << eicar();
    QTest::newRow("small and clean") << QByteArray("a letter");
    QTest::newRow("many windows, clean") << noise(8 * Limits::mib);
    QTest::newRow("many windows, matches")
        << noise(5 * Limits::mib) + "ABCDxxxyz" + noise(3 * Limits::mib, 2);
    QTest::newRow("looks like a program") << "MZ" + noise(100'000);
    QFile program(QCoreApplication::applicationFilePath());
    QVERIFY(program.open(QIODevice::ReadOnly));
    QTest::newRow("a program") << program.readAll();
    for (const RuleSample &sample : ruleSamples())
        if (!sample.content.isEmpty())
            QTest::addRow("%s: %s", sample.rule, sample.name) << sample.content;
}

void tst_SandboxedScan::scan_insideTheSandbox_findsAsOutside()
{
    QFETCH(QByteArray, content);
    for (const auto &ruleSet : {m_house, m_modules}) {
        // The parent has scanned before it forks: it is warm.
        const QByteArray expected = scan(ruleSet, Content::fromByteArray(content));
        Worker worker(ruleSet);
        QCOMPARE(worker.ask(content), expected);
        QCOMPARE(worker.end(), u"exit 0"_s);
    }
}

void tst_SandboxedScan::scan_manyInOneWorker_allAnswered()
{
    const QByteArray infected = eicar();
    const QByteArray clean = noise(100'000);
    const QByteArray found = scan(m_house, Content::fromByteArray(infected));
    const QByteArray passed = scan(m_house, Content::fromByteArray(clean));
    QVERIFY(found.contains("EICAR_Test_File"));
    Worker worker(m_house);
    // More than there are descriptors: each is closed.
    for (int i = 0; i < 10 * Limits::maxWorkerDescriptors; ++i) {
        QCOMPARE(worker.ask(infected), found);
        QCOMPARE(worker.ask(clean), passed);
    }
    QCOMPARE(worker.end(), u"exit 0"_s);
}

void tst_SandboxedScan::scan_memoryRunsOut_isNotScanned()
{
    if (isSanitizerBuild)
        QSKIP("a sanitizer build has no limit of memory");
    const RuleDirectory directory("rule many { strings: $a = /[ab]{1,50}/ $b = \"a\" $c = \"ab\"\n"
                                  "condition: #a + #b + #c < 0 }\n");
    const auto ruleSet = compile(directory.settings().rulePaths.front());
    const QByteArray content = QByteArray("ab").repeated(4'000'000);
    const QString end = runInChild([&] {
        const auto view = Content::fromByteArray(content);
        enterSandbox({.memoryBytes = 32 * Limits::mib});
        const QByteArray answer = scan(ruleSet, view);
        return answer.startsWith(QByteArray::number(int(Verdict::NotScanned))) ? 0 : 1;
    });
    QCOMPARE(end, u"exit 0"_s);
}

QTEST_GUILESS_MAIN(tst_SandboxedScan)
#include "tst_sandboxedscan.moc"
