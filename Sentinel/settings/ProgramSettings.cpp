// SPDX-License-Identifier: MIT
#include "Sentinel/settings/ProgramSettings.h"

#include "SecurityTap/backend/SentinelSettings.h"
#include "SecurityTap/inspection/TapSettings.h"
#include "Sentinel/Limits.h"

#include <QThread>

#include <algorithm>

namespace Sentinel {

ProgramSettings ProgramSettings::resolved() const
{
    ProgramSettings all = *this;
    if (all.rulePaths.isEmpty())
        all.rulePaths = QStringList{defaultRulesDirectory()};
    if (all.socketPath.isEmpty())
        all.socketPath = defaultSentinelSocket();
    int &workers = all.scanning.workers.maxWorkers;
    if (workers == 0)
        workers = std::clamp(QThread::idealThreadCount(), 1, Limits::maxJobs);
    if (all.workerProcesses == 0)
        all.workerProcesses = std::max(Limits::maxScanWorkers, 2 * workers);
    // What is smaller than usual has no need of more time.
    all.scanning.timeouts.largestBytes = std::max(all.scanning.maxScanBytes, Limits::maxScanBytes);
    return all;
}

RuleOptions ProgramSettings::ruleOptions() const
{
    return {skipsBadRules ? BadRuleFiles::Skip : BadRuleFiles::Refuse, unratedSeverity};
}

Policy ProgramSettings::policy() const
{
    Policy policy = decisions;
    if (failsClosed)
        policy.notScanned = Policy::failClosed().notScanned;
    if (!blocksSuspicious)
        policy.suspicious = Disposition::Release;
    for (const QString &text : policyClauses) {
        auto clause = PolicyClause::parse(text);
        Q_ASSERT(clause); // the key has had it checked
        policy.clauses.push_back(*std::move(clause));
    }
    return policy;
}

CustodySettings ProgramSettings::custody() const
{
    CustodySettings settings;
    settings.audit = audit;
    settings.quarantine = quarantine;
    settings.quarantineAge = std::chrono::days(quarantineDays);
    settings.rescans.history.maxRecords = historyRecords;
    settings.rescans.history.maxAge = std::chrono::days(historyDays);
    return settings;
}

} // namespace Sentinel
