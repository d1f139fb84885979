// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/audit/AuditSettings.h"
#include "ipc/FileDescriptor.h"

#include <QByteArray>

#include <expected>

#include <sys/types.h>

namespace Sentinel {

//! \brief The names in the directory of a log.
namespace AuditFileName {

inline constexpr char current[] = "audit.jsonl";
inline constexpr char lock[] = "audit.lock";
//! Of the file that was in use \p number rotations ago, from 1 on.
SECURITYTAP_EXPORT QByteArray rotated(int number);
//! The number of the file called \p name, 0 for the one in use; -1 if it is none of a log.
SECURITYTAP_EXPORT int numberOf(const QByteArray &name);

} // namespace AuditFileName

//! \brief The files of one audit log, to which whole lines are appended, by several processes at
//! once: a lock is held while a line is written, and while the files are renamed.
//!
//! What a process that was killed has left of a line stays a line of its own. Files are 0600, in a
//! directory by openPrivateDirectory(); links and what is no regular file are refused.
//!
//! Owner:  the AuditLog.
//! Thread: one at a time.
//! Blocks: for the disk, and for other processes that write a line.
//! Limits: three descriptors; maxFiles files of maxFileBytes.
class SECURITYTAP_EXPORT AuditFile {
public:
    //! The error is a sentence for people. \p settings names the directory.
    static std::expected<AuditFile, QString> open(const AuditSettings &settings);

    //! Writes \p line, which has its line feed, as a whole or not at all. After an error another
    //! attempt begins with opening everything anew.
    std::expected<void, QString> append(const QByteArray &line);
    //! What was written is on the disk.
    std::expected<void, QString> sync();

private:
    explicit AuditFile(const AuditSettings &settings) : m_settings(settings) { }

    std::expected<void, QString> openAll();
    std::expected<off_t, QString> openCurrent();
    std::expected<void, QString> rotate();
    std::expected<void, QString> appendLocked(const QByteArray &line);
    std::unexpected<QString> trouble(const char *name, const QString &what) const;
    std::unexpected<QString> systemTrouble(const char *name) const; // by errno

    AuditSettings m_settings;
    FileDescriptor m_directory;
    FileDescriptor m_lock;
    FileDescriptor m_current;
};

} // namespace Sentinel
