// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileType.h"
#include "Sentinel/Limits.h"
#include "Sentinel/clamd/ClamdAddress.h"
#include "Sentinel/settings/SettingKeys.h"

#include <array>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

constexpr qint64 longest = milliseconds(Limits::maxClamdTimeout).count();

std::optional<QString> checkAddress(const SettingValue &value)
{
    const auto &text = std::get<QString>(value);
    if (text.isEmpty())
        return std::nullopt;
    const auto address = ClamdAddress::parse(text);
    return address ? std::nullopt : std::optional(address.error());
}

std::optional<QString> checkTypes(const SettingValue &value)
{
    for (const QString &name : std::get<QStringList>(value)) {
        if (!fileTypeFromName(name))
            return QStringLiteral("\"%1\" is no type of files").arg(name);
    }
    return std::nullopt;
}

constexpr std::array keys{
    SettingKey{.name = "clamd.address",
        .place = [](ProgramSettings &all) -> QString & { return all.clamd.address; },
        .help = "where a clamd listens that looks at contents, too",
        .most = Limits::maxSocketPathBytes,
        .form = "an absolute path or HOST:PORT, up to 107 bytes",
        .check = &checkAddress,
        .openDefault = "none is asked"},
    SettingKey{.name = "clamd.required",
        .place = [](ProgramSettings &all) -> bool & { return all.clamd.isRequired; },
        .help = "nothing is clean that it could not look at"},
    SettingKey{.name = "clamd.types",
        .place = [](ProgramSettings &all) -> QStringList & { return all.clamd.types; },
        .help = "types of contents that it is asked about",
        .most = Limits::maxFileTypes,
        .form = "a list of executable, script, document, archive, markup, media, text and unknown",
        .check = &checkTypes,
        .openDefault = "all"},
    SettingKey{.name = "clamd.connections",
        .place = [](ProgramSettings &all) -> int & { return all.clamd.connections; },
        .help = "connections that are kept, each for one scan at a time",
        .least = 1,
        .most = Limits::maxClamdConnections},
    SettingKey{.name = "clamd.acquire-timeout",
        .place = [](ProgramSettings &all) -> milliseconds & { return all.clamd.acquireTimeout; },
        .help = "how long a scan waits for one of them",
        .least = 1,
        .most = longest},
    SettingKey{.name = "clamd.max-age",
        .place = [](ProgramSettings &all) -> milliseconds & { return all.clamd.maxAge; },
        .help = "then a connection is replaced",
        .least = 1,
        .most = longest},
    SettingKey{.name = "clamd.timeout",
        .place = [](ProgramSettings &all) -> milliseconds & { return all.clamd.timeout; },
        .help = "the longest scan by it, with all waiting",
        .least = 1,
        .most = longest},
    SettingKey{.name = "clamd.max-size",
        .place = [](ProgramSettings &all) -> qint64 & { return all.clamd.maxBytes; },
        .help = "what is larger it is not asked about: TooLarge",
        .least = 1,
        .most = Limits::maxClamdBytes},
};

static_assert(Limits::maxSocketPathBytes == 107); // .form says so

} // namespace

std::span<const SettingKey> clamdKeys()
{
    return keys;
}

} // namespace Sentinel
