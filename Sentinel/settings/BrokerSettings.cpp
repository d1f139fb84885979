// SPDX-License-Identifier: MIT
#include "Sentinel/settings/BrokerSettings.h"

namespace Sentinel {

Broker::Settings brokerSettings(const ProgramSettings &settings, const QByteArray &program)
{
    Broker::Settings broker;
    broker.rules.fleet = {program,
        {settings.rulePaths, settings.ruleOptions(), settings.scanning.maxScanBytes,
            settings.archives},
        settings.workerProcesses};
    broker.scanning = settings.scanning;
    broker.scanning.workers.urgency = ScanWorkerPool::Urgency::Normal;
    return broker;
}

} // namespace Sentinel
