// SPDX-License-Identifier: MIT
#include "Sentinel/settings/SettingsFile.h"

#include "Sentinel/Limits.h"
#include "ipc/FileDescriptor.h"
#include "ipc/Retried_p.h"

#include <QDir>
#include <QFile>
#include <QStringList>

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr char fileName[] = "sentinel/sentinel.toml";

bool isNullDevice(const struct stat &status)
{
    return S_ISCHR(status.st_mode) && status.st_rdev == ::makedev(1, 3);
}

bool isMissing(const QString &path)
{
    struct stat status { };
    return ::stat(QFile::encodeName(path).constData(), &status) != 0
        && (errno == ENOENT || errno == ENOTDIR);
}

} // namespace

std::expected<SettingsFile, SettingsProblem> SettingsFile::read(const QString &path)
{
    const auto fail = [&path](const QString &why) {
        return std::unexpected(SettingsProblem{path, 0, 0, {}, why});
    };
    if (path.isEmpty() || path.contains(QChar::Null))
        return fail(QStringLiteral("is no name of a file"));
    const FileDescriptor file(
        ::open(QFile::encodeName(path).constData(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status { };
    if (!file.isValid() || ::fstat(file.get(), &status) != 0)
        return fail(qt_error_string(errno));
    if (S_ISDIR(status.st_mode))
        return fail(QStringLiteral("is a directory"));
    if (!S_ISREG(status.st_mode) && !isNullDevice(status))
        return fail(QStringLiteral("is not a regular file"));

    QByteArray text(Limits::maxSettingsFileBytes + 1, Qt::Uninitialized);
    qsizetype size = 0;
    while (size < text.size()) {
        const ssize_t got = retried(
            [&] { return ::read(file.get(), text.data() + size, size_t(text.size() - size)); });
        if (got < 0)
            return fail(qt_error_string(errno));
        if (got == 0)
            break;
        size += got;
    }
    text.truncate(size); // one byte too many is the parser's to tell
    return SettingsFile{QDir::cleanPath(QDir::current().absoluteFilePath(path)), text};
}

QStringList settingsPlaces()
{
    QStringList places;
    QString config = qEnvironmentVariable("XDG_CONFIG_HOME");
    if (!config.startsWith(u'/')) { // a relative one is to be ignored
        const QString home = qEnvironmentVariable("HOME");
        config = home.startsWith(u'/') ? home + QStringLiteral("/.config") : QString();
    }
    for (const QString &directory : {config, QStringLiteral("/etc")}) {
        const QString place = QDir::cleanPath(directory + u'/' + QLatin1StringView(fileName));
        if (!directory.isEmpty() && !places.contains(place))
            places.append(place);
    }
    return places;
}

std::expected<std::optional<SettingsFile>, SettingsProblem> findSettingsFile()
{
    const QString named = qEnvironmentVariable("SENTINEL_CONFIG");
    const QStringList places = named.isEmpty() ? settingsPlaces() : QStringList{named};
    for (const QString &place : places) {
        if (named.isEmpty() && isMissing(place))
            continue;
        auto file = SettingsFile::read(place);
        if (!file)
            return std::unexpected(std::move(file.error()));
        return *std::move(file);
    }
    return std::nullopt;
}

} // namespace Sentinel
