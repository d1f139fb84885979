// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/content/Spool.h"

#include <QString>

#include <expected>

namespace Sentinel {

//! \brief Why a content could not be put into its place.
struct ReleaseError {
    enum class Code : quint8 {
        Exists, //!< a file of that name is there and may not be replaced
        NoSpace, //!< the disk or the quota is full
        NoDirectory, //!< the directory is missing or may not be written to
        Failed, //!< any other refusal of the system
    };
    Code code = Code::Failed;
    QString message; //!< what happened, where, and what to do
};

//! \brief What to do with a file that already has the name.
enum class ExistingFile : quint8 {
    Keep, //!< fail with ReleaseError::Code::Exists
    Replace, //!< replaced in one step
};

//! \brief Puts a sealed spool's bytes at \p directory / \p name in one step: the name appears with
//! all of its bytes or not at all, also when the process is killed meanwhile.
//!
//! Links a disk spool of the same file system into place; copies every other, and the same one the
//! second time. The file has the mode that the umask gives to new files. A symbolic link of that
//! name is never followed (Replace replaces the link itself), a directory never replaced. Where the
//! file system has no nameless files or links (vfat), or where Replace finds a file, a process that
//! is killed meanwhile may leave a hidden .download-* file behind; on one that can neither link nor
//! rename without replacing, also an empty file of the name. Does not wait for the disk.
//!
//! \p name must be one component (sanitisedFileName()). Blocks for the time of the copy, if there
//! is one. Returns the path of the file. Thread: any that owns \p spool meanwhile.
SECURITYTAP_EXPORT std::expected<QString, ReleaseError> releaseInto(
    const Spool &spool, const QString &directory, const QString &name, ExistingFile existing);

} // namespace Sentinel
