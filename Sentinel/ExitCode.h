// SPDX-License-Identifier: MIT
#pragma once

namespace Sentinel {

//! \brief What the process says to its caller; each command documents its own meaning in --help.
enum ExitCode : int {
    exitGood = 0,
    exitThreat = 1, //!< a threat was found
    exitUnwell = 1, //!< a sentinel or its surroundings are not as they should be
    exitBadRules = 1, //!< rules do not compile
    exitBadSettings = 1, //!< a file of settings that was to be checked is not good
    exitChanged = 1, //!< something would be different
    exitNoSuch = 1, //!< what was named is not there
    exitBadItem = 1, //!< a quarantined item is missing or damaged
    exitTrouble =
        2, //!< usage, settings, network or storage error; or something could not be looked at
    exitNotScanned = 3, //!< a download without a verdict
};

} // namespace Sentinel
