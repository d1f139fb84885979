// SPDX-License-Identifier: MIT
#pragma once

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

    DownloadMetadata metadata;
    ConnectionId connection = noConnection;
    QString destinationDirectory; //!< where it will be released to; empty if not known yet
    Kind kind = Kind::Whole;
};

} // namespace Sentinel
