// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/RuleSet.h"

#include "SecurityTap/Limits.h"

#include <yara.h>

#include <algorithm>
#include <optional>

namespace Sentinel {

namespace {

//! No part of a string matches further than this to either side of where libyara looks for it.
constexpr qint64 maxPartBytes = 8 * Limits::kib;
//! A jump that libyara treats as one without an end.
constexpr qint64 unboundedJump = 1 << 30;

//! The longest match of the chained string that ends in \p last; nothing if it has no bound.
std::optional<qint64> chainBytes(const YR_STRING &last)
{
    qint64 bytes = maxPartBytes;
    for (const YR_STRING *part = &last; part->chained_to; part = part->chained_to) {
        if (part->chain_gap_max >= unboundedJump)
            return std::nullopt;
        bytes += part->chain_gap_max + maxPartBytes;
    }
    return bytes;
}

} // namespace

RuleSet::RuleSet(YR_RULES *rules, Description description, std::shared_ptr<const RuleSet> forOthers)
    : m_rules(rules), m_description(std::move(description)), m_forOthers(std::move(forOthers))
{
    // A literal is only found whole, and takes two bytes a character where it is wide.
    qint64 longestLiteral = 0;
    qint64 longestChain = 0;
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
        // A head without a bound stays noticed, a bounded one is forgotten when its reach is over.
        if (const auto bytes = chainBytes(string); string.chained_to && bytes) {
            if (*bytes <= Limits::maxScanOverlapBytes)
                longestChain = std::max(longestChain, *bytes);
            else
                m_needsWhole = true;
        }
    }
    m_overlapBytes =
        std::max({Limits::scanOverlapBytes, 2 * longestLiteral + Limits::kib, longestChain});
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

std::shared_ptr<const RuleSet> RuleSet::fitting(
    const std::shared_ptr<const RuleSet> &ruleSet, std::span<const uchar> content)
{
    const bool isProgram = content.size() >= 2 && content[0] == 'M' && content[1] == 'Z';
    return isProgram || !ruleSet->m_forOthers ? ruleSet : ruleSet->m_forOthers;
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
