// SPDX-License-Identifier: MIT
#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/policy/PolicyExceptions.h"
#include "SecurityTap/store/PatientLock_p.h"
#include "SecurityTap/store/StorePaths.h"
#include "ipc/Retried_p.h"

#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QRandomGenerator>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

using ExceptionList = PolicyExceptions::List;

constexpr char exceptionsName[] = "exceptions.json";
constexpr char newExceptionsName[] = "exceptions.json.new";
constexpr char exceptionsLockName[] = "exceptions.lock";
constexpr int exceptionsVersion = 1;
constexpr int exceptionIdDigits = 8;

QString exceptionsError()
{
    return QString::fromLocal8Bit(std::strerror(errno));
}

qint64 exceptionsChangeTime(const struct stat &status)
{
    constexpr qint64 nsPerSecond = 1'000'000'000;
    return status.st_mtim.tv_sec * nsPerSecond + status.st_mtim.tv_nsec;
}

std::expected<ExceptionList, QString> exceptionsOf(const QByteArray &text)
{
    QJsonParseError error;
    const QJsonDocument document = QJsonDocument::fromJson(text, &error);
    if (error.error != QJsonParseError::NoError) {
        return std::unexpected(
            QStringLiteral("is no JSON: %1 at byte %2").arg(error.errorString()).arg(error.offset));
    }
    const QJsonValue version = document[QStringLiteral("version")];
    if (version.toInt() != exceptionsVersion)
        return std::unexpected(QStringLiteral("is not of version %1").arg(exceptionsVersion));
    const QJsonValue all = document[QStringLiteral("exceptions")];
    if (!all.isArray())
        return std::unexpected(QStringLiteral("has no list \"exceptions\""));
    ExceptionList list;
    for (const QJsonValue &one : all.toArray()) {
        auto exception = PolicyException::fromJson(one.toObject());
        if (!exception) {
            return std::unexpected(
                QStringLiteral("exception %1: %2").arg(list.size() + 1).arg(exception.error()));
        }
        list.push_back(*std::move(exception));
        if (list.size() > size_t(Limits::maxPolicyExceptions)) {
            return std::unexpected(
                QStringLiteral("has more than %1 exceptions").arg(Limits::maxPolicyExceptions));
        }
    }
    return list;
}

QByteArray textOfExceptions(const ExceptionList &list)
{
    QJsonArray all;
    for (const PolicyException &exception : list)
        all.append(exception.toJson());
    return QJsonDocument(QJsonObject{{QStringLiteral("version"), exceptionsVersion},
                             {QStringLiteral("exceptions"), all}})
        .toJson();
}

//! The exceptions in \p file, which is invalid if there is none.
std::expected<ExceptionList, QString> readExceptions(
    const FileDescriptor &file, const struct stat &status)
{
    if (!file.isValid())
        return ExceptionList();
    if (!S_ISREG(status.st_mode))
        return std::unexpected(QStringLiteral("is no regular file"));
    if (status.st_uid != ::geteuid())
        return std::unexpected(QStringLiteral("belongs to somebody else"));
    if (status.st_size > Limits::maxExceptionsFileBytes) {
        return std::unexpected(QStringLiteral("is larger than %1 MiB")
                                   .arg(Limits::maxExceptionsFileBytes / Limits::mib));
    }
    QByteArray text(status.st_size, Qt::Uninitialized);
    qsizetype length = 0;
    while (length < text.size()) {
        const ssize_t count = retried([&] {
            return ::pread(file.get(), text.data() + length, size_t(text.size() - length), length);
        });
        if (count < 0)
            return std::unexpected(exceptionsError());
        if (count == 0)
            break;
        length += count;
    }
    return exceptionsOf(text.first(length));
}

