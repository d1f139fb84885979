// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/IpcExport.h"

#include <QString>

#include <array>

namespace Sentinel {

//! \brief Why a channel ended. All but PeerGone and SendQueueFull are the peer's breach of the
//! protocol or a shortage of this process.
enum class CloseReason : quint8 {
    PeerGone, //!< closed or died
    Malformed, //!< a frame that is no message (ProtocolError)
    FrameTooLarge, //!< a frame over IpcLimits::maxFrameBytes
    UnexpectedDescriptor, //!< with a message that has none
    MissingDescriptor, //!< with a message that has one
    TooManyDescriptors, //!< more than one with a message
    DescriptorsLost, //!< this process has no room for a descriptor that was sent
    OutOfOrder, //!< a message that is not legal in the state of the connection or of its scan
    SendQueueFull, //!< the peer does not read what it is sent
    SystemError, //!< the system refused to send or to receive
};

//! Every CloseReason, for counters by reason.
inline constexpr std::array allCloseReasons{
    CloseReason::PeerGone,
    CloseReason::Malformed,
    CloseReason::FrameTooLarge,
    CloseReason::UnexpectedDescriptor,
    CloseReason::MissingDescriptor,
    CloseReason::TooManyDescriptors,
    CloseReason::DescriptorsLost,
    CloseReason::OutOfOrder,
    CloseReason::SendQueueFull,
    CloseReason::SystemError,
};

//! \brief The name as it stands in logs and counters: "PeerGone", ...
SENTINELIPC_EXPORT QString nameOf(CloseReason reason);

} // namespace Sentinel
