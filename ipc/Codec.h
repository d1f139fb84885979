// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/IpcExport.h"
#include "ipc/Messages.h"
#include "ipc/ProtocolError.h"

#include <QByteArray>

#include <expected>

namespace Sentinel {

//! \brief \p message as one frame, laid out as in docs/PROTOCOL.md; at most
//! IpcLimits::maxFrameBytes.
//!
//! Always a frame that decode() takes, whatever the outside has put into the message: a text over
//! its bound loses its middle, a list its end, a number is brought into its range. A verdict that
//! is too large loses places of matches first and then its lesser findings, which are counted as
//! omitted; the verdict itself never changes.
//!
//! Thread: any.
SENTINELIPC_EXPORT QByteArray encode(const Message &message);

//! \brief The message in \p frame, which may hold anything.
//!
//! Nothing is believed: results are made by ScanResult's own ways, so that Clean comes from a
//! complete coverage here too. No more memory is used than a few times the frame's size.
//!
//! Thread: any.
SENTINELIPC_EXPORT std::expected<Message, ProtocolError> decode(QByteArrayView frame);

} // namespace Sentinel
