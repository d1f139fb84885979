// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/policy/Decision.h"

namespace Sentinel {

class Custody;

//! \brief decide(), by \p policy and the exceptions that \p custody, which may be null, has now.
//! Thread: any.
Decision ownDecision(const Policy &policy, Custody *custody, const PolicyFacts &facts);

} // namespace Sentinel
