// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/quarantine/SealedFile_p.h"

#include <expected>
#include <optional>

namespace Sentinel {

//! \brief The key in the directory of a quarantine; nothing if it has none yet. One that was
//! changed is told from a good one. Thread: any; blocks.
std::expected<std::optional<SealKey>, QuarantineError> readQuarantineKey(int directory);

//! \brief Makes the key of a quarantine that has none, and waits until the disk has it. Thread: the
//! one that holds the lock of the quarantine; blocks.
std::expected<SealKey, QuarantineError> makeQuarantineKey(int directory);

//! \brief Removes what a process that ended in makeQuarantineKey() has left. Thread: as that.
void dropUnfinishedQuarantineKey(int directory);

} // namespace Sentinel
