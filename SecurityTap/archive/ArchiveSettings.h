// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/SecurityTapExport.h"

#include <QByteArray>
#include <QStringList>

namespace Sentinel {

//! \brief How much of a file's archives is looked into. What is beyond a limit makes the file
//! NotScanned (LimitHit), unless something was found.
struct ArchiveLimits {
    int maxDepth = Limits::maxArchiveDepth; //!< archives in archives; the outermost is 1
    int maxMembers = Limits::maxArchiveMembers; //!< of one file, at all depths together
    qint64 maxMemberBytes = Limits::maxScanBytes; //!< of one member
    qint64 maxExpandedBytes = Limits::maxExpandedBytes; //!< of all members, at all depths together
    qint64 maxHeldBytes = Limits::maxHeldMemberBytes; //!< of members in memory at one time
    int maxRatio = Limits::maxExpansionRatio; //!< of the expanded bytes to the file's own
    qint64 ratioFreeBytes = Limits::ratioFreeBytes; //!< expanded bytes before the ratio counts

    friend bool operator==(const ArchiveLimits &, const ArchiveLimits &) = default;
};

//! \brief Whether and how archives are looked into.
struct ArchiveSettings {
    bool enabled = true;
    ArchiveLimits limits;
    QStringList passwords; //!< tried on encrypted members, in their order

    friend bool operator==(const ArchiveSettings &, const ArchiveSettings &) = default;
};

//! \brief \p settings as one argument of a process, without spaces.
SECURITYTAP_EXPORT QByteArray toArgument(const ArchiveSettings &settings);
//! \brief What toArgument() was given. What is missing or no number keeps its default.
SECURITYTAP_EXPORT ArchiveSettings archiveSettingsOf(const QByteArray &argument);

} // namespace Sentinel
