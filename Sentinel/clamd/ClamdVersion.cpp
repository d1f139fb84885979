// SPDX-License-Identifier: MIT
#include "Sentinel/clamd/ClamdVersion.h"

#include "Sentinel/clamd/ClamdReply.h"

#include <QCryptographicHash>
#include <QLocale>

namespace Sentinel {

std::optional<ClamdVersion> ClamdVersion::parse(QByteArrayView answer)
{
    // ClamAV 1.4.6/27000/Fri Nov 20 08:21:44 2026
    constexpr QByteArrayView product = "ClamAV ";
    if (!answer.startsWith(product) || answer.size() == product.size())
        return std::nullopt;
    const QList<QByteArray> parts = answer.sliced(product.size()).toByteArray().split('/');
    ClamdVersion version;
    version.program = clamdWords(parts.front());
    if (parts.size() < 3)
        return version;
    version.signatures = std::max(0LL, parts[1].toLongLong());
    version.signaturesOf = QLocale::c().toDateTime(
        QString::fromLatin1(parts[2]).simplified(), QStringLiteral("ddd MMM d HH:mm:ss yyyy"));
    return version;
}

QString ClamdVersion::text() const
{
    QString text = QStringLiteral("clamd %1").arg(program);
    if (signatures > 0)
        text += QStringLiteral(", signatures %1").arg(signatures);
    if (signaturesOf.isValid())
        text += QStringLiteral(" of %1").arg(signaturesOf.date().toString(Qt::ISODate));
    return text;
}

QByteArray ClamdVersion::digest() const
{
    const QString all = QStringLiteral("%1/%2/%3")
                            .arg(program)
                            .arg(signatures)
                            .arg(signaturesOf.toString(Qt::ISODate));
    return QCryptographicHash::hash(all.toUtf8(), QCryptographicHash::Sha256);
}

} // namespace Sentinel
