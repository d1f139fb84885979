// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/ScanResult.h"

#include <optional>
#include <vector>

namespace Sentinel {

//! \brief Adds up what the scans of a file and of its members have found, and what was left unseen.
//!
//! Owner:  an ArchiveScan.
//! Thread: one at a time.
//! Limits: Limits::maxFindings, of which the worst are kept; one text for each kind of trouble.
class SECURITYTAP_EXPORT ArchiveTally {
public:
    //! Why something was left unseen. Of several, the first of these is the result's.
    enum class Trouble : quint8 {
        Engine, //!< a member's scan had no result
        EngineLimit, //!< a member's scan has left out something
        Depth,
        Members,
        MemberBytes,
        ExpandedBytes,
        HeldBytes,
        Ratio,
        Memory,
        Unsupported,
        Damaged,
        Encrypted,
    };

    //! The file itself. Comes first, once.
    void addFile(ScanResult result);
    //! A member, which is at \p place and was there as a whole.
    void addMember(const QString &place, ScanResult result);
    //! A member of which only a part was there: what is found in it counts.
    void addPart(const QString &place, const ScanResult &result);
    //! Something at \p place was left unseen; \p text says more, to people.
    void addTrouble(Trouble trouble, const QString &place, const QString &text = {});
    //! An archive was opened: its reader is one of the engines.
    void addArchive() { m_hasArchive = true; }
    void addNotLookedInto(const QString &what);

    qint64 findings() const { return qint64(m_findings.size()) + m_coverage.findingsOmitted; }
    //! What follows from all of it.
    ScanResult result() const;

private:
    struct Unseen {
        Trouble trouble;
        QString first; // where, and what
        qint64 more = 0;
    };

    std::optional<ScanResult> m_file;
    Coverage m_coverage;
    std::vector<Finding> m_findings;
    std::vector<Unseen> m_unseen;
    bool m_hasArchive = false;
};

} // namespace Sentinel
