// SPDX-License-Identifier: MIT
#include "Sentinel/clamd/ClamdEngine.h"

#include "Sentinel/clamd/ClamdScan.h"

namespace Sentinel {

namespace {

RuleSetSummary summaryOf(const ClamdWatch &clamd)
{
    RuleSetSummary summary;
    summary.digest = clamd.version().value_or(ClamdVersion()).digest();
    return summary;
}

} // namespace

ClamdEngine::ClamdEngine(std::shared_ptr<ClamdWatch> clamd)
    : m_clamd(std::move(clamd)), m_rules(summaryOf(*m_clamd))
{
}

std::unique_ptr<ScanTask> ClamdEngine::begin(
    const ScanSubject &, std::shared_ptr<const Content> content) const
{
    return std::make_unique<ClamdScan>(m_clamd, std::move(content), m_rules.digest);
}

} // namespace Sentinel
