// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/backend/LinkWatch_p.h"
#include "SecurityTap/backend/SentinelSettings.h"
#include "SecurityTap/backend/TellingTurns_p.h"
#include "SecurityTap/backend/WireBook_p.h"
#include "SecurityTap/scan/ScanRequest.h"
#include "SecurityTap/scan/ScanTelemetry.h"
#include "SecurityTap/scan/SharedRoom.h"
#include "ipc/Messages.h"
#include "ipc/Outbox.h"

#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace Sentinel {

//! \brief The books of the requests that a sentinel is to answer: what is wanted, and what it has
//! been told.
//!
//! Who asks changes what is wanted. One thread at a time, the teller, makes messages of the
//! difference, one by one, as the sentinel reads them: a content that grows faster than that costs
//! one message, not many. The teller is who asks where that is urgent, so that no other thread has
//! to wake up first, else the link. Whoever takes a request out of these books answers it, so that
//! there is one answer.
//!
//! Owner:  shared by the backend, its link and its loaders.
//! Thread: any (locked); nothing is told, sent or copied under the lock.
//! Limits: Limits::maxUnansweredRequests, of one origin half of what the others leave;
//!         maxOwedVerdicts, maxUnacknowledgedVerdicts;
//! maxQueuedBytes
//!         of contents that are to be copied, or one.
class RemoteScans {
    using Lock = std::unique_lock<std::mutex>;

public:
    //! What a request lacks before the sentinel can be told of it.
    enum class Lack : quint8 { Nothing, File };
    //! A message, where it goes, and what goes with it if it is a ScanBegin.
    struct Telling {
        std::shared_ptr<Outbox> outbox;
        Message message;
        quint64 request = 0;
        std::shared_ptr<const FileDescriptor> file; // or else:
        std::shared_ptr<const Content> content;
    };
    enum class Arrival : quint8 { Answer, Late, Breach };

    explicit RemoteScans(const SentinelSettings &settings) : m_settings(settings) { }
    Q_DISABLE_COPY_MOVE(RemoteScans)

    // Who asks: as ScanBackend has it.
    std::expected<Lack, Reason> add(std::shared_ptr<ScanRequest> request);
    void grow(quint64 id, qint64 sizeBytes);
    Lack complete(quint64 id, qint64 sizeBytes, std::optional<std::chrono::milliseconds> timeout);
    ScanResult cancel(quint64 id, ScanResult result);
    void acknowledge(quint64 id, Disposition disposition);
    void countRefusal(const ScanResult &result) { m_telemetry.countAnswer(result, {}); }
    TelemetrySnapshot telemetry() const;

    // Who makes files: a request that lacks its file, if there is one.
    struct Source {
        std::shared_ptr<ScanRequest> request;
        std::shared_ptr<const Content> content; //!< or else the request's loader has it
    };
    std::optional<Source> nextSource();
    void provide(quint64 id, FileDescriptor file, qint64 sizeBytes);
    //! Answers the request, if it has no answer yet.
    void fail(quint64 id, ScanResult result);

    // The teller: by the number that setBell() has given to its bell.
    //! What the sentinel is to be told next. Nothing: it knows all, or is not connected; who asked
    //! is the teller no more.
    std::optional<Telling> next(quint64 teller);
    //! The sentinel was not told \p begin after all, as its file could not be had.
    void withdraw(const Telling &begin, ScanResult result);
    //! True, once, if the link has to look after something new: see watch().
    bool callsLink(quint64 teller)
    {
        const Lock lock(m_mutex);
        return teller == m_bellNumber && m_watch.callsLink(m_book.owedVerdicts());
    }

    // The link.
    //! How somebody becomes the teller; from any thread.
    struct Bell {
        std::function<void(quint64 teller)> tell; //!< at once, on this thread
        std::function<void(quint64 teller)> call; //!< soon, on the link's
        std::function<void()> watch; //!< has the link call watch(), soon
    };
    //! Null: nobody is called any more. Who told so far does so no more; returns the new teller's
    //! number.
    quint64 setBell(std::shared_ptr<const Bell> bell);
    struct Watch {
        Deadline deadline = noDeadline; //!< when expire() is due
        int owedVerdicts = 0; //!< which the sentinel has to live for
    };
    //! What the link looks after from now on.
    Watch watch();
    //! As LinkWatch::needsLife(). If not, callsLink() says when life is needed again.
    bool needsLife();
    Arrival take(ScanVerdict verdict);
    //! Answers what is overdue; returns when it is to be called again.
    Deadline expire(Clock::time_point now);
    void connected(std::shared_ptr<Outbox> outbox);
    //! Answers all that the sentinel was told of.
    void disconnected(const QString &why);
    //! Requests are taken on, and wait until there is a connection.
    void admit();
    //! Answers all, and takes no more.
    void turnAway(const QString &why);
    //! Verdicts that the sentinel has not given yet, also those that nobody waits for any more.
    int owedVerdicts() const
    {
        const Lock lock(m_mutex);
        return m_book.owedVerdicts();
    }

private:
    enum class Stage : quint8 {
        Growing, // without a file: waits until it is complete
        Loading, // its file is being made
        Ready,
    };
    struct Scan {
        std::shared_ptr<ScanRequest> request;
        std::shared_ptr<const FileDescriptor> file;
        std::shared_ptr<const Content> content; // where there is no file
        Stage stage = Stage::Ready;
        qint64 copiedBytes = 0; // of a content that had no file
        // What is wanted
        qint64 sizeBytes = 0;
        bool isComplete = false;
        Deadline deadline = noDeadline;
        // What was told
        quint64 wireId = 0; // 0: nothing
        qint64 toldBytes = 0;
        bool isToldComplete = false;
        bool isListed = false;
    };
    using Scans = std::map<quint64, Scan>;
    enum class Teller : quint8 { Caller, Link };

    Scan takeOut(Scans::iterator at);
    static bool lacksFile(const Scan &scan);
    Lack note(quint64 id, Scan &scan);
    void setDeadline(Scan &scan, Deadline deadline);
    Deadline dueTime(const Scan &scan) const;
    void list(quint64 id, Scan &scan);
    std::optional<Telling> nextTelling();
    std::optional<Message> messageFor(quint64 id, Scan &scan);
    void ring(Lock &lock, Teller teller);
    void answer(Scan scan, ScanResult result);
    void answerAll(std::vector<Scan> scans, const QString &why);

    const SentinelSettings m_settings;
    ScanTelemetry m_telemetry;

    mutable std::mutex m_mutex; // of all below
    Scans m_scans; // by request, the oldest first
    SharedRoom m_room{Limits::maxUnansweredRequests}; // how many of them, by origin
    std::deque<quint64> m_lacking; // for nextSource(): may be gone by then
    TellingTurns m_listed; // for next(): may have something to be told, or be gone by then
    std::shared_ptr<Outbox> m_outbox; // while connected
    WireBook m_book; // of this connection
    bool m_isAdmitting = false;
    int m_peakRequests = 0;
    qint64 m_copiedBytes = 0;
    std::shared_ptr<const Bell> m_bell;
    quint64 m_bellNumber = 0;
    bool m_isTold = false; // there is a teller
    LinkWatch m_watch;
};

} // namespace Sentinel
