// SPDX-License-Identifier: MIT
#include "SecurityTap/text/UnitText.h"

#include <QtNumeric>

#include <algorithm>

namespace Sentinel {

std::optional<qint64> amountOf(const QString &text, std::span<const Unit> units)
{
    const auto isDigit = [](QChar c) { return c >= u'0' && c <= u'9'; };
    const auto end = std::ranges::find_if_not(text, isDigit);
    QStringView unit(end, text.cend());
    if (end == text.cbegin() || unit.isEmpty())
        return std::nullopt;
    if (unit.front() == u' ')
        unit = unit.sliced(1);
    const auto known = std::ranges::find_if(
        units, [unit](const Unit &one) { return unit == QLatin1StringView(one.name); });
    bool fits = false;
    const qint64 number = QStringView(text.cbegin(), end).toLongLong(&fits);
    qint64 amount = 0;
    if (known == units.end() || !fits || qMulOverflow(number, known->factor, &amount))
        return std::nullopt;
    return amount;
}

QString amountText(qint64 amount, std::span<const Unit> units)
{
    Unit best = units.front();
    for (const Unit &unit : units) {
        if (amount != 0 && amount % unit.factor == 0)
            best = unit;
    }
    return QStringLiteral("%1 %2").arg(amount / best.factor).arg(QLatin1StringView(best.name));
}

} // namespace Sentinel
