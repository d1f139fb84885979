// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/scan/ScanRequest.h"
#include "ipc/Disposition.h"
#include "ipc/TelemetrySnapshot.h"

#include <memory>
#include <optional>

namespace Sentinel {

//! \brief Where scans run: takes requests, and sees to it that each is answered once.
//!
//! Owner:  SecurityTap, a command, or a sentinel.
//! Thread: start(), stop() and destruction by one thread; the rest any. Nothing but stop() waits.
class SECURITYTAP_EXPORT ScanBackend {
public:
    //! What a request has to bring with it.
    enum class ContentForm : quint8 {
        Memory, //!< ScanSubject::content or loader
        File, //!< besides, if there is one, ScanSubject::file: else the content is copied
    };

    virtual ~ScanBackend() = default;

    virtual ContentForm contentForm() const = 0;
    virtual void start() = 0;
    //! Answers all requests (ScannerUnavailable) and takes no more.
    virtual void stop() = 0;

    //! Takes \p request on; it will be answered once. If it cannot be (too large, queue full), the
    //! reason, and no answer comes.
    [[nodiscard]] virtual std::optional<Reason> submit(std::shared_ptr<ScanRequest> request) = 0;
    //! More content of the request has arrived, \p sizeBytes by now.
    virtual void growContent(quint64 id, qint64 sizeBytes) = 0;
    //! The request's content is complete with \p sizeBytes: its timeout begins, \p timeout, or by
    //! size.
    virtual void completeContent(quint64 id, qint64 sizeBytes,
        std::optional<std::chrono::milliseconds> timeout = std::nullopt) = 0;
    //! Answers the request with \p result instead of a verdict, if it has no answer yet. Returns
    //! the answer: \p result, or the threat that was suspected by then.
    virtual ScanResult cancel(quint64 id, ScanResult result) = 0;

    //! What was decided after the request was answered by a verdict: for books elsewhere.
    virtual void acknowledge(quint64 /*id*/, Disposition /*disposition*/) { }
    //! Counts an answer that was given without submit() (too large, part of a file).
    virtual void countRefusal(const ScanResult &result) = 0;
    virtual TelemetrySnapshot telemetry() const = 0;
};

} // namespace Sentinel
