// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/backend/ScanBackend.h"
#include "SecurityTap/backend/SentinelSettings.h"
#include "SecurityTap/scan/Deadline.h"
#include "Sentinel/Output.h"
#include "Sentinel/ScanArguments.h"

#include <memory>

namespace Sentinel {

//! \brief What a sentinel for \p arguments is asked and told.
SentinelSettings sentinelSettings(const ScanArguments &arguments);

//! \brief A backend for scans of whole files, started as \p arguments say and ready, or null after
//! telling why not. Runs the event loop while it waits for a sentinel.
std::unique_ptr<ScanBackend> startBackend(const ScanArguments &arguments,
    const ScanTimeouts &timeouts, int maxRequests, bool hashContent, Output &output);

} // namespace Sentinel
