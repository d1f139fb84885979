// SPDX-License-Identifier: MIT
#include "SecurityTap/network/AnswerHead.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/network/TapAccessManager.h"

#include <QNetworkReply>

namespace Sentinel::AnswerHead {

namespace {

constexpr int successStatuses = 200;
constexpr int noContentStatus = 204;
constexpr int partialContentStatus = 206;
constexpr int redirectStatuses = 300;
constexpr int errorStatuses = 400;
constexpr int proxyAuthenticationStatus = 407;

//! 0 where the answer did not come by HTTP.
int statusOf(const QNetworkReply &reply)
{
    return reply.attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
}

QVariant requestAttribute(const QNetworkReply &reply, TapAccessManager::RequestAttribute code)
{
    return reply.request().attribute(QNetworkRequest::Attribute(code));
}

//! The value that the last answer gave: with a redirect's, Qt 6.4 may show both joined by a comma.
QByteArray lastValue(const QNetworkReply &reply, const QByteArray &name)
{
    return reply.rawHeader(name).split(',').constLast().trimmed();
}

bool isErrorOfStatus(QNetworkReply::NetworkError error, int status)
{
    // Errors from ContentAccessDenied on are about contents and servers, those before about
    // connections and proxies.
    return (status >= errorStatuses && error >= QNetworkReply::ContentAccessDenied)
        || (status == proxyAuthenticationStatus
            && error == QNetworkReply::ProxyAuthenticationRequiredError);
}

} // namespace

Download download(const QNetworkReply &reply)
{
    Download download;
    download.metadata.url = reply.url();
    download.metadata.filename =
        proposedFileName(reply.rawHeader("Content-Disposition"), reply.url());
    download.metadata.mimeType = QString::fromLatin1(lastValue(reply, "Content-Type"))
                                     .section(QLatin1Char(';'), 0, 0)
                                     .trimmed()
                                     .toLower();
    download.metadata.sizeBytes = announcedBytes(reply);
    download.connection =
        requestAttribute(reply, TapAccessManager::ConnectionIdAttribute).value<ConnectionId>();
    download.destinationDirectory =
        requestAttribute(reply, TapAccessManager::DestinationDirectoryAttribute).toString();
    download.referrer = QUrl::fromEncoded(reply.request().rawHeader("Referer"), QUrl::StrictMode);
    if (requestAttribute(reply, TapAccessManager::PrivateAttribute).toBool())
        download.privacy = Download::Privacy::Private;
    if (statusOf(reply) == partialContentStatus)
        download.kind = Download::Kind::Part;
    return download;
}

std::optional<qint64> announcedBytes(const QNetworkReply &reply)
{
    // Qt decodes what it asked for itself; see QNetworkRequest on "Accept-Encoding".
    const bool isDecoded = !lastValue(reply, "Content-Encoding").isEmpty()
        && !reply.request().hasRawHeader("Accept-Encoding");
    // A body in chunks has no length; one that is shown is left over from a redirect.
    const bool isChunked = lastValue(reply, "Transfer-Encoding").toLower() == "chunked";
    bool isNumber = false;
    const qint64 length = lastValue(reply, "Content-Length").toLongLong(&isNumber);
    return isNumber && length >= 0 && !isDecoded && !isChunked ? std::optional(length)
                                                               : std::nullopt;
}

bool isBodyComplete(const QNetworkReply &reply, qint64 arrivedBytes)
{
    const bool isWhole =
        reply.error() == QNetworkReply::NoError || isErrorOfStatus(reply.error(), statusOf(reply));
    return isWhole && arrivedBytes >= announcedBytes(reply).value_or(0);
}

bool isEmptyFile(const QNetworkReply &reply)
{
    const int status = statusOf(reply);
    const bool isContent = status == 0
        || (status >= successStatuses && status < redirectStatuses && status != noContentStatus);
    return isContent && reply.operation() != QNetworkAccessManager::HeadOperation
        && reply.error() == QNetworkReply::NoError;
}

} // namespace Sentinel::AnswerHead
