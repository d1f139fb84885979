// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QNetworkReply>
#include <QPointer>

namespace Sentinel {

//! \brief A reply that shows everything of Qt's own reply but its body and its end: address,
//! headers, attributes, redirects, progress and TLS, and passes on what its user decides of these.
//!
//! Owner:  see TapReply. Qt's reply stays the manager's child, which would delete ours twice; it is
//!         aborted and deleted with this.
//! Thread: the manager's.
class SECURITYTAP_EXPORT MirrorReply : public QNetworkReply {
    Q_OBJECT

public:
    ~MirrorReply() override;

    //! The reply that shows \p inner; null if there is none.
    static MirrorReply *around(const QNetworkReply *inner);

    using QNetworkReply::ignoreSslErrors;

public Q_SLOTS:
    void ignoreSslErrors() override;

protected:
    MirrorReply(QObject *parent, QNetworkAccessManager::Operation operation, QNetworkReply *inner);

    //! Qt's reply; null when it is gone (with the manager).
    QNetworkReply *inner() const { return m_inner; }
    //! Shows what it says now.
    void mirror();
    //! Ends its transfer; nothing is heard of it any more.
    void dropInner();

    void sslConfigurationImplementation(QSslConfiguration &configuration) const override;
    void setSslConfigurationImplementation(const QSslConfiguration &configuration) override;
    void ignoreSslErrorsImplementation(const QList<QSslError> &errors) override;

private:
    const QPointer<QNetworkReply> m_inner;
};

} // namespace Sentinel
