// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/RuleFiles.h"

#include "SecurityTap/Limits.h"

#include <QDir>
#include <QDirIterator>
#include <QFile>
#include <QFileInfo>
#include <QSet>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace Sentinel {

namespace {

QString systemError()
{
    return QString::fromLocal8Bit(std::strerror(errno));
}

RuleProblem fileProblem(const QString &file, const QString &message)
{
    return {RuleProblem::Level::Error, file, 0, message};
}

//! The rule files below \p directory, and what looks like rules and is not taken: none may go
//! missing without a word.
QStringList ruleFilesBelow(const QString &directory, std::vector<RuleProblem> &problems)
{
    QStringList found;
    const QDir base(QDir(directory).absolutePath()); // QDir relates absolute paths only
    QDirIterator it(base.path(), QDir::AllEntries | QDir::System | QDir::NoDotAndDotDot,
        QDirIterator::Subdirectories);
    while (it.hasNext() && found.size() <= Limits::maxRuleFiles) {
        const QString name = base.relativeFilePath(it.next());
        const QFileInfo info = it.fileInfo();
        if (info.isDir() && info.isSymLink())
            problems.push_back(fileProblem(
                name, QStringLiteral("is a link to a directory, which is not followed")));
        else if (info.isDir() && !info.isReadable())
            problems.push_back(fileProblem(name, QStringLiteral("cannot be looked into")));
        else if (!info.isDir() && isRuleFileName(name))
            found.append(name); // what is no file is refused when it is read
    }
    std::sort(found.begin(), found.end());
    return found;
}

} // namespace

std::expected<std::shared_ptr<RuleDirectory>, QString> RuleDirectory::open(const QString &path)
{
    auto directory = std::make_shared<RuleDirectory>();
    directory->m_directory = FileDescriptor(
        ::open(QFile::encodeName(path).constData(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory->m_directory.isValid())
        return std::unexpected(
            QStringLiteral("cannot open the directory %1: %2").arg(path, systemError()));
    return directory;
}

std::expected<QByteArray, QString> RuleDirectory::read(const QString &relativePath) const
{
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK; // a FIFO must not hold us up
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    const FileDescriptor file(int(::syscall(SYS_openat2, m_directory.get(),
        QFile::encodeName(relativePath).constData(), &how, sizeof how)));
    if (!file.isValid()) {
        return std::unexpected(errno == EXDEV
                ? QStringLiteral("leads outside of the rules directory")
                : QStringLiteral("cannot be read: %1").arg(systemError()));
    }
    struct stat status { };
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
        return std::unexpected(QStringLiteral("is not a regular file"));
    if (status.st_size > Limits::maxRuleFileBytes)
        return std::unexpected(QStringLiteral("is larger than %1 MiB, the most for a rule file")
                                   .arg(Limits::maxRuleFileBytes / Limits::mib));
    QFile reader;
    if (!reader.open(file.get(), QIODevice::ReadOnly))
        return std::unexpected(reader.errorString());
    // By its size: room for all that is asked for would be reserved, for each file, and kept.
    QByteArray text = reader.read(std::min<qint64>(status.st_size + 1, Limits::maxRuleFileBytes));
    if (text.size() > status.st_size) // it has grown since, or tells no size
        text += reader.read(Limits::maxRuleFileBytes - text.size());
    if (reader.error() != QFileDevice::NoError)
        return std::unexpected(QStringLiteral("cannot be read: %1").arg(reader.errorString()));
    return text;
}

bool isRuleFileName(const QString &name)
{
    return name.endsWith(QLatin1StringView(".yar")) || name.endsWith(QLatin1StringView(".yara"));
}

RuleFiles readRuleFiles(const QStringList &paths)
{
    RuleFiles result;
    QSet<QString> namespaces;
    for (const QString &path : paths) {
        const QFileInfo info(path);
        if (!info.exists()) {
            result.problems.push_back(
                fileProblem(path, QStringLiteral("there is no such file or directory")));
            continue;
        }
        const QString root = info.isDir() ? path : info.path();
        auto directory = RuleDirectory::open(root);
        if (!directory) {
            result.problems.push_back(fileProblem(path, directory.error()));
            continue;
        }
        const QStringList names =
            info.isDir() ? ruleFilesBelow(path, result.problems) : QStringList{info.fileName()};
        if (names.isEmpty())
            result.problems.push_back(fileProblem(
                path, QStringLiteral("holds no rule file; rule files are named *.yar or *.yara")));
        for (const QString &name : names) {
            if (int(result.files.size()) >= Limits::maxRuleFiles) {
                result.problems.push_back(fileProblem(
                    path, QStringLiteral("more than %1 rule files").arg(Limits::maxRuleFiles)));
                return result;
            }
            auto text = (*directory)->read(name);
            if (!text) {
                result.problems.push_back(fileProblem(name, text.error()));
                continue;
            }
            // Two directories may both have a file of this name.
            QString ruleNamespace = name;
            for (int copy = 2; namespaces.contains(ruleNamespace); ++copy)
                ruleNamespace = QStringLiteral("%1#%2").arg(name).arg(copy);
            namespaces.insert(ruleNamespace);
            result.files.push_back({*directory, name, ruleNamespace, std::move(*text)});
        }
    }
    return result;
}

} // namespace Sentinel
