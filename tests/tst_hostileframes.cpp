// SPDX-License-Identifier: MIT
//
// A hundred thousand frames that are nearly right, for a sentinel's broker and for its scan
// workers: nobody falls, nothing leaks, and a client that behaves is served all the time.
#include "Sentinel/worker/Packet.h"
#include "Sentinel/worker/WorkerRules.h"
#include "Sentinel/worker/WorkerWire.h"
#include "ipc/ChildProcess.h"
#include "tests/support/HostileFrames.h"
#include "tests/support/RawPeer.h"
#include "tests/support/ServingBroker.h"
#include "tests/support/Slowness.h"

#include <QElapsedTimer>
#include <QLoggingCategory>
#include <QTest>

#include <array>

#include <poll.h>
#include <sys/stat.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

//! \brief One who says Hello, in most cases, and then what comes to his mind.
class Attacker {
public:
    Attacker(RawPeer peer, HostileFrames &frames, const std::vector<FileDescriptor> &files)
        : m_peer(std::move(peer)), m_frames(frames), m_files(files)
    {
        // From those that last to those that are thrown out at once.
        constexpr std::array chances{0, 2, 20, 100};
        m_mutations = chances.at(size_t(frames.below(int(chances.size()))));
        if (frames.below(10) != 0)
            m_peer.send(encode(Hello{IpcLimits::protocolVersion, IpcLimits::protocolVersion,
                Hello::Role(frames.below(8) == 0), {}}));
    }

    void sendSomething()
    {
        QByteArray frame =
            m_mutations == 100 && m_frames.below(4) != 0 ? m_frames.anyFrame() : plausibleFrame();
        if (m_frames.below(100) < m_mutations)
            frame = m_frames.mutate(frame, [this] { return m_frames.anyFrame(); });
        int descriptors = !frame.isEmpty() && frame[0] == char(ScanBegin::wireType) ? 1 : 0;
        if (m_frames.below(100) < m_mutations / 4)
            descriptors = m_frames.below(5);
        std::vector<int> sent(size_t(descriptors), m_file);
        m_peer.sendWith(frame, sent);
    }
    bool isAlive() { return m_peer.drain(); }

private:
    //! What fits the state that this connection may be in.
    QByteArray plausibleFrame()
    {
        const quint64 known = m_lastId == 0 ? 1 : m_lastId - quint64(m_frames.below(3)) % m_lastId;
        switch (m_frames.below(10)) {
        case 0:
            return encode(ScanCancel{known, Reason::Cancelled});
        case 1:
            return encode(VerdictAck{known, Disposition::Block});
        case 2:
            return encode(Ping{known});
        case 3:
            return encode(m_frames.below(50) == 0 ? Message(ReloadRequest{known})
                                                  : Message(StatusRequest{known}));
        case 4:
            return encode(ScanGrow{known, m_size});
        case 5:
            return encode(ScanEnd{known, m_size, {}});
        default:
            const FileDescriptor &file = m_files.at(size_t(m_frames.below(int(m_files.size()))));
            struct stat status { };
            ::fstat(file.get(), &status);
            m_file = file.get();
            m_size = status.st_size;
            return encode(beginOf(++m_lastId, m_size, m_frames.below(2) == 0));
        }
    }

    RawPeer m_peer;
    HostileFrames &m_frames;
    const std::vector<FileDescriptor> &m_files;
    int m_mutations = 0; // in a hundred
    quint64 m_lastId = 0;
    int m_file = STDIN_FILENO;
    qint64 m_size = 0;
};

} // namespace

class TestHostileFrames : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        QLoggingCategory::setFilterRules(QStringLiteral("sentinel.*=false")); // it would be long
        m_broker = std::make_unique<ServingBroker>();
    }
    void cleanupTestCase() { m_broker.reset(); }

    void frames_mutated_nobodyFalls();
    void worker_mutatedRequests_endsItAlone();

private:
    std::unique_ptr<ServingBroker> m_broker;
};

