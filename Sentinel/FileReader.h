// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/content/Content.h"
#include "Sentinel/ReadBuffers.h"
#include "ipc/FileDescriptor.h"
#include "ipc/ScanResult.h"

#include <QByteArray>

#include <dirent.h>

#include <expected>
#include <memory>

namespace Sentinel {

//! \brief A directory of a walk, open as long as one of its files is still to be read.
using DirectoryHandle = std::shared_ptr<DIR>;

//! \brief Where a file is.
struct FilePlace {
    DirectoryHandle directory; //!< null: the path is the user's own, and links in it are followed
    QByteArray name; //!< in the directory; without one: the path
    QByteArray path; //!< as it is shown
};

//! \brief Opens the regular file at \p place: never waits for a FIFO's other end, never becomes a
//! terminal's process, never follows a link that was not given by the user. The error is errno's
//! text, for people.
std::expected<FileDescriptor, QString> openForScan(const FilePlace &place);

//! \brief Reads \p file to its end as a complete Content.
//!
//! What is there when it is read is what is scanned, whatever the file's size said: files of /proc
//! say 0, and others write while we read. It is read, not mapped: a file that somebody truncates
//! would take its mapping, and with it the process, away.
//!
//! Errors: NotScanned for TooLarge (more than \p maxBytes) or Unreadable.
//! Thread: any; blocks.
std::expected<std::shared_ptr<const Content>, ScanResult> readFile(
    const FileDescriptor &file, qint64 maxBytes, const std::shared_ptr<ReadBuffers> &buffers);

//! \brief As readFile(), into a file in memory that nobody can change any more, for a scanner in
//! another process.
std::expected<std::shared_ptr<const Content>, ScanResult> copyFile(
    const FileDescriptor &file, qint64 maxBytes);

} // namespace Sentinel
