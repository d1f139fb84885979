// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerFleet.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/engine/RuleCompiler.h"

#include <algorithm>
#include <utility>

namespace Sentinel {

namespace {

PoolSettings poolSettings(int maxWorkers)
{
    PoolSettings settings;
    settings.maxSize = maxWorkers;
    settings.uncheckedIdleTime = Clock::duration::zero(); // to see whether it lives costs nothing
    return settings;
}

} // namespace

WorkerFleet::WorkerFleet(std::shared_ptr<WorkerParent> parent, Settings settings)
    : m_settings(std::move(settings))
    , m_rules(parent->rules().rules)
    , m_parent(std::move(parent))
    , m_pool([this](Deadline) { return makeWorker(); }, poolSettings(m_settings.maxWorkers),
          [](ScanWorker &worker, Deadline) { return worker.isAlive(); })
{
}

std::shared_ptr<WorkerParent> WorkerFleet::parent() const
{
    const std::lock_guard lock(m_mutex);
    return m_parent;
}

//! Null if it has died, and was replaced.
std::shared_ptr<WorkerParent> WorkerFleet::parentOf(const ScanWorker &worker) const
{
    const std::lock_guard lock(m_mutex);
    const auto at =
        std::ranges::find_if(m_members, [record = worker.record()](const Member &member) {
            return member.record.lock() == record;
        });
    return at == m_members.end() ? nullptr : at->parent.lock();
}

std::expected<std::unique_ptr<ScanWorker>, QString> WorkerFleet::makeWorker()
{
    auto parent = this->parent();
    auto worker = parent->makeWorker();
    if (!worker && !parent->isAlive()) {
        if (const auto replaced = replaceParent(parent); !replaced)
            return std::unexpected(replaced.error());
        parent = this->parent();
        worker = parent->makeWorker();
    }
    if (!worker)
        return worker;
    const std::lock_guard lock(m_mutex);
    std::erase_if(m_members, [](const Member &member) { return member.record.expired(); });
    m_members.push_back({(*worker)->record(), parent});
    m_sandbox = (*worker)->sandbox();
    return worker;
}

std::expected<void, QString> WorkerFleet::replaceParent(const std::shared_ptr<WorkerParent> &dead)
{
    const std::lock_guard oneAtATime(m_replacement);
    if (parent() != dead)
        return {}; // somebody else was faster
    qCCritical(logScan) << "the parent of the scan workers has died: it is started again";
    auto fresh = WorkerParent::start(m_settings.program, m_settings.rules);
    if (!fresh)
        return std::unexpected(describe(fresh.error().front()));
    if ((*fresh)->rules().rules != m_rules) {
        return std::unexpected(
            QStringLiteral("the rules in force cannot be loaded again, as their files have "
                           "changed: sentinel reload takes the new ones"));
    }
    const std::lock_guard lock(m_mutex);
    m_parent = std::move(*fresh);
    return {};
}

std::optional<QString> WorkerFleet::crashOf(const ScanWorker &worker)
{
    const auto parent = parentOf(worker);
    if (!parent) // there is a new one already
        return std::nullopt;
    QString ending = parent->endingOf(worker);
    if (!parent->isAlive())
        return std::nullopt;
    return ending;
}

std::vector<WorkerStatus> WorkerFleet::workers() const
{
    std::vector<WorkerStatus> workers;
    const std::lock_guard lock(m_mutex);
    for (const Member &member : m_members) {
        if (const auto record = member.record.lock()) {
            workers.push_back({record->pid,
                record->isScanning ? WorkerStatus::State::Scanning : WorkerStatus::State::Idle,
                record->scans,
                std::chrono::floor<std::chrono::milliseconds>(Clock::now() - record->madeAt)});
        }
    }
    return workers;
}

std::vector<SandboxFeature> WorkerFleet::sandbox() const
{
    const std::lock_guard lock(m_mutex);
    return m_sandbox;
}

} // namespace Sentinel
