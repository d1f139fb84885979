// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/ScanResult.h"
#include "ipc/WireFields_p.h"
#include "ipc/WireReader_p.h"
#include "ipc/WireWriter_p.h"

namespace Sentinel {

//! A result goes over as what it was made from, and what is claimed to follow from that.
void exchange(WireWriter &io, const ScanResult &result);
void exchange(WireReader &io, ScanResult &result);

//! \brief \p result with at most so many findings, the worst, and so many places in each; what is
//! left out is counted in it. Verdict, reason and detail stay.
ScanResult trimmed(const ScanResult &result, int maxFindings, int maxStringsPerFinding);

} // namespace Sentinel
