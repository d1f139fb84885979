// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "SecurityTap/engine/RuleSet.h"
#include "SecurityTap/engine/ScanTask.h"
#include "SecurityTap/scan/ScanRequest.h"

#include <memory>
#include <mutex>

namespace Sentinel {

//! \brief The YARA engine: the rule set in use, and the scans that begin with it.
//!
//! Thread: any (locked).
class SECURITYTAP_EXPORT YaraEngine {
public:
    explicit YaraEngine(std::shared_ptr<const RuleSet> ruleSet);
    Q_DISABLE_COPY_MOVE(YaraEngine)

    //! The set that the next scan begins with.
    std::shared_ptr<const RuleSet> ruleSet() const;
    //! From now on scans begin with \p ruleSet; those under way end with theirs.
    void use(std::shared_ptr<const RuleSet> ruleSet);
    //! Compiles \p paths and uses the result; if that fails, the set in use stays. Blocks.
    std::expected<std::vector<RuleProblem>, std::vector<RuleProblem>> reload(
        const QStringList &paths, const RuleOptions &options);

    //! A scan of \p content, which may still be growing, with \p ruleSet. The result has no
    //! SHA-256.
    static std::unique_ptr<ScanTask> begin(std::shared_ptr<const RuleSet> ruleSet,
        const ScanSubject &subject, std::shared_ptr<const Content> content);

    //! What rules see of \p subject beside its bytes: the values of the external variables, in
    //! their order. Verdicts depend on them.
    static QByteArrayList externals(const ScanSubject &subject, const Content &content);

private:
    mutable std::mutex m_mutex;
    std::shared_ptr<const RuleSet> m_ruleSet;
};

} // namespace Sentinel
