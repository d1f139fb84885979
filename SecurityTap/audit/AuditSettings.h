// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"

#include <QString>

namespace Sentinel {

//! \brief What can be set of an audit log.
struct AuditSettings {
    bool enabled = true; //!< if not, nothing is written
    QString directory; //!< empty: "audit" in StorePaths::ofUser().state
    qint64 maxFileBytes = Limits::maxAuditFileBytes; //!< then the next file begins
    int maxFiles = Limits::maxAuditFiles; //!< with the one in use; the oldest is deleted
    bool copiesToSystemLog = false; //!< journald, or syslog where there is none

    friend bool operator==(const AuditSettings &, const AuditSettings &) = default;
};

} // namespace Sentinel
