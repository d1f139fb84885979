// SPDX-License-Identifier: MIT
#include "Sentinel/AllowCommand.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/policy/PolicyExceptions.h"
#include "SecurityTap/store/StorePaths.h"
#include "SecurityTap/text/DurationText.h"
#include "Sentinel/AuditTrail.h"
#include "Sentinel/CommandLine.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Limits.h"
#include "Sentinel/Output.h"
#include "Sentinel/PolicyExplanation.h"
#include "Sentinel/ResultJson.h"
#include "Sentinel/Subcommand.h"

#include <array>
#include <pwd.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr OptionSpec allowJsonOption{"json", 0, nullptr, false, "one JSON object for each"};

constexpr std::array addOptions{
    OptionSpec{"sha256", 0, "HASH", false, "of the content, 64 hexadecimal digits"},
    OptionSpec{"url", 0, "URL", false, "its address, of which the origin counts"},
    OptionSpec{"origin", 0, "ORIGIN", false, "the origin alone: https://example.org"},
    OptionSpec{"why", 0, "TEXT", false, "the reason, for those who ask later"},
    OptionSpec{"expires", 0, "TIME", false,
        "when it ends: 12h, 30d, up to 366d, or never\n(default: 30d)"},
    OptionSpec{"rule", 0, "NAME", true,
        "without --sha256: whatever this rule alone has found;\nwith it: if nothing else has found "
        "it"},
    OptionSpec{"any-origin", 0, nullptr, false, "from anywhere"},
    OptionSpec{"any-content", 0, nullptr, false, "whatever comes from this origin"},
    OptionSpec{"unscanned", 0, nullptr, false, "also what was not scanned, or not as a whole"},
    allowJsonOption,
};

constexpr CommandSpec addSpec{
    "allow add",
    "",
    "Allows what is found to be a threat and is none: one content from one origin, for a while.\n"
    "More than that has to be said: --rule, --any-origin, --any-content.",
    addOptions,
    "  0  added\n"
    "  2  usage error, or the exceptions cannot be read or written\n",
    0,
    0,
};

constexpr std::array listOptions{allowJsonOption};

constexpr CommandSpec listSpec{
    "allow list",
    "",
    "Shows the exceptions that hold.",
    listOptions,
    "  0  shown\n"
    "  2  usage error, or the exceptions cannot be read\n",
    0,
    0,
};

constexpr CommandSpec removeSpec{
    "allow remove",
    "ID",
    "Takes an exception back.",
    listOptions,
    "  0  removed\n"
    "  1  there is none of that ID\n"
    "  2  usage error, or the exceptions cannot be read or written\n",
    1,
    1,
};

//! "NAME (UID)", or the number alone.
QString currentUser()
{
    const uid_t user = ::getuid();
    const struct passwd *entry = ::getpwuid(user);
    return entry ? QStringLiteral("%1 (%2)").arg(QString::fromLocal8Bit(entry->pw_name)).arg(user)
                 : QString::number(user);
}

//! Invalid: never.
std::expected<QDateTime, QString> endOf(const QByteArray &text, const QDateTime &now)
{
    if (text == "never")
        return QDateTime();
    const bool isInDays = text.endsWith('d');
    const auto days =
        numberOf(isInDays ? text.chopped(1) : QByteArray(), 1, Limits::maxExceptionAge.count());
    const auto time = isInDays ? std::nullopt : durationOf(QString::fromUtf8(text));
    if (days)
        return now.addDays(*days);
    if (time && time->count() > 0 && *time <= Limits::maxExceptionAge)
        return now.addMSecs(time->count());
    return std::unexpected(QStringLiteral("--expires takes a time such as 12h or 30d, up to %1d, "
                                          "or never")
                               .arg(Limits::maxExceptionAge.count()));
}

std::expected<Origin, QString> originOf(const CommandLine &line)
{
    const bool isUrl = line.has("url");
    const QString text =
        QString::fromUtf8(line.value(isUrl ? "url" : "origin").value_or(QByteArray()));
    const QUrl url(text, QUrl::StrictMode);
    const Origin origin = Origin::of(url);
    if (!url.isValid() || origin.scheme.isEmpty()
        || (origin.host.isEmpty() && origin.scheme.startsWith(QLatin1StringView("http")))) {
        return std::unexpected(
            QStringLiteral("\"%1\" is no address such as https://example.org").arg(text));
    }
    // One with a path may have been meant to allow less than it would.
    if (!isUrl && (!url.path().isEmpty() || url.hasQuery() || url.hasFragment()))
        return std::unexpected(QStringLiteral("\"%1\" is more than an origin").arg(text));
    return origin;
}

