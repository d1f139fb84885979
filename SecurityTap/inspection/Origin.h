// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QHashFunctions>
#include <QString>
#include <QUrl>

namespace Sentinel {

//! \brief Where a download comes from, as far as it counts for trust and for shares: scheme, host
//! and port.
struct SECURITYTAP_EXPORT Origin {
    QString scheme; //!< in lower case
    QString host; //!< in lower case, as ASCII; empty for what has none ("data:", "file:")
    int port = -1; //!< the scheme's usual one, if none is named; -1 where there is none

    //! Of \p url; of "blob:" and "filesystem:" that of the page which made it.
    static Origin of(const QUrl &url);
    //! The port of \p scheme where none is named; -1 where there is none.
    static int usualPort(const QString &scheme);

    //! "https://example.org", with the port if it is not the usual one.
    QString toString() const;

    friend bool operator==(const Origin &, const Origin &) = default;
    friend size_t qHash(const Origin &origin, size_t seed = 0)
    {
        return qHashMulti(seed, origin.scheme, origin.host, origin.port);
    }
};

} // namespace Sentinel
