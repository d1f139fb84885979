// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/inspection/Download.h"
#include "ipc/Verdict.h"

#include <QByteArray>
#include <QDateTime>
#include <QJsonObject>
#include <QString>
#include <QStringList>
#include <QUrl>

#include <optional>

namespace Sentinel {

//! \brief What is known of a content in quarantine. Names and addresses come from outside: they are
//! data, stored and told, and never part of a path.
struct SECURITYTAP_EXPORT QuarantineRecord {
    QString directory; //!< where it was, or was to go; empty if not known
    QString name; //!< as it was called or proposed; not sanitised
    QUrl url; //!< kept without credentials, query and fragment
    QUrl referrer; //!< as url
    QString mimeType; //!< as announced
    QByteArray sha256; //!< of the content, 32 raw bytes; empty: it is computed when it is taken
    qint64 sizeBytes = 0; //!< of the content
    Verdict verdict = Verdict::NotScanned;
    QStringList findings; //!< the names of the rules
    QString clause; //!< the clause of the policy that decided
    QDateTime storedAt; //!< invalid: now, when it is taken
    //! Of a private download no address and no name is kept.
    Download::Privacy privacy = Download::Privacy::Usual;

    //! What is kept of it: no more of an address than it says above, nothing longer than its limit,
    //! nothing that would tell about a private download.
    QuarantineRecord asKept() const;
    QJsonObject toJson() const;
    //! Nothing if it is no record of this version.
    static std::optional<QuarantineRecord> fromJson(const QJsonObject &object);

    friend bool operator==(const QuarantineRecord &, const QuarantineRecord &) = default;
};

} // namespace Sentinel
