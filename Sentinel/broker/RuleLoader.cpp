// SPDX-License-Identifier: MIT
#include "Sentinel/broker/RuleLoader.h"

#include "SecurityTap/engine/RuleCompiler.h"
#include "Sentinel/rules/RuleCanary.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace Sentinel {

RuleLoader::Loaded RuleLoader::load(
    const Settings &settings, Proof proof, const std::stop_token &stop)
{
    auto parent = WorkerParent::start(settings.fleet.program, settings.fleet.rules, stop);
    if (!parent)
        return {nullptr, std::move(parent.error()), {}};
    Loaded loaded;
    loaded.problems = (*parent)->rules().problems;
    if (proof != Proof::None) {
        auto proven = proveRules(**parent, settings.fleet.program, settings.fleet.rules,
            proof == Proof::Eicar ? RuleProblem::Level::Error : RuleProblem::Level::Warning);
        if (!proven)
            return {nullptr, std::move(proven.error()), {}};
        std::ranges::move(proven->warnings, std::back_inserter(loaded.problems));
        loaded.findsEicar = proven->findsEicar;
    }
    loaded.engine = std::make_shared<const WorkerEngine>(std::move(*parent), settings.fleet);
    // The first worker tells which walls stand around them all, and the first scan has it.
    if (const auto worker = loaded.engine->fleet().lease(noDeadline); !worker) {
        return {nullptr, {{RuleProblem::Level::Error, {}, 0, worker.error().message}}, {}};
    }
    return loaded;
}

QString RuleLoader::Loaded::refusal() const
{
    if (engine)
        return {};
    const auto error = std::ranges::find(problems, RuleProblem::Level::Error, &RuleProblem::level);
    return error == problems.end() ? QStringLiteral("the rules cannot be used") : describe(*error);
}

void RuleLoader::start(Proof proof)
{
    Q_ASSERT(!m_isLoading);
    m_isLoading = true;
    // Not one of Qt's pool: which hands things over where the thread sanitizer does not see it.
    m_thread = std::jthread([this, proof](const std::stop_token &stop) {
        Loaded result = load(m_settings, proof, stop);
        m_mailbox.post([this, result = std::move(result)] {
            m_isLoading = false;
            Q_EMIT loaded(result);
        });
    });
}

} // namespace Sentinel
