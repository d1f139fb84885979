// SPDX-License-Identifier: MIT
//
// Downloads of all kinds, fetched over HTTP on loopback through the tap, and what became of each.
// Exits with 0 only if every outcome is the right one.
#include "SecurityTap/network/TapAccessManager.h"
#include "SecurityTap/network/TapReply.h"
#include "SecurityTap/plugin/SecurityTapPlugin.h"
#include "examples/demo/SampleFiles.h"
#include "tests/support/MisbehavingServer.h"
#include "tests/support/NginxServer.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/RuleSamples.h"

#include <QCoreApplication>
#include <QElapsedTimer>
#include <QEventLoop>
#include <QLoggingCategory>
#include <QTemporaryDir>
#include <QTextStream>

using namespace Sentinel;

namespace {

//! One line of the table.
struct Row {
    QString what;
    QUrl url;
    QByteArray served;
    Verdict verdict = Verdict::Clean;
    Reason reason = Reason::None;
    Disposition disposition = Disposition::Release;
};

struct Fetched {
    std::optional<Outcome> outcome;
    QByteArray body;
    qint64 elapsedMs = 0;
};

Fetched fetch(TapAccessManager &manager, const QUrl &url)
{
    QElapsedTimer timer;
    timer.start();
    const std::unique_ptr<QNetworkReply> reply(manager.get(QNetworkRequest(url)));
    QEventLoop loop;
    QObject::connect(reply.get(), &QNetworkReply::finished, &loop, &QEventLoop::quit);
    loop.exec();
    return {static_cast<TapReply *>(reply.get())->outcome(), reply->readAll(), timer.elapsed()};
}

bool isRight(const Row &row, const Fetched &fetched)
{
    if (!fetched.outcome)
        return false;
    const ScanResult &result = fetched.outcome->result;
    const QByteArray expectedBody =
        row.disposition == Disposition::Release ? row.served : QByteArray();
    return result.verdict() == row.verdict && result.reason() == row.reason
        && fetched.outcome->disposition == row.disposition && fetched.body == expectedBody;
}

QTextStream &out()
{
    static QTextStream stream(stdout);
    return stream;
}

void printLine(const QString &what, const QString &size, const QString &verdict,
    const QString &disposition, const QString &time, const QString &right)
{
    out() << what.leftJustified(28) << size.rightJustified(11) << QStringLiteral("  ")
          << verdict.leftJustified(24) << disposition.leftJustified(11) << time.rightJustified(8)
          << QStringLiteral("  ") << right << Qt::endl;
}

bool run(TapAccessManager &manager, const Row &row)
{
    const Fetched fetched = fetch(manager, row.url);
    const bool right = isRight(row, fetched);
    QString verdict = QStringLiteral("(none)");
    QString disposition;
    if (fetched.outcome) {
        const ScanResult &result = fetched.outcome->result;
        verdict = result.reason() == Reason::None
            ? nameOf(result.verdict())
            : QStringLiteral("NotScanned(%1)").arg(nameOf(result.reason()));
        disposition = nameOf(fetched.outcome->disposition);
    }
    printLine(row.what, QString::number(row.served.size()), verdict, disposition,
        QStringLiteral("%1 ms").arg(fetched.elapsedMs),
        right ? QStringLiteral("right") : QStringLiteral("WRONG"));
    return right;
}

//! Keeps the only worker busy with a scan of a second or more.
void occupy(SecurityTap &tap)
{
    tap.asyncInspectDownload(
        DownloadMetadata{}, Test::hang(100'000'000), &tap, [](const Outcome &) {});
    while (tap.telemetry().activeWorkers == 0)
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents, 10);
}

