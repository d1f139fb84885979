// SPDX-License-Identifier: MIT
#include "Sentinel/settings/BrokerSettings.h"

#include "SecurityTap/content/FileType.h"

namespace Sentinel {

namespace {

//! Of settings that were checked when they were read.
ClamdUse clamdUse(const ClamdProgramSettings &settings)
{
    ClamdUse use;
    const auto address = ClamdAddress::parse(settings.address);
    if (settings.address.isEmpty() || !address)
        return use;
    ClamdSettings &clamd = use.clamd.emplace(ClamdSettings{*address});
    clamd.poolSize = settings.connections;
    clamd.acquireTimeout = settings.acquireTimeout;
    clamd.maxAge = settings.maxAge;
    clamd.scanTimeout = settings.timeout;
    clamd.maxBytes = settings.maxBytes;
    use.need = settings.isRequired ? EngineSet::Need::Required : EngineSet::Need::Optional;
    for (const QString &name : settings.types) {
        if (const auto type = fileTypeFromName(name))
            use.types.push_back(*type);
    }
    return use;
}

} // namespace

Broker::Settings brokerSettings(const ProgramSettings &settings, const QByteArray &program)
{
    Broker::Settings broker;
    broker.rules.fleet = {program,
        {settings.rulePaths, settings.ruleOptions(), settings.scanning.maxScanBytes,
            settings.archives},
        settings.workerProcesses};
    broker.scanning = settings.scanning;
    broker.scanning.workers.urgency = ScanWorkerPool::Urgency::Normal;
    broker.clamd = clamdUse(settings.clamd);
    return broker;
}

} // namespace Sentinel
