// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/engine/ScanEngine.h"
#include "Sentinel/worker/WorkerFleet.h"

namespace Sentinel {

//! \brief YARA in processes of its own: each scan has a sandboxed worker for itself.
//!
//! Scans contents that are files (Content::file()) and reads no byte of them here. A scan whose
//! worker dies goes on in another one, from its beginning; a second death is its result
//! (EngineCrashed). A content that still arrives is not tried again before it is complete and can
//! be known by its hash. Interrupts (SliceBudget::setInterrupt) kill the worker.
//!
//! Owner:  shared by its backend and its scans, which it has to outlive.
//! Thread: any.
class WorkerEngine final : public ScanEngine {
public:
    WorkerEngine(std::shared_ptr<WorkerParent> parent, WorkerFleet::Settings settings);
    Q_DISABLE_COPY_MOVE(WorkerEngine)

    const RuleSetSummary &rules() const override { return m_fleet.rules(); }
    std::unique_ptr<ScanTask> begin(
        const ScanSubject &subject, std::shared_ptr<const Content> content) const override;

    WorkerFleet &fleet() const { return m_fleet; }

private:
    const qint64 m_maxScanBytes;
    mutable WorkerFleet m_fleet; // locks by itself
};

} // namespace Sentinel
