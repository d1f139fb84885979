// SPDX-License-Identifier: MIT
#include "Sentinel/FileWalk.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>

namespace Sentinel {

namespace {

constexpr int directoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK;

QString systemError(int error)
{
    return QString::fromLocal8Bit(std::strerror(error));
}

QByteArray joined(const QByteArray &directory, const char *name)
{
    return directory.endsWith('/') ? directory + name : directory + '/' + name;
}

} // namespace

FileWalk::FileWalk(QByteArrayList paths) : m_paths(std::move(paths)) { }

bool FileWalk::next(Step &step)
{
    step = {};
    while (true) {
        if (!m_levels.empty()) {
            if (nextEntry(step))
                return true;
        } else if (m_nextPath == m_paths.size()) {
            return false;
        } else {
            begin(m_paths[m_nextPath++], step);
            if (!step.place.path.isEmpty())
                return true;
        }
    }
}

//! A path that the user gave: a file, or something that cannot be scanned, goes into \p step; a
//! directory is entered.
void FileWalk::begin(const QByteArray &path, Step &step)
{
    struct stat status { };
    const bool isThere = !path.isEmpty() && ::stat(path.constData(), &status) == 0;
    if (isThere && S_ISDIR(status.st_mode)) {
        if (enter(FileDescriptor(::open(path.constData(), directoryFlags)), path))
            return;
        step.error = systemError(errno);
    } else if (!isThere) {
        step.error = path.isEmpty() ? systemError(ENOENT) : systemError(errno);
    } else if (!S_ISREG(status.st_mode)) {
        step.error = QStringLiteral("Not a regular file");
    }
    // An empty argument is a path too; it has to show.
    step.place = {nullptr, path, path.isEmpty() ? QByteArray("''") : path};
}

//! The next file of the innermost directory, or what is wrong with an entry. False after a step
//! down or up.
bool FileWalk::nextEntry(Step &step)
{
    const Level &level = m_levels.back();
    errno = 0;
    const dirent *entry = ::readdir(level.directory.get());
    if (!entry) {
        const int error = errno;
        const QByteArray path = level.path;
        m_levels.pop_back();
        if (error == 0)
            return false;
        step.place.path = path;
        step.error = systemError(error);
        return true;
    }
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0)
        return false;
    const Kind kind = kindOf(level, *entry);
    if (kind == Kind::Other)
        return false;
    step.place = {level.directory, entry->d_name, joined(level.path, entry->d_name)};
    if (kind == Kind::File)
        return true;
    if (kind == Kind::Gone) {
        step.error = systemError(errno);
        return true;
    }
    if (int(m_levels.size()) >= maxDepth) {
        step.error = QStringLiteral("Below %1 directories: too deep").arg(maxDepth);
        return true;
    }
    FileDescriptor directory(
        ::openat(::dirfd(level.directory.get()), entry->d_name, directoryFlags | O_NOFOLLOW));
    if (enter(std::move(directory), step.place.path)) {
        step = {};
        return false;
    }
    step.error = systemError(errno);
    return true;
}

//! False, with errno set, if it cannot be read.
bool FileWalk::enter(FileDescriptor directory, const QByteArray &path)
{
    if (!directory.isValid())
        return false;
    DIR *entries = ::fdopendir(directory.get());
    if (!entries)
        return false;
    directory.release(); // the DIR's now
    m_levels.push_back({DirectoryHandle(entries, [](DIR *open) { ::closedir(open); }), path});
    return true;
}

FileWalk::Kind FileWalk::kindOf(const Level &level, const dirent &entry)
{
    switch (entry.d_type) {
    case DT_REG:
        return Kind::File;
    case DT_DIR:
        return Kind::Directory;
    case DT_UNKNOWN:
        break;
    default:
        return Kind::Other;
    }
    struct stat status { };
    if (::fstatat(::dirfd(level.directory.get()), entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return Kind::Gone;
    if (S_ISREG(status.st_mode))
        return Kind::File;
    return S_ISDIR(status.st_mode) ? Kind::Directory : Kind::Other;
}

} // namespace Sentinel
