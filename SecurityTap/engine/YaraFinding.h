// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Finding.h"

#include <yara.h>

namespace Sentinel {

//! \brief The severity that \p rule names in its metadata; \p unrated where it names none that we
//! know.
Severity yaraSeverity(const YR_RULE &rule, Severity unrated);

//! \brief What \p rule and its matches in the scan under way say, bounded.
Finding yaraFinding(YR_SCAN_CONTEXT *context, const YR_RULE &rule, Severity severity);

//! \brief libyara's error code in words, for people.
QString yaraErrorText(int error);

} // namespace Sentinel
