// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/engine/EngineSet.h"
#include "Sentinel/clamd/ClamdSettings.h"

#include <optional>
#include <vector>

namespace Sentinel {

//! \brief Whether clamd looks at contents, too, at which, and what follows if it cannot.
struct ClamdUse {
    std::optional<ClamdSettings> clamd; //!< none: it is not asked, and nothing is connected
    EngineSet::Need need = EngineSet::Need::Optional;
    std::vector<FileType> types; //!< empty: all
};

} // namespace Sentinel
