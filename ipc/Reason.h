// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/IpcExport.h"

#include <QString>

#include <array>
#include <optional>

namespace Sentinel {

//! \brief Why a content was not scanned. None goes with every other verdict than NotScanned.
enum class Reason : quint8 {
    None,
    QueueFull, //!< the queue was at its bound of requests or bytes
    ScannerUnavailable, //!< no scanner to ask: not started, stopping, or without rules
    TimedOut, //!< the deadline passed, in the queue or during the scan
    TooLarge, //!< more bytes than the largest scan
    LimitHit, //!< a limit inside the engine was hit: part of the content is unseen
    Encrypted, //!< part of the content is encrypted, and no password for it is known
    Damaged, //!< an archive is broken or cut short: what could be read was scanned
    EngineError, //!< the engine answered with an error
    EngineCrashed, //!< the worker died during this scan
    Unreadable, //!< the content could not be read or stored
    PartialContent, //!< the answer to a range request: a piece of a file, not a file
    Incomplete, //!< the transfer ended before its content did
    Cancelled, //!< the owner or the connection went away
};

//! Every Reason, for tables over all of them.
inline constexpr std::array allReasons{
    Reason::None,
    Reason::QueueFull,
    Reason::ScannerUnavailable,
    Reason::TimedOut,
    Reason::TooLarge,
    Reason::LimitHit,
    Reason::Encrypted,
    Reason::Damaged,
    Reason::EngineError,
    Reason::EngineCrashed,
    Reason::Unreadable,
    Reason::PartialContent,
    Reason::Incomplete,
    Reason::Cancelled,
};

//! \brief The name as it stands in JSON and settings: "QueueFull", ...
SENTINELIPC_EXPORT QString nameOf(Reason reason);
//! \brief The reason of that name, in any case of letters.
SENTINELIPC_EXPORT std::optional<Reason> reasonNamed(const QString &name);

//! \brief A sentence for people: what happened, in a few words without a full stop.
SENTINELIPC_EXPORT QString explanation(Reason reason);

} // namespace Sentinel
