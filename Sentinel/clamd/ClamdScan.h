// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/content/Content.h"
#include "SecurityTap/engine/ScanTask.h"
#include "Sentinel/clamd/ClamdWatch.h"

#include <memory>
#include <optional>

namespace Sentinel {

//! \brief A scan by clamd: asked in one slice, its answer looked for in this and the next ones, so
//! that no thread waits for clamd longer than a slice. See ClamdEngine.
//!
//! Thread: one at a time, each slice on any.
class ClamdScan final : public ScanTask {
public:
    ClamdScan(std::shared_ptr<ClamdWatch> clamd, std::shared_ptr<const Content> content,
        QByteArray ruleSetDigest);
    //! Gives up the connection that still owes its answer.
    ~ClamdScan() override;
    Q_DISABLE_COPY_MOVE(ClamdScan)

    Progress step(const SliceBudget &budget) override;
    ScanResult takeResult() override { return std::move(m_result); }

private:
    std::optional<Progress> prepare(const Content::Extent &extent);
    std::optional<Progress> findConnection(const SliceBudget &budget);
    Progress awaitAnswer(const SliceBudget &budget);
    Progress use(QByteArrayView answer);
    Progress lose(const ClamdFault &fault);
    Progress judge(const ClamdReply &reply);
    Progress end(ScanResult result);
    void letGo();

    const std::shared_ptr<ClamdWatch> m_clamd;
    const std::shared_ptr<const Content> m_content;
    const QByteArray m_ruleSetDigest;
    ClamdWay m_way;
    FileDescriptor m_copy; // of a content in memory
    int m_file = -1; // the content's, or m_copy
    qint64 m_sizeBytes = 0;
    qint64 m_trustedBytes = 0; // of clamd when it was asked
    Deadline m_deadline = noDeadline; // of all; set once the content is complete
    Deadline m_connectBy = noDeadline;
    bool m_hasRetried = false;
    std::optional<ClamdPool::Lease> m_connection; // from its first question to the answer
    ScanResult m_result = ScanResult::notScanned(Reason::Cancelled);
};

} // namespace Sentinel
