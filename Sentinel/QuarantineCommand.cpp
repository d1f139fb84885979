// SPDX-License-Identifier: MIT
#include "Sentinel/QuarantineCommand.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/custody/CustodySettings.h"
#include "SecurityTap/quarantine/Quarantine.h"
#include "SecurityTap/text/ByteSize.h"
#include "SecurityTap/text/DurationText.h"
#include "Sentinel/AuditTrail.h"
#include "Sentinel/CommandLine.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Output.h"
#include "Sentinel/PathText.h"
#include "Sentinel/ResultJson.h"
#include "Sentinel/Subcommand.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>

#include <algorithm>
#include <array>
#include <limits>

namespace Sentinel {

namespace {

constexpr OptionSpec storeOption{"store", 0, "DIRECTORY", false,
    "the data directory that the quarantine is in (default:\nsentinel in XDG_DATA_HOME)"};
constexpr OptionSpec itemJsonOption{"json", 0, nullptr, false, "one JSON object a line"};

constexpr std::array plainOptions{storeOption, itemJsonOption};

constexpr CommandSpec quarantineListSpec{
    "quarantine list",
    "",
    "Lists what is in quarantine, the oldest first.",
    plainOptions,
    "  0  listed\n"
    "  1  listed, but some items cannot be read\n"
    "  2  usage error, or the quarantine cannot be read\n",
    0,
    0,
};

constexpr CommandSpec quarantineShowSpec{
    "quarantine show",
    "ID",
    "Shows all that is known of an item.",
    plainOptions,
    "  0  shown\n"
    "  1  there is no such item, or it is damaged\n"
    "  2  usage error, or the quarantine cannot be read\n",
    1,
    1,
};

constexpr std::array restoreOptions{
    OptionSpec{"reason", 0, "TEXT", false, "why; needed"},
    OptionSpec{"to", 0, "PATH", false,
        "a directory, or a file that is not there yet (default:\nwhere it was)"},
    storeOption,
    itemJsonOption,
};

constexpr CommandSpec restoreSpec{
    "quarantine restore",
    "ID",
    "Copies an item out, once all of it is proved to be what was stored. No file is ever "
    "replaced.\n"
    "The item stays in quarantine until it is deleted.",
    restoreOptions,
    "  0  restored\n"
    "  1  there is no such item, or it is damaged\n"
    "  2  usage error, or it cannot be put there\n",
    1,
    1,
};

constexpr CommandSpec deleteSpec{
    "quarantine delete",
    "ID...",
    "Deletes items for ever, damaged ones too.",
    plainOptions,
    "  0  all deleted\n"
    "  1  some are not there\n"
    "  2  usage error, or some cannot be deleted\n",
    1,
    -1,
};

constexpr std::array purgeOptions{
    OptionSpec{"older-than", 0, "DURATION", false, "what was stored before, such as 12h or 30d"},
    OptionSpec{"keep-bytes", 0, "SIZE", false,
        "the oldest, until the others have at most so much,\nsuch as 500M or 2G"},
    OptionSpec{"keep-items", 0, "N", false, "the oldest, until there are at most so many"},
    storeOption,
    itemJsonOption,
};

constexpr CommandSpec purgeSpec{
    "quarantine purge",
    "",
    "Deletes old items for ever. Each option is enough for an item to go. Damaged items stay.",
    purgeOptions,
    "  0  done\n"
    "  2  usage error, or some cannot be deleted\n",
    0,
    0,
};

int exitOf(const QuarantineError &error)
{
    const bool isItems = error.code == QuarantineError::Code::NotFound
        || error.code == QuarantineError::Code::Damaged
        || error.code == QuarantineError::Code::NoKey;
    return isItems ? exitBadItem : exitTrouble;
}

//! One run of a sub-command: where it looks, and how it speaks.
class Run {
public:
    Run(const CommandLine &line, Output &output)
        : m_line(line), m_output(output), m_isJson(line.has("json"))
    {
    }

    std::expected<std::unique_ptr<Quarantine>, int> open();
    //! What the command has changed goes into the audit log.
    void writeDown() { Sentinel::writeDown(m_events, m_line, m_output); }

    int list(const Quarantine &quarantine);
    int show(const Quarantine &quarantine);
    int restore(const Quarantine &quarantine);
    int remove(const Quarantine &quarantine);
    int purge(const Quarantine &quarantine);

private:
    int fail(const QuarantineError &error);
    int fail(const QString &message);
    void tellDone(const char *action, const QString &line, QJsonObject object);
    std::expected<QuarantineRestore, QString> target(const QuarantineRecord &record) const;
    AuditEvent &note(AuditAction action, const QuarantineItem &item);

