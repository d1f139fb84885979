// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/policy/PolicyClause.h"
#include "ipc/Disposition.h"
#include "ipc/Reason.h"

#include <array>
#include <chrono>
#include <vector>

namespace Sentinel {

//! \brief What is done with a download, by what is known of it: clauses in order, of which the
//! first that fits decides; else a default for its verdict or its reason.
//!
//! Threats are withheld by default. What could not be scanned is released, visibly: the policy
//! fails open.
struct SECURITYTAP_EXPORT Policy {
    std::vector<PolicyClause> clauses;
    //! Release is not possible here, and stands for Quarantine: only an exception, or a clause that
    //! names Malicious, releases a threat.
    Disposition malicious = Disposition::Quarantine;
    Disposition suspicious = Disposition::Warn;
    //! By Reason. Without effect for reasons under which there is no whole content to release
    //! (isReleasable()): these block.
    std::array<Disposition, allReasons.size()> notScanned{};
    //! How long a complete download waits for a free slot before the above takes effect
    //! (isHoldable()), within its timeout; 0: not at all.
    std::chrono::milliseconds hold = Limits::hold;

    //! Blocks whatever could not be scanned.
    static Policy failClosed();

    Disposition &forReason(Reason reason) { return notScanned[size_t(reason)]; }
    Disposition forReason(Reason reason) const { return notScanned[size_t(reason)]; }

    friend bool operator==(const Policy &, const Policy &) = default;
};

} // namespace Sentinel
