// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/store/KeptAddress.h"
#include "ipc/DownloadMetadata.h"

#include <QString>

namespace Sentinel {

//! A client connection, as its request server numbers it, from 1 on.
using ConnectionId = quint64;
//! Of downloads that belong to none.
inline constexpr ConnectionId noConnection = 0;

//! \brief What a browser has when a download begins.
struct Download {
    //! What the bytes to come are.
    enum class Kind : quint8 {
        Whole, //!< a file
        Part, //!< the answer to a range request: never Clean, as the rest was not seen
    };

    //! What may be remembered of it.
    enum class Privacy : quint8 {
        Usual,
        Private, //!< a private window: no address of it is written down
    };

    DownloadMetadata metadata;
    QUrl referrer; //!< the page that led to it; empty if there was none or it is not known
    ConnectionId connection = noConnection;
    QString destinationDirectory; //!< where it will be released to; empty if not known yet
    Kind kind = Kind::Whole;
    Privacy privacy = Privacy::Usual;

    //! The address as a log may show it, not escaped.
    QString loggedAddress() const
    {
        return privacy == Privacy::Private ? QStringLiteral("(private)")
                                           : metadata.url.toDisplayString(unkeptAddressParts);
    }
};

} // namespace Sentinel
