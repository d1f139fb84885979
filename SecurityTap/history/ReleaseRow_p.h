// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/history/ReleaseRecord.h"
#include "SecurityTap/history/StateDatabase_p.h"

#include <functional>
#include <optional>
#include <vector>

namespace Sentinel {

//! \brief A release as it stands in the file, with who has claimed it.
struct ReleaseRow {
    ReleaseRecord record;
    QString claimant;
    qint64 claimUntilMs = 0;
};

//! \brief \p path as it is kept: links in the way to the file may lead elsewhere tomorrow; one in
//! its place is not ours.
QString lastingPath(const QString &path);

//! \brief \p record as it is kept.
ReleaseRecord kept(ReleaseRecord record);

//! \brief Adds \p record. Its id, or 0: the transaction fails.
qint64 insertRelease(StateDatabase &database, const ReleaseRecord &record);

//! \brief The first \p limit of the rows that \p sql, from WHERE on, finds and \p isWanted takes.
//! Nothing: the transaction fails.
std::optional<std::vector<ReleaseRow>> selectReleases(StateDatabase &database, const char *sql,
    const std::vector<QVariant> &values, const std::function<bool(const ReleaseRow &)> &isWanted,
    int limit);

} // namespace Sentinel
