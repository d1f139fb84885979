// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/backend/SentinelSettings.h"
#include "SecurityTap/scan/ScanRequest.h"
#include "SecurityTap/scan/ScanTelemetry.h"
#include "ipc/Messages.h"

#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

namespace Sentinel {

//! \brief The books of the requests that a sentinel is to answer: what is wanted, and what it has
//! been told.
//!
//! Who asks changes what is wanted. The link makes messages of the difference, one by one, as the
//! sentinel reads them: a content that grows faster than that costs one message, not many. Whoever
//! takes a request out of these books answers it, so that there is one answer.
//!
//! Owner:  shared by the backend, its link and its loaders.
//! Thread: any (locked); nothing is told, sent or copied under the lock.
//! Limits: Limits::maxUnansweredRequests, maxOwedVerdicts, maxUnacknowledgedVerdicts;
//! maxQueuedBytes
//!         of contents that are to be copied, or one.
class RemoteScans {
public:
    //! What a request lacks before the sentinel can be told of it.
    enum class Lack : quint8 { Nothing, File };
    //! A message, and what goes with it if it is a ScanBegin.
    struct Telling {
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

    // The link.
    //! Called from any thread when there may be something for next() or a new deadline: once, until
    //! heed(). Null: nobody is there.
    void setBell(std::function<void()> bell);
    //! The bell has been heard. Returns when expire() is due.
    Deadline heed();
    //! What the sentinel is to be told next; nothing if it knows all, or is not connected.
    std::optional<Telling> next();
    //! The sentinel was not told \p begin after all, as its file could not be had.
    void withdraw(const Telling &begin, ScanResult result);
    Arrival take(ScanVerdict verdict);
    //! Answers what is overdue; returns when it is to be called again.
    Deadline expire(Clock::time_point now);
    void connected();
    //! Answers all that the sentinel was told of.
    void disconnected(const QString &why);
    //! Requests are taken on, and wait until there is a connection.
    void admit();
    //! Answers all, and takes no more.
    void turnAway(const QString &why);
    //! Verdicts that the sentinel has not given yet, also those that nobody waits for any more.
    int owedVerdicts() const;

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
    using Lock = std::unique_lock<std::mutex>;

    Scan takeOut(Scans::iterator at);
    static bool lacksFile(const Scan &scan);
    Lack note(quint64 id, Scan &scan);
    void setDeadline(Scan &scan, Deadline deadline);
    Deadline dueTime(const Scan &scan) const;
    void list(quint64 id, Scan &scan);
    std::optional<Message> messageFor(quint64 id, Scan &scan);
    void ring(Lock &lock);
    void answer(Scan scan, ScanResult result);
    void answerAll(std::vector<Scan> scans, const QString &why);

    const SentinelSettings m_settings;
    ScanTelemetry m_telemetry;

    mutable std::mutex m_mutex; // of all below
    Scans m_scans; // by request, the oldest first
    std::deque<quint64> m_lacking; // for nextSource(): may be gone by then
    std::deque<quint64> m_listed; // for next(): may have something to be told
    std::deque<Message> m_notes; // for next(): of requests that are not here any more
    std::unordered_map<quint64, quint64> m_owed; // wire id to request
    std::map<quint64, quint64> m_unacknowledged; // request to wire id
    quint64 m_lastWireId = 0; // of this connection
    bool m_isConnected = false;
    bool m_isAdmitting = false;
    Deadline m_earliest = noDeadline; // no request is due before
    int m_peakRequests = 0;
    qint64 m_copiedBytes = 0;
    std::shared_ptr<const std::function<void()>> m_bell;
    bool m_isRung = false;
};

} // namespace Sentinel
