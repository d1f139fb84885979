// SPDX-License-Identifier: MIT
#include "SecurityTap/text/DurationText.h"

#include "SecurityTap/text/UnitText.h"

#include <array>
#include <span>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

constexpr std::array timeUnits{Unit{"ms", 1},
    Unit{"s", milliseconds(std::chrono::seconds(1)).count()},
    Unit{"min", milliseconds(std::chrono::minutes(1)).count()},
    Unit{"h", milliseconds(std::chrono::hours(1)).count()}};

} // namespace

std::optional<milliseconds> durationOf(const QString &text)
{
    const auto amount = amountOf(text, timeUnits);
    return amount ? std::optional(milliseconds(*amount)) : std::nullopt;
}

QString durationText(milliseconds duration)
{
    // Nobody says "1 min" beside "90 s".
    const bool isShort = duration < std::chrono::minutes(2);
    return amountText(duration.count(), std::span(timeUnits).first(isShort ? 2 : timeUnits.size()));
}

} // namespace Sentinel