//! What is said twice, or not at all.
std::optional<QString> contradiction(const CommandLine &line)
{
    const int origins = line.has("url") + line.has("origin") + line.has("any-origin");
    if (origins != 1) {
        return QStringLiteral("allow add needs one of --url, --origin and --any-origin");
    }
    if (line.has("sha256") && line.has("any-content"))
        return QStringLiteral("--sha256 and --any-content exclude each other");
    const bool isContentSaid = line.has("sha256") || line.has("any-content") || line.has("rule");
    if (!isContentSaid)
        return QStringLiteral("allow add needs --sha256, or --rule, or --any-content");
    if (line.has("any-content") && line.has("any-origin") && !line.has("rule"))
        return QStringLiteral("--any-content and --any-origin would allow everything");
    if (!line.has("why"))
        return QStringLiteral("allow add needs --why: the reason");
    return std::nullopt;
}

std::expected<PolicyException, QString> exceptionOf(const CommandLine &line, const QDateTime &now)
{
    if (const auto wrong = contradiction(line))
        return std::unexpected(*wrong);
    PolicyException exception;
    if (const auto text = line.value("sha256")) {
        auto hash = sha256Of(*text);
        if (!hash)
            return std::unexpected(hash.error());
        exception.sha256 = *std::move(hash);
    }
    if (!line.has("any-origin")) {
        auto origin = originOf(line);
        if (!origin)
            return std::unexpected(origin.error());
        exception.origin = *std::move(origin);
    }
    for (const QByteArray &rule : line.values("rule"))
        exception.rules.append(QString::fromUtf8(rule));
    const auto defaultAge = QByteArray::number(qint64(Limits::exceptionAge.count())) + 'd';
    const auto expires = endOf(line.value("expires").value_or(defaultAge), now);
    if (!expires)
        return std::unexpected(expires.error());
    exception.expires = *expires;
    exception.allowsUnscanned = line.has("unscanned");
    exception.who = currentUser();
    exception.why = QString::fromUtf8(*line.value("why"));
    exception.made = now;
    return exception;
}

QString shown(const PolicyException &exception)
{
    const QString end = exception.expires.isValid()
        ? QStringLiteral("until %1").arg(exception.expires.toString(Qt::ISODate))
        : QStringLiteral("without end");
    return QStringLiteral("%1: %2, %3; %4: %5")
        .arg(exception.id, exception.toString(), end, exception.who, exception.why);
}

void tell(const PolicyException &exception, const CommandLine &line, Output &output)
{
    if (line.has("json"))
        output.result(jsonLine(exception.toJson()));
    else
        output.result(printable(shown(exception)));
}

AuditEvent eventOf(AuditAction action, const PolicyException &exception)
{
    AuditEvent event = AuditEvent::of(action, shown(exception));
    event.exception = exception.id;
    event.sha256 = exception.sha256;
    return event;
}

int add(const CommandLine &line, Output &output)
{
    PolicyExceptions store(StorePaths::ofUser().data);
    // To the second, as the store has it.
    const QDateTime now =
        QDateTime::fromSecsSinceEpoch(QDateTime::currentSecsSinceEpoch(), Qt::UTC);
    const auto exception = exceptionOf(line, now);
    if (!exception) {
        output.message(printable(exception.error()));
        return exitTrouble;
    }
    const auto added = store.add(*exception, now);
    if (!added) {
        output.message(printable(added.error()));
        return exitTrouble;
    }
    writeDown({eventOf(AuditAction::ExceptionAdd, *added)}, line, output);
    tell(*added, line, output);
    return exitGood;
}

int list(const CommandLine &line, Output &output)
{
    PolicyExceptions store(StorePaths::ofUser().data);
    const auto all = store.all();
    if (!all) {
        output.message(printable(all.error()));
        return exitTrouble;
    }
    const QDateTime now = QDateTime::currentDateTimeUtc();
    for (const PolicyException &exception : **all) {
        if (!exception.isExpired(now))
            tell(exception, line, output);
    }
    return exitGood;
}

int remove(const CommandLine &line, Output &output)
{
    PolicyExceptions store(StorePaths::ofUser().data);
    const QByteArray id = line.arguments().first();
    const auto removed = store.remove(QString::fromUtf8(id), QDateTime::currentDateTimeUtc());
    if (!removed) {
        output.message(printable(removed.error()));
        return exitTrouble;
    }
    if (!*removed) {
        output.message(
            printable(QStringLiteral("there is no exception %1").arg(QString::fromUtf8(id))));
        return exitNoSuch;
    }
    writeDown({eventOf(AuditAction::ExceptionRemove, **removed)}, line, output);
    tell(**removed, line, output);
    return exitGood;
}

constexpr std::array allowSubcommands{
    Subcommand{"add", addSpec, &add},
    Subcommand{"list", listSpec, &list},
    Subcommand{"remove", removeSpec, &remove},
};

} // namespace

int runAllow(const QByteArrayList &arguments)
{
    return runSubcommand("allow", allowSubcommands, arguments);
}

} // namespace Sentinel
