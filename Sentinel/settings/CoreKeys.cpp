// SPDX-License-Identifier: MIT
#include "Sentinel/Limits.h"
#include "Sentinel/settings/PathCheck.h"
#include "Sentinel/settings/SettingKeys.h"

#include <array>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

constexpr std::array severityNames{"info", "suspicious", "malicious"};
constexpr std::array isolationNames{"in-process", "spawned", "system"};

constexpr qint64 longest = milliseconds(Limits::maxTimeSetting).count();
constexpr qint64 longestSlice = milliseconds(std::chrono::seconds(1)).count();
constexpr qint64 longestIdling = milliseconds(std::chrono::hours(1)).count();

std::optional<QString> checkPaths(const SettingValue &value)
{
    for (const QString &path : std::get<QStringList>(value)) {
        if (auto problem = checkPath(path))
            return problem;
    }
    return std::nullopt;
}

constexpr std::array coreKeyTable{
    SettingKey{.name = "preset",
        .place = [](ProgramSettings &all) -> Preset & { return all.preset; },
        .help = "values for a kind of machine; the keys below win over them",
        .choices = presetNames},

    SettingKey{.name = "rules.paths",
        .place = [](ProgramSettings &all) -> QStringList & { return all.rulePaths; },
        .help = "rule files, and directories of *.yar and *.yara files",
        .most = Limits::maxRulePaths,
        .form = "a list of absolute paths, up to 1000",
        .check = &checkPaths,
        .openDefault = "the rules shipped"},
    SettingKey{.name = "rules.skip-bad",
        .place = [](ProgramSettings &all) -> bool & { return all.skipsBadRules; },
        .help = "leave out rule files that do not compile, instead of refusing all"},
    SettingKey{.name = "rules.unrated",
        .place = [](ProgramSettings &all) -> Severity & { return all.unratedSeverity; },
        .help = "what a rule that names no severity says",
        .choices = severityNames},

    SettingKey{.name = "scan.isolation",
        .place = [](ProgramSettings &all) -> Isolation & { return all.isolation; },
        .help = "where scan and fetch have it scanned",
        .choices = isolationNames},
    SettingKey{.name = "scan.workers",
        .place = [](ProgramSettings &all) -> int & { return all.scanning.workers.maxWorkers; },
        .help = "scans at the same time",
        .most = Limits::maxJobs,
        .openDefault = "one a core"},
    SettingKey{.name = "scan.least-workers",
        .place = [](ProgramSettings &all) -> int & { return all.scanning.workers.minWorkers; },
        .help = "threads that stay when there is nothing to do",
        .most = Limits::maxJobs},
    SettingKey{.name = "scan.idle-time",
        .place = [](ProgramSettings &all) -> milliseconds & {
            return all.scanning.workers.idleTime;
        },
        .help = "then a thread with nothing to do leaves",
        .least = 1,
        .most = longestIdling},
    SettingKey{.name = "scan.slice",
        .place = [](ProgramSettings &all) -> milliseconds & { return all.scanning.workers.slice; },
        .help = "how long a scan runs before others have their turn",
        .least = 1,
        .most = longestSlice},
    SettingKey{.name = "scan.queue",
        .place = [](ProgramSettings &all) -> int & { return all.scanning.queue.maxRequests; },
        .help = "requests that wait to be started; one more is QueueFull",
        .least = 1,
        .most = Limits::maxQueueSetting},
    SettingKey{.name = "scan.queue-bytes",
        .place = [](ProgramSettings &all) -> qint64 & { return all.scanning.queue.maxBytes; },
        .help = "content of all requests without an answer",
        .least = 1,
        .most = Limits::maxSizeSetting},
    SettingKey{.name = "scan.timeout-small",
        .place = [](ProgramSettings &all) -> milliseconds & { return all.scanning.timeouts.least; },
        .help = "the longest scan of up to 1 MiB, with its time in the queue",
        .least = 1,
        .most = longest},
    SettingKey{.name = "scan.timeout-large",
        .place = [](ProgramSettings &all) -> milliseconds & { return all.scanning.timeouts.most; },
        .help = "the same at max-size; evenly between",
        .least = 1,
        .most = longest},
    SettingKey{.name = "scan.max-size",
        .place = [](ProgramSettings &all) -> qint64 & { return all.scanning.maxScanBytes; },
        .help = "what is larger is not scanned: TooLarge",
        .most = Limits::maxSpoolBytes},

    SettingKey{.name = "cache.enabled",
        .place = [](ProgramSettings &all) -> bool & { return all.scanning.cache.enabled; },
        .help = "remember verdicts"},
    SettingKey{.name = "cache.entries",
        .place = [](ProgramSettings &all) -> int & { return all.scanning.cache.maxEntries; },
        .help = "verdicts remembered",
        .least = 1,
        .most = Limits::maxCacheSetting},
    SettingKey{.name = "cache.time-to-live",
        .place = [](ProgramSettings &all) -> milliseconds & {
            return all.scanning.cache.timeToLive;
        },
        .help = "how long they are remembered",
        .least = 1,
        .most = longest},

    SettingKey{.name = "workers.processes",
        .place = [](ProgramSettings &all) -> int & { return all.workerProcesses; },
        .help = "scan worker processes at the same time",
        .most = Limits::maxWorkerProcesses,
        .openDefault = "16, or two for each of scan.workers if that is more"},

    SettingKey{.name = "fetch.fail-closed",
        .place = [](ProgramSettings &all) -> bool & { return all.failsClosed; },
        .help = "do not release what could not be scanned"},
    SettingKey{.name = "fetch.block-suspicious",
        .place = [](ProgramSettings &all) -> bool & { return all.blocksSuspicious; },
        .help = "do not release what is suspicious"},

    SettingKey{.name = "service.socket",
        .place = [](ProgramSettings &all) -> QString & { return all.socketPath; },
        .help = "where a sentinel listens and is looked for",
        .most = Limits::maxSocketPathBytes,
        .form = "an absolute path, up to 107 bytes",
        .check = &checkPathOrNone,
        .openDefault = "sentinel/socket in the runtime directory"},
};

static_assert(Limits::maxRulePaths == 1000 && Limits::maxSocketPathBytes == 107); // .form says so

} // namespace

std::span<const SettingKey> coreKeys()
{
    return coreKeyTable;
}

} // namespace Sentinel
