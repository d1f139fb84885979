// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>
#include <QByteArrayView>
#include <QMap>
#include <QString>

#include <expected>
#include <optional>
#include <span>

namespace Sentinel {

class Output;

//! \brief One option that a command knows.
struct OptionSpec {
    const char *name; //!< "rules", for --rules
    char letter = 0; //!< 'o', for -o; 0 if there is none
    const char *value = nullptr; //!< what stands for the value in the help; null: a switch
    bool isRepeatable = false;
    const char *help = "";
};

//! \brief A command as its help shows it and its arguments are checked.
struct CommandSpec {
    const char *name; //!< "scan"
    const char *arguments; //!< "PATH..."
    const char *summary;
    std::span<const OptionSpec> options;
    const char *exitCodes; //!< one line each
    int minArguments = 0;
    int maxArguments = 0; //!< -1: any number
};

//! \brief The arguments of one command, checked against its CommandSpec.
//!
//! They stay the bytes that they came as: a file's name need not be text. Options may stand
//! anywhere, as --name=value, --name value, -nvalue or -n value; after "--" there are none.
//!
//! Thread: immutable.
class CommandLine {
public:
    //! The error is one line for the user: what is wrong and where to look.
    static std::expected<CommandLine, QString> parse(
        const CommandSpec &spec, const QByteArrayList &arguments);

    //! --help was asked for; then nothing else has been checked.
    bool wantsHelp() const { return has("help"); }
    bool has(const char *option) const { return m_values.contains(option); }
    std::optional<QByteArray> value(const char *option) const;
    QByteArrayList values(const char *option) const { return m_values.value(option); }
    //! As paths of Qt's own.
    QStringList paths(const char *option) const;
    const QByteArrayList &arguments() const { return m_arguments; }

private:
    QMap<QByteArray, QByteArrayList> m_values;
    QByteArrayList m_arguments;
};

//! \brief The arguments, if there is something to do; else what there was to say has been said by
//! \p output, and the error is the process's exit code.
std::expected<CommandLine, int> parseOrExplain(
    const CommandSpec &spec, const QByteArrayList &arguments, Output &output);

//! \brief The text that --help prints.
QString helpText(const CommandSpec &spec);

//! \brief A whole number of [\p least, \p most].
std::optional<qint64> numberOf(const QByteArray &text, qint64 least, qint64 most);

//! \brief A number of bytes such as "300", "64K", "100M" or "2G", of [0, \p most].
std::optional<qint64> sizeOf(const QByteArray &text, qint64 most);

} // namespace Sentinel
