// SPDX-License-Identifier: MIT
#include "SecurityTap/custody/CustodyDesk_p.h"

#include "SecurityTap/content/FileName.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QRandomGenerator>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

namespace Sentinel {

namespace {

//! Puts \p aside back to its name, unless that is taken again.
bool putBack(const QByteArray &aside, const QByteArray &name)
{
    if (::renameat2(AT_FDCWD, aside.constData(), AT_FDCWD, name.constData(), RENAME_NOREPLACE) == 0)
        return true;
    // Not every file system can rename without replacing, nor link.
    return ::link(aside.constData(), name.constData()) == 0 && ::unlink(aside.constData()) == 0;
}

//! Deletes the file at \p path if it is the open \p file with \p stamp; else where it is. What
//! somebody puts in its place at the same moment stays: only what was moved aside, and is still
//! that file, is deleted.
std::optional<QString> deleteUnchanged(const QString &path, int file, const FileStamp &stamp)
{
    if (!isUnchanged(path, file, stamp))
        return path;
    const QFileInfo place(path);
    const QString aside =
        QStringLiteral("%1/.threat-%2")
            .arg(place.path(), QString::number(QRandomGenerator::system()->generate64(), 16));
    const QByteArray from = QFile::encodeName(path);
    const QByteArray to = QFile::encodeName(aside);
    if (::rename(from.constData(), to.constData()) != 0) // the name is random: nothing has it
        return path;
    if (isUnchanged(aside, file, stamp) && ::unlink(to.constData()) == 0)
        return std::nullopt;
    return putBack(to, from) ? path : aside; // somebody else's, then, or not to be deleted
}

} // namespace

CustodyDesk::CustodyDesk(CustodySettings settings) : m_settings(std::move(settings)) { }

CustodyDesk::~CustodyDesk() = default;

void CustodyDesk::close()
{
    m_quarantine.reset();
    m_audit.reset();
}

CustodyDesk::Result<Quarantine *> CustodyDesk::openQuarantine()
{
    if (!m_quarantine) {
        auto opened = Quarantine::open(m_settings.quarantineDirectory(), m_settings.quarantine);
        if (!opened)
            return std::unexpected(opened.error().message);
        m_quarantine = std::move(*opened);
    }
    return m_quarantine.get();
}

CustodyDesk::Result<QString> CustodyDesk::quarantine(
    const Content &content, QuarantineRecord record)
{
    const auto quarantine = openQuarantine();
    if (!quarantine)
        return std::unexpected(quarantine.error());
    const std::span<const uchar> bytes = content.span();
    const auto read = [bytes](
                          std::span<char> target, qint64 offset) -> std::expected<qint64, QString> {
        const qint64 left = std::max<qint64>(qint64(bytes.size()) - offset, 0);
        const qint64 count = std::min(left, qint64(target.size()));
        std::memcpy(target.data(), bytes.data() + offset, size_t(count));
        return count;
    };
    auto item = (*quarantine)->take(read, qint64(bytes.size()), std::move(record));
    if (!item)
        return std::unexpected(item.error().message);
    return item->id;
}

std::expected<CustodyDesk::Taken, CustodyDesk::NotTaken> CustodyDesk::quarantine(
    const LateThreat &threat, QuarantineRecord record)
{
    const bool isPrivate = threat.record.privacy == Download::Privacy::Private;
    const QString file =
        isPrivate ? QStringLiteral("a file of a private window") : printable(threat.record.path);
    if (!threat.file)
        return std::unexpected(
            NotTaken{QStringLiteral("%1: is not the same file any more").arg(file), true});
    const auto quarantine = openQuarantine();
    if (!quarantine)
        return std::unexpected(NotTaken{quarantine.error()});
    const FileStamp stamp = stampOf(threat.file->get());
    auto item = (*quarantine)->take(*threat.file, stamp.sizeBytes, std::move(record));
    if (!item)
        return std::unexpected(NotTaken{item.error().message});
    const auto left = deleteUnchanged(threat.record.path, threat.file->get(), stamp);
    if (!left)
        return Taken{item->id, {}};
    const QString place = *left == threat.record.path
        ? QStringLiteral("where it is")
        : QStringLiteral("beside it as %1").arg(QFileInfo(*left).fileName());
    return Taken{item->id,
        QStringLiteral(
            "%1: is in quarantine as %2, but stays %3, as it was changed or moved just now")
            .arg(file, item->id, place)};
}

CustodyDesk::Result<void> CustodyDesk::note(const AuditEvent &event)
{
    if (!m_audit) {
        auto opened = AuditLog::open(m_settings.auditSettings());
        if (!opened)
            return std::unexpected(opened.error());
        m_audit = std::move(*opened);
    }
    m_audit->record(event);
    return {};
}

} // namespace Sentinel
