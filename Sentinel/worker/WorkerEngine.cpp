// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerEngine.h"

#include "SecurityTap/scan/ScanRequest.h"
#include "Sentinel/worker/WorkerScan.h"

namespace Sentinel {

WorkerEngine::WorkerEngine(std::shared_ptr<WorkerParent> parent, WorkerFleet::Settings settings)
    : m_maxScanBytes(settings.rules.maxScanBytes), m_fleet(std::move(parent), std::move(settings))
{
}

std::unique_ptr<ScanTask> WorkerEngine::begin(
    const ScanSubject &subject, std::shared_ptr<const Content> content) const
{
    return std::make_unique<WorkerScan>(m_fleet, subject, std::move(content), m_maxScanBytes);
}

} // namespace Sentinel
