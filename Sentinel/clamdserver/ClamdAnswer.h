// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/scan/ScanQueue.h"
#include "ipc/ScanResult.h"
#include "ipc/SentinelStatus.h"
#include "ipc/TelemetrySnapshot.h"

#include <QByteArray>
#include <QByteArrayList>
#include <QDateTime>

//! \brief What a ClamdServer says, without a session's number and the terminator.
//!
//! Nothing of it comes from a content: what could be taken for another answer is not repeated.
//! Thread: any.
namespace Sentinel::ClamdAnswer {

//! "OK" for Clean and for nothing else; "YARA.rule FOUND"; "why not ERROR".
QByteArray answer(const ScanResult &result);
//! The same, with a "YARA.rule FOUND" for each rule that is a threat.
QByteArrayList answers(const ScanResult &result);
//! "why ERROR"
QByteArray error(const QByteArray &why);
//! "Sentinel 0.1.0/1a2b3c4d/Sat Nov 21 18:39:42 2026": the version, the rule set's digest, since
//! when it is in force.
QByteArray version(const RuleSetSummary &rules, const QDateTime &since);
//! The answer to VERSIONCOMMANDS, where those with \p names are served.
QByteArray versionCommands(const QByteArray &version, const QByteArray &names);
//! In clamd's lines, as far as they have a meaning here.
QByteArray stats(const TelemetrySnapshot &scans, const ScanQueue::Depths &queue, qint64 usedBytes,
    qint64 mostBytes);
//! \p path as a client has said it, on one line and without what deceives.
QByteArray printablePath(const QByteArray &path);

} // namespace Sentinel::ClamdAnswer
