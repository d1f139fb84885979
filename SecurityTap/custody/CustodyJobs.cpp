// SPDX-License-Identifier: MIT
#include "SecurityTap/custody/CustodyJobs_p.h"

#include "SecurityTap/custody/CustodyEvents_p.h"

#include <QDir>
#include <QFileInfo>
#include <QLocale>

namespace Sentinel {

namespace {

using Note = std::function<void(AuditEvent)>;

JobResult purgeQuarantine(const CustodySettings &settings, const Note &note)
{
    const auto quarantine = Quarantine::open(settings.quarantineDirectory(), settings.quarantine);
    if (!quarantine)
        return std::unexpected(quarantine.error().message);
    QuarantinePurge purge;
    purge.olderThan = settings.quarantineAge;
    const auto purged = (*quarantine)->purge(purge, QDateTime::currentDateTimeUtc());
    if (!purged)
        return std::unexpected(purged.error().message);
    for (const QuarantineItem &item : purged->gone)
        note(AuditEvent::about(AuditAction::QuarantinePurge, item));
    if (!purged->problems.empty())
        return std::unexpected(purged->problems.front().message);
    return QStringLiteral("%1 items deleted").arg(purged->gone.size());
}

JobResult purgeHistory(const CustodySettings &settings, const Note &note)
{
    ReleaseHistory history(settings.historyPath(), settings.rescans.history);
    const auto owed = history.purge();
    if (!owed)
        return std::unexpected(owed.error());
    for (const ReleaseRecord &release : *owed) {
        note(neverScannedEvent(
            release, QStringLiteral("released unscanned, and too long ago to be scanned later")));
    }
    return QStringLiteral("%1 of those that are gone were never scanned").arg(owed->size());
}

JobResult scanWhatIsOwed(const CustodySettings &settings, const std::function<void()> &look)
{
    ReleaseHistory history(settings.historyPath(), settings.rescans.history);
    const auto counts = history.counts();
    if (!counts)
        return std::unexpected(counts.error());
    look();
    return QStringLiteral("%1 releases on record, %2 owed a scan, %3 to be judged again")
        .arg(counts->records)
        .arg(counts->owed)
        .arg(counts->judgedAgain);
}

JobResult statistics(const CustodySettings &settings)
{
    const auto quarantine = Quarantine::open(settings.quarantineDirectory(), settings.quarantine);
    if (!quarantine)
        return std::unexpected(quarantine.error().message);
    const auto listing = (*quarantine)->list();
    if (!listing)
        return std::unexpected(listing.error().message);
    ReleaseHistory history(settings.historyPath(), settings.rescans.history);
    const auto counts = history.counts();
    if (!counts)
        return std::unexpected(counts.error());
    qint64 storedBytes = 0;
    for (const QuarantineItem &item : listing->items)
        storedBytes += item.record.sizeBytes;
    qint64 auditBytes = 0;
    for (const QFileInfo &file :
        QDir(settings.auditSettings().directory).entryInfoList(QDir::Files))
        auditBytes += file.size();
    const QLocale c = QLocale::c();
    return QStringLiteral("in quarantine %1 items of %2, and %3 damaged; %4 releases on record, %5 "
                          "owed a scan; audit log %6")
        .arg(listing->items.size())
        .arg(c.formattedDataSize(storedBytes))
        .arg(listing->unreadable.size())
        .arg(counts->records)
        .arg(counts->owed)
        .arg(c.formattedDataSize(auditBytes));
}

} // namespace

std::vector<Job> custodyJobs(
    const CustodySettings &settings, const Note &note, const std::function<void()> &look)
{
    return {
        {QStringLiteral("purge quarantine"), Limits::purgeInterval,
            [settings, note] { return purgeQuarantine(settings, note); }},
        {QStringLiteral("purge history"), Limits::purgeInterval,
            [settings, note] { return purgeHistory(settings, note); }},
        {QStringLiteral("scan what is owed"), Limits::owedScanInterval,
            [settings, look] { return scanWhatIsOwed(settings, look); }},
        {QStringLiteral("statistics"), Limits::statisticsInterval,
            [settings] { return statistics(settings); }},
    };
}

} // namespace Sentinel
