// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/backend/ScanBackend.h"
#include "SecurityTap/backend/SentinelSettings.h"
#include "SecurityTap/scan/Deadline.h"
#include "Sentinel/Output.h"
#include "Sentinel/settings/SettingsInForce.h"

#include <memory>

namespace Sentinel {

//! \brief What a sentinel is asked and told by \p settings. One that is started reads the same
//! file.
SentinelSettings sentinelSettings(const SettingsInForce &settings);

//! \brief A backend for scans of whole files, started as \p settings say and ready, or null after
//! telling why not. Runs the event loop while it waits for a sentinel.
std::unique_ptr<ScanBackend> startBackend(const SettingsInForce &settings,
    const ScanTimeouts &timeouts, int maxRequests, bool hashContent, Output &output);

} // namespace Sentinel
