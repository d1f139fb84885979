// SPDX-License-Identifier: MIT
#include "SecurityTap/jobs/JobRuns.h"

#include "SecurityTap/history/Lease_p.h"
#include "SecurityTap/history/StateDatabase_p.h"

namespace Sentinel {

namespace {

using Statement = StateDatabase::Statement;
using Durability = StateDatabase::Durability;

constexpr qint64 jobLeaseMs = std::chrono::milliseconds(Limits::jobLease).count();

QDateTime timeOrNone(qint64 ms)
{
    return ms == 0 ? QDateTime() : QDateTime::fromMSecsSinceEpoch(ms, Qt::UTC);
}

std::expected<std::vector<JobRun>, QString> selectRuns(StateDatabase &database, qint64 nowMs)
{
    std::vector<JobRun> runs;
    const auto done = database.read([&] {
        runs.clear();
        Statement select(database,
            "SELECT name, ran_ms, took_ms, succeeded, result, due_ms, failures, runs, claimant,"
            " claim_until_ms FROM job_runs ORDER BY name");
        if (!select.run())
            return false;
        while (select.next()) {
            JobRun run;
            run.name = select.value(0).toString();
            run.ranAt = timeOrNone(select.value(1).toLongLong());
            run.took = std::chrono::milliseconds(select.value(2).toLongLong());
            run.hasSucceeded = select.value(3).toBool();
            run.result = select.value(4).toString();
            run.dueAt = timeOrNone(select.value(5).toLongLong());
            run.failures = select.value(6).toInt();
            run.runs = select.value(7).toLongLong();
            run.isRunning = leaseHolds(
                select.value(8).toString(), select.value(9).toLongLong(), nowMs, jobLeaseMs);
            runs.push_back(std::move(run));
        }
        return true;
    });
    if (!done)
        return std::unexpected(done.error());
    return runs;
}

} // namespace

JobRuns::JobRuns(const QString &path, Now now)
    : m_database(std::make_unique<StateDatabase>(
        path, StateDatabase::Access::ReadWrite, Limits::historyBusyTimeout))
    , m_now(std::move(now))
{
}

JobRuns::~JobRuns() = default;

std::expected<std::optional<JobRuns::Claim>, QString> JobRuns::claim(
    const QString &name, std::chrono::milliseconds interval)
{
    std::optional<Claim> claimed;
    const auto done = m_database->transact(Durability::OnDisk, [&, this] {
        claimed.reset();
        const QDateTime now = m_now(); // not of before it was our turn
        const qint64 nowMs = now.toMSecsSinceEpoch();
        Statement add(*m_database, "INSERT OR IGNORE INTO job_runs (name) VALUES (?)");
        add << name;
        Statement find(*m_database,
            "SELECT ran_ms, due_ms, failures, claimant, claim_until_ms FROM job_runs WHERE name=?");
        find << name;
        if (!add.run() || !find.run() || !find.next())
            return false;
        const qint64 ranMs = find.value(0).toLongLong();
        const qint64 dueMs = find.value(1).toLongLong();
        // A run in the future: the clock was set back. Then what is due is not far from now.
        const qint64 latestMs = ranMs <= nowMs ? dueMs : nowMs;
        const qint64 longestMs = interval.count() + interval.count() / Limits::jobJitterShare;
        const bool isDue = std::min(dueMs, latestMs) <= nowMs || dueMs > nowMs + longestMs;
        if (!isDue
            || leaseHolds(find.value(3).toString(), find.value(4).toLongLong(), nowMs, jobLeaseMs))
            return true;
        Claim claim{name, newLeaseToken(), now, find.value(2).toInt()};
        Statement take(
            *m_database, "UPDATE job_runs SET claim=?, claimant=?, claim_until_ms=? WHERE name=?");
        take << claim.token << processMark() << nowMs + jobLeaseMs << name;
        if (!take.run())
            return false;
        claimed = std::move(claim);
        return true;
    });
    if (!done)
        return std::unexpected(done.error());
    return claimed;
}

std::expected<bool, QString> JobRuns::finish(const Claim &claim, const JobResult &result,
    std::chrono::milliseconds took, std::chrono::milliseconds pause)
{
    bool isOurs = false;
    const QString text = (result ? *result : result.error()).left(Limits::maxJobResultChars);
    const auto done = m_database->transact(Durability::OnDisk, [&, this] {
        Statement update(*m_database,
            "UPDATE job_runs SET ran_ms=?, took_ms=?, succeeded=?, result=?, due_ms=?, failures=?,"
            " runs=runs+1, claim='', claimant='', claim_until_ms=0 WHERE name=? AND claim=?");
        update << claim.beganAt.toMSecsSinceEpoch() << qint64(took.count())
               << int(result.has_value()) << text << m_now().toMSecsSinceEpoch() + pause.count()
               << (result ? 0 : claim.failures + 1) << claim.name << claim.token;
        if (!update.run())
            return false;
        isOurs = update.rowsChanged() == 1;
        return true;
    });
    if (!done)
        return std::unexpected(done.error());
    return isOurs;
}

std::expected<std::vector<JobRun>, QString> JobRuns::all()
{
    return selectRuns(*m_database, m_now().toMSecsSinceEpoch());
}

std::expected<std::vector<JobRun>, QString> JobRuns::readAll(const QString &path)
{
    StateDatabase database(path, StateDatabase::Access::ReadOnly, Limits::historyBusyTimeout);
    return selectRuns(database, QDateTime::currentMSecsSinceEpoch());
}

} // namespace Sentinel
