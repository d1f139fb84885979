// SPDX-License-Identifier: MIT
//
// One reply: what it gives out, when, and with which error, of bodies as no good server sends them.
// Its end in every phase is in tst_tapreplylifetime.
#include "tests/support/MisbehavingServer.h"
#include "tests/support/TapBench.h"

#include <QDir>
#include <QLoggingCategory>
#include <QRegularExpression>
#include <QSignalSpy>
#include <QTest>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

using Then = MisbehavingServer::Then;
constexpr auto noLength = MisbehavingServer::noLength;
const QString path = QStringLiteral("/body");

//! A plugin that is not interested in anything.
class IndifferentPlugin final : public RequestServerPlugin {
public:
    std::expected<void, QString> start(const QVariantMap &) override { return {}; }
    std::expected<Inspection *, QString> intercept(Download) override
    {
        ++asked;
        return nullptr;
    }
    void connectionClosed(ConnectionId) override { }
    TelemetrySnapshot telemetry() const override { return {}; }
    int asked = 0;
};

TapSettings scanningAtMost(qint64 bytes)
{
    TapSettings settings;
    settings.scanning.maxScanBytes = bytes;
    settings.scanning.timeouts.largestBytes = bytes;
    return settings;
}

void addPolicies()
{
    QTest::addColumn<bool>("isFailClosed");
    QTest::newRow("fail open") << false;
    QTest::newRow("fail closed") << true;
}

} // namespace

class TapReplyTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init();

    void brokenAnswer_endsWithAnErrorWithoutABody_data();
    void brokenAnswer_endsWithAnErrorWithoutABody();
    void bodyCutOffLater_endsAsQtsOwnWithoutABody_data();
    void bodyCutOffLater_endsAsQtsOwnWithoutABody();
    void chunkedBody_cutWithItsLastBytes_isNeverGivenOutUnscanned();
    void bodyCutOff_afterARedirect_isNeverReleased();
    void chunkedBody_afterARedirectWithLength_isWhole();
    void length_afterARedirect_isTheLastOne();
    void bodyThatHangs_endsWithItsTransferTimeout();
    void bodyWithoutLength_endsWithItsConnection();
    void bodyThatHangs_isWithheld();
    void suspiciousBody_isBlockedUnlessThePolicyReleases_data();
    void suspiciousBody_isBlockedUnlessThePolicyReleases();
    void maliciousName_staysInItsDirectory_data();
    void maliciousName_staysInItsDirectory();

    void oversized_isReleasedWholeAndLive();
    void oversized_thatIsToBeBlocked_endsAtOnce();
    void oversized_cutOff_leavesWhatArrived();
    void oversized_cutOffBeforeItsDecision_isAnError();
    void oversized_slowReader_stopsTheNetwork_data();
    void oversized_slowReader_stopsTheNetwork();
    void oversized_limitLifted_goesOn();
    void oversized_nobodyReads_stillFinishes();
    void withheld_isTakenInDespiteItsReadBufferSize();
    void tooLargeToKeep_ends();
    void noRoomToKeep_ends();
    void noRoomToKeep_beforeTheDecision_ends_data();
    void noRoomToKeep_beforeTheDecision_ends();

    void scanTimedOut_isReleasedOrBlocked_data();
    void scanTimedOut_isReleasedOrBlocked();
    void queueFull_failClosed_isBlocked();

    void indifferentPlugin_bodyPassesThrough();
    void indifferentPlugin_slowReader_stopsTheNetwork();
    void pluginGone_bodyIsRefused();
    void pluginEnding_nestedLoop_bodyIsRefused_data();
    void pluginEnding_nestedLoop_bodyIsRefused();
    void pluginThatCouldNotStart_doesAsItsPolicySays_data();
    void pluginThatCouldNotStart_doesAsItsPolicySays();

    void released_readsAsADevice();
    void passingThrough_readsAsADevice();

private:
    bool awaitStandstill(QNetworkAccessManager &manager);

    std::unique_ptr<MisbehavingServer> m_server;
};

void TapReplyTest::init()
{
    m_server = std::make_unique<MisbehavingServer>();
    QLoggingCategory::setFilterRules({});
}

