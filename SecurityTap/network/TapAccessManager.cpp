// SPDX-License-Identifier: MIT
#include "SecurityTap/network/TapAccessManager.h"

#include "SecurityTap/network/AnswerHead.h"
#include "SecurityTap/network/TapReply.h"

#include <QNetworkReply>

namespace Sentinel {

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
    QNetworkReply *around = MirrorReply::around(reply);
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

std::expected<Inspection *, QString> TapAccessManager::intercept(const QNetworkReply &inner) const
{
    if (m_isGuarded && !m_guard)
        return std::unexpected(explanation(Reason::ScannerUnavailable));
    return m_plugin.intercept(AnswerHead::download(inner));
}

} // namespace Sentinel
