// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/SentinelStatus.h"
#include "ipc/Verdict.h"

#include <QByteArray>

#include <memory>
#include <mutex>
#include <span>
#include <vector>

struct YR_RULES;
struct YR_SCAN_CONTEXT;

namespace Sentinel {

//! \brief Compiled rules: immutable, shared by all scans that began with them.
//!
//! Made by compileRules(). A reload makes another one; scans under way end with theirs.
//!
//! Thread: any; scanners are lent one to a scan.
class SECURITYTAP_EXPORT RuleSet {
public:
    //! What the compiler knows about a set.
    struct Description {
        QByteArray digest; //!< SHA-256 (32 raw bytes) of all that verdicts depend on
        int files = 0; //!< rule files, without includes
        Severity unratedSeverity = Severity::Malicious; //!< of rules without severity metadata
        bool usesEntryPoint = false; //!< a condition has the keyword `entrypoint`
    };
    struct ReturnScanner {
        std::shared_ptr<const RuleSet> ruleSet;
        void operator()(YR_SCAN_CONTEXT *scanner) const;
    };
    //! A scanner on loan, returned clean: its last scan must have run to an end.
    using ScannerLease = std::unique_ptr<YR_SCAN_CONTEXT, ReturnScanner>;

    //! Takes over \p rules. \p forOthers: those of them that can match in a file that does not
    //! begin with "MZ", if they are fewer.
    RuleSet(YR_RULES *rules, Description description,
        std::shared_ptr<const RuleSet> forOthers = nullptr);
    ~RuleSet();
    Q_DISABLE_COPY_MOVE(RuleSet)

    const QByteArray &digest() const { return m_description.digest; }
    Severity unratedSeverity() const { return m_description.unratedSeverity; }
    int fileCount() const { return m_description.files; }
    int ruleCount() const;

    //! The set to scan \p content with: \p ruleSet, or the part of it that can match there, which
    //! gives the same result sooner.
    static std::shared_ptr<const RuleSet> fitting(
        const std::shared_ptr<const RuleSet> &ruleSet, std::span<const uchar> content);

    //! Bytes by which the windows of a streaming scan must overlap for every string to lie whole
    //! inside one of them; of strings in parts (chainHeads()) those of a bounded length.
    qint64 overlapBytes() const { return m_overlapBytes; }
    //! True if the set has strings that no overlap can hold and that windows may miss without a
    //! trace: then only a scan of the whole tells.
    bool needsWhole() const { return m_needsWhole; }
    //! True if conditions use `entrypoint`, which libyara takes from the first window alone.
    bool usesEntryPoint() const { return m_description.usesEntryPoint; }
    //! Indexes of the strings whose matches depend on the bytes beside them (anchors, word
    //! boundaries): at a window's edge they may match what the whole file does not.
    const std::vector<quint32> &edgeSensitiveStrings() const { return m_edgeSensitive; }

    //! Indexes of the first parts of strings that libyara splits at large jumps. It compares the
    //! places of the parts relative to their windows, so that only the whole file tells whether the
    //! parts belong together.
    const std::vector<quint32> &chainHeads() const { return m_chainHeads; }

    //! A scanner over \p ruleSet; null if memory is short. Reused ones save their set-up, which
    //! takes longer than a small scan for large sets.
    static ScannerLease lendScanner(const std::shared_ptr<const RuleSet> &ruleSet);

private:
    YR_RULES *m_rules;
    const Description m_description;
    const std::shared_ptr<const RuleSet> m_forOthers;
    qint64 m_overlapBytes = 0;
    bool m_needsWhole = false;
    std::vector<quint32> m_edgeSensitive;
    std::vector<quint32> m_chainHeads;
    mutable std::mutex m_mutex;
    mutable std::vector<YR_SCAN_CONTEXT *> m_idleScanners;
};

//! \brief Which rules \p ruleSet has, in short.
inline RuleSetSummary summaryOf(const RuleSet &ruleSet)
{
    return {ruleSet.digest(), ruleSet.ruleCount(), ruleSet.fileCount()};
}

} // namespace Sentinel
