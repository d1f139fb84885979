// SPDX-License-Identifier: MIT
//
// The end of a reply in every phase of its life, by everybody who may end it, also in its own
// slots.
#include "tests/support/MisbehavingServer.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/TapBench.h"

#include <QSignalSpy>
#include <QTest>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

using Then = MisbehavingServer::Then;
const QString path = QStringLiteral("/body");
constexpr ConnectionId connection = 77;

enum class Phase {
    NoAnswer,
    HeadersHere,
    BodyArriving,
    Scanning,
    PassingThrough,
    Released,
    Blocked
};
constexpr std::array phases{Phase::NoAnswer, Phase::HeadersHere, Phase::BodyArriving,
    Phase::Scanning, Phase::PassingThrough, Phase::Released, Phase::Blocked};

const char *nameOf(Phase phase)
{
    constexpr std::array names{"no answer", "headers here", "body arriving", "scanning",
        "passing through", "released", "blocked"};
    return names[size_t(phase)];
}

constexpr qint64 largestScanBytes = 1'000'000;

//! What the server says so that a reply gets into \p phase.
MisbehavingServer::Answer answerFor(Phase phase)
{
    const auto whole = [](const QByteArray &body) {
        return MisbehavingServer::Answer{
            MisbehavingServer::response(body, body.size()), Then::Close};
    };
    switch (phase) {
    case Phase::NoAnswer:
        return {{}, Then::Hang};
    case Phase::HeadersHere:
        return {MisbehavingServer::response({}, 1000), Then::Hang};
    case Phase::BodyArriving:
        return {MisbehavingServer::response(someBytes(500), 1000), Then::Hang};
    case Phase::Scanning:
        return whole(slowMarker);
    case Phase::PassingThrough:
        return {MisbehavingServer::response(someBytes(2 * largestScanBytes), 3 * largestScanBytes),
            Then::Hang};
    case Phase::Released:
        return whole(someBytes(500'000));
    case Phase::Blocked:
        return whole(marker);
    }
    Q_UNREACHABLE();
}

bool isRunningIn(Phase phase)
{
    return phase != Phase::Released && phase != Phase::Blocked;
}

bool hasInspectionIn(Phase phase)
{
    return phase != Phase::NoAnswer && phase != Phase::HeadersHere;
}

} // namespace

Q_DECLARE_METATYPE(Phase)

class TapReplyLifetimeTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();

    void reply_abortedInAnyPhase_endsOnce_data();
    void reply_abortedInAnyPhase_endsOnce();
    void reply_deletedInAnyPhase_leavesNothing_data() { addPhases(); }
    void reply_deletedInAnyPhase_leavesNothing();
    void manager_deletedInAnyPhase_takesItsReplies_data() { addPhases(); }
    void manager_deletedInAnyPhase_takesItsReplies();
    void manager_deletedBeforeAdoptedReply_endsItQuietly_data() { addPhases(); }
    void manager_deletedBeforeAdoptedReply_endsItQuietly();
    void plugin_deletedInAnyPhase_endsReplies_data() { addPhases(); }
    void plugin_deletedInAnyPhase_endsReplies();
    void plugin_deletedWhileScanning_releasesWhatIsThere();
    void connection_closedInAnyPhase_cancelsWhatIsUndecided_data() { addPhases(); }
    void connection_closedInAnyPhase_cancelsWhatIsUndecided();
    void reply_endedInAnySlot_survives_data();
    void reply_endedInAnySlot_survives();
    void manyReplies_endedAtRandomMoments_leaveNothing();

private:
    static void addPhases();
    //! A reply that is in \p phase now; null after a failure.
    std::unique_ptr<TapReply> replyIn(Phase phase);

    std::unique_ptr<MisbehavingServer> m_server;
    std::unique_ptr<TapBench> m_bench;
};

void TapReplyLifetimeTest::init()
{
    m_server = std::make_unique<MisbehavingServer>();
    TapSettings settings;
    settings.scanning.maxScanBytes = largestScanBytes;
    m_bench = std::make_unique<TapBench>(settings);
}

