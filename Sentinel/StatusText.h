// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/jobs/JobRuns.h"
#include "ipc/SentinelStatus.h"

#include <QByteArray>
#include <QJsonArray>
#include <QJsonObject>
#include <QStringList>

namespace Sentinel {

//! \brief \p status for people, a line for each thing, printable.
QStringList describe(const SentinelStatus &status);

//! \brief All of \p status.
QJsonObject toJson(const SentinelStatus &status);

//! \brief "at /run/clamd, 1.4.6, signatures 27000 of 2026-11-20; ...".
QString describe(const ClamdStatus &clamd);

//! \brief "1,204 rules in 12 files, 9f3a0c12": which rules \p rules are, in short.
QString describe(const RuleSetSummary &rules);

//! \brief The periodic jobs of the user, a line for each, printable.
QStringList describe(const std::vector<JobRun> &jobs);

//! \brief All of \p jobs.
QJsonArray toJson(const std::vector<JobRun> &jobs);

} // namespace Sentinel
