// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

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

} // namespace Sentinel