//! More downloads at once than the queue has places, while the worker is busy: they wait for one.
//! On a machine that is too slow for that, some are released unscanned, and say so; none is lost,
//! delayed for ever or changed.
bool flood(Test::NginxServer &server)
{
    constexpr int downloads = 100;
    constexpr qsizetype downloadBytes = 90'000;
    const Test::RuleDirectory busyRules(Test::markerRules());
    TapSettings settings = busyRules.settings();
    settings.rulePaths.append(defaultRulesDirectory());
    settings.scanning.timeouts.least =
        settings.scanning.timeouts.most; // who waits, waits that long
    settings.scanning.workers.maxWorkers = 1;
    settings.scanning.queue.maxRequests = 2;
    SecurityTapPlugin plugin(settings);
    TapAccessManager manager(plugin);
    for (int i = 0; i < downloads; ++i)
        server.addFile(QStringLiteral("flood%1").arg(i), Demo::binary(downloadBytes, quint32(i)));
    occupy(*plugin.tap());

    QElapsedTimer timer;
    timer.start();
    QEventLoop loop;
    int finished = 0;
    int clean = 0;
    int overflowed = 0;
    int wrong = 0;
    for (int i = 0; i < downloads; ++i) {
        QNetworkRequest request(
            server.url(QStringLiteral("/flood%1").arg(i), Test::NginxServer::Listener::Http2));
        request.setAttribute(QNetworkRequest::Http2DirectAttribute, true);
        QNetworkReply *reply = manager.get(request);
        QObject::connect(reply, &QNetworkReply::finished, &loop, [&, reply, i] {
            const auto &outcome = static_cast<TapReply *>(reply)->outcome();
            const bool isClean = outcome && outcome->result.verdict() == Verdict::Clean;
            const bool isOverflow = outcome && outcome->result.reason() == Reason::QueueFull;
            clean += isClean;
            overflowed += isOverflow;
            wrong += (!isClean && !isOverflow)
                || reply->readAll() != Demo::binary(downloadBytes, quint32(i));
            reply->deleteLater();
            if (++finished == downloads)
                loop.quit();
        });
    }
    loop.exec();
    const bool right = wrong == 0 && clean > 0;
    printLine(QStringLiteral("flood: %1, the worker busy").arg(downloads),
        QString::number(downloads * downloadBytes),
        QStringLiteral("%1 Clean, %2 QueueFull").arg(clean).arg(overflowed),
        QStringLiteral("Release"), QStringLiteral("%1 ms").arg(timer.elapsed()),
        right ? QStringLiteral("right") : QStringLiteral("WRONG"));
    return right;
}

std::vector<Row> rows(Test::NginxServer &server, Test::MisbehavingServer &broken)
{
    const auto served = [&server](const QString &what, const QString &name,
                            const QByteArray &content, Verdict verdict = Verdict::Clean,
                            Reason reason = Reason::None) {
        server.addFile(name, content);
        const bool isThreat = verdict == Verdict::Malicious || verdict == Verdict::Suspicious;
        return Row{what, server.url(u'/' + name), content, verdict, reason,
            isThreat ? Disposition::Quarantine : Disposition::Release};
    };
    std::vector<Row> table{
        served(QStringLiteral("clean text"), QStringLiteral("notes.txt"), Demo::text(20'000)),
        served(QStringLiteral("clean 100 MB binary"), QStringLiteral("large.bin"),
            Demo::binary(100'000'000, 1)),
        served(QStringLiteral("EICAR test file"), QStringLiteral("eicar.com"), Test::eicar(),
            Verdict::Malicious),
        served(QStringLiteral("benign Windows program (PE)"), QStringLiteral("tool.exe"),
            Demo::peProgram()),
        served(
            QStringLiteral("benign Linux program (ELF)"), QStringLiteral("ls"), Demo::elfProgram()),
        served(QStringLiteral("larger than the largest scan"), QStringLiteral("huge.bin"),
            Demo::binary(Limits::maxScanBytes + 5'000'000, 2), Verdict::NotScanned,
            Reason::TooLarge),
    };
    const QByteArray half = Demo::binary(50'000, 3);
    broken.answer(QStringLiteral("/cut.bin"),
        {Test::MisbehavingServer::response(half, 2 * half.size()),
            Test::MisbehavingServer::Then::Close});
    table.push_back(
        {QStringLiteral("body cut off half-way"), broken.url(QStringLiteral("/cut.bin")), half,
            Verdict::NotScanned, Reason::Incomplete, Disposition::Block});
    return table;
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication application(argc, argv);
    // What is released unscanned is a warning; the table shows it.
    QLoggingCategory::setFilterRules(QStringLiteral("sentinel.tap.warning=false"));

    auto server = Test::NginxServer::start();
    if (!server) {
        out() << QStringLiteral("The web server does not start: ") << server.error() << Qt::endl;
        return 1;
    }
    Test::MisbehavingServer broken;
    const QTemporaryDir home; // the demo leaves nothing behind
    TapSettings settings;
    settings.custody->paths = {
        home.filePath(QStringLiteral("data")), home.filePath(QStringLiteral("state"))};
    SecurityTapPlugin plugin(settings);
    if (!plugin.tap()) {
        out() << QStringLiteral("The rules do not compile:\n") << plugin.errorString() << Qt::endl;
        return 1;
    }
    TapAccessManager manager(plugin);

    printLine(QStringLiteral("download"), QStringLiteral("bytes"), QStringLiteral("verdict"),
        QStringLiteral("decision"), QStringLiteral("time"), QString());
    int wrong = 0;
    for (const Row &row : rows(**server, broken))
        wrong += !run(manager, row);
    wrong += !flood(**server);
    out() << (wrong == 0 ? QStringLiteral("Every outcome is the right one.")
                         : QStringLiteral("%1 outcomes are wrong.").arg(wrong))
          << Qt::endl;
    return wrong == 0 ? 0 : 1;
}
