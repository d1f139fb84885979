// SPDX-License-Identifier: MIT
#include "Sentinel/CommandLine.h"

#include "Sentinel/ExitCode.h"
#include "Sentinel/Output.h"

#include "Sentinel/PathText.h"

#include <QFile>

#include <algorithm>
#include <limits>

namespace Sentinel {

namespace {

constexpr OptionSpec helpOption{"help", 'h', nullptr, false, "show this help"};
constexpr qsizetype helpColumn = 30;

const OptionSpec *findOption(const CommandSpec &spec, auto matches)
{
    const auto found = std::ranges::find_if(spec.options, matches);
    if (found != spec.options.end())
        return &*found;
    return matches(helpOption) ? &helpOption : nullptr;
}

QString usageError(const CommandSpec &spec, const QString &what)
{
    return QStringLiteral("%1 (see: sentinel %2 --help)").arg(what, QLatin1StringView(spec.name));
}

//! An argument that names an option, taken apart.
struct Written {
    const OptionSpec *option = nullptr;
    QString shown; // as the user wrote it, without the value
    std::optional<QByteArray> value; // if it stands in the same argument
};

Written takeApart(const CommandSpec &spec, const QByteArray &argument)
{
    Written written;
    if (argument.startsWith("--")) {
        const qsizetype equals = argument.indexOf('=');
        const QByteArray name = argument.sliced(2, (equals < 0 ? argument.size() : equals) - 2);
        written.option =
            findOption(spec, [&](const OptionSpec &option) { return name == option.name; });
        written.shown = QStringLiteral("--") + pathForPeople(name);
        if (equals >= 0)
            written.value = argument.sliced(equals + 1);
    } else {
        written.option = findOption(
            spec, [&](const OptionSpec &option) { return option.letter == argument[1]; });
        written.shown = pathForPeople(argument.first(2));
        if (argument.size() > 2)
            written.value = argument.sliced(2);
    }
    return written;
}

} // namespace

std::expected<CommandLine, QString> CommandLine::parse(
    const CommandSpec &spec, const QByteArrayList &arguments)
{
    CommandLine line;
    bool optionsAreOver = false;
    for (qsizetype i = 0; i < arguments.size(); ++i) {
        const QByteArray &argument = arguments[i];
        if (optionsAreOver || argument.size() < 2 || argument[0] != '-') {
            line.m_arguments.append(argument);
            continue;
        }
        if (argument == "--") {
            optionsAreOver = true;
            continue;
        }
        Written written = takeApart(spec, argument);
        if (!written.option)
            return std::unexpected(
                usageError(spec, QStringLiteral("there is no option %1").arg(written.shown)));
        const OptionSpec &option = *written.option;
        if (option.value && !written.value) {
            if (i + 1 == arguments.size())
                return std::unexpected(usageError(spec,
                    QStringLiteral("%1 needs a value: %2")
                        .arg(written.shown, QLatin1StringView(option.value))));
            written.value = arguments[++i];
        } else if (!option.value && written.value) {
            return std::unexpected(
                usageError(spec, QStringLiteral("%1 takes no value").arg(written.shown)));
        }
        QByteArrayList &values = line.m_values[option.name];
        if (!values.isEmpty() && !option.isRepeatable)
            return std::unexpected(
                usageError(spec, QStringLiteral("%1 was given twice").arg(written.shown)));
        values.append(written.value.value_or(QByteArray()));
    }
    if (line.wantsHelp())
        return line;
    if (line.m_arguments.size() < spec.minArguments)
        return std::unexpected(usageError(
            spec, QStringLiteral("%1 is missing").arg(QLatin1StringView(spec.arguments))));
    if (spec.maxArguments >= 0 && line.m_arguments.size() > spec.maxArguments)
        return std::unexpected(usageError(spec,
            QStringLiteral("%1 is one argument too many")
                .arg(pathForPeople(line.m_arguments[spec.maxArguments]))));
    return line;
}

std::optional<QByteArray> CommandLine::value(const char *option) const
{
    const QByteArrayList all = values(option);
    return all.isEmpty() ? std::nullopt : std::optional(all.last());
}

QStringList CommandLine::paths(const char *option) const
{
    QStringList paths;
    for (const QByteArray &path : values(option))
        paths.append(QFile::decodeName(path));
    return paths;
}

std::expected<CommandLine, int> parseOrExplain(
    const CommandSpec &spec, const QByteArrayList &arguments, Output &output)
{
    auto line = CommandLine::parse(spec, arguments);
    if (!line) {
        output.message(line.error());
        return std::unexpected(int(exitTrouble));
    }
    if (line->wantsHelp()) {
        output.result(helpText(spec).trimmed());
        return std::unexpected(int(output.flush() ? exitGood : exitTrouble));
    }
    return std::move(*line);
}

QString helpText(const CommandSpec &spec)
{
    QString text = QStringLiteral("Usage: sentinel %1 [OPTION]... %2\n\n%3\n\nOptions:\n")
                       .arg(QLatin1StringView(spec.name), QLatin1StringView(spec.arguments),
                           QLatin1StringView(spec.summary));
    const auto add = [&text](const OptionSpec &option) {
        QString left = QStringLiteral("  ");
        left += option.letter ? QStringLiteral("-%1, ").arg(QLatin1Char(option.letter))
                              : QStringLiteral("    ");
        left += QStringLiteral("--") + QLatin1StringView(option.name);
        if (option.value)
            left += u' ' + QLatin1StringView(option.value);
        QString help = QString::fromLatin1(option.help);
        help.replace(u'\n', u'\n' + QString(helpColumn, u' '));
        text += left.leftJustified(helpColumn - 1) + u' ' + help + u'\n';
    };
    for (const OptionSpec &option : spec.options)
        add(option);
    add(helpOption);
    return text + QStringLiteral("\nExit codes:\n") + QLatin1StringView(spec.exitCodes);
}

std::optional<qint64> numberOf(const QByteArray &text, qint64 least, qint64 most)
{
    bool isNumber = false;
    const qint64 number = text.toLongLong(&isNumber);
    if (!isNumber || number < least || number > most)
        return std::nullopt;
    return number;
}

std::optional<qint64> sizeOf(const QByteArray &text, qint64 most)
{
    constexpr QByteArrayView units = "KMG";
    QByteArray digits = text;
    qint64 factor = 1;
    if (!digits.isEmpty()) {
        const char last = digits.back() >= 'a' ? char(digits.back() - 'a' + 'A') : digits.back();
        if (const qsizetype unit = units.indexOf(last); unit >= 0) {
            factor = qint64(1) << (10 * (unit + 1));
            digits.chop(1);
        }
    }
    const auto number = numberOf(digits, 0, most / factor);
    return number ? std::optional(*number * factor) : std::nullopt;
}

} // namespace Sentinel