void TapReplyLifetimeTest::cleanup()
{
    // Whatever happened: no inspection, no inner reply and no connection stays.
    if (m_bench->plugin)
        QTRY_COMPARE_WITH_TIMEOUT(m_bench->inspections(), 0, patienceMs);
    if (m_bench->manager) {
        m_bench->manager->clearConnectionCache(); // those kept for a next request
        QTRY_VERIFY_WITH_TIMEOUT(
            m_bench->manager->findChildren<QNetworkReply *>().isEmpty(), patienceMs);
    }
    QTRY_COMPARE_WITH_TIMEOUT(m_server->connections(), 0, patienceMs);
    m_bench.reset();
    m_server.reset();
}

void TapReplyLifetimeTest::addPhases()
{
    QTest::addColumn<Phase>("phase");
    for (const Phase phase : phases)
        QTest::newRow(nameOf(phase)) << phase;
}

std::unique_ptr<TapReply> TapReplyLifetimeTest::replyIn(Phase phase)
{
    m_server->answer(path, answerFor(phase));
    QNetworkRequest request(m_server->url(path));
    request.setAttribute(
        QNetworkRequest::Attribute(TapAccessManager::ConnectionIdAttribute), connection);
    std::unique_ptr<TapReply> reply(m_bench->get(request));
    const auto isThere = [&] {
        switch (phase) {
        case Phase::NoAnswer:
            return m_server->connections(path) == 1;
        case Phase::HeadersHere:
            return reply->hasRawHeader("Content-Length");
        case Phase::BodyArriving:
            return m_bench->inspection() && m_bench->inspection()->sizeBytes() == 500;
        case Phase::Scanning:
            return m_bench->plugin->telemetry().activeWorkers == 1;
        case Phase::PassingThrough:
            return reply->bytesAvailable() == 2 * largestScanBytes;
        case Phase::Released:
        case Phase::Blocked:
            return reply->isFinished();
        }
        Q_UNREACHABLE();
    };
    if (!QTest::qWaitFor(isThere, patienceMs))
        reply.reset();
    return reply;
}

void TapReplyLifetimeTest::reply_abortedInAnyPhase_endsOnce_data()
{
    QTest::addColumn<Phase>("phase");
    QTest::addColumn<bool>("isClosed");
    for (const Phase phase : phases) {
        QTest::addRow("%s, aborted", nameOf(phase)) << phase << false;
        QTest::addRow("%s, closed", nameOf(phase)) << phase << true;
    }
}

void TapReplyLifetimeTest::reply_abortedInAnyPhase_endsOnce()
{
    QFETCH(Phase, phase);
    QFETCH(bool, isClosed);
    const auto reply = replyIn(phase);
    QVERIFY(reply);
    QSignalSpy decided(reply.get(), &TapReply::decided);
    QSignalSpy errors(reply.get(), &QNetworkReply::errorOccurred);
    QSignalSpy finished(reply.get(), &QNetworkReply::finished);
    const auto errorBefore = reply->error();
    for (int i = 0; i < 2; ++i) {
        if (isClosed)
            reply->close();
        else
            reply->abort();
    }
    const bool wasRunning = isRunningIn(phase);
    const bool wasUndecided = phase == Phase::BodyArriving || phase == Phase::Scanning;
    QVERIFY(reply->isFinished());
    QCOMPARE(errors.size(), wasRunning ? 1 : 0);
    QCOMPARE(finished.size(), wasRunning ? 1 : 0);
    QCOMPARE(decided.size(), wasUndecided ? 1 : 0);
    QCOMPARE(reply->error(), wasRunning ? QNetworkReply::OperationCanceledError : errorBefore);
    if (wasUndecided)
        QCOMPARE(reply->outcome()->result.reason(), Reason::Cancelled);
    if (wasRunning) {
        QCOMPARE(reply->bytesAvailable(), 0);
        QVERIFY(!reply->canReadLine());
    }
    // And nothing follows.
    QTRY_COMPARE_WITH_TIMEOUT(m_server->connections(), 0, patienceMs);
    QTRY_COMPARE_WITH_TIMEOUT(m_bench->plugin->telemetry().activeWorkers, 0, patienceMs);
    QCOMPARE(finished.size(), wasRunning ? 1 : 0);
    QCOMPARE(decided.size(), wasUndecided ? 1 : 0);
}

