// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/FileType.h"

#include <QString>

#include <optional>
#include <span>

namespace Sentinel {

//! The bytes from the start that sniffing looks at.
inline constexpr qsizetype fileTypeSniffBytes = 512;

//! \brief The type by content; by \p mimeType only where the content does not tell.
SECURITYTAP_EXPORT FileType sniffFileType(std::span<const uchar> start, const QString &mimeType);

//! \brief The name as it stands in JSON and in settings: "unknown", "executable", "script", ...
SECURITYTAP_EXPORT QString nameOf(FileType type);

//! \brief By its name in settings: "unknown", "executable", "script", ...
SECURITYTAP_EXPORT std::optional<FileType> fileTypeFromName(const QString &name);

//! \brief "PE", "ELF", "ZIP", ... as rules know it by the external variable filetype; "" if
//! unknown.
SECURITYTAP_EXPORT QString fileTypeName(std::span<const uchar> start);

} // namespace Sentinel