//! Until the server sends nothing more of a body while another one passes from end to end: that it
//! sent nothing for a moment could as well mean that it had no turn.
bool TapReplyTest::awaitStandstill(QNetworkAccessManager &manager)
{
    const QString otherPath = QStringLiteral("/other");
    const QByteArray other = MisbehavingServer::response(QByteArray(500'000, 'o'), 500'000);
    m_server->answer(otherPath, {other, Then::Close});
    for (int i = 0; i < 1000; ++i) {
        const qint64 before = m_server->sentBytes();
        const std::unique_ptr<QNetworkReply> reply(
            manager.get(QNetworkRequest(m_server->url(otherPath))));
        if (!awaitFinished(*reply) || reply->error() != QNetworkReply::NoError)
            return false;
        if (m_server->sentBytes() - before == other.size())
            return true;
    }
    return false;
}

void TapReplyTest::brokenAnswer_endsWithAnErrorWithoutABody_data()
{
    QTest::addColumn<QByteArray>("answer");
    QTest::addColumn<bool>("isBodyBegun");
    const QByteArray body = someBytes(300'000);
    QTest::newRow("no answer") << QByteArray() << false;
    QTest::newRow("half a status line") << QByteArray("HTTP/1.1 2") << false;
    QTest::newRow("half a header") << QByteArray("HTTP/1.1 200 OK\r\nContent-Le") << false;
    QTest::newRow("garbage") << body.left(5000) << false;
    QTest::newRow("headers alone") << MisbehavingServer::response({}, 1000) << false;
    QTest::newRow("half a body") << MisbehavingServer::response(body, 600'000) << true;
    QTest::newRow("one byte missing") << MisbehavingServer::response(body, 300'001) << true;
    QTest::newRow("half an error page")
        << MisbehavingServer::response(body, 300'001, {}, "404 Not Found") << true;
    QTest::newRow("broken compression")
        << MisbehavingServer::response(body, 300'000, "Content-Encoding: gzip\r\n") << false;
}

void TapReplyTest::brokenAnswer_endsWithAnErrorWithoutABody()
{
    QFETCH(QByteArray, answer);
    QFETCH(bool, isBodyBegun);
    m_server->answer(path, {answer, Then::Close});
    QNetworkAccessManager plain;
    const std::unique_ptr<QNetworkReply> expected(plain.get(QNetworkRequest(m_server->url(path))));
    AWAIT_FINISHED(expected);

    const TapBench bench;
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    QSignalSpy readyRead(reply.get(), &QNetworkReply::readyRead);
    QSignalSpy decided(reply.get(), &TapReply::decided);
    QSignalSpy errors(reply.get(), &QNetworkReply::errorOccurred);
    AWAIT_FINISHED(reply);
    QVERIFY(reply->error() != QNetworkReply::NoError);
    // Of a cut body Qt tells or does not tell, as the bytes happen to come in; we always do.
    if (!isBodyBegun)
        QCOMPARE(reply->error(), expected->error());
    QCOMPARE(errors.size(), 1);
    QCOMPARE(readyRead.size(), 0);
    QCOMPARE(reply->readAll(), QByteArray());
    QCOMPARE(decided.size(), reply->outcome() ? 1 : 0);
    QVERIFY(reply->outcome() || !isBodyBegun);
    if (reply->outcome()) {
        QCOMPARE(reply->outcome()->result.reason(), Reason::Incomplete);
        QCOMPARE(reply->outcome()->disposition, Disposition::Block);
    }
}

void TapReplyTest::bodyCutOffLater_endsAsQtsOwnWithoutABody_data()
{
    QTest::addColumn<QByteArray>("answer");
    const QByteArray body = someBytes(0x1000);
    const QByteArray chunked = MisbehavingServer::response(
        "1000\r\n" + body + "\r\n", noLength, "Transfer-Encoding: chunked\r\n");
    QTest::newRow("length") << MisbehavingServer::response(body, 0x1001);
    QTest::newRow("no last chunk") << chunked;
    QTest::newRow("half a chunk size") << chunked + "10";
    QTest::newRow("error page") << MisbehavingServer::response(body, 0x1001, {}, "404 Not Found");
}

void TapReplyTest::bodyCutOffLater_endsAsQtsOwnWithoutABody()
{
    QFETCH(QByteArray, answer);
    m_server->answer(path, {answer, Then::Hang});
    const TapBench bench;
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    QTRY_VERIFY_WITH_TIMEOUT(
        bench.inspection() && bench.inspection()->sizeBytes() == 0x1000, patienceMs);
    m_server->closeHanging(path);
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->error(), QNetworkReply::RemoteHostClosedError);
    QCOMPARE(reply->outcome()->result.reason(), Reason::Incomplete);
    QCOMPARE(reply->readAll(), QByteArray());
}

void TapReplyTest::chunkedBody_cutWithItsLastBytes_isNeverGivenOutUnscanned()
{
    // Qt 6.4 tells us of the cut or takes it for the end, as the bytes happen to come in.
    const QByteArray body = someBytes(0x1000);
    m_server->answer(path,
        {MisbehavingServer::response(
             "1000\r\n" + body + "\r\n", noLength, "Transfer-Encoding: chunked\r\n"),
            Then::Close});
    const TapBench bench;
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    AWAIT_FINISHED(reply);
    if (reply->error() == QNetworkReply::NoError) {
        QCOMPARE(reply->readAll(), body);
        QCOMPARE(reply->outcome()->result.verdict(), Verdict::Clean);
        QCOMPARE(reply->outcome()->result.coverage().bytesScanned, body.size());
    } else {
        QCOMPARE(reply->error(), QNetworkReply::RemoteHostClosedError);
        QCOMPARE(reply->readAll(), QByteArray());
    }
}

void TapReplyTest::bodyCutOff_afterARedirect_isNeverReleased()
{
    // Where both come by one connection, Qt 6.4 may join the headers of both answers ("5, 600000"),
    // and may not notice the cut; each as its threads happen to run.
    constexpr int rounds = 2000;
    const QString redirect = QStringLiteral("/redirect");
    m_server->answer(redirect,
        {MisbehavingServer::response("hello", 5, "Location: /body\r\n", "302 Found"), Then::Hang});
    m_server->answer(path, {MisbehavingServer::response(someBytes(300'000), 600'000), Then::Close});
    const TapBench bench;
    for (int i = 0; i < rounds; ++i) {
        TapAccessManager manager(*bench.plugin); // with a connection of its own
        const std::unique_ptr<TapReply> reply(
            qobject_cast<TapReply *>(manager.get(QNetworkRequest(m_server->url(redirect)))));
        AWAIT_FINISHED(reply);
        QCOMPARE(reply->error(), QNetworkReply::RemoteHostClosedError);
        QCOMPARE(reply->outcome()->result.reason(), Reason::Incomplete);
        QCOMPARE(reply->readAll(), QByteArray());
    }
}

void TapReplyTest::chunkedBody_afterARedirectWithLength_isWhole()
{
    // The same: a length that Qt 6.4 may leave over from the redirect is not this body's.
    constexpr int rounds = 2000;
    const QString redirect = QStringLiteral("/redirect");
    m_server->answer(redirect,
        {MisbehavingServer::response(QByteArray(138, 'r'), 138, "Location: /body\r\n", "302 Found"),
            Then::Hang});
    m_server->answer(path,
        {MisbehavingServer::response(
             "4\r\nbody\r\n0\r\n\r\n", noLength, "Transfer-Encoding: chunked\r\n"),
            Then::Hang});
    const TapBench bench;
    for (int i = 0; i < rounds; ++i) {
        TapAccessManager manager(*bench.plugin);
        const std::unique_ptr<TapReply> reply(
            qobject_cast<TapReply *>(manager.get(QNetworkRequest(m_server->url(redirect)))));
        AWAIT_FINISHED(reply);
        QCOMPARE(reply->error(), QNetworkReply::NoError);
        QCOMPARE(reply->outcome()->result.verdict(), Verdict::Clean);
        QVERIFY(!reply->outcome()->metadata.sizeBytes);
        QCOMPARE(reply->readAll(), QByteArray("body"));
    }
}

void TapReplyTest::length_afterARedirect_isTheLastOne()
{
    const QString redirect = QStringLiteral("/redirect");
    m_server->answer(redirect,
        {MisbehavingServer::response(
             "hello", 5, "Location: /body\r\nConnection: close\r\n", "302 Found"),
            Then::Close});
    m_server->answer(path, {MisbehavingServer::response("a longer body", 13), Then::Close});
    QNetworkRequest request(m_server->url(redirect));
    request.setAttribute(
        QNetworkRequest::RedirectPolicyAttribute, QNetworkRequest::UserVerifiedRedirectPolicy);
    const TapBench bench;
    const std::unique_ptr<TapReply> reply(bench.get(request));
    connect(reply.get(), &QNetworkReply::redirected, reply.get(), &QNetworkReply::redirectAllowed,
        Qt::QueuedConnection);
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->readAll(), QByteArray("a longer body"));
    QCOMPARE(reply->outcome()->metadata.sizeBytes, std::optional<qint64>(13));
    QCOMPARE(reply->header(QNetworkRequest::ContentLengthHeader).toLongLong(), 13);
}

void TapReplyTest::bodyThatHangs_endsWithItsTransferTimeout()
{
    m_server->answer(path, {MisbehavingServer::response("half", 8), Then::Hang});
    const TapBench bench;
    bench.manager->setTransferTimeout(1000);
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->error(), QNetworkReply::OperationCanceledError);
    QVERIFY(reply->outcome());
    QCOMPARE(reply->outcome()->result.reason(), Reason::Incomplete);
    QCOMPARE(reply->bytesAvailable(), 0);
}

void TapReplyTest::bodyWithoutLength_endsWithItsConnection()
{
    const QByteArray body = someBytes(300'000);
    m_server->answer(path, {MisbehavingServer::response(body, noLength), Then::Close});
    const TapBench bench;
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->error(), QNetworkReply::NoError);
    QCOMPARE(reply->outcome()->result.verdict(), Verdict::Clean);
    QVERIFY(!reply->outcome()->metadata.sizeBytes);
    QVERIFY(reply->readAll() == body);
}

void TapReplyTest::bodyThatHangs_isWithheld()
{
    const QByteArray body = someBytes(3'000'000);
    m_server->answer(
        path, {MisbehavingServer::response(body.left(2'999'999), 3'000'000), Then::Hang});
    const TapBench bench;
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    QTRY_VERIFY_WITH_TIMEOUT(
        bench.inspection() && bench.inspection()->sizeBytes() == 2'999'999, patienceMs);
    QCOMPARE(reply->bytesAvailable(), 0);
    QVERIFY(reply->isRunning());
    QVERIFY(!reply->canReadLine());
    char byte = 0;
    QCOMPARE(reply->read(&byte, 1), 0);
    m_server->continueWith(path, body.right(1));
    AWAIT_FINISHED(reply);
    QVERIFY(reply->readAll() == body);
}

void TapReplyTest::suspiciousBody_isBlockedUnlessThePolicyReleases_data()
{
    QTest::addColumn<bool>("isReleased");
    QTest::newRow("blocked") << false;
    QTest::newRow("released") << true;
}

void TapReplyTest::suspiciousBody_isBlockedUnlessThePolicyReleases()
{
    QFETCH(bool, isReleased);
    m_server->answer(
        path, {MisbehavingServer::response(dubiousMarker, dubiousMarker.size()), Then::Close});
    TapSettings settings;
    if (isReleased)
        settings.policy.suspicious = Disposition::Release;
    const TapBench bench(settings);
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->outcome()->result.verdict(), Verdict::Suspicious);
    QCOMPARE(
        reply->error(), isReleased ? QNetworkReply::NoError : QNetworkReply::ContentAccessDenied);
    QCOMPARE(reply->readAll(), isReleased ? dubiousMarker : QByteArray());
}

void TapReplyTest::maliciousName_staysInItsDirectory_data()
{
    QTest::addColumn<QByteArray>("header");
    QTest::newRow("up") << QByteArray("attachment; filename=\"../../../etc/cron.d/x\"");
    QTest::newRow("absolute") << QByteArray("attachment; filename=\"/etc/passwd\"");
    QTest::newRow("windows") << QByteArray("attachment; filename=\"..\\\\..\\\\autoexec.bat\"");
    QTest::newRow("percent") << QByteArray("attachment; filename*=UTF-8''%2e%2e%2fx%00y");
    QTest::newRow("dots") << QByteArray("attachment; filename=\"..\"");
    QTest::newRow("hidden") << QByteArray("attachment; filename=\".bashrc\"");
    QTest::newRow("empty") << QByteArray("attachment; filename=\"\"");
    QTest::newRow("reversed") << QByteArray("attachment; filename*=UTF-8''photo%E2%80%AEgpj.exe");
    QTest::newRow("long") << "attachment; filename=\"" + QByteArray(5000, 'a') + ".exe\"";
    QTest::newRow("broken") << QByteArray("attachment; filename=\"unfinished");
}

void TapReplyTest::maliciousName_staysInItsDirectory()
{
    QFETCH(QByteArray, header);
    m_server->answer(path,
        {MisbehavingServer::response("content", 7, "Content-Disposition: " + header + "\r\n"),
            Then::Close});
    const TapBench bench;
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    AWAIT_FINISHED(reply);
    QVERIFY(reply->outcome());
    const QDir outside(bench.directory.path());
    QVERIFY(outside.mkpath(QStringLiteral("a/b/c/d")));
    const QString inside = outside.filePath(QStringLiteral("a/b/c/d"));
    const auto released =
        reply->releaseInto(inside, reply->outcome()->metadata.filename, ExistingFile::Keep);
    QVERIFY2(released, qPrintable(released ? QString() : released.error().message));
    QCOMPARE(QFileInfo(*released).absolutePath(), inside);
    QCOMPARE(
        QDir(inside).entryList(QDir::AllEntries | QDir::Hidden | QDir::NoDotAndDotDot).size(), 1);
    QVERIFY(!QFileInfo(*released).fileName().startsWith(QLatin1Char('.')));
}

void TapReplyTest::oversized_isReleasedWholeAndLive()
{
    const QByteArray body = someBytes(5'000'000);
    m_server->answer(
        path, {MisbehavingServer::response(body.left(3'000'000), 5'000'000), Then::Hang});
    const TapBench bench(scanningAtMost(1'000'000));
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    QByteArray got;
    QStringList order;
    connect(
        reply.get(), &TapReply::decided, this, [&] { order.append(QStringLiteral("decided")); });
    connect(reply.get(), &QNetworkReply::readyRead, this, [&] {
        order.append(QStringLiteral("readyRead"));
        got += reply->readAll();
    });
    QTRY_COMPARE_WITH_TIMEOUT(got.size(), 3'000'000, patienceMs);
    QCOMPARE(order.first(), QStringLiteral("decided"));
    QVERIFY(reply->isRunning());
    QCOMPARE(reply->outcome()->result.reason(), Reason::TooLarge);
    QVERIFY(!reply->releaseInto(bench.directory.path(), QStringLiteral("x"), ExistingFile::Keep));
    m_server->continueWith(path, body.mid(3'000'000));
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->error(), QNetworkReply::NoError);
    QVERIFY(got + reply->readAll() == body);

    const auto released =
        reply->releaseInto(bench.directory.path(), QStringLiteral("x"), ExistingFile::Keep);
    QVERIFY(released);
    QFile file(*released);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QVERIFY(file.readAll() == body);
}

void TapReplyTest::oversized_thatIsToBeBlocked_endsAtOnce()
{
    m_server->answer(path, {MisbehavingServer::response({}, noLength), Then::Endless});
    TapSettings settings = scanningAtMost(1'000'000);
    settings.policy.forReason(Reason::TooLarge) = Disposition::Block;
    const TapBench bench(settings);
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->error(), QNetworkReply::ContentOperationNotPermittedError);
    QVERIFY2(reply->errorString().contains(explanation(Reason::TooLarge)),
        qPrintable(reply->errorString()));
    QCOMPARE(reply->readAll(), QByteArray());
    QTRY_COMPARE_WITH_TIMEOUT(m_server->connections(), 0, patienceMs);
}

void TapReplyTest::oversized_cutOff_leavesWhatArrived()
{
    const QByteArray body = someBytes(3'000'000);
    m_server->answer(path, {MisbehavingServer::response(body, 5'000'000), Then::Hang});
    const TapBench bench(scanningAtMost(1'000'000));
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    QTRY_COMPARE_WITH_TIMEOUT(reply->bytesAvailable(), body.size(), patienceMs);
    m_server->closeHanging(path);
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->error(), QNetworkReply::RemoteHostClosedError);
    QVERIFY(reply->readAll() == body);
    QVERIFY(!reply->releaseInto(bench.directory.path(), QStringLiteral("x"), ExistingFile::Keep));
}

