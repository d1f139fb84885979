// SPDX-License-Identifier: MIT
#include "Sentinel/settings/ByteSize.h"

#include "SecurityTap/Limits.h"
#include "Sentinel/settings/UnitText.h"

#include <array>

namespace Sentinel {

namespace {

constexpr std::array units{Unit{"B", 1}, Unit{"KiB", Limits::kib}, Unit{"MiB", Limits::mib},
    Unit{"GiB", Limits::gib}, Unit{"TiB", 1024 * Limits::gib}};

} // namespace

std::optional<qint64> byteSizeOf(const QString &text)
{
    return amountOf(text, units);
}

QString byteSizeText(qint64 bytes)
{
    return amountText(bytes, units);
}

} // namespace Sentinel
