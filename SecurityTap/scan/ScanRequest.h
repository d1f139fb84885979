// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/content/Content.h"
#include "SecurityTap/content/FileType.h"
#include "SecurityTap/engine/ScanTask.h"
#include "SecurityTap/scan/Deadline.h"
#include "ipc/DownloadMetadata.h"
#include "ipc/FileDescriptor.h"
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

    quint64 client = 0; //!< on whose behalf; 0: this process's own
    //! Whose shares of the queue it counts in: shareKeyOf() its address, and the connection by
    //! which it was asked for; 0: none. Two origins of one key share their share, no more.
    quint64 origin = 0;
    quint64 connection = 0;
    DownloadMetadata metadata;
    QString filePath; //!< where rules may look at a path; empty for downloads
    std::shared_ptr<const Content> content; //!< null if loader is set
    Loader loader;
    //! The same as content, opened for reading, for a scanner in another process. May be null.
    std::shared_ptr<const FileDescriptor> file;
    //! The content's file is one that nobody but this process can write to.
    bool isContentOurs = false;
    FileType fileType = FileType::Unknown;
    qint64 sizeBytes = 0; //!< known or announced so far: for priority and the queue's byte bound
    //! Nobody waits for it: what is asked for in the next Limits::rescanYield goes first.
    bool mayWait = false;
    //! Of a content that is complete, from the request's making; none: by size.
    std::optional<std::chrono::milliseconds> timeout;
};

//! \brief A queued scan: what to scan, until when, and whom to tell.
//!
//! Answered exactly once, by whoever comes first: the worker with its result, the deadline, a
//! cancellation, a crash or the end of the pool. An answered request is dead: a task that still
//! runs for it sees isAnswered() between two windows and stops.
//!
//! Owner:  shared by the one who asks, the queue and the worker.
//! Thread: task, letGo() and the subject's content only the worker that took the request; the rest
//! any.
class SECURITYTAP_EXPORT ScanRequest {
public:
    //! Told the result, on the thread that answers. Must not block and not call back into the
    //! queue. Destroyed, with all that it holds, as soon as it has been told.
    using Answer = std::function<void(ScanResult)>;
    //! Sees the result that will be told; for books that must agree with what has been told.
    using BeforeTelling = std::function<void(const ScanResult &)>;

    //! \p createdAt is where the request's waiting begins, later if it may wait: its place in the
    //! queue ages from there.
    ScanRequest(ScanSubject subject, Answer answer, Clock::time_point createdAt = Clock::now());
    Q_DISABLE_COPY_MOVE(ScanRequest)

    //! Unique in this process.
    quint64 id() const { return m_id; }
    const ScanSubject &subject() const { return m_subject; }
    Clock::time_point createdAt() const { return m_createdAt; }

    //! Gives the answer; false if somebody else has given it before. \p beforeTelling runs between:
    //! after the answer is decided, before anybody is told.
    bool answer(ScanResult result, const BeforeTelling &beforeTelling = {});
    //! Keeps \p result, a threat still to be confirmed, for the case that the scan does not come to
    //! its end.
    void suspect(ScanResult result);
    //! \p result, or what suspect() kept if that says more: a threat that was found is not released
    //! because its confirmation was late, failed or was stopped. Who cancels does not want to know.
    ScanResult orSuspicion(ScanResult result) const;
    //! As SliceBudget::setInterrupt(); whoever answers calls it, after the answer was told.
    void setInterrupt(std::function<void()> interrupt);
    //! Drops the task and the content: from here on nobody reads it on behalf of this request.
    void letGo();
    bool isAnswered() const { return m_answered.load(std::memory_order_acquire); }
    //! A worker has it.
    void begin();
    //! The time until its deadline begins anew.
    void restartTime();
    //! That the deadline has passed: with the size of the content if it was being scanned for most
    //! of its time, and did not only wait.
    ScanResult timedOut() const;

    //! The scan under way; null before its first slice. Handed from worker to worker by the queue.
    std::unique_ptr<ScanTask> task;

private:
    const quint64 m_id;
    ScanSubject m_subject; // const but for letGo()
    const Clock::time_point m_createdAt;
    Answer m_answer; // whoever sets m_answered owns it from then on
    std::atomic<bool> m_answered{false};
    std::atomic<Clock::time_point> m_timeBeganAt;
    std::atomic<Clock::time_point> m_begunAt{noDeadline};
    mutable std::mutex m_mutex; // of the two below
    std::optional<ScanResult> m_suspicion;
    std::function<void()> m_interrupt;
};

} // namespace Sentinel
