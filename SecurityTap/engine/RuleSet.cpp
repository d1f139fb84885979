// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/RuleSet.h"

#include "SecurityTap/Limits.h"

#include <yara.h>

#include <algorithm>

namespace Sentinel {

RuleSet::RuleSet(YR_RULES *rules, Description description)
    : m_rules(rules), m_description(std::move(description))
{
    // A literal is only found whole, and takes two bytes a character where it is wide.
    qint64 longestLiteral = 0;
    for (quint32 i = 0; i < rules->num_strings; ++i) {
        const YR_STRING &string = rules->strings_table[i];
        if (STRING_IS_LITERAL(&string))
            longestLiteral = std::max<qint64>(longestLiteral, string.length);
        // Hex strings know neither anchors nor word boundaries; plain text only as `fullword`.
        const bool isRegexp = !STRING_IS_HEX(&string) && !STRING_IS_LITERAL(&string);
        if (isRegexp || STRING_IS_FULL_WORD(&string))
            m_edgeSensitive.push_back(i);
        if (STRING_IS_CHAIN_PART(&string) && !string.chained_to)
            m_chainHeads.push_back(i);
    }
    m_overlapBytes = std::max(Limits::scanOverlapBytes, 2 * longestLiteral + Limits::kib);
}

RuleSet::~RuleSet()
{
    for (YR_SCANNER *scanner : m_idleScanners)
        yr_scanner_destroy(scanner);
    yr_rules_destroy(m_rules);
}

int RuleSet::ruleCount() const
{
    return int(m_rules->num_rules);
}

RuleSet::ScannerLease RuleSet::lendScanner(const std::shared_ptr<const RuleSet> &ruleSet)
{
    YR_SCANNER *scanner = nullptr;
    {
        const std::lock_guard lock(ruleSet->m_mutex);
        if (!ruleSet->m_idleScanners.empty()) {
            scanner = ruleSet->m_idleScanners.back();
            ruleSet->m_idleScanners.pop_back();
        }
    }
    if (!scanner && yr_scanner_create(ruleSet->m_rules, &scanner) != ERROR_SUCCESS)
        return {nullptr, ReturnScanner{ruleSet}};
    // libyara keeps the entry point of the last file that had one.
    scanner->entry_point = YR_UNDEFINED;
    return {scanner, ReturnScanner{ruleSet}};
}

void RuleSet::ReturnScanner::operator()(YR_SCAN_CONTEXT *scanner) const
{
    const std::lock_guard lock(ruleSet->m_mutex);
    ruleSet->m_idleScanners.push_back(scanner);
}

} // namespace Sentinel
