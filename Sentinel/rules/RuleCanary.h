// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/worker/WorkerParent.h"

#include <expected>
#include <vector>

namespace Sentinel {

//! \brief What is known of a set of rules that has proved itself.
struct ProvenRules {
    bool findsEicar = false;
    std::vector<RuleProblem> warnings;
};

//! \brief Tries rules that are about to come into force: there must be one at all, and a worker of
//! \p parent must find nothing in harmless contents of several kinds, must find the EICAR test
//! file, and must be done with all of it within Limits::canaryTime and some more for each rule.
//! What takes too long is tried twice.
//!
//! \p program and \p rules are what \p parent was started with: the files of the rules are read
//! again to say on which line a rule is, and where the rules take too long, die or cannot finish a
//! scan, parents with some of the files are started to find the file that does it. A file that
//! only compiles together with what lies above its directory is not found by this; then the whole
//! set is named.
//!
//! \p ifEicarIsMissed: a warning is enough where the set in force does not find it either.
//!
//! The error: which rule is why not fit for use, with its file and line where that is known; for
//! rules of included files the line is 0.
//! Thread: any. Blocks: 10 ms with good rules; with bad ones twice canaryTime and maxCulpritSearch
//! at most, beside the time that compiling them takes.
std::expected<ProvenRules, std::vector<RuleProblem>> proveRules(WorkerParent &parent,
    const QByteArray &program, const WorkerRules &rules,
    RuleProblem::Level ifEicarIsMissed = RuleProblem::Level::Error);

} // namespace Sentinel
