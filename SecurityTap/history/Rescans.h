// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/backend/ScanBackend.h"
#include "SecurityTap/history/LateThreat.h"
#include "SecurityTap/history/ReleaseHistory.h"

#include <QObject>
#include <QTimer>

#include <functional>
#include <memory>
#include <set>

namespace Sentinel {

struct FetchedRelease;
struct NextRescan;
class SerialThread;

//! \brief Makes fail-open good: remembers what was released, scans what is owed a scan as soon as
//! there is room, and tells of threats found too late.
//!
//! One file at a time, behind everything else in the queue of its backend. Where there is no room
//! or no scanner, what is owed stays owed, through restarts too, and is tried again after pauses
//! that grow, or at wake(). Several processes of a user share the work: what one has claimed no
//! other scans, and a threat is told once; again only if the process ends while it is being told.
//!
//! Owner:  whoever owns the backend, which outlives it. No slot of its signals deletes it.
//! Thread: owner (asserted); all files are read and written on a thread of its own.
//! Blocks: only its destructor, for what that thread is doing, up to Limits::stopPatience.
//! Limits: one file of up to Settings::maxBytes in memory.
class SECURITYTAP_EXPORT Rescans final : public QObject {
    Q_OBJECT

public:
    struct Settings {
        ReleaseHistory::Settings history;
        qint64 maxBytes = Limits::maxScanBytes; //!< what is larger is settled as TooLarge
        std::chrono::milliseconds leastPause = Limits::leastRescanPause;
        std::chrono::milliseconds mostPause = Limits::mostRescanPause;
        int maxJudgedAgain = Limits::maxJudgedAgain;
        std::chrono::hours judgedAgainAge = Limits::judgedAgainAge;
    };
    //! The record's id, 0 if it is not kept; or why it could not be recorded.
    using Recorded = std::function<void(const std::expected<qint64, QString> &)>;

    //! \p historyPath is the file's (<state>/history.sqlite).
    Rescans(ScanBackend &backend, const QString &historyPath, Settings settings,
        QObject *parent = nullptr);
    //! Takes its scan back. What is owed is another process's, or the next one's.
    ~Rescans() override;

    //! What is done about a late threat, instead of lateThreat(). \p done is called on this thread:
    //! the threat counts as told if it \p isOver, and is handed over again after a while if not, or
    //! to the next process if \p done is never called.
    using Done = std::function<void(bool isOver)>;
    using Handler = std::function<void(const LateThreat &threat, Done done)>;
    void setHandler(Handler handler) { m_handler = std::move(handler); }

    //! Begins with what is owed since other times. Before, releases are only recorded.
    void start();
    //! Takes its scan back; nothing is done any more. The destructor does so with
    //! Limits::stopPatience.
    void stop(std::chrono::milliseconds patience);
    //! From now on scans there; the old one is not used any more when this returns.
    void use(ScanBackend &backend);

    //! Remembers a release (see ReleaseRecord). \p then is told on this thread when it is recorded,
    //! on disk if it is owed a scan: who waits for that before releasing can lose nothing by a
    //! kill. The record of a release that is still to come has a hash, or the stamp of a file that
    //! has no name yet.
    void record(ReleaseRecord release, Recorded then = {});
    //! These bytes are a threat, as was found somewhere else: who got them before is told of.
    void learn(const ScanResult &threat);
    //! The rules are now those of \p rulesDigest: recent releases are scanned again.
    void judgeAgain(const QByteArray &rulesDigest);
    //! There may be room now: a scan has ended, or a scanner has come.
    void wake();
    //! Goes on with what there is to do, if nothing is being done: something was recorded
    //! elsewhere.
    void look();

Q_SIGNALS:
    //! From the event loop, once for each record. When the slots have returned it counts as told.
    void lateThreat(const Sentinel::LateThreat &threat);
    //! What was owed has come to its end, threat or not.
    void settled(const Sentinel::ReleaseRecord &record);
    //! This one was never scanned, and is not going to be: there were too many, or it is too old.
    void dropped(const Sentinel::ReleaseRecord &record);
    //! Nothing is to be done at the moment, or nothing can be.
    void idle();
    //! A sentence for people: the file cannot be used, was broken and begun anew, ...
    void trouble(const QString &text);

private:
    struct Desk;
    enum class State : quint8 {
        Stopped, //!< before start()
        Idle, //!< nothing is owed or due, or a pause
        Fetching, //!< the desk looks for the next file
        Scanning, //!< the backend has it
        Settling, //!< the desk writes down what came of it
    };

    template <typename Work, typename Then>
    void ask(Work work, Then then);
    void onNext(const NextRescan &next);
    void submit();
    void onResult(quint64 attempt, const ScanResult &result);
    void settle(const ScanResult &result);
    void postpone(const ScanResult &result);
    void loseSettlement(const ScanResult &result, const QString &why);
    void takeBack();
    void awaitRoom();
    void rest(std::chrono::milliseconds due);
    void tell(const std::vector<LateThreat> &threats);
    void handOver(const LateThreat &threat, std::function<void()> over);
    void countAsTold(const LateThreat &threat);
    void complain(const QString &text);

    ScanBackend *m_backend;
    const Settings m_settings;
    const std::shared_ptr<Desk> m_desk;
    const std::unique_ptr<SerialThread> m_thread;
    QTimer m_timer;
    State m_state = State::Stopped;
    std::shared_ptr<const FetchedRelease> m_scan; // being scanned, or waiting for room
    bool m_isCounted = false; // that m_scan is being tried
    quint64 m_request = 0; // of the backend
    quint64 m_attempts = 0; // so that an answer of before does not count
    bool m_awaitsRoom = false;
    std::chrono::milliseconds m_pause;
    Handler m_handler;
    // By record: handed over, and not said yet whether it is over; told, but not written down.
    std::set<qint64> m_beingTold;
    std::set<qint64> m_toldUnsettled;
    QString m_lastTrouble;
};

} // namespace Sentinel
