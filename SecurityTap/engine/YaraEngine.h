// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/engine/RuleSet.h"
#include "SecurityTap/engine/ScanEngine.h"
#include "SecurityTap/scan/ScanRequest.h"

#include <memory>

namespace Sentinel {

//! \brief YARA in this process.
//!
//! Thread: any (immutable).
class SECURITYTAP_EXPORT YaraEngine final : public ScanEngine {
public:
    explicit YaraEngine(std::shared_ptr<const RuleSet> ruleSet);
    Q_DISABLE_COPY_MOVE(YaraEngine)

    const RuleSetSummary &rules() const override { return m_rules; }
    const std::shared_ptr<const RuleSet> &ruleSet() const { return m_ruleSet; }

    std::unique_ptr<ScanTask> begin(
        const ScanSubject &subject, std::shared_ptr<const Content> content) const override;
    //! The same without an engine.
    static std::unique_ptr<ScanTask> begin(std::shared_ptr<const RuleSet> ruleSet,
        const ScanSubject &subject, std::shared_ptr<const Content> content);

    //! What rules see of \p subject beside its bytes: the values of the external variables, in
    //! their order.
    static QByteArrayList externals(const ScanSubject &subject, const Content &content);

private:
    const std::shared_ptr<const RuleSet> m_ruleSet;
    const RuleSetSummary m_rules;
};

} // namespace Sentinel
