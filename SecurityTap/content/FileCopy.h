// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QtCore/qglobal.h>

namespace Sentinel {

//! \brief Copies the first bytes of the file \p source to the beginning of the file \p target: all
//! there are, but no more than \p mostBytes. Returns how many; -1 and errno on an error.
//!
//! By the kernel alone where it can, else through a small buffer.
//! Thread: any; blocks.
SECURITYTAP_EXPORT qint64 copyBytes(int source, int target, qint64 mostBytes);

} // namespace Sentinel
