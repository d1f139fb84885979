// SPDX-License-Identifier: MIT
#include "Sentinel/settings/TomlText.h"

#include "SecurityTap/content/FileName.h"

namespace Sentinel {

QString tomlText(const QString &text)
{
    QString quoted(u'"');
    for (const char32_t c : text.toUcs4()) {
        const QString one = QString::fromUcs4(&c, 1);
        if (c == U'"' || c == U'\\')
            quoted += u'\\' + one;
        else if (printable(one) != one)
            quoted += QStringLiteral("\\U%1").arg(quint32(c), 8, 16, QLatin1Char('0'));
        else
            quoted += one;
    }
    return quoted + u'"';
}

} // namespace Sentinel
