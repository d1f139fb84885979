// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QJsonObject>
#include <QProcess>
#include <QString>
#include <QStringList>

#include <chrono>
#include <functional>
#include <vector>

namespace Sentinel::Test {

//! \brief What a run of the command line came to.
struct CliRun {
    int exitCode = -1; //!< -1: it crashed, was killed, or did not end in time
    QByteArray out;
    QByteArray err;

    //! The objects that it printed, one a line.
    std::vector<QJsonObject> objects() const;
};

//! Longer than any run in a test; only a broken one waits as long.
inline constexpr std::chrono::seconds cliPatience{120};

struct CliSetting {
    QString directory; //!< where it runs; empty: here
    QString outputFile; //!< instead of CliRun::out
    std::function<void()> inChild; //!< before the program begins
};

//! \brief Runs \p binary to its end. The event loop runs meanwhile, so that a server of the test's
//! own can answer.
CliRun runProgram(
    const QString &binary, const QStringList &arguments, const CliSetting &setting = {});

//! \brief The `sentinel` of this build, as runProgram().
CliRun runSentinel(const QStringList &arguments, const CliSetting &setting = {});

//! \brief All that \p run came to, for the message of a test that fails.
QByteArray tell(const CliRun &run);

//! \brief The bytes of a source text are UTF-8.
inline QString operator""_L(const char *text, size_t size)
{
    return QString::fromUtf8(text, qsizetype(size));
}

//! \brief Writes a file, or ends the test program.
void writeFile(const QString &path, const QByteArray &content);

//! \brief All entries below \p directory, hidden ones too; for "nothing is left".
QStringList entriesOf(const QString &directory);

} // namespace Sentinel::Test
