// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerFleet.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/engine/RuleCompiler.h"

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

std::expected<std::unique_ptr<ScanWorker>, QString> WorkerFleet::makeWorker()
{
    auto parent = this->parent();
    auto worker = parent->makeWorker();
    if (!worker && !parent->isAlive()) {
        if (const auto replaced = replaceParent(parent); !replaced)
            return std::unexpected(replaced.error());
        worker = this->parent()->makeWorker();
    }
    if (!worker)
        return worker;
    const std::lock_guard lock(m_mutex);
    std::erase_if(m_records, [](const auto &record) { return record.expired(); });
    m_records.push_back((*worker)->record());
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
    const auto parent = this->parent();
    if (!parent->hasMade(worker))
        return std::nullopt; // that one has been replaced meanwhile
    QString ending = parent->endingOf(worker);
    if (!parent->isAlive())
        return std::nullopt;
    return ending;
}

std::vector<WorkerStatus> WorkerFleet::workers() const
{
    std::vector<WorkerStatus> workers;
    const std::lock_guard lock(m_mutex);
    for (const auto &weak : m_records) {
        if (const auto record = weak.lock()) {
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
