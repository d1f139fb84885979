// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>

#include <optional>
#include <span>

namespace Sentinel {

//! \brief A unit that numbers are written with, and how much of the smallest one it is.
struct Unit {
    const char *name;
    qint64 factor;
};

//! \brief How much of the smallest of \p units \p text says: decimal digits, one space or none, and
//! the name of a unit. No signs, no fractions, no locale. Nothing if it says something else, or
//! more than 63 bits hold.
SECURITYTAP_EXPORT std::optional<qint64> amountOf(const QString &text, std::span<const Unit> units);

//! \brief \p amount, 0 or more, in the last of \p units, smallest first, that says it exactly.
SECURITYTAP_EXPORT QString amountText(qint64 amount, std::span<const Unit> units);

} // namespace Sentinel
