// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileType.h"
#include "Sentinel/Limits.h"
#include "Sentinel/clamd/ClamdAddress.h"
#include "Sentinel/settings/PathCheck.h"
#include "Sentinel/settings/SettingKeys.h"
#include "Sentinel/settings/TomlText.h"

#include <algorithm>
#include <array>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

constexpr qint64 longestTimeout = milliseconds(Limits::maxClamdTimeout).count();

std::optional<QString> checkAddress(const SettingValue &value)
{
    const auto &text = std::get<QString>(value);
    if (text.isEmpty())
        return std::nullopt;
    const auto address = ClamdAddress::parse(text);
    return address ? std::nullopt : std::optional(address.error());
}

std::optional<QString> checkAccount(const QString &name)
{
    const auto isOdd = [](QChar c) { return c.isSpace() || c == u':' || c < u' '; };
    if (!name.isEmpty() && std::ranges::none_of(name, isOdd))
        return std::nullopt;
    return QStringLiteral("%1 is no name of an account").arg(tomlText(name));
}

std::optional<QString> checkGroup(const SettingValue &value)
{
    const auto &name = std::get<QString>(value);
    return name.isEmpty() ? std::nullopt : checkAccount(name);
}

std::optional<QString> checkUsers(const SettingValue &value)
{
    for (const QString &name : std::get<QStringList>(value)) {
        if (auto problem = checkAccount(name))
            return problem;
    }
    return std::nullopt;
}

std::optional<QString> checkTypes(const SettingValue &value)
{
    for (const QString &name : std::get<QStringList>(value)) {
        if (!fileTypeFromName(name))
            return QStringLiteral("\"%1\" is no type of files").arg(name);
    }
    return std::nullopt;
}

constexpr std::array clamdKeyTable{
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
        .most = longestTimeout},
    SettingKey{.name = "clamd.max-age",
        .place = [](ProgramSettings &all) -> milliseconds & { return all.clamd.maxAge; },
        .help = "then a connection is replaced",
        .least = 1,
        .most = longestTimeout},
    SettingKey{.name = "clamd.timeout",
        .place = [](ProgramSettings &all) -> milliseconds & { return all.clamd.timeout; },
        .help = "the longest scan by it, with all waiting",
        .least = 1,
        .most = longestTimeout},
    SettingKey{.name = "clamd.max-size",
        .place = [](ProgramSettings &all) -> qint64 & { return all.clamd.maxBytes; },
        .help = "what is larger it is not asked about: TooLarge",
        .least = 1,
        .most = Limits::maxClamdBytes},

    SettingKey{.name = "clamdserver.socket",
        .place = [](ProgramSettings &all) -> QString & { return all.clamdServer.socketPath; },
        .help = "where programs that speak clamd's protocol are served",
        .most = Limits::maxSocketPathBytes,
        .form = "an absolute path, up to 107 bytes",
        .check = &checkPathOrNone,
        .openDefault = "nowhere"},
    SettingKey{.name = "clamdserver.group",
        .place = [](ProgramSettings &all) -> QString & { return all.clamdServer.group; },
        .help = "its members may connect there",
        .most = Limits::maxAccountNameBytes,
        .form = "a name or number of up to 256 bytes",
        .check = &checkGroup,
        .openDefault = "only this user and root"},
    SettingKey{.name = "clamdserver.users",
        .place = [](ProgramSettings &all) -> QStringList & { return all.clamdServer.users; },
        .help = "who else may connect there",
        .most = Limits::maxClamdUsers,
        .form = "a list of names or numbers, up to 64",
        .check = &checkUsers},
    SettingKey{.name = "clamdserver.allow-reload",
        .place = [](ProgramSettings &all) -> bool & { return all.clamdServer.allowsReload; },
        .help = "obey RELOAD there"},
    SettingKey{.name = "clamdserver.allow-shutdown",
        .place = [](ProgramSettings &all) -> bool & { return all.clamdServer.allowsShutdown; },
        .help = "obey SHUTDOWN there"},
    SettingKey{.name = "clamdserver.allow-paths",
        .place = [](ProgramSettings &all) -> bool & { return all.clamdServer.allowsPaths; },
        .help = "obey SCAN and its like there: open, for whoever may connect, what we may read"},
};

static_assert(Limits::maxSocketPathBytes == 107 && Limits::maxAccountNameBytes == 256
    && Limits::maxClamdUsers == 64); // .form says so

} // namespace

std::span<const SettingKey> clamdKeys()
{
    return clamdKeyTable;
}

} // namespace Sentinel
