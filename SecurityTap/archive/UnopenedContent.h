// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>

#include <span>

namespace Sentinel {

//! \brief What \p bytes may hold that nobody here can take out, for people; empty if nothing is
//! known of such: "streams of a PDF document".
SECURITYTAP_EXPORT QString notLookedInto(std::span<const uchar> bytes);

//! \brief True for a document of an office whose whole content is encrypted.
SECURITYTAP_EXPORT bool isEncryptedDocument(std::span<const uchar> bytes);

} // namespace Sentinel
