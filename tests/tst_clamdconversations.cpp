// SPDX-License-Identifier: MIT
//
// Conversations in clamd's protocol that break off, and thousands that are nearly right: the server
// does not fall, nothing leaks, nothing is called clean that was not scanned, and who behaves is
// served all the time.
#include "tests/support/ServingClamd.h"
#include "tests/support/Slowness.h"

#include <QLoggingCategory>
#include <QTest>

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <sys/mman.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

const QByteArray marked = "a THREAT-MARK";

FileDescriptor markedFile()
{
    FileDescriptor file(::memfd_create("marked", MFD_CLOEXEC));
    if (::write(file.get(), marked.constData(), size_t(marked.size())) != marked.size())
        qFatal("no file");
    return file;
}

//! \brief One who says what a client could, with mistakes.
class Babbler {
public:
    Babbler(ClamdPeer peer, QRandomGenerator &random, const std::vector<FileDescriptor> &files)
        : m_peer(std::move(peer)), m_random(random), m_files(files)
    {
        m_mutations = std::array{0, 3, 30}.at(size_t(below(3)));
        if (below(4) != 0)
            m_pending = "nIDSESSION\n";
        for (int i = below(8); i >= 0; --i)
            m_pending += part();
    }

    //! Says some more; false once it has nothing more to say.
    bool goOn()
    {
        m_peer.heard();
        if (m_pending.isEmpty() || below(100) == 0)
            return false;
        const QByteArray piece =
            m_pending.first(1 + below(int(std::min(m_pending.size(), 4096LL))));
        std::vector<int> sent;
        if (piece.contains("FILDES") || below(50) == 0)
            sent.assign(size_t(below(20) == 0 ? below(6) : 1),
                m_files.at(size_t(below(int(m_files.size())))).get());
        if (!m_peer.sendWith(piece, sent))
            return errno == EAGAIN;
        m_pending.remove(0, piece.size());
        return true;
    }
    //! What it has been told is clean, once it was told all if it waits for that.
    int cleans()
    {
        if (below(2) == 0)
            (void)m_peer.shutDownSending();
        if (below(4) == 0)
            (void)QTest::qWaitFor([this] { return m_peer.isOver(); }, below(20));
        return int(m_peer.heard().count(": OK"));
    }

private:
    int below(int bound) { return int(m_random.bounded(bound)); }

    QByteArray part()
    {
        const char letter = below(2) == 0 ? 'n' : 'z';
        const char end = letter == 'n' ? '\n' : '\0';
        constexpr std::array commands{"PING", "VERSION", "STATS", "VERSIONCOMMANDS", "FILDES",
            "FILDES", "INSTREAM", "INSTREAM", "INSTREAM", "INSTREAM", "IDSESSION", "END", "RELOAD",
            "SHUTDOWN", "SCAN /etc/passwd", "NONSENSE", ""};
        const QByteArray command = commands.at(size_t(below(int(commands.size()))));
        QByteArray bytes = letter + command + end;
        if (command == "FILDES")
            bytes += 'x';
        if (command == "INSTREAM") {
            const qsizetype size = below(20) == 0 ? below(3 * 1024 * 1024) : below(3'000);
            bytes += chunks(noise(size, m_random.generate()) + (below(2) ? marked : QByteArray()),
                1 + below(200'000));
        }
        for (int i = 0; i < 3; ++i) {
            if (below(100) >= m_mutations)
                continue;
            const qsizetype at = below(int(std::min<qsizetype>(bytes.size(), 64)) + 1);
            switch (below(4)) {
            case 0:
                bytes.insert(at, char(below(256)));
                break;
            case 1:
                bytes.remove(at, 1 + below(8));
                break;
            case 2:
                bytes.insert(at, bytes.mid(at, below(32)));
                break;
            default:
                if (at < bytes.size())
                    bytes[at] = char(below(256));
            }
        }
        return bytes;
    }

    ClamdPeer m_peer;
    QRandomGenerator &m_random;
    const std::vector<FileDescriptor> &m_files;
    int m_mutations = 0;
    QByteArray m_pending;
};

std::vector<FileDescriptor> allKindsOfFiles()
{
    std::vector<FileDescriptor> files;
    for (int i = 0; i < 4; ++i)
        files.push_back(markedFile());
    for (const char *path : {"/dev/null", "/tmp", "/proc/self/maps", "/proc/self/exe"})
        files.emplace_back(::open(path, O_RDONLY | O_CLOEXEC));
    files.emplace_back(::open("/tmp", O_PATH | O_CLOEXEC));
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        qFatal("no pipe");
    files.emplace_back(ends[0]);
    files.emplace_back(ends[1]);
    return files;
}

} // namespace

class TestClamdConversations : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*=false")); // it would be long
    }

