// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/engine/ScanEngine.h"
#include "Sentinel/clamd/ClamdWatch.h"

#include <memory>

namespace Sentinel {

//! \brief clamd, with the signatures that it had when this was made: with others, or found again,
//! it is another engine (ClamdWatch::Listener).
//!
//! Scans contents once they are complete. While clamd is away, each scan is answered at once:
//! ScannerUnavailable. Interrupts (SliceBudget::setInterrupt) end the connection.
//!
//! Owner:  shared by its backend and its scans.
//! Thread: any.
class ClamdEngine final : public ScanEngine {
public:
    explicit ClamdEngine(std::shared_ptr<ClamdWatch> clamd);
    Q_DISABLE_COPY_MOVE(ClamdEngine)

    //! The digest stands for what clamd said of its signatures; nobody knows their number.
    const RuleSetSummary &rules() const override { return m_rules; }
    std::unique_ptr<ScanTask> begin(
        const ScanSubject &subject, std::shared_ptr<const Content> content) const override;

private:
    const std::shared_ptr<ClamdWatch> m_clamd;
    const RuleSetSummary m_rules;
};

} // namespace Sentinel
