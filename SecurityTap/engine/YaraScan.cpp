// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/YaraScan.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/engine/YaraFinding.h"
#include "SecurityTap/engine/YaraLibrary.h"
#include "SecurityTap/engine/YaraMatches.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace Sentinel {

namespace {

//! How far a window's edge may be moved to find a good place.
constexpr qint64 cutSearchBytes = 512;
//! `fullword` looks at up to two bytes beside a match (in wide strings).
constexpr qint64 edgeBytes = 2;

bool isWordCharacter(uchar c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

//! libyara looks for an entry point in every block until it has one: no window but the first may
//! look like an executable.
bool beginsLikeExecutable(const uchar *at)
{
    return (at[0] == 'M' && at[1] == 'Z') || (at[0] == 0x7f && at[1] == 'E');
}

} // namespace

YaraScan::YaraScan(std::shared_ptr<const RuleSet> ruleSet, std::shared_ptr<const Content> content,
    QByteArrayList externals)
    : m_ruleSet(std::move(ruleSet))
    , m_content(std::move(content))
    , m_externals(std::move(externals))
    , m_windowBytes(std::max(Limits::scanWindowBytes, 4 * m_ruleSet->overlapBytes()))
{
    m_iterator.context = this;
    m_iterator.first = &firstBlock;
    m_iterator.next = &nextBlock;
    m_iterator.file_size = &fileSize;
    m_iterator.last_error = ERROR_SUCCESS;
    m_block.context = this;
    m_block.fetch_data = &blockData;
}

YaraScan::~YaraScan()
{
    // Left by an exception, it is in a state that nobody knows.
    if (m_phase == Phase::Evaluating || m_phase == Phase::Confirming)
        yr_scanner_destroy(m_scanner.release());
    if (m_phase != Phase::Matching)
        return;
    // The scanner goes back to its set only after libyara has cleaned up behind this scan.
    m_aborting = true;
    yr_scanner_scan_mem_blocks(m_scanner.get(), &m_iterator);
}

ScanTask::Progress YaraScan::step(const SliceBudget &budget)
{
    m_budget = &budget;
    m_starved = false;
    m_hasProgressed = m_phase == Phase::Waiting; // the first window is a start's own
    if (m_phase == Phase::Waiting && !start())
        return m_phase == Phase::Done ? Progress::Done : Progress::Starved;
    if (m_phase == Phase::Matching) {
        const int error = yr_scanner_scan_mem_blocks(m_scanner.get(), &m_iterator);
        if (error == ERROR_BLOCK_NOT_READY)
            return m_starved ? Progress::Starved : Progress::More;
        const bool isWhole = m_windows.size() == 1;
        const bool needsConfirmation = !isWhole && (m_ambiguous || !m_findings.empty());
        if (error != ERROR_SUCCESS || !needsConfirmation) {
            finish(error);
            return Progress::Done;
        }
        m_phase = Phase::Confirming;
        tellSuspicion();
        return Progress::More; // what is short may go first
    }
    if (m_phase == Phase::Confirming)
        confirm();
    return Progress::Done;
}

//! False if the first window is not there yet, or the scan is Done for want of memory.
bool YaraScan::start()
{
    if (!hasWindow())
        return false;
    m_ruleSet = RuleSet::fitting(m_ruleSet, m_content->span());
    m_scanner = RuleSet::lendScanner(m_ruleSet);
    if (!m_scanner) {
        finish(ERROR_INSUFFICIENT_MEMORY);
        return false;
    }
    for (size_t i = 0; i < externalVariables.size(); ++i) {
        const int error = yr_scanner_define_string_variable(
            m_scanner.get(), externalVariables[i], m_externals.at(qsizetype(i)).constData());
        if (error != ERROR_SUCCESS) {
            finish(error);
            return false;
        }
    }
    yr_scanner_set_callback(m_scanner.get(), &onMessage, this);
    // libyara's own handlers for SIGSEGV and SIGBUS are not fit for threads.
    yr_scanner_set_flags(
        m_scanner.get(), SCAN_FLAGS_NO_TRYCATCH | SCAN_FLAGS_REPORT_RULES_MATCHING);
    yr_scanner_set_timeout(m_scanner.get(), 0); // deadlines are not libyara's: it misses them
    m_phase = Phase::Matching;
    return true;
}

YaraScan::Window YaraScan::nextWindow() const
{
    Window window;
    if (!m_windows.empty())
        window.begin = cutBefore(m_windows.back().end - m_ruleSet->overlapBytes());
    window.end = window.begin + m_windowBytes;
    return window;
}

//! True if the bytes of the next window have arrived, and one beyond: an edge is chosen by the
//! bytes on both of its sides.
bool YaraScan::hasWindow() const
{
    const Content::Extent extent = m_content->extent();
    return extent.isComplete || extent.sizeBytes > nextWindow().end;
}

//! The best place for an edge, at \p position or a little before it: between two bytes that are no
//! word characters.
qint64 YaraScan::cutBefore(qint64 position) const
{
    const uchar *bytes = m_content->bytes();
    for (qint64 cut = position; cut > position - cutSearchBytes; --cut) {
        if (!isWordCharacter(bytes[cut - 1]) && !isWordCharacter(bytes[cut])
            && !beginsLikeExecutable(bytes + cut))
            return cut;
    }
    return beginsLikeExecutable(bytes + position) ? position - 1 : position;
}

YR_MEMORY_BLOCK *YaraScan::handOut(Window window)
{
    m_block.base = uint64_t(window.begin);
    m_block.size = size_t(window.end - window.begin);
    m_iterator.last_error = ERROR_SUCCESS;
    return &m_block;
}

YR_MEMORY_BLOCK *YaraScan::handOutNext()
{
    const Content::Extent extent = m_content->extent();
    Window window = nextWindow();
    if (extent.isComplete && extent.sizeBytes <= window.end)
        window.end = extent.sizeBytes;
    else
        window.end = cutBefore(window.end);
    m_windows.push_back(window);
    return handOut(window);
}

YR_MEMORY_BLOCK *YaraScan::firstBlock(YR_MEMORY_BLOCK_ITERATOR *iterator)
{
    auto *scan = static_cast<YaraScan *>(iterator->context);
    if (scan->m_phase == Phase::Matching && scan->m_windows.empty())
        return scan->handOutNext();
    return scan->handOut({0, scan->m_content->extent().sizeBytes});
}

YR_MEMORY_BLOCK *YaraScan::nextBlock(YR_MEMORY_BLOCK_ITERATOR *iterator)
{
    auto *scan = static_cast<YaraScan *>(iterator->context);
    iterator->last_error = ERROR_SUCCESS;
    if (scan->m_aborting) {
        iterator->last_error = ERROR_CALLBACK_ERROR;
        return nullptr;
    }
    if (scan->m_phase != Phase::Matching)
        return nullptr; // the whole was the only block
    // Called again after a pause, the last window has been counted already: the same again.
    scan->m_coverage.bytesScanned = scan->m_windows.back().end;
    scan->m_hasSeenChainHead = scan->m_hasSeenChainHead || scan->hasChainHead();
    const Content::Extent extent = scan->m_content->extent();
    if (extent.isComplete && scan->m_coverage.bytesScanned == extent.sizeBytes) {
        scan->m_ambiguous = scan->isAmbiguous();
        scan->m_phase = Phase::Evaluating;
        return nullptr;
    }
    scan->m_starved = !scan->hasWindow();
    // Every slice gets one window at least, or a late slice would get nowhere.
    const bool isOver = scan->m_hasProgressed && scan->m_budget->isUsedUp();
    if (scan->m_starved || isOver) {
        iterator->last_error = ERROR_BLOCK_NOT_READY;
        return nullptr;
    }
    scan->m_hasProgressed = true;
    return scan->handOutNext();
}

uint64_t YaraScan::fileSize(YR_MEMORY_BLOCK_ITERATOR *iterator)
{
    return uint64_t(static_cast<YaraScan *>(iterator->context)->m_content->extent().sizeBytes);
}

const uint8_t *YaraScan::blockData(YR_MEMORY_BLOCK *block)
{
    return static_cast<YaraScan *>(block->context)->m_content->bytes() + block->base;
}

bool YaraScan::touchesEdge(const YR_MATCHES &matches) const
{
    bool touches = false;
    visitMatches(matches, [&](const YR_MATCH &match) {
        const qint64 begin = match.base + match.offset;
        touches = touchesEdge(begin, begin + match.match_length);
        return !touches;
    });
    return touches;
}

bool YaraScan::touchesEdge(qint64 begin, qint64 end) const
{
    // The last window that begins at or before the match, and the one before it, whose end it may
    // touch. The very first and the very last edge are the file's own.
    const auto last = std::prev(std::ranges::upper_bound(m_windows, begin, {}, &Window::begin));
    if (last->begin > 0 && begin - last->begin < edgeBytes)
        return true;
    for (auto window = last == m_windows.begin() ? last : std::prev(last);
         window != std::prev(m_windows.end()) && window->begin <= end; ++window) {
        if (end <= window->end && window->end - end < edgeBytes)
            return true;
    }
    return false;
}

//! True if libyara has found the first part of a string whose other parts it looks for.
bool YaraScan::hasChainHead() const
{
    return std::ranges::any_of(m_ruleSet->chainHeads(), [this](quint32 string) {
        return m_scanner->matches[string].head || m_scanner->unconfirmed_matches[string].head;
    });
}

//! True if the windows may have shown something else than the whole would have.
bool YaraScan::isAmbiguous() const
{
    if (m_windows.size() == 1)
        return false;
    if (m_hasSeenChainHead || m_ruleSet->needsWhole())
        return true;
    if (m_ruleSet->usesEntryPoint() && beginsLikeExecutable(m_content->bytes()))
        return true;
    const auto isAtEdge = [this](quint32 string) {
        return touchesEdge(m_scanner->matches[string])
            || touchesEdge(m_scanner->unconfirmed_matches[string]);
    };
    return std::ranges::any_of(m_ruleSet->edgeSensitiveStrings(), isAtEdge);
}

//! The confirmation of a large content takes long, and libyara cannot be interrupted in it.
void YaraScan::tellSuspicion()
{
    if (!m_budget->suspect)
        return;
    Coverage coverage = m_coverage;
    coverage.bytesTotal = m_content->extent().sizeBytes;
    coverage.ruleSetDigest = m_ruleSet->digest();
    coverage.limitsHit.append(QStringLiteral("the findings were not confirmed in time"));
    const ScanResult suspected = ScanResult::judge(std::move(coverage), m_findings, {});
    if (suspected.isThreat())
        m_budget->suspect(suspected);
}

void YaraScan::confirm()
{
    auto suspected = std::exchange(m_findings, {});
    m_coverage.limitsHit.clear();
    m_coverage.findingsOmitted = 0;
    m_scanner->entry_point = YR_UNDEFINED;
    const auto bytes = m_content->span();
    const int error = yr_scanner_scan_mem(m_scanner.get(), bytes.data(), bytes.size());
    if (error != ERROR_SUCCESS) // nobody has said that they are wrong
        std::ranges::move(suspected, std::back_inserter(m_findings));
    finish(error);
}

void YaraScan::finish(int error)
{
    const Content::Extent extent = m_content->extent();
    m_coverage.bytesTotal = extent.isComplete ? extent.sizeBytes : -1;
    m_coverage.ruleSetDigest = m_ruleSet->digest();
    m_coverage.wholeEvaluated = error == ERROR_SUCCESS;
    if (error == ERROR_SUCCESS)
        m_coverage.engines = QStringList{QStringLiteral("yara ") + yaraVersion()};
    else
        m_coverage.limitsHit.append(yaraErrorText(error));
    m_error = error;
    m_phase = Phase::Done;
    m_scanner.reset();
}

ScanResult YaraScan::takeResult()
{
    return ScanResult::judge(std::move(m_coverage), std::move(m_findings), {},
        m_error == ERROR_SUCCESS ? Reason::LimitHit : Reason::EngineError);
}

int YaraScan::onMessage(YR_SCAN_CONTEXT *context, int message, void *data, void *userData)
{
    auto *scan = static_cast<YaraScan *>(userData);
    switch (message) {
    case CALLBACK_MSG_RULE_MATCHING:
        scan->addFinding(context, *static_cast<const YR_RULE *>(data));
        break;
    case CALLBACK_MSG_IMPORT_MODULE:
        if (!isModuleAllowed(static_cast<YR_MODULE_IMPORT *>(data)->module_name))
            return CALLBACK_ERROR;
        break;
    case CALLBACK_MSG_TOO_MANY_MATCHES: {
        const auto *string = static_cast<const YR_STRING *>(data);
        const YR_RULE &rule = context->rules->rules_table[string->rule_idx];
        const QString limit =
            QStringLiteral("string %1 of rule %2 matched too often")
                .arg(QLatin1StringView(string->identifier), QLatin1StringView(rule.identifier));
        if (!scan->m_coverage.limitsHit.contains(limit))
            scan->m_coverage.limitsHit.append(limit);
        break;
    }
    default:
        break;
    }
    return CALLBACK_CONTINUE;
}

void YaraScan::addFinding(YR_SCAN_CONTEXT *context, const YR_RULE &rule)
{
    const Severity severity = yaraSeverity(rule, m_ruleSet->unratedSeverity());
    if (int(m_findings.size()) < Limits::maxFindings) {
        m_findings.push_back(yaraFinding(context, rule, severity));
        return;
    }
    // What is left out must not soften the verdict.
    ++m_coverage.findingsOmitted;
    const auto mildest = std::ranges::min_element(m_findings, {}, &Finding::severity);
    if (mildest->severity < severity)
        *mildest = yaraFinding(context, rule, severity);
}

} // namespace Sentinel
