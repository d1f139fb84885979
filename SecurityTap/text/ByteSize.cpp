// SPDX-License-Identifier: MIT
#include "SecurityTap/text/ByteSize.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/text/UnitText.h"

#include <array>

namespace Sentinel {

namespace {

constexpr std::array sizeUnits{Unit{"B", 1}, Unit{"KiB", Limits::kib}, Unit{"MiB", Limits::mib},
    Unit{"GiB", Limits::gib}, Unit{"TiB", 1024 * Limits::gib}};

} // namespace

std::optional<qint64> byteSizeOf(const QString &text)
{
    return amountOf(text, sizeUnits);
}

QString byteSizeText(qint64 bytes)
{
    return amountText(bytes, sizeUnits);
}

} // namespace Sentinel
