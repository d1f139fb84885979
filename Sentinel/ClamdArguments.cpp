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

std::expected<ClamdServerSettings, QString> clamdSettingsOf(
    const CommandLine &line, const ClamdServerProgramSettings &program)
{
    if (line.has("clamd-socket") && line.has("spawned"))
        return std::unexpected(QStringLiteral("--clamd-socket and --spawned exclude each other"));
    ClamdServerSettings settings;
    if (line.has("spawned"))
        return settings; // for its client alone
    settings.socketPath = line.has("clamd-socket")
        ? QFileInfo(line.paths("clamd-socket").constLast()).absoluteFilePath()
        : program.socketPath;
    if (settings.socketPath.isEmpty()) {
        for (const char *option : {"clamd-group", "clamd-user", "clamd-allow"}) {
            if (line.has(option))
                return std::unexpected(
                    QStringLiteral("--%1 goes with --clamd-socket").arg(QLatin1StringView(option)));
        }
        return settings;
    }
    const QByteArray group = line.value("clamd-group").value_or(program.group.toUtf8());
    if (!group.isEmpty()) {
        settings.group = groupOf(group);
        if (!settings.group)
            return unknown("group", group);
    }
    QByteArrayList users = line.values("clamd-user");
    if (users.isEmpty()) {
        for (const QString &user : program.users)
            users.append(user.toUtf8());
    }
    for (const QByteArray &name : users) {
        const auto user = userOf(name);
        if (!user)
            return unknown("user", name);
        settings.users.push_back(*user);
    }
    settings.allowReload = program.allowsReload;
    settings.allowShutdown = program.allowsShutdown;
    settings.allowPaths = program.allowsPaths;
    for (const QByteArray &command : line.values("clamd-allow")) {
        if (command == "reload")
            settings.allowReload = true;
        else if (command == "shutdown")
            settings.allowShutdown = true;
        else if (command == "paths")
            settings.allowPaths = true;
        else
            return std::unexpected(QStringLiteral("--clamd-allow takes reload, shutdown or paths"));
    }
    return settings;
}

} // namespace Sentinel
