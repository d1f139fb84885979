// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>

#include <span>

namespace Sentinel {

//! \brief What kind of thing a content is, by its first bytes: how dangerous to open, roughly.
enum class FileType : quint8 {
    Unknown,
    Executable, //!< PE, ELF, Mach-O, Java class, LNK
    Script, //!< #! line, HTA, batch, PowerShell and the like by MIME type
    Document, //!< OLE2, RTF, PDF
    Archive, //!< zip (also OOXML and jar), gzip, xz, bzip2, zstd, 7z, rar, cab, tar, deb, rpm, ISO
    Markup, //!< HTML, XML, SVG
    Media, //!< images, sound, video, fonts
    Text, //!< printable otherwise
};

//! The bytes from the start that sniffing looks at.
inline constexpr qsizetype fileTypeSniffBytes = 512;

//! \brief The type by content; by \p mimeType only where the content does not tell.
SECURITYTAP_EXPORT FileType sniffFileType(std::span<const uchar> start, const QString &mimeType);

//! \brief "PE", "ELF", "ZIP", ... as rules know it by the external variable filetype; "" if
//! unknown.
SECURITYTAP_EXPORT QString fileTypeName(std::span<const uchar> start);

} // namespace Sentinel
