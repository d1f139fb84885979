// SPDX-License-Identifier: MIT
#include "Sentinel/AuditTrail.h"

#include "SecurityTap/audit/AuditLog.h"
#include "SecurityTap/content/FileName.h"
#include "Sentinel/CommandLine.h"
#include "Sentinel/Output.h"
#include "Sentinel/SettingOptions.h"

namespace Sentinel {

void writeDown(const std::vector<AuditEvent> &events, const CommandLine &line, Output &output)
{
    if (events.empty())
        return;
    // Settings that are wrong are no reason to leave out what happened.
    const auto settings = settingsOf(line);
    const auto log = AuditLog::open(settings ? settings->values().audit : AuditSettings());
    if (!log) {
        output.message(QStringLiteral("Not in the audit log: %1").arg(printable(log.error())));
        return;
    }
    for (const AuditEvent &event : events)
        (*log)->record(event);
    if (!(*log)->flush(Limits::auditDrainPatience))
        output.message(QStringLiteral("The audit log could not be written in time."));
}

} // namespace Sentinel
