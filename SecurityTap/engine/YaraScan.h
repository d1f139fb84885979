// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/content/Content.h"
#include "SecurityTap/engine/RuleSet.h"
#include "SecurityTap/engine/ScanTask.h"

#include <QByteArrayList>

#include <memory>
#include <vector>

#include <yara.h>

namespace Sentinel {

//! \brief One content's scan by libyara, in windows while it still arrives, with the results of a
//! scan of the whole.
//!
//! Matching: libyara is handed windows that overlap, each when its bytes are there. It keeps the
//! matches by their absolute offsets, and every string lies whole inside some window, so the
//! matches are those of the whole file, except where a match depends on what is not in its window.
//! Evaluation: the conditions see one block, the whole file. Confirmation: if a rule matched, or
//! there is such an exception (isAmbiguous()), one more scan over the whole decides. A content of
//! one window is scanned as a whole from the start.
//!
//! Thread: one at a time, each slice on any.
class SECURITYTAP_EXPORT YaraScan final : public ScanTask {
public:
    //! \p externals: values of the externalVariables, in their order.
    YaraScan(std::shared_ptr<const RuleSet> ruleSet, std::shared_ptr<const Content> content,
        QByteArrayList externals);
    ~YaraScan() override;
    Q_DISABLE_COPY_MOVE(YaraScan)

    Progress step(const SliceBudget &budget) override;
    ScanResult takeResult() override;

private:
    enum class Phase : quint8 {
        Waiting, //!< for the first window
        Matching, //!< windows are handed out
        Evaluating, //!< the conditions see the whole
        Confirming, //!< a scan of the whole as one block
        Done,
    };
    struct Window {
        qint64 begin = 0;
        qint64 end = 0;
    };

    static YR_MEMORY_BLOCK *firstBlock(YR_MEMORY_BLOCK_ITERATOR *iterator);
    static YR_MEMORY_BLOCK *nextBlock(YR_MEMORY_BLOCK_ITERATOR *iterator);
    static uint64_t fileSize(YR_MEMORY_BLOCK_ITERATOR *iterator);
    static const uint8_t *blockData(YR_MEMORY_BLOCK *block);
    static int onMessage(YR_SCAN_CONTEXT *context, int message, void *data, void *userData);

    bool start();
    bool hasWindow() const;
    Window nextWindow() const;
    qint64 cutBefore(qint64 position) const;
    YR_MEMORY_BLOCK *handOut(Window window);
    YR_MEMORY_BLOCK *handOutNext();
    bool touchesEdge(const YR_MATCHES &matches) const;
    bool touchesEdge(qint64 begin, qint64 end) const;
    bool hasChainHead() const;
    bool isAmbiguous() const;
    void tellSuspicion();
    void confirm();
    void finish(int error);
    void addFinding(YR_SCAN_CONTEXT *context, const YR_RULE &rule);

    std::shared_ptr<const RuleSet> m_ruleSet; // from start(): the part that fits
    const std::shared_ptr<const Content> m_content;
    const QByteArrayList m_externals;
    const qint64 m_windowBytes;

    RuleSet::ScannerLease m_scanner;
    YR_MEMORY_BLOCK_ITERATOR m_iterator{};
    YR_MEMORY_BLOCK m_block{};
    Phase m_phase = Phase::Waiting;
    bool m_aborting = false;
    const SliceBudget *m_budget = nullptr; // of the step() under way
    bool m_starved = false; // of the step() under way: why it ended
    bool m_hasProgressed = false; // of the step() under way: a window was handed out
    bool m_hasSeenChainHead = false; // in some window; libyara may have dropped it since
    bool m_ambiguous = false;
    std::vector<Window> m_windows; // handed out so far

    Coverage m_coverage;
    std::vector<Finding> m_findings;
    int m_error = ERROR_SUCCESS;
};

} // namespace Sentinel
