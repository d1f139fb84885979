// SPDX-License-Identifier: MIT
#include "SecurityTap/history/ReleaseHistory.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/history/Lease_p.h"
#include "SecurityTap/history/ReleaseRow_p.h"
#include "SecurityTap/history/StateDatabase_p.h"

#include <QDir>

#include <algorithm>
#include <limits>

namespace Sentinel {

namespace {

using State = ReleaseRecord::State;
using Ending = ReleaseRecord::Ending;
using Statement = StateDatabase::Statement;
using Durability = StateDatabase::Durability;

constexpr qint64 longestPauseMs = std::chrono::milliseconds(Limits::mostRescanPause).count();
constexpr int foundAges = 2; // so much longer a threat is kept that is not told yet
constexpr int slackShare = 100; // beyond the bound, one part in so many goes with the first

// The numbers of the states and verdicts in the file, where statements say them.
static_assert(int(State::Owed) == 0 && int(State::Claimed) == 1 && int(State::Found) == 2
    && int(State::Settled) == 3);
static_assert(int(Verdict::Clean) == 0 && int(Verdict::Suspicious) == 1
    && int(Verdict::Malicious) == 2 && int(Verdict::NotScanned) == 3);

bool isThreat(Verdict verdict)
{
    return verdict == Verdict::Suspicious || verdict == Verdict::Malicious;
}

bool isOwedFirstScan(const ReleaseRecord &record)
{
    return record.state != State::Settled && record.verdict == Verdict::NotScanned;
}

QByteArray hashOf(const ReleaseRecord &record, const ScanResult &result)
{
    return record.sha256.isEmpty() ? result.sha256() : record.sha256;
}

std::optional<QString> whyRefused(const ReleaseRecord &record)
{
    if (!record.path.isEmpty() && !QDir::isAbsolutePath(record.path))
        return QStringLiteral("%1: a release is recorded with its whole path")
            .arg(printable(record.path));
    if (record.sha256.isEmpty() && (record.path.isEmpty() || !record.stamp.isKnown()))
        return QStringLiteral("a release is recorded with its hash, or with its file's stamp");
    return std::nullopt;
}

} // namespace

QString ReleaseHistory::fileIn(const QString &state)
{
    return state + QStringLiteral("/history.sqlite");
}

ReleaseHistory::ReleaseHistory(QString path) : ReleaseHistory(std::move(path), Settings()) { }

ReleaseHistory::ReleaseHistory(QString path, Settings settings)
    : m_settings(std::move(settings))
    , m_database(std::make_unique<StateDatabase>(
          std::move(path), StateDatabase::Access::ReadWrite, m_settings.busyTimeout))
{
}

ReleaseHistory::~ReleaseHistory() = default;

qint64 ReleaseHistory::nowMs() const
{
    return m_settings.now().toMSecsSinceEpoch();
}

std::expected<ReleaseHistory::Recorded, QString> ReleaseHistory::record(
    std::span<const ReleaseRecord> records)
{
    bool isOwed = false;
    for (const ReleaseRecord &record : records) {
        if (auto refusal = whyRefused(record))
            return std::unexpected(std::move(*refusal));
        isOwed = isOwed || record.state != State::Settled;
    }
    return m_database->transact<Recorded>(
        isOwed ? Durability::OnDisk : Durability::Soon, [&, this](Recorded &recorded) {
            return std::ranges::all_of(records, [&](const ReleaseRecord &record) {
                return insert(record, recorded);
            }) && dropBeyond(m_settings.maxRecords, recorded.dropped);
        });
}

bool ReleaseHistory::insert(const ReleaseRecord &record, Recorded &recorded)
{
    if (record.privacy == Download::Privacy::Private
        && (record.state == State::Settled || record.path.isEmpty())) {
        recorded.ids.push_back(0);
        return true;
    }
    ReleaseRecord row = kept(record);
    if (!row.releasedAt.isValid())
        row.releasedAt = m_settings.now();
    if (row.state != State::Settled)
        row.state = State::Owed;
    const qint64 id = insertRelease(*m_database, row);
    recorded.ids.push_back(id);
    return id > 0;
}

std::expected<bool, QString> ReleaseHistory::place(
    qint64 id, const QString &path, const FileStamp &stamp, const QDateTime &dueAt)
{
    return m_database->transact<bool>(Durability::OnDisk, [&, this](bool &isPlaced) {
        Statement update(*m_database,
            "UPDATE releases SET path=?, device=?, inode=?, modified_ns=?, due_ms=?,"
            " size=CASE WHEN ? THEN ? ELSE size END WHERE id=? AND state=0");
        update << (path.isEmpty() ? QStringLiteral("") : lastingPath(path)) << qint64(stamp.device)
               << qint64(stamp.inode) << stamp.modifiedNs << dueAt.toMSecsSinceEpoch()
               << int(stamp.isKnown()) << stamp.sizeBytes << id;
        const bool isDone = update.run();
        isPlaced = isDone && update.rowsChanged() == 1;
        return isDone;
    });
}

std::expected<std::vector<ReleaseHistory::Claim>, QString> ReleaseHistory::claimOwed(int limit)
{
    // A file is what is owed a scan; a pause beyond the longest is of a clock that was set back.
    const qint64 now = nowMs();
    return claim("WHERE path<>'' AND (state IN (1,2) OR (state=0 AND (due_ms<=? OR due_ms>?)))"
                 " ORDER BY verdict<>3, released_ms, id",
        {now, now + longestPauseMs}, limit);
}

std::expected<std::vector<ReleaseHistory::Claim>, QString> ReleaseHistory::claimByHash(
    const QByteArray &sha256, int limit)
{
    if (sha256.isEmpty())
        return {};
    return claim("WHERE sha256=? AND verdict IN (0,3) ORDER BY released_ms, id", {sha256}, limit);
}

std::expected<std::vector<ReleaseHistory::Claim>, QString> ReleaseHistory::claim(
    const char *sql, const std::vector<QVariant> &values, int limit)
{
    const qint64 lease = m_settings.lease.count();
    return m_database->transact<
        std::vector<Claim>>(Durability::Soon, [&, this](std::vector<Claim> &claims) {
        const qint64 now = nowMs(); // not of before it was our turn
        const auto rows = selectReleases(
            *m_database, sql, values,
            [&](const ReleaseRow &row) {
                const bool isTaken =
                    (row.record.state == State::Claimed || row.record.state == State::Found)
                    && leaseHolds(row.claimant, row.claimUntilMs, now, lease);
                return !isTaken;
            },
            limit);
        if (!rows)
            return false;
        for (const ReleaseRow &row : *rows) {
            Claim claim{row.record, newLeaseToken()};
            claim.record.state = State::Claimed;
            Statement take(*m_database,
                "UPDATE releases SET state=1, claim=?, claimant=?, claim_until_ms=? WHERE id=?");
            take << claim.token << processMark() << now + lease << claim.record.id;
            if (!take.run())
                return false;
            claims.push_back(std::move(claim));
        }
        return true;
    });
}

std::expected<ReleaseHistory::Settled, QString> ReleaseHistory::settle(
    const Claim &claim, ReleaseRecord::Ending ending, const ScanResult &result)
{
    const ReleaseRecord &record = claim.record;
    if (ending == Ending::Scanned && result.isThreat() && !isThreat(record.verdict))
        return announceable(claim, result);
    const auto done = m_database->transact<Settled>(Durability::Soon, [&, this](Settled &settled) {
        const auto isOurs = end(claim, State::Claimed, ending, result);
        settled = isOurs.value_or(false) ? Settled::Done : Settled::NotOurs;
        return isOurs.has_value();
    });
    if (done)
        emptyJournal(record);
    return done;
}

//! The verdict stays as it was until it was told: who claims it after us is to tell it, too.
std::expected<ReleaseHistory::Settled, QString> ReleaseHistory::announceable(
    const Claim &claim, const ScanResult &result)
{
    return m_database->transact<Settled>(Durability::OnDisk, [&, this](Settled &settled) {
        Statement find(*m_database,
            "UPDATE releases SET state=2, claim_until_ms=?, sha256=? "
            "WHERE id=? AND claim=? AND state=1");
        find << nowMs() + m_settings.lease.count() << hashOf(claim.record, result)
             << claim.record.id << claim.token;
        if (!find.run())
            return false;
        settled = find.rowsChanged() == 1 ? Settled::ThreatToTell : Settled::NotOurs;
        return true;
    });
}

std::expected<bool, QString> ReleaseHistory::told(const Claim &claim, const ScanResult &result)
{
    const auto done = m_database->transact<bool>(Durability::OnDisk, [&, this](bool &isOurs) {
        const auto ended = end(claim, State::Found, Ending::Scanned, result);
        isOurs = ended.value_or(false);
        return ended.has_value();
    });
    if (done)
        emptyJournal(claim.record);
    return done;
}

//! Settles what is in the state \p from by \p claim; false if it is not. Nothing: the transaction
//! fails.
std::optional<bool> ReleaseHistory::end(
    const Claim &claim, ReleaseRecord::State from, Ending ending, const ScanResult &result)
{
    const ReleaseRecord &record = claim.record;
    // One that was reached is not taken back because another scan reached none.
    const bool isScanned = ending == Ending::Scanned
        && (result.verdict() != Verdict::NotScanned || record.verdict == Verdict::NotScanned);
    const QByteArray &digest = result.coverage().ruleSetDigest;
    Statement update(*m_database,
        "UPDATE releases SET state=3, ending=?, verdict=?, reason=?, rules=?, sha256=?, claim='',"
        " claimant='', claim_until_ms=0, attempts=0, due_ms=0 WHERE id=? AND claim=? AND state=?");
    update << int(ending) << int(isScanned ? result.verdict() : record.verdict)
           << int(isScanned ? result.reason() : record.reason)
           << (isScanned && !digest.isEmpty() ? digest : record.rulesDigest)
           << hashOf(record, result) << record.id << claim.token << int(from);
    if (!update.run())
        return std::nullopt;
    const bool isOurs = update.rowsChanged() == 1;
    if (isOurs && record.privacy == Download::Privacy::Private && !remove(record.id))
        return std::nullopt;
    return isOurs;
}

void ReleaseHistory::emptyJournal(const ReleaseRecord &settled)
{
    if (settled.privacy == Download::Privacy::Private)
        m_database->emptyJournal();
}

//! From what there were when it was claimed, so that it does no harm to say so twice.
std::expected<bool, QString> ReleaseHistory::count(const Claim &claim, int begun)
{
    return m_database->transact<bool>(Durability::Soon, [&, this](bool &isOurs) {
        Statement update(
            *m_database, "UPDATE releases SET attempts=? WHERE id=? AND claim=? AND state=1");
        update << claim.record.attempts + begun << claim.record.id << claim.token;
        if (!update.run())
            return false;
        isOurs = update.rowsChanged() == 1;
        return true;
    });
}

std::expected<void, QString> ReleaseHistory::giveBack(std::span<const Claim> claims)
{
    return m_database->transact(Durability::Soon, [&, this] {
        return std::ranges::all_of(claims, [this](const Claim &claim) {
            Statement update(*m_database,
                "UPDATE releases SET state=0, claim='', claimant='', claim_until_ms=0,"
                " attempts=? WHERE id=? AND claim=?");
            update << claim.record.attempts << claim.record.id << claim.token;
            return update.run();
        });
    });
}

std::expected<bool, QString> ReleaseHistory::postpone(
    const Claim &claim, std::chrono::milliseconds pause)
{
    return m_database->transact<bool>(Durability::Soon, [&, this](bool &isOurs) {
        Statement update(*m_database,
            "UPDATE releases SET state=0, claim='', claimant='', claim_until_ms=0,"
            " attempts=?, due_ms=? WHERE id=? AND claim=? AND state=1");
        update << claim.record.attempts + 1
               << nowMs() + std::min<qint64>(pause.count(), longestPauseMs) << claim.record.id
               << claim.token;
        if (!update.run())
            return false;
        isOurs = update.rowsChanged() == 1;
        return true;
    });
}

std::expected<int, QString> ReleaseHistory::oweAgain(
    const QByteArray &rulesDigest, const QDateTime &since, int limit)
{
    return m_database->transact<int>(Durability::OnDisk, [&, this](int &owed) {
        Statement update(*m_database,
            "UPDATE releases SET state=0, due_ms=0, attempts=0, judged_for=? WHERE id IN"
            " (SELECT id FROM releases WHERE state=3 AND path<>'' AND verdict IN (0,3)"
            " AND ending NOT IN (2,3) AND rules<>? AND judged_for<>? AND released_ms>=?"
            " ORDER BY released_ms DESC, id DESC LIMIT ?)");
        update << rulesDigest << rulesDigest << rulesDigest << since.toMSecsSinceEpoch() << limit;
        if (!update.run())
            return false;
        owed = update.rowsChanged();
        return true;
    });
}

std::expected<std::vector<ReleaseRecord>, QString> ReleaseHistory::purge()
{
    const qint64 now = nowMs();
    const qint64 age = std::chrono::milliseconds(m_settings.maxAge).count();
    return m_database->transact<std::vector<ReleaseRecord>>(
        Durability::Soon, [&, this](std::vector<ReleaseRecord> &owed) {
            const auto rows =
                selectReleases(*m_database, "WHERE released_ms<? AND (state<>2 OR released_ms<?)",
                    {now - age, now - foundAges * age}, {}, std::numeric_limits<int>::max());
            return rows && drop(*rows, owed) && dropBeyond(m_settings.maxRecords, owed);
        });
}

//! Drops what is beyond the bound, and a little more, so that not every record is in search of one
//! to drop: what nobody will miss first, what was never scanned last.
bool ReleaseHistory::dropBeyond(int mostRecords, std::vector<ReleaseRecord> &owed)
{
    Statement count(*m_database, "SELECT count(*) FROM releases");
    if (!count.run() || !count.next())
        return false;
    const int tooMany = count.value(0).toInt() - mostRecords;
    if (tooMany <= 0)
        return true;
    const auto rows = selectReleases(*m_database,
        "WHERE state<>2 ORDER BY (state<>3 AND verdict=3), state<>3, released_ms, id", {}, {},
        tooMany + mostRecords / slackShare);
    return rows && drop(*rows, owed);
}

bool ReleaseHistory::drop(const std::vector<ReleaseRow> &rows, std::vector<ReleaseRecord> &owed)
{
    for (const ReleaseRow &row : rows) {
        if (!remove(row.record.id))
            return false;
        if (isOwedFirstScan(row.record))
            owed.push_back(row.record);
    }
    return true;
}

bool ReleaseHistory::remove(qint64 id)
{
    Statement remove(*m_database, "DELETE FROM releases WHERE id=?");
    remove << id;
    return remove.run();
}

std::expected<bool, QString> ReleaseHistory::forget(qint64 id)
{
    const auto done = m_database->transact<bool>(Durability::OnDisk, [&, this](bool &wasThere) {
        Statement remove(*m_database, "DELETE FROM releases WHERE id=?");
        remove << id;
        const bool isDone = remove.run();
        wasThere = isDone && remove.rowsChanged() == 1;
        return isDone;
    });
    if (done)
        m_database->emptyJournal();
    return done;
}

std::expected<ReleaseHistory::Counts, QString> ReleaseHistory::counts()
{
    return m_database->read<Counts>([&, this](Counts &counts) {
        Statement count(*m_database,
            "SELECT state<>3, verdict=3, path='', count(*) FROM releases GROUP BY 1, 2, 3");
        if (!count.run())
            return false;
        while (count.next()) {
            const bool isUnsettled = count.value(0).toBool();
            const bool isUnscanned = count.value(1).toBool();
            const int found = count.value(3).toInt();
            counts.records += found;
            if (!isUnsettled)
                continue;
            (!isUnscanned                     ? counts.judgedAgain
                    : count.value(2).toBool() ? counts.unreachable
                                              : counts.owed) += found;
        }
        return true;
    });
}

std::expected<ReleaseRecord, QString> ReleaseHistory::find(qint64 id)
{
    return m_database->read<ReleaseRecord>([&, this](ReleaseRecord &record) {
        const auto rows = selectReleases(*m_database, "WHERE id=?", {id}, {}, 1);
        if (rows && !rows->empty())
            record = rows->front().record;
        return rows.has_value();
    });
}

std::expected<std::optional<std::chrono::milliseconds>, QString> ReleaseHistory::nextDue()
{
    const qint64 now = nowMs();
    return m_database->read<std::optional<std::chrono::milliseconds>>(
        [&, this](std::optional<std::chrono::milliseconds> &next) {
            Statement select(*m_database,
                "SELECT min(due_ms) FROM releases WHERE path<>'' AND state=0"
                " UNION ALL SELECT min(claim_until_ms) FROM releases WHERE path<>'' AND state IN "
                "(1,2)");
            if (!select.run())
                return false;
            while (select.next()) {
                if (!select.value(0).isNull()) {
                    const std::chrono::milliseconds due(
                        std::clamp<qint64>(select.value(0).toLongLong() - now, 0, longestPauseMs));
                    next = std::min(next.value_or(due), due);
                }
            }
            return true;
        });
}

QString ReleaseHistory::takeNotice()
{
    return m_database->takeNotice();
}

} // namespace Sentinel
