// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/FileDescriptor.h"

#include <QJsonObject>
#include <QString>

#include <deque>
#include <expected>
#include <optional>
#include <utility>

#include <sys/types.h>

namespace Sentinel {

//! \brief One line of a log.
struct AuditLine {
    QByteArray text; //!< without its line feed; cut, if it is longer than a log's lines are
    std::optional<QJsonObject> event; //!< nothing: the line is broken
    QString file; //!< as it was called when it was opened
    qint64 number = 0; //!< from 1 on, of those of the file

    bool isBroken() const { return !event; }
};

//! \brief Reads the files of an audit log from the oldest line to the newest, also while they are
//! written and rotated.
//!
//! Owner:  the command.
//! Thread: one at a time.
//! Blocks: for the disk; for a moment, for a process that renames the files.
//! Limits: a descriptor for each file; Limits::maxAuditEventBytes.
class SECURITYTAP_EXPORT AuditReader {
public:
    //! The log in \p directory, which need not hold one yet. The error is a sentence for people.
    static std::expected<AuditReader, QString> open(const QString &directory);

    //! The next line that has its end; nothing if there is none now.
    std::optional<AuditLine> next();
    //! After the last: what stands there without its end, a line that somebody did not get to
    //! write.
    std::optional<AuditLine> rest();

    //! True if files were deleted before they were read, since the last call.
    bool takeLoss() { return std::exchange(m_hasLost, false); }

private:
    struct File {
        FileDescriptor descriptor;
        QString name;
        dev_t device = 0;
        ino_t inode = 0;
        off_t at = 0; //!< where the next line begins
        qint64 lines = 0;
    };

    AuditReader() = default;
    FileDescriptor lockAgainstWriters() const;
    std::deque<File> openFiles() const;
    std::optional<AuditLine> nextOf(File &file);
    AuditLine lineOf(File &file, QByteArray text);
    bool lookForNewer();

    FileDescriptor m_directory;
    std::deque<File> m_files; // the oldest first
    bool m_hasLost = false;

    // What was read ahead of the first of m_files
    QByteArray m_block;
    off_t m_blockAt = 0;
};

} // namespace Sentinel
