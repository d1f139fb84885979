// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/FileDescriptor.h"

#include <QByteArray>

#include <atomic>
#include <expected>
#include <memory>
#include <optional>
#include <vector>

#include <dirent.h>

namespace Sentinel {

//! \brief The regular files at a path that a client has named, or below it, one after the other.
//!
//! Below the path no link is followed, and what is neither file nor directory is passed over. Each
//! directory is opened in the one above it, so that who moves them meanwhile leads nowhere else.
//!
//! Owner:  shared by the session and the thread that reads for it.
//! Thread: one at a time. Blocks for as long as the file systems do.
//! Limits: Limits::maxClamdWalkDepth and maxClamdWalkFiles; one descriptor for each level.
class ClamdWalk {
public:
    struct Step {
        QByteArray path; //!< what the client has named, and the way from there
        //! Open for reading; or why not, in words for a client.
        std::expected<FileDescriptor, QByteArray> file;
    };

    explicit ClamdWalk(QByteArray path);

    //! The next file, or what keeps it from being read; nothing: that were all, or it \p isWanted
    //! no more.
    std::optional<Step> next(const std::atomic<bool> &isWanted);

private:
    struct Close {
        void operator()(DIR *directory) const { ::closedir(directory); }
    };
    struct Level {
        std::unique_ptr<DIR, Close> directory;
        QByteArray path;
    };

    std::optional<Step> begin();
    std::optional<Step> visit(const QByteArray &name);
    std::optional<Step> open(int directory, const QByteArray &name, QByteArray path, int flags);

    const QByteArray m_path;
    bool m_hasBegun = false;
    int m_files = 0;
    std::vector<Level> m_levels; // from the path down to where it is
};

} // namespace Sentinel
