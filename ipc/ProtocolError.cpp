// SPDX-License-Identifier: MIT
#include "ipc/ProtocolError.h"

namespace Sentinel {

QString nameOf(ProtocolError::Code code)
{
    switch (code) {
    case ProtocolError::Code::Truncated:
        return QStringLiteral("Truncated");
    case ProtocolError::Code::TrailingBytes:
        return QStringLiteral("TrailingBytes");
    case ProtocolError::Code::TooLong:
        return QStringLiteral("TooLong");
    case ProtocolError::Code::BadHeader:
        return QStringLiteral("BadHeader");
    case ProtocolError::Code::UnknownType:
        return QStringLiteral("UnknownType");
    case ProtocolError::Code::BadFlags:
        return QStringLiteral("BadFlags");
    case ProtocolError::Code::BadText:
        return QStringLiteral("BadText");
    case ProtocolError::Code::BadValue:
        return QStringLiteral("BadValue");
    case ProtocolError::Code::Contradiction:
        return QStringLiteral("Contradiction");
    }
    Q_UNREACHABLE();
}

} // namespace Sentinel
