// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>

#include <span>
#include <vector>

namespace Sentinel {

//! \brief What archives are, by how they are read.
enum class ArchiveFormat : quint8 {
    Zip, //!< by its directory
    ZipStream, //!< from header to header, for members that are in no directory
    SevenZip,
    Tar,
    Cpio,
    Ar,
    Iso,
    Cab,
    Rar,
    Rar5,
    Lha,
    // With one member and no name for it:
    Rpm, //!< the payload, which is a compressed cpio
    Gzip,
    Bzip2,
    Xz,
    Lzma,
    Lzip,
    Zstd,
    Lz4,
    Compress,
};

//! \brief True for formats that have one member without a name.
constexpr bool isSingleStream(ArchiveFormat format)
{
    return format >= ArchiveFormat::Rpm;
}

//! \brief An archive somewhere in some bytes.
struct ArchivePlace {
    ArchiveFormat format = ArchiveFormat::Zip;
    qint64 begin = 0;
    qint64 end = 0;
    //! False where the signature may be an accident: if nothing can be read there, it was one.
    bool isCertain = true;
    bool isCut = false; //!< what follows the last member is missing

    friend bool operator==(const ArchivePlace &, const ArchivePlace &) = default;
};

//! \brief The archives in \p bytes, by what stands there: at the beginning, behind another file
//! (zip), inside a program (7z, rar, cab). Reads no more than the first bytes, the last 64 KiB, a
//! zip's directory and the first MiB of a program.
//!
//! Limits: Limits::maxArchivesInOneFile.
SECURITYTAP_EXPORT std::vector<ArchivePlace> archivesIn(std::span<const uchar> bytes);

//! \brief What \p bytes may hold that nobody here can take out, for people; empty if nothing is
//! known of such: "streams of a PDF document".
SECURITYTAP_EXPORT QString notLookedInto(std::span<const uchar> bytes);

} // namespace Sentinel
