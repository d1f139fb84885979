// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/archive/ArchiveFormat.h"

namespace Sentinel {

//! \brief Archives somewhere in \p bytes: in programs that unpack themselves, behind what a script
//! or any other file begins with. Unpackers look for them there.
//!
//! A signature counts if what follows it fits: it may be a constant of a program. None of the
//! places is certain.
//!
//! Limits: one more than Limits::maxArchivesInOneFile; the first Limits::embeddedArchiveBytes,
//! unless
//!         the bytes are a program's or a script's.
std::vector<ArchivePlace> embeddedArchives(std::span<const uchar> bytes);

} // namespace Sentinel
