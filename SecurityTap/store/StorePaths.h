// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/FileDescriptor.h"

#include <QString>

#include <expected>

namespace Sentinel {

//! \brief Where what outlives a process is kept: two directories of their user alone.
struct SECURITYTAP_EXPORT StorePaths {
    QString data; //!< what the user would miss: quarantined files, exceptions
    QString state; //!< what can be lost: logs, records of releases, figures

    //! sentinel in XDG_DATA_HOME (else ~/.local/share) and in XDG_STATE_HOME (else ~/.local/state).
    static StorePaths ofUser();

    friend bool operator==(const StorePaths &, const StorePaths &) = default;
};

//! \brief Opens the directory \p path for reading, which fsync() needs, and makes
//! it first, and what is missing above it, each with mode 0700.
//!
//! The last component is never a symbolic link; it belongs to the effective user, and nobody else
//! may enter it: a mode that says otherwise is corrected. The error is a sentence for people: what
//! is wrong, where, and what to do. Thread: any.
SECURITYTAP_EXPORT std::expected<FileDescriptor, QString> openPrivateDirectory(const QString &path);

} // namespace Sentinel
