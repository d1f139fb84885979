// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/pool/ResourcePool.h"
#include "Sentinel/worker/CrashBreaker.h"
#include "Sentinel/worker/ScanWorker.h"
#include "Sentinel/worker/StarvedWorkers.h"
#include "Sentinel/worker/WorkerParent.h"

#include <expected>
#include <memory>
#include <mutex>
#include <vector>

namespace Sentinel {

//! \brief The scan workers of one set of rules: made when they are needed, leased to one scan at a
//! time, replaced when they die, and their parent too.
//!
//! Owner:  its engine.
//! Thread: any (locked). To make a worker takes a millisecond, to replace the parent as long as its
//!         rules take to compile.
//! Limits: Settings::maxWorkers processes and their parent.
class WorkerFleet {
public:
    using Lease = ResourcePool<ScanWorker>::Lease;

    struct Settings {
        QByteArray program; //!< a sentinel
        WorkerRules rules;
        int maxWorkers = Limits::maxScanWorkers;
    };

    WorkerFleet(std::shared_ptr<WorkerParent> parent, Settings settings);
    Q_DISABLE_COPY_MOVE(WorkerFleet)

    //! A worker for one scan; waits for one until \p deadline.
    std::expected<Lease, PoolError> lease(Deadline deadline) { return m_pool.acquire(deadline); }
    StarvedWorkers &starved() { return m_starved; }
    CrashBreaker &breaker() { return m_breaker; }

    //! How \p worker, which is dead, has ended, for people. If its parent is dead too, it was not
    //! the scan that killed it: nothing then.
    std::optional<QString> crashOf(const ScanWorker &worker);

    const RuleSetSummary &rules() const { return m_rules; }
    std::vector<WorkerStatus> workers() const;
    //! The walls around the worker that was made last.
    std::vector<SandboxFeature> sandbox() const;
    //! Ends workers that have been idle, or alive, for too long.
    void prune() { m_pool.prune(); }

private:
    struct Member {
        std::weak_ptr<const WorkerRecord> record;
        std::weak_ptr<WorkerParent> parent; // that has made it
    };

    std::shared_ptr<WorkerParent> parent() const;
    std::shared_ptr<WorkerParent> parentOf(const ScanWorker &worker) const;
    std::expected<std::unique_ptr<ScanWorker>, QString> makeWorker();
    std::expected<void, QString> replaceParent(const std::shared_ptr<WorkerParent> &dead);

    const Settings m_settings;
    const RuleSetSummary m_rules;
    CrashBreaker m_breaker;
    std::mutex m_replacement; // one at a time; taken before m_mutex
    mutable std::mutex m_mutex; // of the three below
    std::shared_ptr<WorkerParent> m_parent;
    std::vector<Member> m_members;
    std::vector<SandboxFeature> m_sandbox;
    ResourcePool<ScanWorker> m_pool; // uses all above
    StarvedWorkers m_starved;
};

} // namespace Sentinel
