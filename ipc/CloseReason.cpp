// SPDX-License-Identifier: MIT
#include "ipc/CloseReason.h"

namespace Sentinel {

QString nameOf(CloseReason reason)
{
    switch (reason) {
    case CloseReason::PeerGone:
        return QStringLiteral("PeerGone");
    case CloseReason::Malformed:
        return QStringLiteral("Malformed");
    case CloseReason::FrameTooLarge:
        return QStringLiteral("FrameTooLarge");
    case CloseReason::UnexpectedDescriptor:
        return QStringLiteral("UnexpectedDescriptor");
    case CloseReason::MissingDescriptor:
        return QStringLiteral("MissingDescriptor");
    case CloseReason::TooManyDescriptors:
        return QStringLiteral("TooManyDescriptors");
    case CloseReason::DescriptorsLost:
        return QStringLiteral("DescriptorsLost");
    case CloseReason::OutOfOrder:
        return QStringLiteral("OutOfOrder");
    case CloseReason::SendQueueFull:
        return QStringLiteral("SendQueueFull");
    case CloseReason::SystemError:
        return QStringLiteral("SystemError");
    }
    Q_UNREACHABLE();
}

} // namespace Sentinel
