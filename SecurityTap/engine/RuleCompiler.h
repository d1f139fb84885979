// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/engine/RuleSet.h"
#include "ipc/RuleProblem.h"

#include <QString>
#include <QStringList>

#include <expected>
#include <memory>
#include <vector>

namespace Sentinel {

//! \brief "eicar.yar:12: error: syntax error": one line for people and editors.
SECURITYTAP_EXPORT QString describe(const RuleProblem &problem);

//! \brief What becomes of a set in which some files are bad.
enum class BadRuleFiles : quint8 {
    Refuse, //!< no set at all
    Skip, //!< a set of the good files; the bad ones are reported as problems
};

struct RuleOptions {
    BadRuleFiles badFiles = BadRuleFiles::Refuse;
    Severity unratedSeverity = Severity::Malicious; //!< of rules without severity metadata
};

//! \brief A set and what was to be said about its files.
struct CompiledRules {
    std::shared_ptr<const RuleSet> ruleSet;
    std::vector<RuleProblem> problems;
};

//! \brief Compiles rule texts to a set: each of \p paths is a file, or a directory of which all
//! *.yar and *.yara files below are taken, in the order of their names; names with a dot in front
//! are not. Links to directories and what cannot be read are problems.
//!
//! Every file is a namespace of its own, named by its path below the given directory. Includes are
//! read beneath that directory only (for a file: the directory it is in). The modules magic and
//! cuckoo are refused, as they open files on their own. The external variables filename, filepath,
//! extension, filetype and owner are defined as strings.
//!
//! Errors: every bad file with its problems; also if there is no rule file at all.
//! Thread: any; blocks (0.2 s for 1,000 rules).
SECURITYTAP_EXPORT std::expected<CompiledRules, std::vector<RuleProblem>> compileRules(
    const QStringList &paths, const RuleOptions &options = {});

} // namespace Sentinel
