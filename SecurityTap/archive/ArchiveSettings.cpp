// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/ArchiveSettings.h"

#include <limits>

namespace Sentinel {

namespace {

template <typename Number>
void take(const QByteArrayList &fields, qsizetype at, Number &number)
{
    bool isNumber = false;
    const qint64 value = fields.value(at).toLongLong(&isNumber);
    if (isNumber && value >= 0 && value <= std::numeric_limits<Number>::max())
        number = Number(value);
}

} // namespace

// Numbers, then the passwords in base64: "1,8,10000,...,aW5mZWN0ZWQ=".
QByteArray toArgument(const ArchiveSettings &settings)
{
    const ArchiveLimits &limits = settings.limits;
    QByteArrayList fields;
    for (const qint64 number : {qint64(settings.enabled), qint64(limits.maxDepth),
             qint64(limits.maxMembers), limits.maxMemberBytes, limits.maxExpandedBytes,
             limits.maxHeldBytes, qint64(limits.maxRatio), limits.ratioFreeBytes})
        fields.append(QByteArray::number(number));
    for (const QString &password : settings.passwords)
        fields.append(password.toUtf8().toBase64());
    return fields.join(',');
}

ArchiveSettings archiveSettingsOf(const QByteArray &argument)
{
    constexpr qsizetype numbers = 8;
    ArchiveSettings settings;
    ArchiveLimits &limits = settings.limits;
    const QByteArrayList fields = argument.split(',');
    int enabled = 1;
    take(fields, 0, enabled);
    settings.enabled = enabled != 0;
    take(fields, 1, limits.maxDepth);
    take(fields, 2, limits.maxMembers);
    take(fields, 3, limits.maxMemberBytes);
    take(fields, 4, limits.maxExpandedBytes);
    take(fields, 5, limits.maxHeldBytes);
    take(fields, 6, limits.maxRatio);
    take(fields, 7, limits.ratioFreeBytes);
    for (qsizetype i = numbers; i < fields.size(); ++i)
        settings.passwords.append(QString::fromUtf8(QByteArray::fromBase64(fields[i])));
    return settings;
}

} // namespace Sentinel
