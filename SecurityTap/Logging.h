// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QLoggingCategory>

namespace Sentinel {

SECURITYTAP_EXPORT Q_DECLARE_LOGGING_CATEGORY(logTap) // sentinel.tap: downloads and decisions
    SECURITYTAP_EXPORT Q_DECLARE_LOGGING_CATEGORY(logScan) // sentinel.scan: queue and workers
    SECURITYTAP_EXPORT Q_DECLARE_LOGGING_CATEGORY(logEngine) // sentinel.engine: rules and libyara
    SECURITYTAP_EXPORT Q_DECLARE_LOGGING_CATEGORY(logAudit) // sentinel.audit: the audit log's own

} // namespace Sentinel
