// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerRules.h"

#include <QFile>

namespace Sentinel {

QByteArrayList WorkerRules::arguments() const
{
    QByteArrayList all{
        options.badFiles == BadRuleFiles::Skip ? QByteArray("skip") : QByteArray("refuse"),
        QByteArray::number(int(options.unratedSeverity)), QByteArray::number(maxScanBytes),
        toArgument(archives)};
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
    rules.archives = archiveSettingsOf(arguments.value(3));
    for (const QByteArray &path : arguments.mid(4))
        rules.paths.append(QFile::decodeName(path));
    return rules;
}

} // namespace Sentinel
