// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerRules.h"

#include "Sentinel/worker/Packet.h"

#include <QFile>

namespace Sentinel {

QByteArrayList WorkerRules::arguments() const
{
    QByteArrayList all{
        options.badFiles == BadRuleFiles::Skip ? QByteArray("skip") : QByteArray("refuse"),
        QByteArray::number(int(options.unratedSeverity)), QByteArray::number(maxScanBytes)};
    for (const QString &path : paths)
        all.append(QFile::encodeName(path));
    return all;
}

WorkerRules WorkerRules::fromArguments(const QByteArrayList &arguments)
{
    WorkerRules rules;
    rules.options.badFiles =
        arguments.value(0) == "skip" ? BadRuleFiles::Skip : BadRuleFiles::Refuse;
    rules.options.unratedSeverity =
        Severity(qBound(0, arguments.value(1).toInt(), int(Severity::Malicious)));
    rules.maxScanBytes = arguments.value(2).toLongLong();
    for (const QByteArray &path : arguments.mid(3))
        rules.paths.append(QFile::decodeName(path));
    return rules;
}

bool WorkerRules::tell(int socket) const
{
    return sendPacket(socket, toArgument(archives));
}

bool WorkerRules::hear(int socket)
{
    const auto packet = receivePacket(socket);
    if (packet)
        archives = archiveSettingsOf(packet->bytes);
    return packet.has_value();
}

} // namespace Sentinel