void TestHostileFrames::frames_mutated_nobodyFalls()
{
    constexpr int frames = 100'000 / slowness;
    constexpr int warmUp = frames / 10;
    constexpr int framesPerTurn = 8;
    std::vector<FileDescriptor> files;
    for (const QByteArray &bytes : {QByteArray(), QByteArray("x"), QByteArray("a THREAT-MARK"),
             noise(5000), noise(2 * Limits::mib)})
        files.push_back(contentFile(bytes));
    files.push_back(contentFile("can shrink", 0));
    files.emplace_back(::open("/dev/zero", O_RDONLY | O_CLOEXEC));

    HostileFrames random(1);
    const auto good = m_broker->connectClient();
    QVERIFY(m_broker->serves(*good));
    const int before = m_broker->descriptors();
    std::array<std::optional<Attacker>, 8> attackers;
    quint64 connections = 0;
    std::optional<PeakMemory> memory;
    QElapsedTimer time;
    time.start();
    for (int sent = 0, turn = 0; sent < frames; ++turn) {
        for (auto &attacker : attackers) {
            if (!attacker) {
                attacker.emplace(RawPeer(m_broker->connectSocket()), random, files);
                ++connections;
            }
            for (int i = 0; i < framesPerTurn; ++i, ++sent)
                attacker->sendSomething();
        }
        QCoreApplication::processEvents();
        for (auto &attacker : attackers) {
            if (!attacker->isAlive())
                attacker.reset();
        }
        if (turn % 50 == 0)
            QVERIFY(m_broker->serves(*good));
        if (sent >= warmUp && !memory)
            memory.emplace();
    }
    for (auto &attacker : attackers)
        attacker.reset();
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->endings(), connections, patienceMs);
    const qint64 grown = memory->grownBytes();
    qInfo("%d frames over %llu connections in %lld ms, at most %lld KiB more memory", frames,
        static_cast<unsigned long long>(connections), time.elapsed(), grown / 1024);
    for (const CloseReason reason : allCloseReasons)
        qInfo("  %s: %llu", qPrintable(nameOf(reason)),
            static_cast<unsigned long long>(m_broker->endings(reason)));
    QVERIFY(slowness > 1 || grown < 64 * Limits::mib);
    // With a tenth of the frames one of these may not come up.
    for (const CloseReason reason :
        {CloseReason::Malformed, CloseReason::UnexpectedDescriptor, CloseReason::MissingDescriptor,
            CloseReason::TooManyDescriptors, CloseReason::OutOfOrder})
        QVERIFY2(slowness > 1 || m_broker->endings(reason) > 0, qPrintable(nameOf(reason)));
    QCOMPARE(m_broker->endings(CloseReason::SystemError), 0u);
    QVERIFY(m_broker->serves(*good));
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->status().queue.underWay, 0, patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(m_broker->descriptors(), before, patienceMs);
}

void TestHostileFrames::worker_mutatedRequests_endsItAlone()
{
    constexpr int requests = 10'000 / slowness;
    const RuleDirectory directory(markerRules());
    const WorkerRules rules{directory.settings().rulePaths, {}};
    const auto parent =
        ChildProcess::start(SENTINEL_BINARY, QByteArrayList{"worker-parent"} + rules.arguments());
    QVERIFY(parent);
    const int control = parent->socket.get();
    QVERIFY(rules.tell(control));
    QVERIFY(receivePacket(control)); // its rules

    HostileFrames random(2);
    const std::array files{
        contentFile("x"), contentFile("a THREAT-MARK"), contentFile(noise(100'000))};
    std::map<QByteArray, int> endings;
    int sent = 0;
    while (sent < requests) {
        auto sockets = LocalSocket::connectedPair();
        QVERIFY(sockets && sendPacket(control, "fork", sockets->second.get()));
        const auto process = receivePacket(control);
        QVERIFY(process && process->file.isValid());
        sockets->second = {};
        QVERIFY(receivePacket(sockets->first.get())); // the walls around it
        pollfd answer{sockets->first.get(), POLLIN, 0};
        pollfd end{process->file.get(), POLLIN, 0};
        RawPeer peer(std::move(sockets->first));
        for (bool isOpen = true; isOpen && sent < requests; ++sent) {
            WorkerRequest request;
            const int kind = random.below(10);
            request.kind = kind == 0 ? WorkerRequest::Kind::Drop
                : kind == 1          ? WorkerRequest::Kind::Continue
                                     : WorkerRequest::Kind::Begin;
            request.filename = QStringLiteral("name");
            request.mappedBytes = random.below(200'000);
            request.sizeBytes = random.below(5000);
            request.isComplete = random.below(2) == 0;
            request.slice = std::chrono::milliseconds(random.below(3));
            const bool begins = request.kind == WorkerRequest::Kind::Begin;
            QByteArray frame = encode(request);
            if (random.below(20) == 0)
                frame = random.mutate(frame, [&] { return encode(request); });
            const int count = random.below(40) == 0 ? random.below(5) : begins;
            isOpen = peer.sendWith(
                frame, std::vector<int>(size_t(count), files.at(size_t(random.below(3))).get()));
            if (begins) // it answers, or falls over this one or one before
                QCOMPARE(::poll(&answer, 1, patienceMs), 1);
            isOpen = isOpen && peer.drain();
        }
        peer.close();
        QCOMPARE(::poll(&end, 1, patienceMs), 1); // it ends: by itself, or with its socket
        QVERIFY(sendPacket(control, process->bytes));
        const auto ending = receivePacket(control);
        QVERIFY(ending);
        ++endings[ending->bytes];
    }
    for (const auto &[ending, count] : endings) {
        qInfo("%d workers: %s", count, ending.constData());
        // A mapping that lies is a bus error; all else is told from a request that is none.
        QVERIFY2(ending.startsWith("exited with code") || ending.contains("signal 7 "), ending);
    }
    QVERIFY(endings.size() > 1);
}

QTEST_GUILESS_MAIN(TestHostileFrames)
#include "tst_hostileframes.moc"
