// SPDX-License-Identifier: MIT
#include "SecurityTap/history/ReleaseRow_p.h"

#include "SecurityTap/store/KeptAddress.h"

#include <QDir>
#include <QFileInfo>

#include <algorithm>

namespace Sentinel {

namespace {

constexpr char releaseColumns[] =
    "SELECT id, path, device, inode, size, modified_ns, sha256, url, referrer, name, mime,"
    " is_private, verdict, reason, rules, released_ms, state, ending, attempts,"
    " claimant, claim_until_ms FROM releases ";

//! The column's number as a value of an enumeration; the last one for what none has.
template <typename Enumeration>
Enumeration enumerator(const QVariant &value, Enumeration last)
{
    return Enumeration(std::clamp(value.toInt(), 0, int(last)));
}

ReleaseRow releaseRow(const StateDatabase::Statement &found)
{
    ReleaseRow row;
    ReleaseRecord &record = row.record;
    record.id = found.value(0).toLongLong();
    record.path = found.value(1).toString();
    record.stamp = {quint64(found.value(2).toLongLong()), quint64(found.value(3).toLongLong()),
        found.value(4).toLongLong(), found.value(5).toLongLong()};
    record.sizeBytes = record.stamp.sizeBytes;
    record.sha256 = found.value(6).toByteArray();
    record.url = QUrl(found.value(7).toString());
    record.referrer = QUrl(found.value(8).toString());
    record.name = found.value(9).toString();
    record.mimeType = found.value(10).toString();
    record.privacy =
        found.value(11).toBool() ? Download::Privacy::Private : Download::Privacy::Usual;
    record.verdict = enumerator(found.value(12), Verdict::NotScanned);
    record.reason = enumerator(found.value(13), allReasons.back());
    record.rulesDigest = found.value(14).toByteArray();
    record.releasedAt = QDateTime::fromMSecsSinceEpoch(found.value(15).toLongLong(), Qt::UTC);
    record.state = enumerator(found.value(16), ReleaseRecord::State::Settled);
    record.ending = enumerator(found.value(17), ReleaseRecord::Ending::GivenUp);
    record.attempts = found.value(18).toInt();
    row.claimant = found.value(19).toString();
    row.claimUntilMs = found.value(20).toLongLong();
    return row;
}

QUrl lastingUrl(const QUrl &url)
{
    return url.adjusted(unkeptAddressParts);
}

} // namespace

QString lastingPath(const QString &path)
{
    const QFileInfo file(path);
    const QString directory = QFileInfo(file.path()).canonicalFilePath();
    return directory.isEmpty() ? QDir::cleanPath(path) : QDir(directory).filePath(file.fileName());
}

ReleaseRecord kept(ReleaseRecord record)
{
    if (!record.path.isEmpty())
        record.path = lastingPath(record.path);
    record.url = lastingUrl(record.url);
    record.referrer = lastingUrl(record.referrer);
    if (record.privacy == Download::Privacy::Private) {
        record.url.clear();
        record.referrer.clear();
        record.name.clear();
        record.mimeType.clear();
    }
    return record;
}

qint64 insertRelease(StateDatabase &database, const ReleaseRecord &record)
{
    StateDatabase::Statement insert(database,
        "INSERT INTO releases (path, device, inode, size, modified_ns, sha256, url, referrer,"
        " name, mime, is_private, verdict, reason, rules, released_ms, state)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    insert << record.path << qint64(record.stamp.device) << qint64(record.stamp.inode)
           << (record.stamp.isKnown() ? record.stamp.sizeBytes : record.sizeBytes)
           << record.stamp.modifiedNs << record.sha256 << record.url.toString(QUrl::FullyEncoded)
           << record.referrer.toString(QUrl::FullyEncoded) << record.name << record.mimeType
           << int(record.privacy == Download::Privacy::Private) << int(record.verdict)
           << int(record.reason) << record.rulesDigest << record.releasedAt.toMSecsSinceEpoch()
           << int(record.state);
    return insert.run() ? insert.newId() : 0;
}

std::optional<std::vector<ReleaseRow>> selectReleases(StateDatabase &database, const char *sql,
    const std::vector<QVariant> &values, const std::function<bool(const ReleaseRow &)> &isWanted,
    int limit)
{
    StateDatabase::Statement select(database, (QByteArray(releaseColumns) + sql).constData());
    for (const QVariant &value : values)
        select << value;
    if (!select.run())
        return std::nullopt;
    std::vector<ReleaseRow> rows;
    while (int(rows.size()) < limit && select.next()) {
        ReleaseRow row = releaseRow(select);
        if (!isWanted || isWanted(row))
            rows.push_back(std::move(row));
    }
    return rows;
}

} // namespace Sentinel
