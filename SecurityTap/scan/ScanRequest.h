// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/content/Content.h"
#include "SecurityTap/content/FileType.h"
#include "SecurityTap/engine/ScanTask.h"
#include "SecurityTap/scan/Deadline.h"
#include "ipc/DownloadMetadata.h"
#include "ipc/ScanResult.h"

#include <atomic>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace Sentinel {

//! \brief What is to be scanned.
struct ScanSubject {
    //! Fetches the content on the worker that starts the scan, for content that is not there yet
    //! when the request is made (a file on disk). Blocks that worker.
    using Loader = std::function<std::expected<std::shared_ptr<const Content>, ScanResult>()>;

    DownloadMetadata metadata;
    QString filePath; //!< where rules may look at a path; empty for downloads
    std::shared_ptr<const Content> content; //!< null if loader is set
    Loader loader;
    FileType fileType = FileType::Unknown;
    qint64 sizeBytes = 0; //!< known or announced so far: for priority and the queue's byte bound
};

//! \brief A queued scan: what to scan, until when, and whom to tell.
//!
//! Answered exactly once, by whoever comes first: the worker with its result, the deadline, a
//! cancellation, a crash or the end of the pool. An answered request is dead: a task that still
//! runs for it sees isAnswered() between two windows and stops.
//!
//! Owner:  shared by the one who asks, the queue and the worker.
//! Thread: answer(), isAnswered(), suspect() and suspicion() any; task only the worker that took
//! the request.
class SECURITYTAP_EXPORT ScanRequest {
public:
    //! Told the result, on the thread that answers. Must not block and not call back into the
    //! queue. Destroyed, with all that it holds, as soon as it has been told.
    using Answer = std::function<void(ScanResult)>;
    //! Sees the result that will be told; for books that must agree with what has been told.
    using BeforeTelling = std::function<void(const ScanResult &)>;

    //! \p createdAt is where the request's waiting begins: its place in the queue ages from there.
    ScanRequest(ScanSubject subject, Answer answer, Clock::time_point createdAt = Clock::now());
    Q_DISABLE_COPY_MOVE(ScanRequest)

    //! Unique in this process.
    quint64 id() const { return m_id; }
    const ScanSubject &subject() const { return m_subject; }
    Clock::time_point createdAt() const { return m_createdAt; }

    //! Gives the answer; false if somebody else has given it before. \p beforeTelling runs between:
    //! after the answer is decided, before anybody is told.
    bool answer(ScanResult result, const BeforeTelling &beforeTelling = {});
    //! Keeps \p result as the answer for the case that the deadline passes before the scan ends.
    void suspect(ScanResult result);
    //! What suspect() kept, if it was called.
    std::optional<ScanResult> suspicion() const;
    bool isAnswered() const { return m_answered.load(std::memory_order_acquire); }

    //! The scan under way; null before its first slice. Handed from worker to worker by the queue.
    std::unique_ptr<ScanTask> task;

private:
    const quint64 m_id;
    const ScanSubject m_subject;
    const Clock::time_point m_createdAt;
    Answer m_answer; // whoever sets m_answered owns it from then on
    std::atomic<bool> m_answered{false};
    mutable std::mutex m_suspicionMutex;
    std::optional<ScanResult> m_suspicion;
};

} // namespace Sentinel
