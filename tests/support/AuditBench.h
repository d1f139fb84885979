// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/audit/AuditEvent.h"
#include "SecurityTap/audit/AuditLog.h"
#include "SecurityTap/audit/AuditReader.h"

#include <memory>
#include <vector>

namespace Sentinel::Test {

//! \brief A log in \p directory whose files are as small as they may be.
AuditSettings smallFiles(const QString &directory);

//! \brief The log, or the end of the test program.
std::unique_ptr<AuditLog> openedLog(const AuditSettings &settings);

//! \brief An event that is told from others by \p item.
AuditEvent eventCalled(const QString &item);

//! \brief An event of which everything is known.
AuditEvent fullEvent(AuditAction action);

//! \brief All lines in \p directory, with what may stand unfinished at the end.
std::vector<AuditLine> linesOf(const QString &directory);

//! \brief What eventCalled() was given; empty for broken lines.
QString itemOf(const AuditLine &line);

//! \brief What is wrong with \p all, a line as a log writes it; empty if nothing is. By the field
//! reference of the Elastic Common Schema 8.11 and docs/audit.md.
QString schemaProblemOf(const QJsonObject &all);

} // namespace Sentinel::Test