void TapReplyLifetimeTest::reply_deletedInAnyPhase_leavesNothing()
{
    QFETCH(Phase, phase);
    auto reply = replyIn(phase);
    QVERIFY(reply);
    QSignalSpy finished(reply.get(), &QNetworkReply::finished);
    reply.reset();
    QCOMPARE(finished.size(), 0);
    if (phase == Phase::BodyArriving || phase == Phase::Scanning)
        QCOMPARE(m_bench->plugin->telemetry().totalScansCancelled, quint64(1));
}

void TapReplyLifetimeTest::manager_deletedInAnyPhase_takesItsReplies()
{
    QFETCH(Phase, phase);
    QPointer<TapReply> reply(replyIn(phase).release());
    QVERIFY(reply);
    QSignalSpy finished(reply, &QNetworkReply::finished);
    m_bench->manager.reset();
    QVERIFY(!reply);
    QCOMPARE(finished.size(), 0);
}

void TapReplyLifetimeTest::manager_deletedBeforeAdoptedReply_endsItQuietly()
{
    QFETCH(Phase, phase);
    const auto reply = replyIn(phase);
    QVERIFY(reply);
    reply->setParent(nullptr);
    QSignalSpy finished(reply.get(), &QNetworkReply::finished);
    m_bench->manager.reset();
    QVERIFY(reply->isFinished());
    QCOMPARE(finished.size(), 0);
    if (isRunningIn(phase))
        QCOMPARE(reply->error(), QNetworkReply::OperationCanceledError);
    reply->abort();
    reply->ignoreSslErrors();
    reply->setReadBufferSize(1);
    if (phase == Phase::Released)
        QCOMPARE(reply->readAll(), someBytes(500'000));
}

void TapReplyLifetimeTest::plugin_deletedInAnyPhase_endsReplies()
{
    QFETCH(Phase, phase);
    const auto reply = replyIn(phase);
    QVERIFY(reply);
    const auto errorBefore = reply->error();
    m_bench->plugin.reset();
    if (!hasInspectionIn(phase)) {
        QVERIFY(reply->isRunning()); // there was nothing to be inspected yet
        m_server->continueWith(
            path, phase == Phase::NoAnswer ? MisbehavingServer::response("x", 1) : someBytes(1000));
        AWAIT_FINISHED(reply);
        QCOMPARE(reply->error(), QNetworkReply::ContentOperationNotPermittedError);
    } else if (phase == Phase::BodyArriving || phase == Phase::PassingThrough) {
        QVERIFY(reply->isFinished());
        QCOMPARE(reply->error(), QNetworkReply::OperationCanceledError);
    } else {
        QVERIFY(reply->isFinished());
        QCOMPARE(reply->error(), errorBefore);
    }
    // The bytes were the tap's.
    QCOMPARE(reply->readAll(), QByteArray());
    QVERIFY(!reply->canReadLine());
    QVERIFY(
        !reply->releaseInto(m_bench->directory.path(), QStringLiteral("x"), ExistingFile::Keep));
}

void TapReplyLifetimeTest::plugin_deletedWhileScanning_releasesWhatIsThere()
{
    const auto reply = replyIn(Phase::Scanning);
    QVERIFY(reply);
    QByteArray got;
    connect(reply.get(), &QNetworkReply::finished, this, [&] { got = reply->readAll(); });
    m_bench->plugin.reset();
    QCOMPARE(reply->outcome()->result.reason(), Reason::ScannerUnavailable);
    QCOMPARE(got, slowMarker);
}

void TapReplyLifetimeTest::connection_closedInAnyPhase_cancelsWhatIsUndecided()
{
    QFETCH(Phase, phase);
    const auto reply = replyIn(phase);
    QVERIFY(reply);
    const bool wasUndecided = phase == Phase::BodyArriving || phase == Phase::Scanning;
    const bool wasFinished = reply->isFinished();
    m_bench->plugin->connectionClosed(connection + 1);
    m_bench->plugin->connectionClosed(connection);
    if (wasUndecided) {
        AWAIT_FINISHED(reply);
        QCOMPARE(reply->error(), QNetworkReply::OperationCanceledError);
        QCOMPARE(reply->outcome()->result.reason(), Reason::Cancelled);
        QCOMPARE(reply->readAll(), QByteArray());
    } else {
        QCOMPARE(reply->isFinished(), wasFinished);
    }
}

void TapReplyLifetimeTest::reply_endedInAnySlot_survives_data()
{
    QTest::addColumn<Phase>("phase");
    QTest::addColumn<QByteArray>("signal");
    QTest::addColumn<QByteArray>("how");
    const QByteArrayList signalNames{"metaDataChanged()", "downloadProgress(qint64,qint64)",
        "decided(Sentinel::Outcome)", "readyRead()", "errorOccurred(QNetworkReply::NetworkError)",
        "readChannelFinished()", "finished()", "aboutToClose()"};
    for (const Phase phase :
        {Phase::BodyArriving, Phase::PassingThrough, Phase::Released, Phase::Blocked}) {
        for (const QByteArray &signal : signalNames) {
            for (const QByteArray how : {"delete", "deleteLater", "abort", "close", "plugin"}) {
                if (signal == "aboutToClose()" && how == "delete")
                    continue; // QIODevice::close() does not survive that
                QTest::addRow("%s, %s, %s", nameOf(phase), signal.data(), how.data())
                    << phase << signal << how;
            }
        }
    }
}

//! Does something in whatever slot it is connected to.
class Actor : public QObject {
    Q_OBJECT
public:
    std::function<void()> action;
public Q_SLOTS:
    void act()
    {
        if (action)
            std::exchange(action, nullptr)();
    }
};

void TapReplyLifetimeTest::reply_endedInAnySlot_survives()
{
    QFETCH(Phase, phase);
    QFETCH(QByteArray, signal);
    QFETCH(QByteArray, how);
    m_server->answer(path, answerFor(phase));
    const QPointer<TapReply> reply(m_bench->get(m_server->url(path)));
    Actor actor;
    actor.action = [&] {
        if (how == "delete")
            delete reply.data();
        else if (how == "deleteLater")
            reply->deleteLater();
        else if (how == "abort")
            reply->abort();
        else if (how == "close")
            reply->close();
        else
            m_bench->plugin.reset();
    };
    const int index = reply->metaObject()->indexOfSignal(signal);
    QVERIFY(index >= 0);
    // The base's signal and the method may both be called finished(): by index, the right one.
    QVERIFY(connect(reply, reply->metaObject()->method(index), &actor,
        actor.metaObject()->method(actor.metaObject()->indexOfSlot("act()"))));
    // Until nothing more can happen: finished, gone, or waiting for the server.
    const auto isQuiet = [&] {
        return !reply || reply->isFinished() || !actor.action
            || (phase == Phase::BodyArriving && m_bench->inspection()
                && m_bench->inspection()->sizeBytes() == 500)
            || reply->bytesAvailable() == 2 * largestScanBytes;
    };
    QVERIFY(QTest::qWaitFor(isQuiet, patienceMs));
    actor.action = nullptr;
    QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    if (reply && (how == "abort" || how == "close"))
        reply->abort();
    QCoreApplication::processEvents();
    delete reply.data();
}

void TapReplyLifetimeTest::manyReplies_endedAtRandomMoments_leaveNothing()
{
    const int descriptors = descriptorCount();
    const QByteArray body = someBytes(400'000);
    m_server->answer(path, {MisbehavingServer::response(body, body.size()), Then::Close});
    quint32 state = 1;
    for (int round = 0; round < 60; ++round) {
        std::vector<std::unique_ptr<TapReply>> replies;
        for (int i = 0; i < 6; ++i)
            replies.emplace_back(m_bench->get(m_server->url(path)));
        state = state * 1664525 + 1013904223;
        for (quint32 turns = state >> 26; turns > 0; --turns)
            QCoreApplication::processEvents(QEventLoop::AllEvents, 1);
        replies[0]->abort();
        replies[1]->close();
        replies[2].release()->deleteLater();
    }
    QTRY_COMPARE_WITH_TIMEOUT(m_bench->inspections(), 0, patienceMs);
    m_bench->manager->clearConnectionCache(); // some were opened for a request that never came
    QTRY_COMPARE_WITH_TIMEOUT(m_server->connections(), 0, patienceMs);
    QTRY_VERIFY_WITH_TIMEOUT(descriptorCount() <= descriptors + 4, patienceMs);
}

QTEST_GUILESS_MAIN(TapReplyLifetimeTest)
#include "tst_tapreplylifetime.moc"
