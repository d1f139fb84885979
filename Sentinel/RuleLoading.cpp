// SPDX-License-Identifier: MIT
#include "Sentinel/RuleLoading.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/inspection/TapSettings.h"

namespace Sentinel {

std::shared_ptr<const RuleSet> loadRules(
    QStringList paths, const RuleOptions &options, Output &output)
{
    if (paths.isEmpty())
        paths = QStringList{defaultRulesDirectory()};
    auto compiled = compileRules(paths, options);
    if (compiled)
        return std::move(compiled->ruleSet);
    tellErrors(compiled.error(), output);
    return nullptr;
}

void tellErrors(const std::vector<RuleProblem> &problems, Output &output)
{
    for (const RuleProblem &problem : problems) {
        if (problem.level == RuleProblem::Level::Error)
            output.message(printable(describe(problem)));
    }
}

} // namespace Sentinel
