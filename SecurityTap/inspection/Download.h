// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/DownloadMetadata.h"

#include <QString>

namespace Sentinel {

//! A client connection, as its request server numbers it; 0 where there is none.
using ConnectionId = quint64;

//! \brief What a browser has when a download begins.
struct Download {
    //! What the bytes to come are.
    enum class Kind : quint8 {
        Whole, //!< a file
        Part, //!< the answer to a range request: never Clean, as the rest was not seen
    };

    DownloadMetadata metadata;
    ConnectionId connection = 0;
    QString destinationDirectory; //!< where it will be released to; empty if not known yet
    Kind kind = Kind::Whole;
};

} // namespace Sentinel
