// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QByteArrayView>
#include <QDateTime>
#include <QString>

#include <optional>

namespace Sentinel {

//! \brief Which clamd it is, and which signatures it has: its answer to VERSION.
struct ClamdVersion {
    QString program; //!< "1.4.6"
    qint64 signatures =
        0; //!< number of its database's edition; 0: it has none of the official ones
    QDateTime signaturesOf; //!< when they were made, by clamd's clock; invalid: not known

    //! Nothing if \p answer is not that of a clamd.
    static std::optional<ClamdVersion> parse(QByteArrayView answer);

    //! "clamd 1.4.6, signatures 27000 of 2026-11-20": for people, and to tell apart.
    QString text() const;
    //! SHA-256 of all that it says: stands for the signatures, whose bytes nobody sees.
    QByteArray digest() const;

    friend bool operator==(const ClamdVersion &, const ClamdVersion &) = default;
};

} // namespace Sentinel
