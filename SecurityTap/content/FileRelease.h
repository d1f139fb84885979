// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/content/Provenance.h"
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
        Changed, //!< these are not the bytes that were scanned, or another program could change
                 //!< them
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

//! \brief What is known of a content that is released.
struct ReleasedContent {
    QByteArray sha256; //!< of what was scanned, 32 raw bytes; empty if that is not known
    Provenance provenance;
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
//! If \p content names a hash, the file is hashed once more, while nobody can write to it
//! (FileLease), and appears only if the hash is the same; on a file system without leases another
//! program of the same user may still change it between the two. The file has its provenance from
//! the beginning, if its file system can keep it. The directory is opened once; whatever becomes of
//! its path afterwards, nothing is written elsewhere.
//!
//! \p name must be one component (sanitisedFileName()). Blocks for the time of the copy and the
//! hash (ADR 20). Returns the path of the file. Thread: any that owns \p spool
//! meanwhile.
SECURITYTAP_EXPORT std::expected<QString, ReleaseError> releaseInto(const Spool &spool,
    const QString &directory, const QString &name, ExistingFile existing,
    const ReleasedContent &content = {});

} // namespace Sentinel
