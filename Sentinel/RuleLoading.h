// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/engine/RuleCompiler.h"
#include "Sentinel/Output.h"

#include <QStringList>

#include <memory>

namespace Sentinel {

//! \brief The set of \p paths (none: the rules shipped), or null after telling what is wrong.
//! Warnings are not told: they are for who writes rules, see `sentinel rules check`.
std::shared_ptr<const RuleSet> loadRules(
    QStringList paths, const RuleOptions &options, Output &output);

//! \brief Tells those of \p problems that are errors, a line each.
void tellErrors(const std::vector<RuleProblem> &problems, Output &output);

} // namespace Sentinel
