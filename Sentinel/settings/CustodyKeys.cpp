// SPDX-License-Identifier: MIT
#include "Sentinel/Limits.h"
#include "Sentinel/settings/SettingKeys.h"

#include <array>

namespace Sentinel {

namespace {

constexpr std::array custodyKeyTable{
    SettingKey{.name = "audit.enabled",
        .place = [](ProgramSettings &all) -> bool & { return all.audit.enabled; },
        .help = "keep a log of what is done with downloads, quarantine, exceptions and rules"},
    SettingKey{.name = "audit.file-size",
        .place = [](ProgramSettings &all) -> qint64 & { return all.audit.maxFileBytes; },
        .help = "then the log begins its next file",
        .least = Limits::leastAuditFileBytes,
        .most = Limits::gib},
    SettingKey{.name = "audit.files",
        .place = [](ProgramSettings &all) -> int & { return all.audit.maxFiles; },
        .help = "files that are kept, with the one in use",
        .least = 1,
        .most = Limits::maxAuditFilesKept},
    SettingKey{.name = "audit.system-log",
        .place = [](ProgramSettings &all) -> bool & { return all.audit.copiesToSystemLog; },
        .help = "send a copy of each event to journald, or to syslog where there is none"},
    SettingKey{.name = "quarantine.items",
        .place = [](ProgramSettings &all) -> int & { return all.quarantine.items; },
        .help = "contents that are kept; what comes then is blocked, and not kept",
        .least = 1,
        .most = Limits::maxKeptItemsSetting},
    SettingKey{.name = "quarantine.size",
        .place = [](ProgramSettings &all) -> qint64 & { return all.quarantine.bytes; },
        .help = "bytes of all of them, as they lie on the disk",
        .least = Limits::mib,
        .most = Limits::maxSizeSetting},
    SettingKey{.name = "quarantine.item-size",
        .place = [](ProgramSettings &all) -> qint64 & { return all.quarantine.itemBytes; },
        .help = "bytes of one of them; what is larger is blocked, and not kept",
        .least = 1,
        .most = Limits::maxSizeSetting},
    SettingKey{.name = "quarantine.days",
        .place = [](ProgramSettings &all) -> int & { return all.quarantineDays; },
        .help = "then a content is deleted",
        .least = 1,
        .most = Limits::maxKeptDaysSetting},
    SettingKey{.name = "history.releases",
        .place = [](ProgramSettings &all) -> int & { return all.historyRecords; },
        .help = "releases that are remembered, to be scanned later or by newer rules",
        .least = 1,
        .most = Limits::maxKeptItemsSetting},
    SettingKey{.name = "history.days",
        .place = [](ProgramSettings &all) -> int & { return all.historyDays; },
        .help = "then a release is forgotten",
        .least = 1,
        .most = Limits::maxKeptDaysSetting},
};

} // namespace

std::span<const SettingKey> custodyKeys()
{
    return custodyKeyTable;
}

} // namespace Sentinel
