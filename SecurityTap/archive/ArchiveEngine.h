// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/archive/ArchiveSettings.h"
#include "SecurityTap/engine/ScanEngine.h"

#include <memory>

namespace Sentinel {

//! \brief Another engine, and what is inside of archives: each member is a file of its own for it.
//!
//! With settings that are not enabled it is the other engine and nothing else.
//!
//! Thread: any (immutable).
class SECURITYTAP_EXPORT ArchiveEngine final : public ScanEngine {
public:
    ArchiveEngine(std::shared_ptr<const ScanEngine> inner, ArchiveSettings settings);
    Q_DISABLE_COPY_MOVE(ArchiveEngine)

    const RuleSetSummary &rules() const override { return m_inner->rules(); }
    std::unique_ptr<ScanTask> begin(
        const ScanSubject &subject, std::shared_ptr<const Content> content) const override;

private:
    const std::shared_ptr<const ScanEngine> m_inner;
    const std::shared_ptr<const ArchiveSettings> m_settings;
};

} // namespace Sentinel
