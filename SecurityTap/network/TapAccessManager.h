// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/plugin/RequestServerPlugin.h"

#include <QNetworkAccessManager>
#include <QNetworkRequest>
#include <QPointer>

#include <expected>

namespace Sentinel {

//! \brief A QNetworkAccessManager whose replies give out their bodies after inspection.
//!
//! Use it in the place of a QNetworkAccessManager: every reply is a TapReply around the reply that
//! Qt makes. Requests, uploads, cookies, cache, proxies, authentication, TLS and redirects are Qt's
//! own, unchanged. One difference is visible: authenticationRequired() names Qt's reply, of which
//! replyAround() tells the one that the caller has.
//!
//! A blocked threat is removed from the cache(). What comes out of the cache is inspected again.
//!
//! Owner:  the embedder. The plugin outlives it; if the plugin is a QObject and does not, bodies
//!         that begin later end with an error instead of passing uninspected.
//! Thread: owner, which is the plugin's too.
class SECURITYTAP_EXPORT TapAccessManager : public QNetworkAccessManager {
    Q_OBJECT

public:
    //! Attributes of a QNetworkRequest that say more about a download.
    enum RequestAttribute {
        //! QString: where the download will be released to. What is too large for memory is kept in
        //! a nameless file there, so that a release is a link and no copy.
        DestinationDirectoryAttribute = QNetworkRequest::User + 5300,
        //! ConnectionId: the client connection that asked
        //! (RequestServerPlugin::connectionClosed()).
        ConnectionIdAttribute,
        //! bool: true for a private window's request, whose addresses are written down nowhere
        //! (Download::Privacy).
        PrivateAttribute,
    };

    explicit TapAccessManager(RequestServerPlugin &plugin, QObject *parent = nullptr);
    ~TapAccessManager() override;

    //! The TapReply around \p reply, if it is one of Qt's own; else \p reply itself.
    static QNetworkReply *replyAround(QNetworkReply *reply);

protected:
    QNetworkReply *createRequest(Operation operation, const QNetworkRequest &request,
        QIODevice *outgoingData = nullptr) override;

private:
    friend class TapReply;
    //! Asks the plugin about the body of Qt's reply \p inner, whose headers are here; see
    //! RequestServerPlugin::intercept().
    std::expected<Inspection *, QString> intercept(const QNetworkReply &inner) const;

    RequestServerPlugin &m_plugin;
    const bool m_isGuarded; // the plugin is a QObject
    const QPointer<QObject> m_guard; // then: null when it is gone
};

} // namespace Sentinel
