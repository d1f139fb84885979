// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>

#include <chrono>
#include <optional>

namespace Sentinel {

//! \brief The time that \p text says: a whole number and ms, s, min or h, with one space or none
//! between: "500 ms". Nothing for all else, also for what is beyond 63 bits.
SECURITYTAP_EXPORT std::optional<std::chrono::milliseconds> durationOf(const QString &text);

//! \brief \p duration, 0 or more, exactly, in the unit that people would take; durationOf() reads
//! it.
SECURITYTAP_EXPORT QString durationText(std::chrono::milliseconds duration);

} // namespace Sentinel