void TapReplyTest::oversized_cutOffBeforeItsDecision_isAnError()
{
    // All of it comes at once, so that the cut is known before the decision is announced.
    constexpr int rounds = 500;
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.tap.warning=false"));
    m_server->answer(path, {MisbehavingServer::response(someBytes(300'000), 300'001), Then::Close});
    const TapBench bench(scanningAtMost(299'999));
    for (int i = 0; i < rounds; ++i) {
        const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
        AWAIT_FINISHED(reply);
        QCOMPARE(reply->outcome()->result.reason(), Reason::TooLarge);
        QCOMPARE(reply->error(), QNetworkReply::RemoteHostClosedError);
    }
}

void TapReplyTest::oversized_slowReader_stopsTheNetwork_data()
{
    QTest::addColumn<bool>("isSetLate");
    QTest::newRow("set before the body") << false;
    QTest::newRow("set in pass-through") << true;
}

void TapReplyTest::oversized_slowReader_stopsTheNetwork()
{
    QFETCH(bool, isSetLate);
    constexpr qint64 bufferBytes = 500'000;
    m_server->answer(path, {MisbehavingServer::response({}, noLength), Then::Endless});
    const TapBench bench(scanningAtMost(1'000'000));
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    if (!isSetLate)
        reply->setReadBufferSize(bufferBytes);
    QSignalSpy decided(reply.get(), &TapReply::decided);
    QVERIFY(decided.wait(patienceMs));
    reply->setReadBufferSize(bufferBytes);

    // The server stops sending, since nobody takes its bytes any more.
    QVERIFY(awaitStandstill(*bench.manager));
    const auto unread = [&] { return reply->bytesAvailable(); };
    qint64 read = 0;
    qint64 mostUnread = 0;
    const qint64 atStart = unread();
    for (int i = 0; i < 60; ++i) { // slower than the server, by far
        QTRY_VERIFY_WITH_TIMEOUT(unread() > 0, patienceMs);
        const QByteArray bytes = reply->read(100'000);
        QCOMPARE(bytes.count('e'), bytes.size());
        read += bytes.size();
        QTest::qWait(0);
        if (read > atStart) // what came before the limit was in force is read
            mostUnread = std::max(mostUnread, unread());
    }
    QVERIFY(read > 3 * bufferBytes);
    QVERIFY2(mostUnread <= bufferBytes + 64 * Limits::kib, qPrintable(QString::number(mostUnread)));
    QVERIFY(mostUnread > 0);
    reply->abort();
    QTRY_COMPARE_WITH_TIMEOUT(m_server->connections(), 0, patienceMs);
}

void TapReplyTest::oversized_limitLifted_goesOn()
{
    const QByteArray body = someBytes(20'000'000);
    m_server->answer(path, {MisbehavingServer::response(body, body.size()), Then::Close});
    const TapBench bench(scanningAtMost(1'000'000));
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    reply->setReadBufferSize(10'000);
    QSignalSpy decided(reply.get(), &TapReply::decided);
    QVERIFY(decided.wait(patienceMs));
    reply->setReadBufferSize(0);
    AWAIT_FINISHED(reply);
    QVERIFY(reply->readAll() == body);
}

void TapReplyTest::oversized_nobodyReads_stillFinishes()
{
    // Larger than the buffer, but so small that the network has brought all of it.
    const QByteArray body = someBytes(1'100'000);
    m_server->answer(path, {MisbehavingServer::response(body, body.size()), Then::Close});
    const TapBench bench(scanningAtMost(1'000'000));
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    reply->setReadBufferSize(100'000);
    QByteArray got;
    connect(reply.get(), &QNetworkReply::readyRead, this, [&] { got += reply->readAll(); });
    AWAIT_FINISHED(reply);
    QVERIFY(got + reply->readAll() == body);
}

void TapReplyTest::withheld_isTakenInDespiteItsReadBufferSize()
{
    const QByteArray body = someBytes(5'000'000);
    m_server->answer(path, {MisbehavingServer::response(body, body.size()), Then::Close});
    const TapBench bench;
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    reply->setReadBufferSize(1000);
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->bytesAvailable(), body.size());
    QVERIFY(reply->readAll() == body);
}

void TapReplyTest::tooLargeToKeep_ends()
{
    m_server->answer(path, {MisbehavingServer::response({}, noLength), Then::Endless});
    TapSettings settings;
    settings.maxSpoolBytes = 2'000'000;
    const TapBench bench(settings);
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->error(), QNetworkReply::UnknownContentError);
    QCOMPARE(reply->outcome()->result.reason(), Reason::Unreadable);
    QCOMPARE(reply->readAll(), QByteArray());
    QTRY_COMPARE_WITH_TIMEOUT(m_server->connections(), 0, patienceMs);
}

void TapReplyTest::noRoomToKeep_ends()
{
    // The same, after it was released: what is kept would have a hole.
    m_server->answer(path, {MisbehavingServer::response({}, noLength), Then::Endless});
    TapSettings settings = scanningAtMost(1'000'000);
    settings.maxSpoolBytes = 2'000'000;
    const TapBench bench(settings);
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    QSignalSpy decided(reply.get(), &TapReply::decided);
    AWAIT_FINISHED(reply);
    QCOMPARE(decided.size(), 1);
    QCOMPARE(reply->outcome()->result.reason(), Reason::TooLarge);
    QCOMPARE(reply->error(), QNetworkReply::UnknownContentError);
    QVERIFY(!reply->releaseInto(bench.directory.path(), QStringLiteral("x"), ExistingFile::Keep));
    QTRY_COMPARE_WITH_TIMEOUT(m_server->connections(), 0, patienceMs);
}

void TapReplyTest::noRoomToKeep_beforeTheDecision_ends_data()
{
    QTest::addColumn<bool>("isFile");
    QTest::addColumn<qint64>("roomBytes");
    for (const bool isFile : {false, true}) {
        const char *from = isFile ? "file" : "http";
        QTest::addRow("%s", from) << isFile << qint64(600'000);
        QTest::addRow("%s, its last bytes", from) << isFile << qint64(699'999);
    }
}

void TapReplyTest::noRoomToKeep_beforeTheDecision_ends()
{
    // The bytes that do not fit come with those that decide, before the decision is announced.
    QFETCH(bool, isFile);
    QFETCH(qint64, roomBytes);
    const QByteArray body = someBytes(700'000);
    m_server->answer(path, {MisbehavingServer::response(body, body.size()), Then::Close});
    TapSettings settings = scanningAtMost(500'000);
    settings.maxSpoolBytes = roomBytes;
    const TapBench bench(settings);
    QFile file(bench.directory.filePath(QStringLiteral("body")));
    QVERIFY(file.open(QIODevice::WriteOnly) && file.write(body) == body.size());
    file.close();
    const std::unique_ptr<TapReply> reply(
        bench.get(isFile ? QUrl::fromLocalFile(file.fileName()) : m_server->url(path)));
    QSignalSpy decided(reply.get(), &TapReply::decided);
    AWAIT_FINISHED(reply);
    QCOMPARE(decided.size(), 1);
    QCOMPARE(reply->outcome()->result.reason(), Reason::TooLarge);
    QCOMPARE(reply->error(), QNetworkReply::UnknownContentError);
    QVERIFY(!reply->releaseInto(bench.directory.path(), QStringLiteral("x"), ExistingFile::Keep));
}

void TapReplyTest::scanTimedOut_isReleasedOrBlocked_data()
{
    addPolicies();
}

void TapReplyTest::scanTimedOut_isReleasedOrBlocked()
{
    QFETCH(bool, isFailClosed);
    m_server->answer(
        path, {MisbehavingServer::response(slowMarker, slowMarker.size()), Then::Close});
    TapSettings settings;
    settings.scanning.timeouts.least = std::chrono::milliseconds(1);
    settings.scanning.timeouts.most = std::chrono::milliseconds(1);
    if (isFailClosed)
        settings.policy = Policy::failClosed();
    const TapBench bench(settings);
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->outcome()->result.reason(), Reason::TimedOut);
    QCOMPARE(reply->error(),
        isFailClosed ? QNetworkReply::ContentOperationNotPermittedError : QNetworkReply::NoError);
    QCOMPARE(reply->readAll(), isFailClosed ? QByteArray() : slowMarker);
}

void TapReplyTest::queueFull_failClosed_isBlocked()
{
    m_server->answer(
        path, {MisbehavingServer::response(slowMarker, slowMarker.size()), Then::Close});
    TapSettings settings;
    settings.policy = Policy::failClosed();
    settings.policy.hold = {};
    settings.scanning.workers.maxWorkers = 1;
    settings.scanning.queue.maxRequests = 1;
    settings.scanning.cache.enabled = false;
    const TapBench bench(settings);
    std::vector<std::unique_ptr<TapReply>> replies;
    for (int i = 0; i < 4; ++i) // one on the worker, one in the queue
        replies.emplace_back(bench.get(m_server->url(path)));
    int refused = 0;
    for (const auto &reply : replies) {
        AWAIT_FINISHED(reply);
        if (reply->outcome()->result.reason() != Reason::QueueFull) {
            QCOMPARE(reply->readAll(), slowMarker);
            continue;
        }
        ++refused;
        QCOMPARE(reply->error(), QNetworkReply::ContentOperationNotPermittedError);
        QCOMPARE(reply->readAll(), QByteArray());
    }
    QVERIFY(refused >= 1);
}

void TapReplyTest::indifferentPlugin_bodyPassesThrough()
{
    const QByteArray body = "a line\n" + someBytes(3'000'000) + marker;
    m_server->answer(path, {MisbehavingServer::response(body, body.size()), Then::Close});
    IndifferentPlugin plugin;
    TapAccessManager manager(plugin);
    const std::unique_ptr<TapReply> reply(
        qobject_cast<TapReply *>(manager.get(QNetworkRequest(m_server->url(path)))));
    QByteArray line;
    connect(reply.get(), &QNetworkReply::readyRead, this, [&] {
        if (line.isEmpty() && reply->canReadLine())
            line = reply->readLine();
    });
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->error(), QNetworkReply::NoError);
    QCOMPARE(line, QByteArray("a line\n"));
    QVERIFY(line + reply->readAll() == body);
    QVERIFY(!reply->outcome());
    QCOMPARE(plugin.asked, 1);
}

void TapReplyTest::indifferentPlugin_slowReader_stopsTheNetwork()
{
    m_server->answer(path, {MisbehavingServer::response({}, noLength), Then::Endless});
    IndifferentPlugin plugin;
    TapAccessManager manager(plugin);
    const std::unique_ptr<QNetworkReply> reply(manager.get(QNetworkRequest(m_server->url(path))));
    reply->setReadBufferSize(100'000);
    QSignalSpy readyRead(reply.get(), &QNetworkReply::readyRead);
    QVERIFY(readyRead.wait(patienceMs));
    QVERIFY(awaitStandstill(manager));
    const qint64 before = m_server->sentBytes();
    qint64 read = 0;
    while (m_server->sentBytes() == before) { // what is on its way is taken, then more is sent
        QTRY_VERIFY_WITH_TIMEOUT(reply->bytesAvailable() > 0, patienceMs);
        read += reply->readAll().size();
    }
    QVERIFY(read > 0);
}

void TapReplyTest::pluginGone_bodyIsRefused()
{
    m_server->answer(path, {MisbehavingServer::response("content", 7), Then::Close});
    TapBench bench;
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    bench.plugin.reset();
    AWAIT_FINISHED(reply);
    QCOMPARE(reply->error(), QNetworkReply::ContentOperationNotPermittedError);
    QCOMPARE(reply->readAll(), QByteArray());
}

void TapReplyTest::pluginEnding_nestedLoop_bodyIsRefused_data()
{
    addPolicies();
}

void TapReplyTest::pluginEnding_nestedLoop_bodyIsRefused()
{
    // The end of the plugin ends one reply; a slot of that one waits for another.
    QFETCH(bool, isFailClosed);
    const QString latePath = QStringLiteral("/late");
    m_server->answer(
        path, {MisbehavingServer::response(slowMarker, slowMarker.size()), Then::Close});
    m_server->answer(latePath, {{}, Then::Hang});
    TapSettings settings;
    if (isFailClosed)
        settings.policy = Policy::failClosed();
    TapBench bench(settings);
    const std::unique_ptr<TapReply> late(bench.get(m_server->url(latePath)));
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    QTRY_VERIFY_WITH_TIMEOUT(m_server->connections(latePath) == 1 && bench.inspection()
            && bench.inspection()->state() == Inspection::State::Scanning,
        patienceMs);
    bool hasLateEnded = false;
    connect(reply.get(), &QNetworkReply::finished, this, [&] {
        m_server->continueWith(latePath, MisbehavingServer::response("content", 7));
        hasLateEnded = awaitFinished(*late);
    });
    bench.plugin.reset();
    QVERIFY(hasLateEnded);
    QCOMPARE(late->error(), QNetworkReply::ContentOperationNotPermittedError);
    QCOMPARE(late->readAll(), QByteArray());
}

void TapReplyTest::pluginThatCouldNotStart_doesAsItsPolicySays_data()
{
    addPolicies();
}

void TapReplyTest::pluginThatCouldNotStart_doesAsItsPolicySays()
{
    QFETCH(bool, isFailClosed);
    m_server->answer(path, {MisbehavingServer::response("content", 7), Then::Close});
    TapSettings settings;
    settings.rulePaths = QStringList{QStringLiteral("/no/such/rules")};
    settings.policy.forReason(Reason::ScannerUnavailable) =
        isFailClosed ? Disposition::Block : Disposition::Release;
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("cannot start")));
    SecurityTapPlugin plugin(settings);
    QVERIFY(!plugin.tap());
    TapAccessManager manager(plugin);
    for (int i = 0; i < 2; ++i) { // each of them is visible
        QTest::ignoreMessage(QtWarningMsg,
            QRegularExpression(isFailClosed ? QStringLiteral("refused.*/body.*no scanner")
                                            : QStringLiteral("uninspected.*/body.*no scanner")));
        const std::unique_ptr<QNetworkReply> reply(
            manager.get(QNetworkRequest(m_server->url(path))));
        AWAIT_FINISHED(reply);
        QCOMPARE(reply->error(),
            isFailClosed ? QNetworkReply::ContentOperationNotPermittedError
                         : QNetworkReply::NoError);
        QCOMPARE(reply->readAll(), isFailClosed ? QByteArray() : QByteArray("content"));
    }
}

void TapReplyTest::released_readsAsADevice()
{
    const QByteArray body = "first\n" + QByteArray(200'000, 'x') + "\nlast";
    m_server->answer(path, {MisbehavingServer::response(body, body.size()), Then::Close});
    const TapBench bench;
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    AWAIT_FINISHED(reply);
    QVERIFY(reply->isSequential());
    QVERIFY(reply->isReadable());
    QCOMPARE(reply->peek(3), QByteArray("fir"));
    QCOMPARE(reply->bytesAvailable(), body.size());
    QVERIFY(reply->canReadLine());
    QCOMPARE(reply->readLine(), QByteArray("first\n"));
    QVERIFY(reply->canReadLine());
    QCOMPARE(reply->readLine().size(), 200'001);
    QVERIFY(!reply->canReadLine());
    QVERIFY(!reply->atEnd());
    char byte = 0;
    QVERIFY(reply->getChar(&byte));
    QCOMPARE(byte, 'l');
    QCOMPARE(reply->skip(2), 2);
    QCOMPARE(reply->bytesAvailable(), 1);
    QCOMPARE(reply->readAll(), QByteArray("t"));
    QVERIFY(reply->atEnd());
    QCOMPARE(reply->read(&byte, 1), -1);
}

void TapReplyTest::passingThrough_readsAsADevice()
{
    const QByteArray body = QByteArray(1'500'000, 'x') + "\nunfinished";
    m_server->answer(path, {MisbehavingServer::response(body, 2'000'000), Then::Hang});
    const TapBench bench(scanningAtMost(1'000'000));
    const std::unique_ptr<TapReply> reply(bench.get(m_server->url(path)));
    QTRY_COMPARE_WITH_TIMEOUT(reply->bytesAvailable(), body.size(), patienceMs);
    QVERIFY(reply->canReadLine());
    QCOMPARE(reply->readLine().size(), 1'500'001);
    QVERIFY(!reply->canReadLine());
    QCOMPARE(reply->readAll(), QByteArray("unfinished"));
    char byte = 0;
    QCOMPARE(reply->read(&byte, 1), 0);
    m_server->continueWith(path, "\n");
    QTRY_VERIFY_WITH_TIMEOUT(reply->canReadLine(), patienceMs);
    QCOMPARE(reply->readLine(), QByteArray("\n"));
}

QTEST_GUILESS_MAIN(TapReplyTest)
#include "tst_tapreply.moc"
