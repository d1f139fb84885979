// SPDX-License-Identifier: MIT
#include "Sentinel/LogCommand.h"

#include "SecurityTap/audit/AuditAction.h"
#include "SecurityTap/audit/AuditReader.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/custody/CustodySettings.h"
#include "SecurityTap/store/StorePaths.h"
#include "SecurityTap/text/DurationText.h"
#include "Sentinel/CommandLine.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/Limits.h"
#include "Sentinel/LogText.h"
#include "Sentinel/Output.h"
#include "Sentinel/PathText.h"
#include "Sentinel/ResultJson.h"
#include "Sentinel/SignalWatch.h"

#include <QDateTime>
#include <QEventLoop>
#include <QFile>
#include <QSet>
#include <QSocketNotifier>

#include <array>
#include <deque>
#include <sys/inotify.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr std::array logOptions{
    OptionSpec{"follow", 'f', nullptr, false, "go on with what is added"},
    OptionSpec{"since", 0, "TIME", false,
        "what is not older than a time such as \"30 min\" or \"24 h\",\nor happened at or after "
        "one such as 2026-01-31T12:00:00"},
    OptionSpec{"action", 0, "ACTION", true, "these alone, such as threat-found"},
    OptionSpec{"lines", 'n', "COUNT", false, "the last ones alone"},
    OptionSpec{"json", 0, nullptr, false, "the lines as they are, one JSON object each"},
    OptionSpec{"store", 0, "DIRECTORY", false,
        "where audit.jsonl is (default: sentinel/audit in\nXDG_STATE_HOME)"},
};

constexpr CommandSpec logSpec{
    "log",
    "",
    "Shows the audit log: what was done with downloads, and what happened to quarantine,\n"
    "exceptions and rules. A line has the time, what happened, to what, the verdict and why.",
    logOptions,
    "  0  shown\n"
    "  1  shown, and some lines are broken\n"
    "  2  usage error, or the log cannot be read\n",
    0,
    0,
};

//! What is to be shown.
struct LogChoice {
    QDateTime since; //!< invalid: from the beginning
    QSet<QString> actions; //!< empty: all
    std::optional<qsizetype> count; //!< of the last ones

    bool has(const QJsonObject &event) const
    {
        const QString action = event[QStringLiteral("event")][QStringLiteral("action")].toString();
        if (!actions.isEmpty() && !actions.contains(action))
            return false;
        return !since.isValid()
            || QDateTime::fromString(
                   event[QStringLiteral("@timestamp")].toString(), Qt::ISODateWithMs)
            >= since;
    }
};

std::optional<QDateTime> pointInTime(const QString &text)
{
    if (const auto duration = durationOf(text))
        return QDateTime::currentDateTimeUtc().addMSecs(-duration->count());
    const QDateTime time = QDateTime::fromString(text, Qt::ISODateWithMs);
    return time.isValid() ? std::optional(time) : std::nullopt;
}

std::expected<LogChoice, QString> choiceOf(const CommandLine &line)
{
    LogChoice choice;
    if (const auto since = line.value("since")) {
        const auto time = pointInTime(QString::fromUtf8(*since));
        if (!time)
            return std::unexpected(
                QStringLiteral("--since: %1 is no time such as \"30 min\" or 2026-01-31T12:00:00")
                    .arg(pathForPeople(*since)));
        choice.since = *time;
    }
    for (const QByteArray &action : line.values("action")) {
        const QString name = QString::fromUtf8(action);
        if (!auditActionNamed(name))
            return std::unexpected(QStringLiteral("--action: there is no %1 (see: docs/audit.md)")
                                       .arg(pathForPeople(action)));
        choice.actions.insert(name);
    }
    if (const auto count = line.value("lines")) {
        choice.count = numberOf(*count, 0, Limits::maxLogLinesKept);
        if (!choice.count)
            return std::unexpected(QStringLiteral("--lines: %1 is not a number of 0 to %2")
                                       .arg(pathForPeople(*count))
                                       .arg(Limits::maxLogLinesKept));
    }
    return choice;
}

//! Reads a log and prints what was chosen of it.
class LogShow {
public:
    LogShow(AuditReader reader, LogChoice choice, bool isJson, Output &output)
        : m_reader(std::move(reader))
        , m_choice(std::move(choice))
        , m_isJson(isJson)
        , m_output(output)
    {
    }

