// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QByteArray>

namespace Sentinel {

//! \brief A rule text without the rules that cannot match but in a Windows program.
struct ReducedRules {
    QByteArray text; //!< blanks in their place, so that all else stays on its line
    int removed = 0; //!< rules that were taken out
};

//! \brief Takes the rules out of \p text whose condition demands at its top level that the file
//! begins with "MZ", as `uint16(0) == 0x5A4D and ...` does: most rules of most sets.
//!
//! What is not understood stays, and so does a text that includes others. Rules that others name
//! stay, and so do global ones. Imports that no remaining rule uses go, because a module costs
//! every scan some time.
//!
//! Thread: any.
SECURITYTAP_EXPORT ReducedRules withoutProgramRules(const QByteArray &text);

} // namespace Sentinel
