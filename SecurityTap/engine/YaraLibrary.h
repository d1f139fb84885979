// SPDX-License-Identifier: MIT
#pragma once

#include <QString>

#include <array>

namespace Sentinel {

//! Strings that rules may ask for: what public rule sets use. Set for each scan.
inline constexpr std::array externalVariables{
    "filename", "filepath", "extension", "filetype", "owner"};

//! \brief Initialises libyara, once for the process. Never finalised: a worker that hangs in a scan
//! may outlive everything else.
void initialiseYara();

//! \brief The version of libyara that this was built against, e.g. "4.2.3".
QString yaraVersion();

//! \brief False for the modules that open files on their own (magic, cuckoo).
bool isModuleAllowed(const char *module);

} // namespace Sentinel
