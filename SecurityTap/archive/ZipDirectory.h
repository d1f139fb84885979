// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QtCore/qglobal.h>

#include <optional>
#include <span>
#include <vector>

namespace Sentinel {

//! \brief Where the directory of a zip is, which may stand behind anything.
//!
//! The layout is that of PKWARE's APPNOTE.TXT, 4.3.
struct ZipDirectory {
    qint64 begin = 0; //!< of its first record
    qint64 end = 0; //!< behind the end record, without its comment
    qint64 members = 0; //!< that it has, or says to have: who finds fewer has been misled
    bool endsFile = false; //!< nothing but the comment follows
    //! Where a member begins that the directory does not have: who unpacks from header to header
    //! comes to see it.
    std::optional<qint64> hiddenMember;

    //! Its bytes, with its true size, and with every member declared to be a file. Attributes may
    //! call a program a directory, a link or a device, which libarchive believes and others do not.
    SECURITYTAP_EXPORT std::vector<uchar> withFilesOnly(std::span<const uchar> bytes) const;

    //! The last directory in \p bytes that its end record describes rightly; nothing if there is
    //! none.
    SECURITYTAP_EXPORT static std::optional<ZipDirectory> find(std::span<const uchar> bytes);
};

} // namespace Sentinel
