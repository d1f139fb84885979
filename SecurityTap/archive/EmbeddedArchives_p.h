// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/archive/ArchiveFormat.h"
#include "SecurityTap/archive/ZipDirectory.h"

namespace Sentinel {

//! \brief Archives somewhere in \p bytes: in programs that unpack themselves, behind what a script
//! or any other file begins with. Unpackers look for them there.
//!
//! A signature counts if what follows it fits: it may be a constant of a program. None of the
//! places is certain. What is in a member, which is looked into as a file of its own, is left out,
//! as far as it is searched there. What has been packed may shine through in pieces, a zip's
//! members one by one: there only the first of them is told.
//!
//! Limits: one more than Limits::maxArchivesInOneFile; the first Limits::embeddedArchiveBytes,
//! unless
//!         the bytes are a program's or a script's.
std::vector<ArchivePlace> embeddedArchives(
    std::span<const uchar> bytes, const ZipLayout &zip, const KnownExtents &known);

} // namespace Sentinel