//! The file in \p directory, a descriptor or AT_FDCWD; invalid if there is none.
std::expected<FileDescriptor, QString> openExceptions(int directory, const QByteArray &name)
{
    FileDescriptor file(retried([&] {
        return ::openat(
            directory, name.constData(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }));
    if (!file.isValid() && errno != ENOENT)
        return std::unexpected(exceptionsError());
    return file;
}

bool writeExceptions(int file, QByteArrayView text)
{
    while (!text.isEmpty()) {
        const ssize_t count =
            retried([&] { return ::write(file, text.data(), size_t(text.size())); });
        if (count < 0)
            return false;
        text = text.sliced(count);
    }
    return true;
}

//! Puts a file with \p list into the place of the old one; whoever holds the lock.
std::expected<void, QString> replaceExceptions(int directory, const ExceptionList &list)
{
    ::unlinkat(directory, newExceptionsName, 0); // of one that died
    const FileDescriptor file(retried([&] {
        return ::openat(directory, newExceptionsName,
            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    }));
    const bool isInPlace = file.isValid() && ::fchmod(file.get(), 0600) == 0
        && writeExceptions(file.get(), textOfExceptions(list)) && ::fsync(file.get()) == 0
        && ::renameat(directory, newExceptionsName, directory, exceptionsName) == 0;
    if (!isInPlace) {
        const QString error = exceptionsError();
        ::unlinkat(directory, newExceptionsName, 0);
        return std::unexpected(QStringLiteral("cannot be written (%1)").arg(error));
    }
    if (::fsync(directory) != 0)
        return std::unexpected(QStringLiteral("may not last (%1)").arg(exceptionsError()));
    return {};
}

QString newExceptionId(const ExceptionList &list)
{
    for (;;) {
        const QString id = QStringLiteral("%1").arg(
            QRandomGenerator::system()->generate(), exceptionIdDigits, 16, QLatin1Char('0'));
        if (std::ranges::find(list, id, &PolicyException::id) == list.end())
            return id;
    }
}

bool allowsTheSame(const PolicyException &one, const PolicyException &other)
{
    return one.sha256 == other.sha256 && one.origin == other.origin && one.rules == other.rules
        && one.allowsUnscanned == other.allowsUnscanned;
}

} // namespace

PolicyExceptions::PolicyExceptions(QString directory)
    : m_directory(std::move(directory)), m_view(std::make_shared<const List>())
{
}

QString PolicyExceptions::filePath() const
{
    return m_directory + u'/' + QLatin1StringView(exceptionsName);
}

std::expected<PolicyExceptions::View, QString> PolicyExceptions::all()
{
    const std::lock_guard lock(m_mutex);
    if (!isCurrent())
        m_view = read();
    return m_view;
}

bool PolicyExceptions::isCurrent() const
{
    struct stat now { };
    struct stat then { };
    if (!m_source.file.isValid() || ::fstat(m_source.file.get(), &then) != 0)
        return false;
    return ::lstat(QFile::encodeName(filePath()).constData(), &now) == 0
        && now.st_dev == then.st_dev && now.st_ino == then.st_ino
        && now.st_size == m_source.sizeBytes && exceptionsChangeTime(now) == m_source.changedNs;
}

std::expected<PolicyExceptions::View, QString> PolicyExceptions::read()
{
    const auto broken = [this](const QString &what) {
        return std::unexpected(QStringLiteral("%1 %2; no exception holds until this is put right")
                                   .arg(printable(filePath()), what));
    };
    m_source = {};
    auto file = openExceptions(AT_FDCWD, QFile::encodeName(filePath()));
    if (!file)
        return broken(QStringLiteral("cannot be read (%1)").arg(file.error()));
    struct stat status { };
    if (file->isValid() && ::fstat(file->get(), &status) != 0)
        return broken(exceptionsError());
    auto list = readExceptions(*file, status);
    m_source = {*std::move(file), status.st_size, exceptionsChangeTime(status)};
    if (!list)
        return broken(list.error());
    return std::make_shared<const List>(*std::move(list));
}

template <typename Change>
std::expected<void, QString> PolicyExceptions::rewrite(const QDateTime &now, Change change)
{
    const auto refused = [this](const QString &what) {
        return std::unexpected(
            QStringLiteral("%1 %2; nothing was changed").arg(printable(filePath()), what));
    };
    const auto directory = openPrivateDirectory(m_directory);
    if (!directory)
        return std::unexpected(directory.error());
    const FileDescriptor lock(retried([&] {
        return ::openat(
            directory->get(), exceptionsLockName, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    }));
    if (!lock.isValid() || !lockInTime(lock.get(), Limits::storeLockPatience))
        return refused(QStringLiteral("cannot be locked (%1)").arg(exceptionsError()));

    const auto file = openExceptions(directory->get(), exceptionsName);
    if (!file)
        return refused(QStringLiteral("cannot be read (%1)").arg(file.error()));
    struct stat status { };
    if (file->isValid() && ::fstat(file->get(), &status) != 0)
        return refused(exceptionsError());
    auto list = readExceptions(*file, status);
    if (!list)
        return refused(list.error());
    std::erase_if(*list, [&](const PolicyException &one) { return one.isExpired(now); });
    if (!change(*list))
        return {};
    if (list->size() > size_t(Limits::maxPolicyExceptions))
        return refused(
            QStringLiteral("would have more than %1 exceptions").arg(Limits::maxPolicyExceptions));
    if (const auto replaced = replaceExceptions(directory->get(), *list); !replaced)
        return std::unexpected(
            QStringLiteral("%1 %2").arg(printable(filePath()), replaced.error()));
    return {};
}

std::expected<PolicyException, QString> PolicyExceptions::add(
    PolicyException exception, const QDateTime &now)
{
    if (const auto wrong = exception.problem())
        return std::unexpected(QStringLiteral("this exception cannot be kept: %1").arg(*wrong));
    const auto kept = rewrite(now, [&](List &list) {
        std::erase_if(
            list, [&](const PolicyException &one) { return allowsTheSame(one, exception); });
        exception.id = newExceptionId(list);
        list.push_back(exception);
        return true;
    });
    if (!kept)
        return std::unexpected(kept.error());
    return exception;
}

std::expected<std::optional<PolicyException>, QString> PolicyExceptions::remove(
    const QString &id, const QDateTime &now)
{
    std::optional<PolicyException> removed;
    const auto kept = rewrite(now, [&](List &list) {
        const auto found = std::ranges::find(list, id, &PolicyException::id);
        if (found == list.end())
            return false;
        removed = *found;
        list.erase(found);
        return true;
    });
    if (!kept)
        return std::unexpected(kept.error());
    return removed;
}

} // namespace Sentinel
