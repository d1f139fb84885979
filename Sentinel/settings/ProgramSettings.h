// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/archive/ArchiveSettings.h"
#include "SecurityTap/backend/Isolation.h"
#include "SecurityTap/backend/LocalBackend.h"
#include "SecurityTap/custody/CustodySettings.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "SecurityTap/policy/Policy.h"
#include "Sentinel/Limits.h"
#include "Sentinel/settings/Preset.h"

#include <QString>
#include <QStringList>

namespace Sentinel {

//! \brief What can be set of clamd as an engine.
struct ClamdProgramSettings {
    QString address; //!< empty: it is not asked
    bool isRequired = false;
    QStringList types; //!< of contents that it is asked about, by name; empty: all
    int connections = Limits::clamdConnections;
    std::chrono::milliseconds acquireTimeout = Limits::clamdAcquireTimeout;
    std::chrono::milliseconds maxAge = Limits::pooledAge;
    std::chrono::milliseconds timeout = Limits::maxScanTimeout;
    qint64 maxBytes = Limits::maxScanBytes;
};

//! \brief What can be set of the server side that speaks clamd's protocol.
struct ClamdServerProgramSettings {
    QString socketPath; //!< empty: there is none
    QString group; //!< whose members may connect, by name or number
    QStringList users; //!< who else may, by name or number
    bool allowsReload = false;
    bool allowsShutdown = false;
    bool allowsPaths = false;
};

//! \brief Everything that can be set of the program `sentinel`.
//!
//! Its own defaults are the program's: nothing else says them. What follows from the machine or
//! from other values is 0 or empty until resolved() has looked.
struct ProgramSettings {
    ProgramSettings() { scanning.workers.maxWorkers = 0; }

    Preset preset = Preset::None;

    QStringList rulePaths; //!< empty: the rules shipped
    bool skipsBadRules = false;
    Severity unratedSeverity = RuleOptions().unratedSeverity;

    //! Queue, workers, cache, timeouts and sizes. 0 workers: one a core.
    LocalBackend::Settings scanning;
    Isolation isolation = Isolation::Spawned; //!< of commands that scan
    int workerProcesses = 0; //!< 0: Limits::maxScanWorkers, or two for each worker

    ArchiveSettings archives;
    ClamdProgramSettings clamd;
    ClamdServerProgramSettings clamdServer;

    AuditSettings audit;
    QuarantineLimits quarantine;
    int quarantineDays = std::chrono::floor<std::chrono::days>(Limits::quarantineAge).count();
    int historyRecords = Limits::maxReleaseRecords;
    int historyDays = std::chrono::floor<std::chrono::days>(Limits::releaseRecordAge).count();

    bool failsClosed = false; //!< what could not be scanned is blocked whatever decisions say
    bool blocksSuspicious = true; //!< if not, it is released whatever decisions say
    Policy decisions; //!< without its clauses
    QStringList policyClauses; //!< each one that PolicyClause::parse() takes

    QString socketPath; //!< empty: where the environment says

    //! The same with nothing left open.
    ProgramSettings resolved() const;
    RuleOptions ruleOptions() const;
    //! What fetch does with a verdict.
    Policy policy() const;
    //! What fetch keeps.
    CustodySettings custody() const;
};

} // namespace Sentinel
