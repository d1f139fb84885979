// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/CommandLine.h"
#include "Sentinel/clamdserver/ClamdServerSettings.h"
#include "Sentinel/settings/ProgramSettings.h"

#include <expected>

namespace Sentinel {

//! \brief What a command line says of a server for clamd's clients, and where it says nothing,
//! \p program; without a socket its path is empty. The error is one line for the user.
std::expected<ClamdServerSettings, QString> clamdSettingsOf(
    const CommandLine &line, const ClamdServerProgramSettings &program);

} // namespace Sentinel
