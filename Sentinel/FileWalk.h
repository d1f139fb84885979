// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/FileReader.h"

#include <QByteArrayList>
#include <QString>

#include <vector>

namespace Sentinel {

//! \brief Finds the files below the paths that the user gave.
//!
//! Paths are bytes, and directories are walked by descriptor: what a name is made of, and what is
//! renamed meanwhile, leads nowhere else. Links are followed where the user gave them and nowhere
//! below. FIFOs, sockets and devices are passed over below a directory.
//!
//! Owner:  its command.
//! Thread: owner.
//! Limits: one descriptor for each level, at most maxDepth of them; no list of names.
class FileWalk {
public:
    static constexpr int maxDepth = 256;

    //! The next file, or a path that cannot be scanned and why (then \p error is set).
    struct Step {
        FilePlace place;
        QString error; //!< for people; empty for a file
    };

    explicit FileWalk(QByteArrayList paths);
    Q_DISABLE_COPY_MOVE(FileWalk)

    //! False at the end.
    bool next(Step &step);

private:
    struct Level {
        DirectoryHandle directory; // shared with its files, which are read later
        QByteArray path;
    };
    enum class Kind : quint8 { File, Directory, Other, Gone };

    void begin(const QByteArray &path, Step &step);
    bool nextEntry(Step &step);
    bool enter(FileDescriptor directory, const QByteArray &path);
    static Kind kindOf(const Level &level, const dirent &entry);

    QByteArrayList m_paths;
    qsizetype m_nextPath = 0;
    std::vector<Level> m_levels;
};

} // namespace Sentinel
