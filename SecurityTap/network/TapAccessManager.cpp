// SPDX-License-Identifier: MIT
#include "SecurityTap/network/TapAccessManager.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/network/TapReply.h"

#include <QNetworkReply>

namespace Sentinel {

namespace {

constexpr int partialContentStatus = 206;

//! What the request and the headers of its answer say about the body to come.
Download downloadOf(const QNetworkReply &reply)
{
    const auto attribute = [&reply](TapAccessManager::RequestAttribute code) {
        return reply.request().attribute(QNetworkRequest::Attribute(code));
    };
    Download download;
    download.metadata.url = reply.url();
    download.metadata.filename =
        proposedFileName(reply.rawHeader("Content-Disposition"), reply.url());
    // After a redirect Qt 6.4 may show both answers' headers, joined with a comma: the last counts.
    download.metadata.mimeType = reply.header(QNetworkRequest::ContentTypeHeader)
                                     .toString()
                                     .section(QLatin1Char(','), -1)
                                     .section(QLatin1Char(';'), 0, 0)
                                     .trimmed()
                                     .toLower();
    // With a content coding the length may be that of the coded bytes, not of those we get.
    const QVariant length = reply.header(QNetworkRequest::ContentLengthHeader);
    if (length.isValid() && length.toLongLong() >= 0 && !reply.hasRawHeader("Content-Encoding"))
        download.metadata.sizeBytes = length.toLongLong();
    download.connection = attribute(TapAccessManager::ConnectionIdAttribute).value<ConnectionId>();
    download.destinationDirectory =
        attribute(TapAccessManager::DestinationDirectoryAttribute).toString();
    const int status = reply.attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
    if (status == partialContentStatus)
        download.kind = Download::Kind::Part;
    return download;
}

} // namespace

TapAccessManager::TapAccessManager(RequestServerPlugin &plugin, QObject *parent)
    : QNetworkAccessManager(parent)
    , m_plugin(plugin)
    , m_isGuarded(dynamic_cast<QObject *>(&plugin) != nullptr)
    , m_guard(dynamic_cast<QObject *>(&plugin))
{
}

TapAccessManager::~TapAccessManager() = default;

QNetworkReply *TapAccessManager::replyAround(QNetworkReply *reply)
{
    QNetworkReply *around = TapReply::around(reply);
    return around ? around : reply;
}

QNetworkReply *TapAccessManager::createRequest(
    Operation operation, const QNetworkRequest &request, QIODevice *outgoingData)
{
    QNetworkRequest innerRequest(request);
    // Qt's internal attribute for a buffer that is shared with the reply's reader: a way past us.
    innerRequest.setAttribute(QNetworkRequest::MaximumDownloadBufferSizeAttribute, QVariant());
    QNetworkReply *inner =
        QNetworkAccessManager::createRequest(operation, innerRequest, outgoingData);
    return new TapReply(*this, operation, inner);
}

std::expected<Inspection *, TapAccessManager::NoInspection> TapAccessManager::intercept(
    const QNetworkReply &inner) const
{
    if (m_isGuarded && !m_guard)
        return std::unexpected(NoInspection::NoInspector);
    Inspection *inspection = m_plugin.intercept(downloadOf(inner));
    if (!inspection)
        return std::unexpected(NoInspection::NotWanted);
    return inspection;
}

} // namespace Sentinel
