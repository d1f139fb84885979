// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>

#include <optional>

namespace Sentinel {

//! \brief The number of bytes that \p text says: a whole number and B, KiB, MiB, GiB or TiB, with
//! one space or none between: "100 MiB". Nothing for all else, also for what is beyond 63 bits.
SECURITYTAP_EXPORT std::optional<qint64> byteSizeOf(const QString &text);

//! \brief \p bytes, 0 or more, in the largest unit that says them exactly; byteSizeOf() reads it.
SECURITYTAP_EXPORT QString byteSizeText(qint64 bytes);

} // namespace Sentinel