    //! What is there now. False if nobody reads the output any more.
    bool showAll()
    {
        while (const auto line = m_reader.next())
            take(*line);
        if (m_reader.takeLoss())
            m_output.message(
                QStringLiteral("some files of the log were deleted before they could be read"));
        for (const QByteArray &line : std::exchange(m_last, {}))
            m_output.result(line);
        m_choice.count.reset(); // what comes later is shown at once
        return m_output.flush();
    }
    //! A line at the end that was never finished.
    void showRest()
    {
        if (const auto line = m_reader.rest())
            take(*line);
        if (m_broken > Limits::maxBrokenLinesNamed)
            m_output.message(QStringLiteral("broken lines: %1").arg(m_broken));
    }

    bool hasBroken() const { return m_broken > 0; }

private:
    void take(const AuditLine &line)
    {
        if (!line.event) {
            if (++m_broken <= Limits::maxBrokenLinesNamed)
                m_output.message(
                    QStringLiteral("%1:%2: this line is broken").arg(line.file).arg(line.number));
            return;
        }
        if (!m_choice.has(*line.event))
            return;
        const QByteArray text = m_isJson ? jsonOf(line) : auditLineFor(*line.event).toUtf8();
        if (!m_choice.count) {
            m_output.result(text);
            return;
        }
        m_last.push_back(text);
        if (qsizetype(m_last.size()) > *m_choice.count)
            m_last.pop_front();
    }
    //! As it is, unless somebody has put into it what a log does not write.
    static QByteArray jsonOf(const AuditLine &line)
    {
        const QString text = QString::fromUtf8(line.text);
        return printable(text) == text ? line.text : jsonLine(*line.event);
    }

    AuditReader m_reader;
    LogChoice m_choice;
    const bool m_isJson;
    Output &m_output;
    std::deque<QByteArray> m_last;
    int m_broken = 0;
};

//! Shows what is added to the log in \p directory until a signal comes or nobody reads any more.
int follow(LogShow &show, const QString &directory, Output &output)
{
    const FileDescriptor events(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    constexpr uint32_t additions = IN_MODIFY | IN_CREATE | IN_MOVED_TO;
    if (!events.isValid()
        || ::inotify_add_watch(
               events.get(), QFile::encodeName(directory).constData(), additions | IN_ONLYDIR)
            < 0) {
        output.message(QStringLiteral("%1 cannot be watched: %2")
                           .arg(printable(directory), qt_error_string()));
        return exitTrouble;
    }
    QEventLoop loop;
    SignalWatch signalWatch;
    QObject::connect(&signalWatch, &SignalWatch::interrupted, &loop, [&loop] { loop.exit(); });
    QSocketNotifier added(events.get(), QSocketNotifier::Read);
    QObject::connect(&added, &QSocketNotifier::activated, &loop, [&] {
        alignas(inotify_event) std::array<char, 4096> buffer;
        while (::read(events.get(), buffer.data(), buffer.size()) > 0) { }
        if (!show.showAll())
            loop.exit(exitTrouble);
    });
    // A pipe whose reader has gone says so, also while there is nothing to write.
    QSocketNotifier gone(STDOUT_FILENO, QSocketNotifier::Exception);
    QObject::connect(&gone, &QSocketNotifier::activated, &loop, [&] { loop.exit(); });
    if (!show.showAll()) // what came before it was watched
        return exitTrouble;
    return loop.exec();
}

} // namespace

int runLog(const QByteArrayList &arguments)
{
    Output output;
    const auto line = parseOrExplain(logSpec, arguments, output);
    if (!line)
        return line.error();
    const auto choice = choiceOf(*line);
    if (!choice) {
        output.message(choice.error());
        return exitTrouble;
    }
    const QString usual = CustodySettings().auditSettings().directory;
    const QString directory = line->paths("store").value(0, usual);
    if (directory == usual) {
        // It may be that nothing was ever written to it.
        if (const auto made = openPrivateDirectory(directory); !made) {
            output.message(made.error());
            return exitTrouble;
        }
    }
    auto reader = AuditReader::open(directory);
    if (!reader) {
        output.message(reader.error());
        return exitTrouble;
    }
    LogShow show(std::move(*reader), *choice, line->has("json"), output);
    int end = show.showAll() ? exitGood : exitTrouble;
    if (end == exitGood && line->has("follow"))
        end = follow(show, directory, output);
    else
        show.showRest();
    if (!output.flush())
        return exitTrouble;
    return end == exitGood && show.hasBroken() ? exitUnwell : end;
}

} // namespace Sentinel
