// SPDX-License-Identifier: MIT
#include "Sentinel/PathText.h"

#include "SecurityTap/content/FileName.h"

#include <QStringDecoder>

namespace Sentinel {

QString pathForPeople(const QByteArray &path)
{
    QStringDecoder decoder(QStringDecoder::Utf8, QStringDecoder::Flag::Stateless);
    const QString text = decoder(path);
    if (!decoder.hasError())
        return printable(text);
    QString escaped;
    for (const char c : path) {
        const auto byte = static_cast<uchar>(c);
        escaped += byte < 0x80 ? QString(QLatin1Char(c))
                               : QStringLiteral("\\x{%1}").arg(byte, 2, 16, QLatin1Char('0'));
    }
    return printable(escaped);
}

} // namespace Sentinel
