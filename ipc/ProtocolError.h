// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/IpcExport.h"

#include <QString>

namespace Sentinel {

//! \brief Why a frame is no message.
struct ProtocolError {
    enum class Code : quint8 {
        Truncated, //!< ends before its message does
        TrailingBytes, //!< goes on after its message has ended
        TooLong, //!< a frame, text or list over its bound (IpcLimits)
        BadHeader, //!< a reserved field that is not zero
        UnknownType,
        BadFlags, //!< flags that its type does not have, or lacks
        BadText, //!< not UTF-8
        BadValue, //!< a number outside of its range, an unknown value of an enumeration
        Contradiction, //!< a verdict that does not follow from its own findings and coverage
    };
    Code code = Code::BadValue;
    QString detail; //!< which message and where, for logs

    friend bool operator==(const ProtocolError &, const ProtocolError &) = default;
};

//! \brief The code's name: "TrailingBytes", ...
SENTINELIPC_EXPORT QString nameOf(ProtocolError::Code code);

} // namespace Sentinel
