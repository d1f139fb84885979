// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/TelemetrySnapshot.h"

#include <QByteArray>
#include <QString>
#include <QStringList>

#include <chrono>
#include <optional>
#include <vector>

namespace Sentinel {

//! \brief Which rules are in force.
struct RuleSetSummary {
    QByteArray digest; //!< SHA-256, 32 raw bytes; empty: no rules, nothing can be scanned
    qint64 rules = 0;
    qint64 files = 0; //!< rule files, without includes

    friend bool operator==(const RuleSetSummary &, const RuleSetSummary &) = default;
};

//! \brief One scan worker process.
struct WorkerStatus {
    enum class State : quint8 {
        Starting, //!< forked, not ready yet
        Idle,
        Scanning, //!< leased to a thread of the pool
        Ending, //!< killed or retired, not reaped yet
    };
    qint64 pid = 0;
    State state = State::Starting;
    qint64 scans = 0; //!< slices of how many requests it has worked on
    std::chrono::milliseconds age{0};

    friend bool operator==(const WorkerStatus &, const WorkerStatus &) = default;
};

//! \brief One protection around the workers, and whether this system gives it.
struct SandboxFeature {
    QString name; //!< "landlock-files", "system-call-filter", ...: stable
    bool isInForce = false;
    QString whyNot; //!< for people; empty where it is in force

    friend bool operator==(const SandboxFeature &, const SandboxFeature &) = default;
};

//! \brief How many scans a sentinel has on its hands.
struct QueueStatus {
    qint64 waiting = 0; //!< accepted, not begun
    qint64 underWay = 0; //!< begun, not answered
    qint64 bytes = 0; //!< content of all of them

    friend bool operator==(const QueueStatus &, const QueueStatus &) = default;
};

//! \brief The clamd that scans too, as it was seen last.
struct ClamdStatus {
    QString address; //!< as it was set
    bool isReachable = false;
    QString version; //!< of the program: "1.4.6"; empty: not known yet
    qint64 signatures = 0; //!< number of its database's edition; 0: it has none, or not known
    qint64 signaturesMadeAt = 0; //!< seconds since 1970, by its clock; 0: not known
    qint64 connections = 0; //!< open ones
    qint64 connectionsInUse = 0; //!< of these: with a scan
    qint64 scans = 0; //!< scans that got a connection
    qint64 scansOnUsedConnections = 0; //!< of these: one that had served others before
    QString trouble; //!< what is wrong with it, for people; empty: nothing

    friend bool operator==(const ClamdStatus &, const ClamdStatus &) = default;
};

//! \brief All that a sentinel says of itself.
struct SentinelStatus {
    QString productVersion;
    qint64 pid = 0;
    std::chrono::milliseconds uptime{0};
    qint64 clients = 0; //!< connections, the asking one included
    RuleSetSummary rules;
    QueueStatus queue;
    std::vector<WorkerStatus> workers;
    std::vector<SandboxFeature> sandbox;
    TelemetrySnapshot telemetry;
    std::optional<ClamdStatus> clamd; //!< nothing: it is off
    QStringList troubles; //!< what is wrong right now, for people: a sentence each

    friend bool operator==(const SentinelStatus &, const SentinelStatus &) = default;
};

} // namespace Sentinel
