// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QtCore/qglobal.h>

#include <algorithm>
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
    Iso, //!< by its first tree of names, and Rock Ridge's additions to it
    IsoJoliet, //!< by the tree for Windows
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
    //! What is known to be wrong with it before it is read.
    enum class Fault : quint8 {
        None,
        Cut, //!< what follows the last member is missing
        Contradictory, //!< it says different things to different readers
    };
    ArchiveFormat format = ArchiveFormat::Zip;
    qint64 begin = 0;
    qint64 end = 0;
    //! False where the signature may be an accident: if nothing can be read there, it was one.
    bool isCertain = true;
    Fault fault = Fault::None;

    friend bool operator==(const ArchivePlace &, const ArchivePlace &) = default;
};

//! \brief A part of some bytes.
struct ByteExtent {
    qint64 begin = 0;
    qint64 end = 0;
};

//! \brief The archives that \p bytes are, for one reader or the other: all whose signature stands
//! where it belongs, and the zips that end them. Reads no more than the first 64 KiB, the last ones
//! and a zip's directory.
SECURITYTAP_EXPORT std::vector<ArchivePlace> archivesIn(std::span<const uchar> bytes);

//! \brief What is known of some bytes when it is time to look for archives inside of them.
struct KnownExtents {
    //! That came out as they stand there, and were looked into; in the order of their places.
    std::vector<ByteExtent> members;
    std::vector<ByteExtent> packed; //!< archives that pack, and were read: pieces may shine through
};

//! \brief The archives somewhere in \p bytes, whatever else they are. None is certain. Reads no
//! more than the first MiB, the last 64 KiB and a zip's directory; of programs and scripts all.
//!
//! Limits: one more than Limits::maxArchivesInOneFile, which tells that there are too many.
SECURITYTAP_EXPORT std::vector<ArchivePlace> archivesInside(
    std::span<const uchar> bytes, const KnownExtents &known);

//! \brief The last of \p extents that begins at \p at or before holds it. They are in the order of
//! their places.
constexpr bool isIn(const std::vector<ByteExtent> &extents, qint64 at)
{
    const auto next = std::ranges::upper_bound(extents, at, {}, &ByteExtent::begin);
    return next != extents.begin() && std::prev(next)->end > at;
}

constexpr bool isInAny(const std::vector<ByteExtent> &extents, qint64 at)
{
    return std::ranges::any_of(
        extents, [at](const ByteExtent &extent) { return extent.begin <= at && at < extent.end; });
}

} // namespace Sentinel
