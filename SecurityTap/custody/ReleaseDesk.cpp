// SPDX-License-Identifier: MIT
#include "SecurityTap/custody/ReleaseDesk_p.h"

#include <utility>

namespace Sentinel {

ReleaseDesk::ReleaseDesk(CustodySettings settings, Dropped dropped)
    : m_settings(std::move(settings)), m_dropped(std::move(dropped))
{
}

ReleaseDesk::~ReleaseDesk() = default;

void ReleaseDesk::close()
{
    m_history.reset();
}

ReleaseHistory &ReleaseDesk::history()
{
    if (!m_history) {
        m_history =
            std::make_unique<ReleaseHistory>(m_settings.historyPath(), m_settings.rescans.history);
    }
    return *m_history;
}

ReleaseDesk::Result<qint64> ReleaseDesk::record(const ReleaseRecord &release)
{
    auto recorded = history().record(release);
    if (!recorded)
        return std::unexpected(recorded.error());
    for (const ReleaseRecord &dropped : recorded->dropped)
        m_dropped(dropped);
    return recorded->ids.front();
}

ReleaseDesk::Result<qint64> ReleaseDesk::promise(
    const ReleaseRecord &release, const QDateTime &dueAt)
{
    if (release.id != 0) {
        const auto placed = history().place(release.id, release.path, {}, dueAt);
        if (!placed)
            return std::unexpected(placed.error());
        if (*placed)
            return release.id;
    }
    // Not on record yet, or what was has come to its end: this copy is owed a scan of its own.
    // Without a path at first, so that nobody looks for the file before it is there.
    ReleaseRecord another = release;
    if (release.privacy == Download::Privacy::Usual)
        another.path.clear();
    const auto id = record(another);
    if (!id || *id == 0)
        return id;
    if (const auto placed = history().place(*id, release.path, {}, dueAt); !placed)
        return std::unexpected(placed.error());
    return id;
}

ReleaseDesk::Result<void> ReleaseDesk::keep(const ReleaseRecord &release)
{
    ReleaseRecord kept = release;
    if (release.path.isEmpty() && release.privacy == Download::Privacy::Private) {
        if (const auto forgotten = history().forget(release.id); !forgotten)
            return std::unexpected(forgotten.error());
        return {};
    }
    if (const auto file = openUnchanged(release.path, {}); file && !release.path.isEmpty())
        kept.stamp = stampOf(file->get());
    if (release.id != 0) {
        const auto placed =
            history().place(release.id, release.path, kept.stamp, QDateTime::currentDateTimeUtc());
        if (!placed)
            return std::unexpected(placed.error());
        if (*placed)
            return {};
    }
    if (release.path.isEmpty())
        return {};
    if (const auto id = record(kept); !id)
        return std::unexpected(id.error());
    return {};
}

} // namespace Sentinel
