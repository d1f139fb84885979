// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/scan/ScanRequest.h"
#include "Sentinel/worker/WorkerFleet.h"

#include <memory>
#include <optional>

namespace Sentinel {

//! \brief A scan in a worker process, slice by slice, as its broker sees it. See WorkerEngine.
//!
//! Thread: one at a time, each slice on any; waits for the worker's answer.
class WorkerScan final : public ScanTask {
public:
    //! \p fleet outlives this.
    WorkerScan(WorkerFleet &fleet, const ScanSubject &subject,
        std::shared_ptr<const Content> content, qint64 maxScanBytes);
    //! Gives the worker back.
    ~WorkerScan() override;
    Q_DISABLE_COPY_MOVE(WorkerScan)

    Progress step(const SliceBudget &budget) override;
    ScanResult takeResult() override { return std::move(m_result); }

private:
    Progress findWorker(const SliceBudget &budget, bool isComplete);
    Progress use(WorkerAnswer answer, const SliceBudget &budget);
    Progress loseWorker(const SliceBudget &budget, bool isComplete, const QString &error);
    Progress end(ScanResult result);
    bool isPossible(const WorkerAnswer &answer, const Content::Extent &extent) const;

    WorkerFleet &m_fleet;
    const std::shared_ptr<const Content> m_content;
    const qint64 m_maxScanBytes;
    WorkerRequest m_request;
    std::optional<WorkerFleet::Lease> m_worker;
    quint64 m_starved = 0; // the ticket of a worker left to the starved ones
    int m_crashes = 0;
    ScanResult m_result = ScanResult::notScanned(Reason::Cancelled);
};

} // namespace Sentinel
