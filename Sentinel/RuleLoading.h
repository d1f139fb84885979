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

} // namespace Sentinel
