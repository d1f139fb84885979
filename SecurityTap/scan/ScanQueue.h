// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/scan/ClientLines.h"
#include "SecurityTap/scan/Deadline.h"
#include "SecurityTap/scan/ScanRequest.h"

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

namespace Sentinel {

//! \brief All accepted scan requests until each has its answer, the best of them next.
//!
//! The order is a virtual time: a request's arrival (for a scan under way: the end of its last
//! slice) plus a handicap that grows with its size, less an advantage for what can be executed.
//! Small requests so go first, equals keep their order of arrival, and nothing starves: waiting
//! outweighs every handicap in the end (ageing). The handicap of a scan under way is capped, so
//! that a large scan gets its slice of the workers also under a steady stream of small ones.
//!
//! Clients (ScanSubject::client) share the workers by time, whatever they have queued, and so do
//! the origins and the connections of one client: the order holds among the requests that have all
//! of them in common. And they share the room: a client has at most half of what the others leave
//! (Limits::queueShare), an origin and a connection half of what the client's others leave of that,
//! so that floods leave some for one more; only a request of one that has nothing here may be
//! larger. This process itself, client 0, may fill the queue, and so may what has no origin.
//!
//! A request waits, runs, or starves (its content has not arrived yet). Bounds count the requests
//! that wait to be started, and the bytes of all that are not answered yet, as far as they are
//! here: what is announced takes no room. A scan under way always finds room again. Deadlines hold
//! in every state: takeExpired() gives out what is overdue. A content that still arrives has none
//! as a whole, but each of its slices has.
//!
//! Thread: any (locked).
class SECURITYTAP_EXPORT ScanQueue {
public:
    struct Bounds {
        int maxRequests = Limits::maxQueuedRequests; //!< waiting to be started
        qint64 maxBytes = Limits::maxQueuedBytes; //!< content of all unanswered requests
        //! Of a request without a deadline: its worker must be back by then.
        std::chrono::milliseconds longestSlice = Limits::minScanTimeout;
    };
    struct Depths {
        int waiting = 0; //!< accepted, no slice yet
        int peakWaiting = 0; //!< since the queue was made
        int underWay = 0; //!< started, not answered: running, between slices, or starving
        qint64 bytes = 0; //!< content of all unanswered requests
        int clients = 0; //!< that have unanswered requests
    };
    using Now = std::function<Clock::time_point()>;

    //! \p now tells what time it is; takeExpired() sleeps by the steady clock.
    explicit ScanQueue(Bounds bounds, Now now = Clock::now);
    //! Nobody may be inside; what is still here is dropped unanswered.
    ~ScanQueue();
    Q_DISABLE_COPY_MOVE(ScanQueue)

    //! Accepts \p request, to be answered by \p deadline; else why not (QueueFull,
    //! ScannerUnavailable after shutDown()), and the request is the caller's to answer.
    //! Makes the request take part at once; a single lock, no allocation of its content's size.
    [[nodiscard]] std::optional<Reason> submit(
        std::shared_ptr<ScanRequest> request, Deadline deadline = noDeadline);

    //! The best request, to be run for one slice by the caller, who gives it back by resume(),
    //! starve() or remove(). Blocks until there is one; null when \p patience ends or at
    //! shutDown().
    std::shared_ptr<ScanRequest> take(std::chrono::milliseconds patience);
    //! A slice of \p id is over and there is more to do.
    void resume(quint64 id);
    //! A slice of \p id is over and its content has not arrived; goes on at once if wake() was
    //! called during the slice.
    void starve(quint64 id);
    //! What \p id waited for has happened.
    void wake(quint64 id);
    //! More content of \p id has arrived, \p sizeBytes by now. Wakes it.
    void growContent(quint64 id, qint64 sizeBytes);
    //! The content of \p id is complete with \p sizeBytes: from now on it has a deadline. Wakes it.
    void completeContent(quint64 id, qint64 sizeBytes, Deadline deadline);

    //! Takes \p id out, whatever its state; null if it is not here (any more). A worker that runs
    //! it finds its resume() or starve() without effect.
    std::shared_ptr<ScanRequest> remove(quint64 id);

    //! Blocks until requests are overdue and takes them out; empty after shutDown(), and only then.
    std::vector<std::shared_ptr<ScanRequest>> takeExpired();

    Depths depths() const;
    //! True if a take() would find something now.
    bool hasReady() const;

    //! Refuses new requests, wakes every waiter, and gives out all that is unanswered, oldest
    //! first.
    std::vector<std::shared_ptr<ScanRequest>> shutDown();
    //! Accepts requests again after shutDown().
    void reopen();

private:
    enum class State : quint8 { Waiting, Running, Starved };
    struct Entry {
        std::shared_ptr<ScanRequest> request;
        ClientLines::Line *line = nullptr;
        State state = State::Waiting;
        ClientLines::Key key;
        Deadline deadline = noDeadline;
        qint64 bytes = 0;
        bool isStarted = false;
        bool isSliceTimed = false; // the deadline is the slice's, not the request's
        bool wakeAfterSlice = false;
    };

    struct Alarm;

    bool hasRoom(const ClientLines::Party &party, qint64 bytes) const;
    void count(Entry &entry, qint64 bytes);
    void countWaiting(Entry &entry, int change);
    void wake(Entry &entry, Alarm &alarm);
    void endSlice(Entry &entry, Clock::time_point now, Alarm &alarm);
    void makeReady(Entry &entry, Clock::time_point order, Alarm &alarm);
    void makeReadyAgain(Entry &entry, Clock::time_point now, Alarm &alarm);
    void setDeadline(Entry &entry, Deadline deadline, Alarm &alarm);
    std::shared_ptr<ScanRequest> takeOut(std::unordered_map<quint64, Entry>::iterator it);

    const Bounds m_bounds;
    const Now m_now;
    mutable std::mutex m_mutex;
    std::condition_variable m_readyChanged;
    std::condition_variable m_deadlinesChanged;
    std::unordered_map<quint64, Entry> m_entries;
    ClientLines m_lines;
    std::set<std::pair<Deadline, quint64>> m_deadlines;
    Deadline m_watchedUntil = noDeadline; // when takeExpired() looks without being woken
    Depths m_depths;
    quint64 m_nextSequence = 0;
    quint64 m_shutDowns = 0; // so that a waiter notices one that was followed by reopen() at once
    bool m_open = true;
};

} // namespace Sentinel
