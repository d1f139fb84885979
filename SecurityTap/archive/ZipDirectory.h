// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include "SecurityTap/archive/ArchiveFormat.h"

#include <optional>
#include <span>
#include <vector>

namespace Sentinel {

//! \brief A directory of a zip, which may stand behind anything.
//!
//! The layout is that of PKWARE's APPNOTE.TXT, 4.3.
struct ZipDirectory {
    qint64 begin = 0; //!< of its first record
    qint64 end = 0; //!< behind the end record, without its comment
    qint64 members = 0; //!< that it has, or says to have: who finds fewer has been misled
    qint64 firstMember = 0; //!< where it begins; without any, the directory
    bool endsFile = false; //!< nothing but the comment follows
    //! It and its end records, or it and the headers of its members, do not say the same: who
    //! believes one unpacks something else than who believes the other.
    bool isContradictory = false;

    //! Its bytes, with its true size, and with every member declared to be a file. Attributes may
    //! call a program a directory, a link or a device, which libarchive believes and others do not.
    SECURITYTAP_EXPORT std::vector<uchar> withFilesOnly(std::span<const uchar> bytes) const;
};

//! \brief What of a file is a zip's. Readers do not agree which of several directories counts, so
//! all are told.
//!
//! Limits: most directories; where there are more, the last one told of is contradictory.
struct ZipLayout {
    static constexpr size_t maxDirectories = 8;

    //! That their end records describe rightly, the last one of the file first. None stands in a
    //! member of another.
    std::vector<ZipDirectory> directories;
    std::vector<qint64> members; //!< of all directories: where they begin, in that order
    std::vector<ByteExtent> packed; //!< what they have behind their headers
    //! Where a member begins that no directory has: who unpacks from header to header sees it.
    std::optional<qint64> hiddenMember;

    SECURITYTAP_EXPORT static ZipLayout of(std::span<const uchar> bytes);
};

} // namespace Sentinel
