// SPDX-License-Identifier: MIT
#include "SecurityTap/audit/AuditAction.h"

#include <algorithm>

namespace Sentinel {

namespace {

constexpr std::array auditActionNames{
    "decision",
    "threat-found",
    "unscanned-release",
    "late-threat",
    "quarantine-add",
    "quarantine-restore",
    "quarantine-delete",
    "quarantine-purge",
    "exception-add",
    "exception-remove",
    "rules-changed",
    "path-traversal",
    "mime-mismatch",
    "deceptive-name",
    "size-violation",
    "rate-limit",
    "job-run",
};
static_assert(auditActionNames.size() == allAuditActions.size());

} // namespace

QString nameOf(AuditAction action)
{
    return QString::fromLatin1(auditActionNames[size_t(action)]);
}

std::optional<AuditAction> auditActionNamed(const QString &name)
{
    const auto found = std::ranges::find_if(
        auditActionNames, [&name](const char *one) { return name == QLatin1StringView(one); });
    if (found == auditActionNames.end())
        return std::nullopt;
    return AuditAction(found - auditActionNames.begin());
}

} // namespace Sentinel
