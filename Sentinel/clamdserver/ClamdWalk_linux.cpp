// SPDX-License-Identifier: MIT
#include "Sentinel/clamdserver/ClamdWalk.h"

#include "Sentinel/Limits.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>

namespace Sentinel {

namespace {

std::unexpected<QByteArray> systemError(const char *what)
{
    const std::string why = std::generic_category().message(errno);
    return std::unexpected(QByteArray(what) + ": " + QByteArray::fromStdString(why));
}

QByteArray withoutSlashes(QByteArray path)
{
    while (path.size() > 1 && path.endsWith('/'))
        path.chop(1);
    return path;
}

} // namespace

ClamdWalk::ClamdWalk(QByteArray path) : m_path(withoutSlashes(std::move(path))) { }

std::optional<ClamdWalk::Step> ClamdWalk::next(const std::atomic<bool> &isWanted)
{
    if (!std::exchange(m_hasBegun, true)) {
        if (auto step = begin())
            return step;
    }
    while (!m_levels.empty() && isWanted) {
        errno = 0;
        const dirent *const entry = ::readdir(m_levels.back().directory.get());
        if (!entry) {
            Level level = std::move(m_levels.back());
            m_levels.pop_back();
            if (errno != 0)
                return Step{level.path, systemError("the directory cannot be read")};
            continue;
        }
        const QByteArray name(entry->d_name);
        if (name == "." || name == "..")
            continue;
        if (auto step = visit(name))
            return step;
    }
    return std::nullopt;
}

std::optional<ClamdWalk::Step> ClamdWalk::begin()
{
    if (!m_path.startsWith('/') || m_path.contains('\0'))
        return Step{m_path, std::unexpected("the path is not absolute")};
    // Looked at before it is opened, and the same one then: to open a device does something to it.
    const FileDescriptor place(::open(m_path.constData(), O_PATH | O_CLOEXEC));
    struct stat status { };
    if (!place.isValid() || ::fstat(place.get(), &status) != 0)
        return Step{m_path, systemError("cannot be opened")};
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return Step{m_path, std::unexpected("neither a file nor a directory")};
    return open(AT_FDCWD, "/proc/self/fd/" + QByteArray::number(place.get()), m_path, 0);
}

//! What \p name is in the directory where it is; nothing if there is nothing to scan in it, yet.
std::optional<ClamdWalk::Step> ClamdWalk::visit(const QByteArray &name)
{
    const Level &level = m_levels.back();
    const int directory = ::dirfd(level.directory.get());
    QByteArray path = (level.path == "/" ? QByteArray() : level.path) + '/' + name;
    struct stat status { };
    // What is gone by now may be back under a name that was listed before.
    if (::fstatat(directory, name.constData(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        return Step{std::move(path), systemError("cannot be opened")};
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return std::nullopt;
    return open(directory, name, std::move(path), O_NOFOLLOW);
}

std::optional<ClamdWalk::Step> ClamdWalk::open(
    int directory, const QByteArray &name, QByteArray path, int flags)
{
    FileDescriptor opened(::openat(
        directory, name.constData(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags));
    struct stat status { };
    if (!opened.isValid() || ::fstat(opened.get(), &status) != 0)
        return Step{std::move(path), systemError("cannot be opened")};
    // A file without a name is some process's own, and reached through what lists its descriptors.
    if (status.st_nlink == 0)
        return Step{std::move(path), std::unexpected("is no longer there")};
    if (!S_ISDIR(status.st_mode)) {
        if (++m_files <= Limits::maxClamdWalkFiles)
            return Step{std::move(path), std::move(opened)};
        m_levels.clear();
        return Step{m_path, std::unexpected("there are too many files")};
    }
    if (m_levels.size() >= size_t(Limits::maxClamdWalkDepth))
        return Step{std::move(path), std::unexpected("the directory is too deep")};
    DIR *const stream = ::fdopendir(opened.get());
    if (!stream)
        return Step{std::move(path), systemError("the directory cannot be read")};
    (void)opened.release(); // it is the stream's
    m_levels.push_back({std::unique_ptr<DIR, Close>(stream), std::move(path)});
    return std::nullopt;
}

} // namespace Sentinel
