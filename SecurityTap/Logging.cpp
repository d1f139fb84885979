// SPDX-License-Identifier: MIT
#include "SecurityTap/Logging.h"

namespace Sentinel {

Q_LOGGING_CATEGORY(logTap, "sentinel.tap", QtWarningMsg)
Q_LOGGING_CATEGORY(logScan, "sentinel.scan", QtWarningMsg)
Q_LOGGING_CATEGORY(logEngine, "sentinel.engine", QtWarningMsg)
Q_LOGGING_CATEGORY(logAudit, "sentinel.audit", QtWarningMsg)

} // namespace Sentinel
