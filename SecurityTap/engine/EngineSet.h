// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/engine/ScanEngine.h"
#include "ipc/FileType.h"

#include <QString>

#include <memory>
#include <vector>

namespace Sentinel {

//! \brief Several engines that look at the same content, and one verdict: the worst of theirs.
//!
//! Coverage lists every engine with what it did. Nothing is Clean without the engines that are
//! required; where an optional one fails, the others decide.
//!
//! They take turns in one slice: those that wait for somebody else stand before those that compute.
//!
//! Owner:  shared by a backend and its scans.
//! Thread: any (immutable).
class SECURITYTAP_EXPORT EngineSet final : public ScanEngine {
public:
    enum class Need : quint8 { Optional, Required };
    struct Member {
        QString name; //!< for people: "clamd"
        std::shared_ptr<const ScanEngine> engine;
        Need need = Need::Required;
        std::vector<FileType> types = {}; //!< of contents that it is for; empty: all
    };

    //! \p members are not empty; one of them is required, for all types, and its rules are those
    //! that people are told of.
    explicit EngineSet(std::vector<Member> members);
    Q_DISABLE_COPY_MOVE(EngineSet)

    //! Of the first that is required for all.
    const RuleSetSummary &rules() const override { return m_leader->rules(); }
    //! Of all of them, and of which has to look at what.
    QByteArray fingerprint() const override { return m_fingerprint; }
    std::unique_ptr<ScanTask> begin(
        const ScanSubject &subject, std::shared_ptr<const Content> content) const override;

private:
    const std::vector<Member> m_members;
    const QByteArray m_fingerprint;
    std::shared_ptr<const ScanEngine> m_leader;
};

} // namespace Sentinel
