// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Coverage.h"
#include "ipc/Finding.h"
#include "ipc/IpcExport.h"
#include "ipc/Reason.h"
#include "ipc/Verdict.h"

#include <QByteArray>
#include <QString>

#include <vector>

namespace Sentinel {

//! \brief What a scan found out: verdict, reason, findings and coverage, which always agree.
//!
//! There are two ways to make one, and only judge() can make a Clean one, from a Coverage that is
//! complete. A value: copied and compared freely.
//!
//! Thread: immutable.
class SENTINELIPC_EXPORT ScanResult {
public:
    //! The verdict that follows from \p findings and \p coverage: the worst severity found, else
    //! Clean if the coverage is complete, else NotScanned for \p reasonIfIncomplete.
    static ScanResult judge(Coverage coverage, std::vector<Finding> findings, QByteArray sha256,
        Reason reasonIfIncomplete = Reason::LimitHit);

    //! No verdict was reached. \p detail is for people: what happened, and what to do about it.
    static ScanResult notScanned(Reason reason, QString detail = {}, Coverage coverage = {});

    Verdict verdict() const { return m_verdict; }
    //! Reason::None exactly if the verdict is not NotScanned.
    Reason reason() const { return m_reason; }
    const QString &detail() const { return m_detail; }
    const std::vector<Finding> &findings() const { return m_findings; }
    const Coverage &coverage() const { return m_coverage; }
    //! SHA-256 of the content scanned, 32 raw bytes; empty where it was not computed.
    const QByteArray &sha256() const { return m_sha256; }

    //! The same result, of a content that has been hashed.
    ScanResult withSha256(QByteArray sha256) const;

    bool isThreat() const
    {
        return m_verdict == Verdict::Malicious || m_verdict == Verdict::Suspicious;
    }

    friend bool operator==(const ScanResult &, const ScanResult &) = default;

private:
    ScanResult() = default;

    Verdict m_verdict = Verdict::NotScanned;
    Reason m_reason = Reason::ScannerUnavailable;
    QString m_detail;
    std::vector<Finding> m_findings;
    Coverage m_coverage;
    QByteArray m_sha256;
};

} // namespace Sentinel
