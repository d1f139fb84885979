// SPDX-License-Identifier: MIT
#include "Sentinel/ClamdArguments.h"

#include "Sentinel/PathText.h"

#include <QFileInfo>

#include <limits>

#include <grp.h>
#include <pwd.h>

namespace Sentinel {

namespace {

//! By name, or by number.
template <typename Id>
std::optional<Id> idOf(const QByteArray &text, std::optional<Id> byName)
{
    if (byName)
        return byName;
    const auto number = numberOf(text, 0, std::numeric_limits<Id>::max() - 1);
    return number ? std::optional(Id(*number)) : std::nullopt;
}

std::optional<gid_t> groupOf(const QByteArray &name)
{
    const group *const found = ::getgrnam(name.constData());
    return idOf<gid_t>(name, found ? std::optional(found->gr_gid) : std::nullopt);
}

std::optional<uid_t> userOf(const QByteArray &name)
{
    const passwd *const found = ::getpwnam(name.constData());
    return idOf<uid_t>(name, found ? std::optional(found->pw_uid) : std::nullopt);
}

std::unexpected<QString> unknown(const char *what, const QByteArray &name)
{
    return std::unexpected(
        QStringLiteral("there is no %1 '%2'").arg(QLatin1StringView(what), pathForPeople(name)));
}

} // namespace

std::expected<ClamdServerSettings, QString> clamdSettingsOf(const CommandLine &line)
{
    ClamdServerSettings settings;
    if (!line.has("clamd-socket")) {
        for (const char *option : {"clamd-group", "clamd-user", "clamd-allow"}) {
            if (line.has(option))
                return std::unexpected(
                    QStringLiteral("--%1 goes with --clamd-socket").arg(QLatin1StringView(option)));
        }
        return settings;
    }
    if (line.has("spawned"))
        return std::unexpected(QStringLiteral("--clamd-socket and --spawned exclude each other"));
    settings.socketPath = QFileInfo(line.paths("clamd-socket").constLast()).absoluteFilePath();
    if (const auto name = line.value("clamd-group")) {
        settings.group = groupOf(*name);
        if (!settings.group)
            return unknown("group", *name);
    }
    for (const QByteArray &name : line.values("clamd-user")) {
        const auto user = userOf(name);
        if (!user)
            return unknown("user", name);
        settings.users.push_back(*user);
    }
    for (const QByteArray &command : line.values("clamd-allow")) {
        if (command != "reload")
            return std::unexpected(QStringLiteral("--clamd-allow takes reload"));
        settings.allowReload = true;
    }
    return settings;
}

} // namespace Sentinel
