// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/inspection/Origin.h"
#include "SecurityTap/policy/PolicyFacts.h"

#include <QDateTime>
#include <QJsonObject>
#include <QStringList>

#include <expected>
#include <optional>

namespace Sentinel {

//! \brief What somebody has allowed, although it was found to be a threat: a content from an
//! origin, for a while.
//!
//! Narrow unless it was written otherwise: any content, any origin, or what could not be scanned,
//! each has to be said. Where the content is not named, only what has been seen as a whole is
//! allowed, as nobody knows what else is in it.
struct SECURITYTAP_EXPORT PolicyException {
    //! What can keep an exception from being for a download, in the order of looking.
    enum class Part : quint8 { Time, Content, Origin, NotScanned, Rules, Unseen };

    QString id; //!< eight hexadecimal digits, made by the store
    QByteArray sha256; //!< 32 raw bytes; empty: any content
    std::optional<Origin> origin; //!< nothing: any
    QStringList rules; //!< all that may have matched; empty: any
    bool allowsUnscanned = false; //!< also what was not scanned, or not as a whole
    QString who; //!< has allowed it
    QString why;
    QDateTime made; //!< UTC
    QDateTime expires; //!< UTC; invalid: never

    //! The first thing that keeps it from being for \p facts; nothing if it allows these.
    std::optional<Part> failing(const PolicyFacts &facts, const QDateTime &now) const;
    bool isExpired(const QDateTime &now) const;
    //! What is wrong with it as a whole, for people: too wide, without a reason, too long.
    std::optional<QString> problem() const;
    //! "content 1b2c3d4e... from https://example.org", for people; not made printable.
    QString toString() const;

    //! As in the store, and on the command line with --json.
    QJsonObject toJson() const;
    //! The error says what is wrong. Nothing that is missing, or not known, makes it wider.
    static std::expected<PolicyException, QString> fromJson(const QJsonObject &object);

    friend bool operator==(const PolicyException &, const PolicyException &) = default;
};

//! \brief Why an exception is not for a download, if \p part of it fails: a few words for people.
SECURITYTAP_EXPORT QString explainMiss(PolicyException::Part part);

} // namespace Sentinel
