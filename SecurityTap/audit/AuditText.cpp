// SPDX-License-Identifier: MIT
#include "SecurityTap/audit/AuditText.h"

#include "SecurityTap/content/FileName.h"

namespace Sentinel {

FittingText fittingText(const QString &text, qsizetype maxBytes)
{
    // No unit of UTF-16 takes less than a byte.
    const QString shown = printable(text.left(maxBytes));
    const QByteArray bytes = shown.toUtf8();
    if (text.size() <= maxBytes && bytes.size() <= maxBytes)
        return {shown, false};
    static const QString ellipsis = QStringLiteral("…");
    qsizetype end = qMin(bytes.size(), maxBytes - ellipsis.toUtf8().size());
    const auto isInside = [&bytes](qsizetype at) {
        return at < bytes.size() && (uchar(bytes[at]) & 0xc0) == 0x80;
    };
    while (isInside(end))
        --end;
    return {QString::fromUtf8(bytes.first(end)) + ellipsis, true};
}

} // namespace Sentinel
