// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/Disposition.h"
#include "ipc/ScanResult.h"

#include <array>

namespace Sentinel {

//! \brief What is done with a download, by what is known of it. Fails open by default: what could
//! not be scanned is released, visibly.
struct SECURITYTAP_EXPORT Policy {
    Disposition malicious = Disposition::Block;
    Disposition suspicious = Disposition::Block;
    //! By Reason. Without effect for reasons under which there is no whole content to release
    //! (isReleasable()).
    std::array<Disposition, allReasons.size()> notScanned{};

    //! Blocks whatever could not be scanned.
    static Policy failClosed();

    Disposition &forReason(Reason reason) { return notScanned[size_t(reason)]; }
    Disposition forReason(Reason reason) const { return notScanned[size_t(reason)]; }

    friend bool operator==(const Policy &, const Policy &) = default;
};

//! \brief False for reasons that leave no complete content behind: cancelled, cut off, not stored.
SECURITYTAP_EXPORT bool isReleasable(Reason reason);

//! \brief The decision: a pure function, the only place where one is made.
SECURITYTAP_EXPORT Disposition decide(const Policy &policy, const ScanResult &result);

} // namespace Sentinel
