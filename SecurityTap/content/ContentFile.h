// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/content/Content.h"
#include "ipc/FileDescriptor.h"

#include <QString>

#include <expected>

namespace Sentinel {

//! \brief A descriptor of the same file, closed at exec. The error is for people.
//!
//! Thread: any.
SECURITYTAP_EXPORT std::expected<FileDescriptor, QString> duplicated(int descriptor);

//! \brief Sees to it that nobody can change the bytes in the memfd \p file any more, nor its size.
//! False and errno if that cannot be.
//!
//! Thread: any.
SECURITYTAP_EXPORT bool sealForGood(int file);

//! \brief True if nobody can change the bytes in \p file any more, whoever has it open or mapped.
//!
//! Thread: any.
SECURITYTAP_EXPORT bool isSealed(int file);

//! \brief \p content as a file, for a scanner in another process: its own, or a copy in memory that
//! nobody can change any more, of what there is now. Blocks for the copy, about 40 ms for 100 MB.
//! The error is for people.
//!
//! Thread: any.
SECURITYTAP_EXPORT std::expected<FileDescriptor, QString> contentFile(const Content &content);

} // namespace Sentinel
