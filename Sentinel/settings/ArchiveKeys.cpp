// SPDX-License-Identifier: MIT
#include "Sentinel/Limits.h"
#include "Sentinel/settings/SettingKeys.h"

#include <array>

namespace Sentinel {

namespace {

constexpr std::array archiveKeyTable{
    SettingKey{.name = "archives.enabled",
        .place = [](ProgramSettings &all) -> bool & { return all.archives.enabled; },
        .help = "look into archives; if not, they are scanned as the bytes they are"},
    SettingKey{.name = "archives.depth",
        .place = [](ProgramSettings &all) -> int & { return all.archives.limits.maxDepth; },
        .help = "archives in archives; the outermost is 1",
        .least = 1,
        .most = Limits::maxArchiveDepthSetting},
    SettingKey{.name = "archives.members",
        .place = [](ProgramSettings &all) -> int & { return all.archives.limits.maxMembers; },
        .help = "members of one file, at all depths together",
        .least = 1,
        .most = Limits::maxArchiveMembersSetting},
    SettingKey{.name = "archives.member-size",
        .place = [](ProgramSettings &all) -> qint64 & {
            return all.archives.limits.maxMemberBytes;
        },
        .help = "the largest member that is scanned",
        .least = 1,
        .most = Limits::maxMemberBytesSetting},
    SettingKey{.name = "archives.expanded-size",
        .place = [](ProgramSettings &all) -> qint64 & {
            return all.archives.limits.maxExpandedBytes;
        },
        .help = "all members of one file together, expanded",
        .least = 1,
        .most = Limits::maxSizeSetting},
    SettingKey{.name = "archives.ratio",
        .place = [](ProgramSettings &all) -> int & { return all.archives.limits.maxRatio; },
        .help = "expanded bytes for each byte of the file",
        .least = 1,
        .most = Limits::maxExpansionRatioSetting},
    SettingKey{.name = "archives.passwords",
        .place = [](ProgramSettings &all) -> QStringList & { return all.archives.passwords; },
        .help = "tried on encrypted members, in this order",
        .most = Limits::maxArchivePasswords,
        .form = "a list of texts, up to 32"},
};

static_assert(Limits::maxArchivePasswords == 32); // .form says so

} // namespace

std::span<const SettingKey> archiveKeys()
{
    return archiveKeyTable;
}

} // namespace Sentinel
