// SPDX-License-Identifier: MIT
#include "SecurityTap/network/MirrorReply.h"

#include <QSslConfiguration>

#include <array>

namespace Sentinel {

namespace {

constexpr char aroundProperty[] = "_sentinel_mirrorReply";

//! The attributes that Qt sets in replies. Not among them: the internal DownloadBufferAttribute,
//! which would show the body.
constexpr std::array attributes{
    QNetworkRequest::HttpStatusCodeAttribute,
    QNetworkRequest::HttpReasonPhraseAttribute,
    QNetworkRequest::RedirectionTargetAttribute,
    QNetworkRequest::ConnectionEncryptedAttribute,
    QNetworkRequest::SourceIsFromCacheAttribute,
    QNetworkRequest::HttpPipeliningWasUsedAttribute,
    QNetworkRequest::Http2WasUsedAttribute,
    QNetworkRequest::OriginalContentLengthAttribute,
};

} // namespace

MirrorReply::MirrorReply(
    QObject *parent, QNetworkAccessManager::Operation operation, QNetworkReply *inner)
    : QNetworkReply(parent), m_inner(inner)
{
    inner->setProperty(aroundProperty, QVariant::fromValue(QPointer<QObject>(this)));
    setOperation(operation);
    setRequest(inner->request());
    mirror();

    connect(inner, &QNetworkReply::metaDataChanged, this, [this] {
        mirror();
        Q_EMIT metaDataChanged();
    });
    connect(inner, &QNetworkReply::redirected, this, [this](const QUrl &url) {
        mirror();
        Q_EMIT redirected(url);
    });
    connect(this, &QNetworkReply::redirectAllowed, inner, &QNetworkReply::redirectAllowed);
    connect(inner, &QNetworkReply::uploadProgress, this, &QNetworkReply::uploadProgress);
    connect(inner, &QNetworkReply::downloadProgress, this, &QNetworkReply::downloadProgress);
#if QT_VERSION >= QT_VERSION_CHECK(6, 3, 0)
    connect(inner, &QNetworkReply::socketStartedConnecting, this,
        &QNetworkReply::socketStartedConnecting);
    connect(inner, &QNetworkReply::requestSent, this, &QNetworkReply::requestSent);
#endif
    connect(inner, &QNetworkReply::encrypted, this, [this] {
        mirror();
        Q_EMIT encrypted();
    });
    connect(inner, &QNetworkReply::sslErrors, this, &QNetworkReply::sslErrors);
    connect(inner, &QNetworkReply::preSharedKeyAuthenticationRequired, this,
        &QNetworkReply::preSharedKeyAuthenticationRequired);
}

MirrorReply::~MirrorReply()
{
    dropInner();
    if (m_inner)
        m_inner->deleteLater(); // maybe this happens in one of its slots
}

MirrorReply *MirrorReply::around(const QNetworkReply *inner)
{
    return inner
        ? qobject_cast<MirrorReply *>(inner->property(aroundProperty).value<QPointer<QObject>>())
        : nullptr;
}

void MirrorReply::mirror()
{
    setUrl(m_inner->url());
    for (const QNetworkRequest::Attribute code : attributes)
        setAttribute(code, m_inner->attribute(code));
    const QList<QByteArray> names = rawHeaderList();
    for (const QByteArray &name : names) {
        // Of an answer that was a redirect. Qt would keep the first length that it has parsed.
        if (m_inner->rawHeader(name) != rawHeader(name))
            setRawHeader(name, QByteArray());
    }
    for (const auto &[name, value] : m_inner->rawHeaderPairs())
        setRawHeader(name, value);
}

void MirrorReply::dropInner()
{
    if (!m_inner)
        return;
    disconnect(m_inner, nullptr, this, nullptr);
    m_inner->abort();
}

void MirrorReply::ignoreSslErrors()
{
    if (m_inner)
        m_inner->ignoreSslErrors();
}

void MirrorReply::ignoreSslErrorsImplementation(const QList<QSslError> &errors)
{
    if (m_inner)
        m_inner->ignoreSslErrors(errors);
}

void MirrorReply::sslConfigurationImplementation(QSslConfiguration &configuration) const
{
    if (m_inner)
        configuration = m_inner->sslConfiguration();
}

void MirrorReply::setSslConfigurationImplementation(const QSslConfiguration &configuration)
{
    if (m_inner)
        m_inner->setSslConfiguration(configuration);
}

} // namespace Sentinel