    void conversation_brokenOffAnywhere_leavesNothing_data();
    void conversation_brokenOffAnywhere_leavesNothing();
    void conversations_nearlyRight_leaveNothing();
};

void TestClamdConversations::conversation_brokenOffAnywhere_leavesNothing_data()
{
    QTest::addColumn<QByteArray>("said");
    QTest::newRow("ping") << "nPING\n"_ba;
    QTest::newRow("stream") << "zINSTREAM\0"_ba + chunks(marked, 5);
    QTest::newRow("file") << "nFILDES\nx"_ba;
    QTest::newRow("session") << "nIDSESSION\nnINSTREAM\n" + chunks(marked)
            + "zFILDES\0xnPING\nnSTATS\nnINSTREAM\n"_ba + chunks({}) + "nFOO\nnEND\n";
    QTest::newRow("too large") << "nIDSESSION\nnINSTREAM\n" + chunks(marked)
            + "nINSTREAM\n\xff\xff\xff\xff"_ba;
    QTest::newRow("unprintable") << "\xff\xfe\0\n\rn\0z\n"_ba;
}

void TestClamdConversations::conversation_brokenOffAnywhere_leavesNothing()
{
    QFETCH(const QByteArray, said);
    ServingClamd clamd;
    const int before = clamd.warmDescriptors();
    {
        const FileDescriptor file = markedFile();
        const qsizetype descriptorAt = said.indexOf('x');
        for (qsizetype size = 0; size <= said.size(); ++size) {
            for (const int turns : {0, 1, 20}) {
                ClamdPeer peer = clamd.connect();
                const qsizetype plain =
                    descriptorAt >= 0 && descriptorAt < size ? descriptorAt : size;
                QVERIFY(peer.sendWith(said.first(plain), {}));
                if (plain < size) // it may have hung up
                    (void)peer.sendWith(said.sliced(plain, size - plain), {file.get()});
                for (int i = 0; i < turns; ++i)
                    QCoreApplication::processEvents();
            }
        }
    }
    QTRY_VERIFY_WITH_TIMEOUT(clamd.isQuiet(), patienceMs);
    QTRY_VERIFY_WITH_TIMEOUT(clamd.descriptors() <= before, patienceMs);
    QVERIFY(clamd.serves());
}

void TestClamdConversations::conversations_nearlyRight_leaveNothing()
{
    constexpr int rounds = 2'000 / slowness;
    constexpr size_t atOnce = 12;
    ServingClamd clamd([](auto &settings) {
        settings.clamd.maxClients = 8;
        settings.clamd.maxContentBytes = 8 * Limits::mib;
        settings.scanning.maxScanBytes = 2 * Limits::mib;
        settings.scanning.queue.maxRequests = 20;
    });
    const int before = clamd.warmDescriptors();
    const quint64 scansBefore = clamd.status().telemetry.totalScansCompleted;
    quint64 cleans = 0;
    QRandomGenerator random(20260101);
    qint64 memory = 0;
    for (int phase = 0; phase < 2; ++phase) {
        const std::vector<FileDescriptor> files = allKindsOfFiles();
        std::vector<std::unique_ptr<Babbler>> babblers(atOnce);
        for (int begun = 0; begun < rounds;) {
            for (auto &babbler : babblers) {
                if (babbler && babbler->goOn())
                    continue;
                if (babbler)
                    cleans += quint64(babbler->cleans());
                babbler = std::make_unique<Babbler>(clamd.connect(), random, files);
                // Beside all these the queue may be full for once; a wrong answer stands.
                if (++begun % 500 == 0)
                    QTRY_VERIFY_WITH_TIMEOUT(clamd.serves(), patienceMs);
            }
            QCoreApplication::processEvents();
        }
        babblers.clear();
        QTRY_VERIFY_WITH_TIMEOUT(clamd.isQuiet(), patienceMs);
        const qint64 now = statusBytes(::getpid(), "VmRSS");
        QVERIFY2(phase == 0 || slowness > 1 || now - memory < 32 * Limits::mib,
            qPrintable(QStringLiteral("%1 bytes more").arg(now - memory)));
        memory = now;
    }
    QTRY_VERIFY_WITH_TIMEOUT(clamd.descriptors() <= before, patienceMs);
    QVERIFY(cleans > 0);
    QVERIFY(cleans <= clamd.status().telemetry.totalScansCompleted - scansBefore);
    QVERIFY(clamd.serves());
}

QTEST_GUILESS_MAIN(TestClamdConversations)
#include "tst_clamdconversations.moc"
