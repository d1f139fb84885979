// SPDX-License-Identifier: MIT
#include "tests/support/CliRun.h"

#include <QDir>
#include <QEventLoop>
#include <QFile>
#include <QJsonDocument>
#include <QTimer>

namespace Sentinel::Test {

std::vector<QJsonObject> CliRun::objects() const
{
    std::vector<QJsonObject> objects;
    for (const QByteArray &line : out.split('\n')) {
        if (!line.isEmpty())
            objects.push_back(QJsonDocument::fromJson(line).object());
    }
    return objects;
}

CliRun runProgram(const QString &binary, const QStringList &arguments, const CliSetting &setting)
{
    QProcess process;
    process.setStandardInputFile(QProcess::nullDevice());
    if (!setting.directory.isEmpty())
        process.setWorkingDirectory(setting.directory);
    if (!setting.outputFile.isEmpty())
        process.setStandardOutputFile(setting.outputFile);
    if (setting.inChild)
        process.setChildProcessModifier(setting.inChild);

    QEventLoop loop;
    QObject::connect(&process, &QProcess::finished, &loop, &QEventLoop::quit);
    QObject::connect(&process, &QProcess::errorOccurred, &loop, [&](QProcess::ProcessError error) {
        if (error == QProcess::FailedToStart)
            loop.quit();
    });
    QTimer::singleShot(cliPatience, &process, &QProcess::kill);
    process.start(binary, arguments);
    if (process.state() != QProcess::NotRunning)
        loop.exec();

    CliRun run;
    if (process.error() != QProcess::FailedToStart && process.exitStatus() == QProcess::NormalExit)
        run.exitCode = process.exitCode();
    if (setting.outputFile.isEmpty())
        run.out = process.readAllStandardOutput();
    run.err = process.readAllStandardError();
    return run;
}

CliRun runSentinel(const QStringList &arguments, const CliSetting &setting)
{
    return runProgram(QStringLiteral(SENTINEL_BINARY), arguments, setting);
}

QByteArray tell(const CliRun &run)
{
    return "exit " + QByteArray::number(run.exitCode) + "\n" + run.out + "\n" + run.err;
}

void writeFile(const QString &path, const QByteArray &content)
{
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(content) != content.size())
        qFatal("cannot write %s", qUtf8Printable(path));
}

QStringList entriesOf(const QString &directory)
{
    return QDir(directory).entryList(
        QDir::AllEntries | QDir::Hidden | QDir::System | QDir::NoDotAndDotDot);
}

} // namespace Sentinel::Test
