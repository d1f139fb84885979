// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/FileDescriptor.h"

#include <QString>

#include <expected>

namespace Sentinel {

//! \brief By what a file is known again: which one it is, and when it was written last.
struct FileStamp {
    quint64 device = 0;
    quint64 inode = 0; //!< 0: not known
    qint64 sizeBytes = 0;
    qint64 modifiedNs = 0; //!< since 1970

    bool isKnown() const { return inode != 0; }
    friend bool operator==(const FileStamp &, const FileStamp &) = default;
};

//! \brief The stamp of the open \p file, a file before it has a name included; not known if the
//! system refuses. Thread: any.
SECURITYTAP_EXPORT FileStamp stampOf(int file);

//! \brief Why a released file cannot be looked at again.
enum class FileLoss : quint8 {
    Gone, //!< nothing is there
    Changed, //!< something else is: another file, other bytes, a link
    Unreadable, //!< it is not known: it cannot be opened now
};

//! \brief Opens the regular file at \p path for reading, if it is the one of \p stamp (where that
//! is known). A link in its place is not followed, a FIFO not waited for.
//!
//! Thread: any; blocks for the disk.
SECURITYTAP_EXPORT std::expected<FileDescriptor, FileLoss> openUnchanged(
    const QString &path, const FileStamp &stamp);

//! \brief True if \p path still leads to the open \p file, and that one still has \p stamp.
//!
//! Thread: any; blocks for the disk.
SECURITYTAP_EXPORT bool isUnchanged(const QString &path, int file, const FileStamp &stamp);

} // namespace Sentinel
