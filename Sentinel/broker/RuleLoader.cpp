// SPDX-License-Identifier: MIT
#include "Sentinel/broker/RuleLoader.h"

#include <QThreadPool>

#include <utility>

namespace Sentinel {

RuleLoader::Loaded RuleLoader::load(const Settings &settings)
{
    auto parent = WorkerParent::start(settings.fleet.program, settings.fleet.rules);
    if (!parent)
        return {nullptr, std::move(parent.error())};
    std::vector<RuleProblem> problems = (*parent)->rules().problems;
    return {std::make_shared<const WorkerEngine>(
                std::move(*parent), settings.fleet, settings.maxScanBytes),
        std::move(problems)};
}

void RuleLoader::start()
{
    Q_ASSERT(!m_isLoading);
    m_isLoading = true;
    QThreadPool::globalInstance()->start([this, mailbox = m_mailbox, settings = m_settings] {
        Loaded result = load(settings);
        mailbox.post([this, result = std::move(result)] {
            m_isLoading = false;
            Q_EMIT loaded(result);
        });
    });
}

} // namespace Sentinel
