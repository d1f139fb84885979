// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/content/Content.h"
#include "SecurityTap/engine/ScanTask.h"
#include "ipc/SentinelStatus.h"

#include <memory>

namespace Sentinel {

struct ScanSubject;

//! \brief A detector with one set of rules: what scans begin with. Other rules are another engine.
//!
//! Owner:  shared by a backend and whoever scans with it.
//! Thread: any.
class SECURITYTAP_EXPORT ScanEngine {
public:
    virtual ~ScanEngine() = default;

    //! Its rules; the same as long as it lives.
    virtual const RuleSetSummary &rules() const = 0;
    //! Stands for all that its verdicts depend on beside the content: another one, other verdicts.
    virtual QByteArray fingerprint() const { return rules().digest; }
    //! A scan of \p content, which may still be growing. Its result has no SHA-256.
    virtual std::unique_ptr<ScanTask> begin(
        const ScanSubject &subject, std::shared_ptr<const Content> content) const = 0;
};

} // namespace Sentinel
