// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/audit/AuditEvent.h"
#include "SecurityTap/custody/CustodySettings.h"
#include "SecurityTap/jobs/JobSchedule.h"

#include <functional>
#include <vector>

namespace Sentinel {

//! \brief What is done for the stores again and again: of all processes of the user one does each
//! in its interval.
//!
//! \p note writes events down, and \p look goes on with what is owed a scan; both are called on the
//! thread of the jobs.
std::vector<Job> custodyJobs(const CustodySettings &settings,
    const std::function<void(AuditEvent)> &note, const std::function<void()> &look);

} // namespace Sentinel
