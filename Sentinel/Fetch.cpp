// SPDX-License-Identifier: MIT
#include "Sentinel/Fetch.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/inspection/Origin.h"

#include <QLocale>

namespace Sentinel {

namespace {

constexpr int barWidth = 30;
constexpr int errorStatuses = 400;

QString sizeText(qint64 bytes)
{
    return QLocale::c().formattedDataSize(bytes, 1, QLocale::DataSizeIecFormat);
}

//! What the network says, in words for people.
QString networkError(const QNetworkReply &reply)
{
    const int status = reply.attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
    const QString phrase = reply.attribute(QNetworkRequest::HttpReasonPhraseAttribute).toString();
    const QString what = status >= errorStatuses
        ? QStringLiteral("the server answered %1 %2").arg(status).arg(phrase)
        : reply.errorString();
    return QStringLiteral("Nothing was saved: %1").arg(printable(what));
}

//! What its user can do about a threat that is withheld; behind what was found.
QString whatNext(const Outcome &outcome)
{
    if (!outcome.item.isEmpty())
        return QStringLiteral("\nIt is in quarantine: sentinel quarantine show %1")
            .arg(outcome.item);
    if (outcome.disposition != Disposition::Warn || outcome.result.sha256().isEmpty())
        return {};
    return QStringLiteral("\nIf you trust it: sentinel allow add --sha256 %1 --url %2 --why TEXT, "
                          "and fetch it again")
        .arg(QString::fromLatin1(outcome.result.sha256().toHex()),
            printable(Origin::of(outcome.metadata.url).toString()));
}

} // namespace

Fetch::Fetch(
    RequestServerPlugin &plugin, Output &output, FetchTarget target, Download::Privacy privacy)
    : m_output(output), m_target(std::move(target)), m_privacy(privacy), m_manager(plugin)
{
}

void Fetch::start(const QUrl &url)
{
    Q_ASSERT(!m_reply);
    QNetworkRequest request(url);
    request.setHeader(
        QNetworkRequest::UserAgentHeader, QStringLiteral("sentinel/" SENTINEL_VERSION));
    request.setAttribute(
        QNetworkRequest::RedirectPolicyAttribute, QNetworkRequest::NoLessSafeRedirectPolicy);
    request.setAttribute(
        QNetworkRequest::Attribute(TapAccessManager::DestinationDirectoryAttribute),
        m_target.directory);
    request.setAttribute(QNetworkRequest::Attribute(TapAccessManager::PrivateAttribute),
        m_privacy == Download::Privacy::Private);
    request.setTransferTimeout();
    m_reply = qobject_cast<TapReply *>(m_manager.get(request));
    Q_ASSERT(m_reply);
    connect(m_reply, &QNetworkReply::downloadProgress, this, &Fetch::showProgress);
    connect(m_reply, &QNetworkReply::finished, this, &Fetch::conclude);
}

void Fetch::cancel()
{
    m_isCancelled = true;
    if (m_reply)
        m_reply->abort();
}

void Fetch::showProgress(qint64 received, qint64 total)
{
    if (!m_output.wantsProgress())
        return;
    QString line = sizeText(received);
    if (total > 0) {
        const int done = int(received * barWidth / total);
        line = QStringLiteral("[%1%2] %3 of %4")
                   .arg(QString(done, u'#'), QString(barWidth - done, u'.'), line, sizeText(total));
    }
    m_output.progress(line);
}

void Fetch::conclude()
{
    m_output.eraseProgress();
    Q_EMIT ended(report());
}

Fetch::Report Fetch::report()
{
    Report report;
    report.url = m_reply->url();
    report.outcome = m_reply->outcome();
    const ScanResult *result = report.outcome ? &report.outcome->result : nullptr;
    const bool isWithheld = report.outcome && report.outcome->disposition != Disposition::Release;
    if (m_isCancelled) {
        report.message = QStringLiteral("Cancelled: nothing was saved.");
        report.hasFailed = true;
    } else if (isWithheld && result->isThreat()) {
        report.code = exitThreat;
        report.message =
            QStringLiteral("Withheld: %1%2").arg(describe(*result), whatNext(*report.outcome));
    } else if (isWithheld && isReleasable(result->reason())) {
        report.code = exitNotScanned;
        report.message = QStringLiteral("Not released: %1").arg(describe(*result));
    } else if (m_reply->error() != QNetworkReply::NoError) {
        report.message = networkError(*m_reply);
        report.hasFailed = true;
    } else if (!result || isWithheld) {
        report.message = QStringLiteral("Nothing was saved: the server sent no file.");
        report.hasFailed = true;
    } else {
        return release(std::move(report));
    }
    return report;
}

//! Puts the file into place.
Fetch::Report Fetch::release(Report report)
{
    const QString name = m_target.name.isEmpty() ? sanitisedFileName(proposedFileName(
                             m_reply->rawHeader("Content-Disposition"), m_reply->url()))
                                                 : m_target.name;
    report.hasFailed = true;
    if (const auto inTheWay = obstacle(m_target, name)) {
        report.message = QStringLiteral("Nothing was saved: %1").arg(*inTheWay);
        return report;
    }
    const auto path = m_reply->releaseInto(m_target.directory, name, m_target.existing);
    if (!path) {
        report.message =
            QStringLiteral("Nothing was saved: %1").arg(printable(path.error().message));
        return report;
    }
    report.hasFailed = false;
    report.path = *path;
    if (m_privacy == Download::Privacy::Usual)
        m_desktop.tell(*path, m_reply->url());
    const ScanResult &result = report.outcome->result;
    if (result.verdict() == Verdict::Clean) {
        report.code = exitGood;
        report.message = QStringLiteral("Clean: %1").arg(printable(*path));
    } else {
        // A threat that is released was allowed by name: an exception, or the policy.
        report.code = result.isThreat() ? exitGood : exitNotScanned;
        report.message =
            QStringLiteral("%1; released all the same: %2").arg(describe(result), printable(*path));
    }
    return report;
}

} // namespace Sentinel
