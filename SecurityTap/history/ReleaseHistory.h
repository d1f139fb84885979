// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/history/ReleaseRecord.h"

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace Sentinel {

class StateDatabase;
struct ReleaseRow;

//! \brief What was released, and what of it is still owed a scan: in a file that outlives every
//! process, for several at once.
//!
//! Who is to scan something claims it: nobody else gets it then, until the claim is settled or
//! given back, its time is over, or its process has ended. Nothing of a private download stays
//! behind its scan, and of its addresses and names nothing is ever kept.
//!
//! A broken file is moved aside and a new one begun (takeNotice()). Errors are sentences for
//! people; what failed has not happened.
//!
//! Owner:  anybody; one object a thread.
//! Thread: the one that uses it first (asserted), destruction too.
//! Blocks: for the disk; for other processes up to Settings::busyTimeout.
//! Limits: Settings::maxRecords, Settings::maxAge.
class SECURITYTAP_EXPORT ReleaseHistory {
public:
    using Now = std::function<QDateTime()>;

    struct Settings {
        int maxRecords = Limits::maxReleaseRecords;
        std::chrono::hours maxAge = Limits::releaseRecordAge;
        std::chrono::milliseconds lease = Limits::rescanLease;
        std::chrono::milliseconds busyTimeout = Limits::historyBusyTimeout;
        Now now = &QDateTime::currentDateTimeUtc; //!< the time of day
    };
    struct Recorded {
        std::vector<qint64> ids; //!< 0 for what is not kept: a private release that is not owed
        //! Unscanned, and given up to keep the bound: an event each.
        std::vector<ReleaseRecord> dropped;
    };
    struct Claim {
        ReleaseRecord record;
        QString token;
    };
    enum class Settled : quint8 {
        NotOurs, //!< the claim had ended: somebody else sees to it
        Done, //!< it is settled
        ThreatToTell, //!< tell it, then call told(): who else settles it does not get this answer
    };
    struct Counts {
        int records = 0;
        int owed = 0; //!< unscanned, to be scanned (or being scanned)
        int unreachable = 0; //!< unscanned, owed, and nothing but a hash
        int judgedAgain = 0; //!< had a verdict by other rules, to be scanned (or being scanned)
    };

    //! Where it is in the \p state directory of a user (StorePaths::state).
    static QString fileIn(const QString &state);

    //! \p path is the file's; its directory becomes its user's own.
    explicit ReleaseHistory(QString path);
    ReleaseHistory(QString path, Settings settings);
    ~ReleaseHistory();
    Q_DISABLE_COPY_MOVE(ReleaseHistory)

    //! Records releases, all or none. Those in state Owed are on disk when it returns. Refuses one
    //! by which nothing could be found again: it needs a path with a stamp or a hash, or a hash.
    std::expected<Recorded, QString> record(std::span<const ReleaseRecord> records);
    std::expected<Recorded, QString> record(const ReleaseRecord &one) { return record({&one, 1}); }

    //! The release \p id, of which a scan is owed, is, or is about to be, at \p path: the scan is
    //! due from \p dueAt on, at most Limits::mostRescanPause from now. Empty: it is nowhere. False
    //! if nothing is owed by that id any more: settled, claimed, or dropped.
    std::expected<bool, QString> place(
        qint64 id, const QString &path, const FileStamp &stamp, const QDateTime &dueAt);

    //! Up to \p limit of what is owed and due, the unscanned first, the oldest first.
    std::expected<std::vector<Claim>, QString> claimOwed(int limit);
    //! Up to \p limit of the releases with these bytes that nobody has warned of: for a threat that
    //! was found in another way.
    std::expected<std::vector<Claim>, QString> claimByHash(const QByteArray &sha256, int limit);
    //! Ends the claim. A threat that is news is to be told before it counts as settled; if the
    //! process ends in between, another one finds and tells it again.
    std::expected<Settled, QString> settle(
        const Claim &claim, ReleaseRecord::Ending ending, const ScanResult &result);
    //! The threat \p result was told. False if the claim had ended.
    std::expected<bool, QString> told(const Claim &claim, const ScanResult &result);
    //! A scan of it begins: that is an attempt, which fails if the process does not outlive it.
    //! False if the claim had ended.
    std::expected<bool, QString> begin(const Claim &claim) { return count(claim, 1); }
    //! It has not begun after all.
    std::expected<bool, QString> rest(const Claim &claim) { return count(claim, 0); }
    //! Owed again at once, as if it had not been claimed.
    std::expected<void, QString> giveBack(std::span<const Claim> claims);
    //! Owed again after \p pause, with one failed attempt more.
    std::expected<bool, QString> postpone(const Claim &claim, std::chrono::milliseconds pause);

    //! The rules are now those of \p rulesDigest: up to \p limit files released since \p since
    //! whose verdict is by others, and no threat, are owed a scan again, the newest first, once for
    //! these rules. How many.
    std::expected<int, QString> oweAgain(
        const QByteArray &rulesDigest, const QDateTime &since, int limit);

    //! Drops what is older than Settings::maxAge (twice that: a threat not told yet) or too much.
    //! Those that were owed a first scan.
    std::expected<std::vector<ReleaseRecord>, QString> purge();
    std::expected<bool, QString> forget(qint64 id);

    std::expected<Counts, QString> counts();
    //! The record, or one with id 0.
    std::expected<ReleaseRecord, QString> find(qint64 id);
    //! Until something that is owed is due; none if nothing is.
    std::expected<std::optional<std::chrono::milliseconds>, QString> nextDue();

    //! That a broken file was moved aside; once.
    QString takeNotice();

private:
    std::expected<std::vector<Claim>, QString> claim(
        const char *sql, const std::vector<QVariant> &values, int limit);
    std::expected<bool, QString> count(const Claim &claim, int begun);
    std::expected<Settled, QString> announceable(const Claim &claim, const ScanResult &result);
    std::optional<bool> end(const Claim &claim, ReleaseRecord::State from,
        ReleaseRecord::Ending ending, const ScanResult &result);
    void emptyJournal(const ReleaseRecord &settled);
    bool insert(const ReleaseRecord &record, Recorded &recorded);
    bool dropBeyond(int mostRecords, std::vector<ReleaseRecord> &owed);
    bool drop(const std::vector<ReleaseRow> &rows, std::vector<ReleaseRecord> &owed);
    bool remove(qint64 id);
    qint64 nowMs() const;

    const Settings m_settings;
    const std::unique_ptr<StateDatabase> m_database;
};

} // namespace Sentinel