    const CommandLine &m_line;
    Output &m_output;
    const bool m_isJson;
    std::vector<AuditEvent> m_events;
};

QJsonObject itemJson(const QuarantineItem &item)
{
    QJsonObject object = item.record.toJson();
    object.remove(QStringLiteral("version"));
    object.insert(QStringLiteral("id"), item.id);
    return object;
}

QString shownTime(const QuarantineRecord &record)
{
    return record.storedAt.toLocalTime().toString(QStringLiteral("yyyy-MM-dd HH:mm"));
}

QString shownName(const QuarantineRecord &record)
{
    return record.name.isEmpty() ? QStringLiteral("-") : printable(record.name);
}

QString lineOf(const QuarantineItem &item)
{
    const QuarantineRecord &record = item.record;
    return QStringLiteral("%1  %2  %3  %4  %5  %6")
        .arg(item.id, shownTime(record), nameOf(record.verdict), byteSizeText(record.sizeBytes),
            shownName(record), printable(record.findings.join(QStringLiteral(", "))));
}

int Run::fail(const QuarantineError &error)
{
    // The text is fit to be printed, but for what the system or a file's name put into it.
    m_output.message(printable(error.message));
    if (m_isJson && !error.item.isEmpty())
        m_output.result(jsonLine({{QStringLiteral("id"), error.item},
            {QStringLiteral("error"), printable(error.message)}}));
    return exitOf(error);
}

int Run::fail(const QString &message)
{
    m_output.message(message);
    return exitTrouble;
}

void Run::tellDone(const char *action, const QString &line, QJsonObject object)
{
    if (!m_isJson) {
        m_output.result(line);
        return;
    }
    object.insert(QStringLiteral("action"), QLatin1StringView(action));
    m_output.result(jsonLine(object));
}

std::expected<std::unique_ptr<Quarantine>, int> Run::open()
{
    const QStringList named = m_line.paths("store");
    CustodySettings settings;
    if (!named.isEmpty())
        settings.paths.data = QDir().absoluteFilePath(named.last());
    auto opened = Quarantine::open(settings.quarantineDirectory());
    if (!opened)
        return std::unexpected(fail(opened.error()));
    return *std::move(opened);
}

int Run::list(const Quarantine &quarantine)
{
    const auto listing = quarantine.list();
    if (!listing)
        return fail(listing.error());
    for (const QuarantineItem &item : listing->items)
        m_output.result(m_isJson ? jsonLine(itemJson(item)) : lineOf(item).toUtf8());
    for (const QuarantineError &error : listing->unreadable)
        fail(error);
    return listing->unreadable.empty() ? exitGood : exitBadItem;
}

int Run::show(const Quarantine &quarantine)
{
    const auto item = quarantine.find(QFile::decodeName(m_line.arguments().first()));
    if (!item)
        return fail(item.error());
    if (m_isJson) {
        m_output.result(jsonLine(itemJson(*item)));
        return exitGood;
    }
    const QuarantineRecord &record = item->record;
    const bool isPrivate = record.privacy == Download::Privacy::Private;
    const std::array<std::pair<const char *, QString>, 12> fields{{
        {"id", item->id},
        {"stored", record.storedAt.toString(Qt::ISODateWithMs)},
        {"verdict", nameOf(record.verdict)},
        {"findings", record.findings.join(QStringLiteral(", "))},
        {"clause", record.clause},
        {"name", record.name},
        {"directory", record.directory},
        {"url", record.url.toString()},
        {"referrer", record.referrer.toString()},
        {"type", record.mimeType},
        {"size", QStringLiteral("%1 bytes").arg(record.sizeBytes)},
        {"sha256", QString::fromLatin1(record.sha256.toHex())},
    }};
    for (const auto &[name, value] : fields)
        m_output.result(
            QStringLiteral("%1 %2").arg(QLatin1StringView(name).toString().leftJustified(10),
                value.isEmpty() ? QStringLiteral("-") : printable(value)));
    if (isPrivate)
        m_output.result(QStringLiteral("private    no name and no address of it was kept"));
    return exitGood;
}

std::expected<QuarantineRestore, QString> Run::target(const QuarantineRecord &record) const
{
    QuarantineRestore to;
    to.reason = QString::fromUtf8(m_line.value("reason").value_or(QByteArray()));
    const QStringList named = m_line.paths("to");
    if (named.isEmpty()) {
        to.directory = record.directory;
        to.name = sanitisedFileName(record.name);
        if (record.directory.isEmpty() || record.name.isEmpty())
            return std::unexpected(
                QStringLiteral("it is not known where this item was: name a place by --to PATH"));
        return to;
    }
    const QFileInfo path(QDir::cleanPath(QDir().absoluteFilePath(named.last())));
    const bool isDirectory = path.isDir();
    to.directory = isDirectory ? path.filePath() : path.path();
    to.name = isDirectory ? sanitisedFileName(record.name) : path.fileName();
    return to;
}

AuditEvent &Run::note(AuditAction action, const QuarantineItem &item)
{
    m_events.push_back(AuditEvent::about(action, item));
    return m_events.back();
}

int Run::restore(const Quarantine &quarantine)
{
    const auto item = quarantine.find(QFile::decodeName(m_line.arguments().first()));
    if (!item)
        return fail(item.error());
    const auto to = target(item->record);
    if (!to)
        return fail(to.error());
    if (to->reason.trimmed().isEmpty())
        return fail(QStringLiteral("say why it is to be restored, by --reason TEXT"));
    const auto path = quarantine.restore(item->id, *to);
    AuditEvent &event = note(AuditAction::QuarantineRestore, *item);
    event.text = path ? to->reason : path.error().message;
    event.path = path.value_or(QString());
    if (!path) {
        event.success = AuditEvent::Success::Failed;
        return fail(path.error());
    }
    QJsonObject object = itemJson(*item);
    setPath(object, QFile::encodeName(*path));
    object.insert(QStringLiteral("reason"), to->reason);
    tellDone("quarantine-restore",
        QStringLiteral("restored to %1").arg(pathForPeople(QFile::encodeName(*path))), object);
    return exitGood;
}

int Run::remove(const Quarantine &quarantine)
{
    int exitCode = exitGood;
    for (const QByteArray &argument : m_line.arguments()) {
        const QString id = QFile::decodeName(argument);
        const auto item = quarantine.find(id);
        const auto removed = quarantine.remove(id);
        const bool isGone = removed || removed.error().code == QuarantineError::Code::NotConfirmed;
        if (item) {
            note(AuditAction::QuarantineDelete, *item);
        } else {
            AuditEvent event = AuditEvent::of(AuditAction::QuarantineDelete, item.error().message);
            event.item = id;
            m_events.push_back(std::move(event));
        }
        if (!isGone)
            m_events.back().success = AuditEvent::Success::Failed;
        if (!removed)
            exitCode = std::max(exitCode, fail(removed.error()));
        if (!isGone)
            continue;
        tellDone("quarantine-delete", QStringLiteral("deleted %1").arg(id),
            {{QStringLiteral("id"), id}});
    }
    return exitCode;
}

std::optional<std::chrono::seconds> ageOf(const QByteArray &text)
{
    constexpr qint64 mostDays = 36'500;
    if (text.endsWith('d')) {
        const auto days = numberOf(text.chopped(1).trimmed(), 0, mostDays);
        return days ? std::optional(std::chrono::days(*days)) : std::nullopt;
    }
    const auto duration = durationOf(QString::fromUtf8(text));
    return duration ? std::optional(std::chrono::duration_cast<std::chrono::seconds>(*duration))
                    : std::nullopt;
}

int Run::purge(const Quarantine &quarantine)
{
    QuarantinePurge purge;
    const auto wrong = [this](const char *option) {
        return fail(QStringLiteral("--%1 cannot be %2 (see: sentinel quarantine purge --help)")
                        .arg(QLatin1StringView(option), pathForPeople(*m_line.value(option))));
    };
    if (const auto age = m_line.value("older-than"); age && !(purge.olderThan = ageOf(*age)))
        return wrong("older-than");
    constexpr qint64 most = std::numeric_limits<qint64>::max();
    if (const auto size = m_line.value("keep-bytes");
        size && !(purge.keepBytes = sizeOf(*size, most)))
        return wrong("keep-bytes");
    if (const auto count = m_line.value("keep-items")) {
        const auto items = numberOf(*count, 0, std::numeric_limits<int>::max());
        if (!items)
            return wrong("keep-items");
        purge.keepItems = int(*items);
    }
    if (!purge.olderThan && !purge.keepBytes && !purge.keepItems)
        return fail(QStringLiteral("say what is to go: --older-than, --keep-bytes or --keep-items "
                                   "(see: sentinel quarantine purge --help)"));
    const auto purged = quarantine.purge(purge, QDateTime::currentDateTimeUtc());
    if (!purged)
        return fail(purged.error());
    for (const QuarantineItem &item : purged->gone) {
        note(AuditAction::QuarantinePurge, item);
        tellDone(
            "quarantine-purge", QStringLiteral("deleted %1").arg(lineOf(item)), itemJson(item));
    }
    for (const QuarantineError &error : purged->problems)
        fail(error);
    return purged->problems.empty() ? exitGood : exitTrouble;
}

template <int (Run::*command)(const Quarantine &)>
int runOpened(const CommandLine &line, Output &output)
{
    Run run(line, output);
    const auto quarantine = run.open();
    if (!quarantine)
        return quarantine.error();
    const int exitCode = (run.*command)(**quarantine);
    run.writeDown();
    return exitCode;
}

constexpr std::array quarantineSubcommands{
    Subcommand{"list", quarantineListSpec, &runOpened<&Run::list>},
    Subcommand{"show", quarantineShowSpec, &runOpened<&Run::show>},
    Subcommand{"restore", restoreSpec, &runOpened<&Run::restore>},
    Subcommand{"delete", deleteSpec, &runOpened<&Run::remove>},
    Subcommand{"purge", purgeSpec, &runOpened<&Run::purge>},
};

} // namespace

int runQuarantine(const QByteArrayList &arguments)
{
    return runSubcommand("quarantine", quarantineSubcommands, arguments);
}

} // namespace Sentinel
