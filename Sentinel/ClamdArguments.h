// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/CommandLine.h"
#include "Sentinel/clamdserver/ClamdServerSettings.h"

#include <expected>

namespace Sentinel {

//! \brief What a command line says of a server for clamd's clients; without --clamd-socket its path
//! is empty. The error is one line for the user.
std::expected<ClamdServerSettings, QString> clamdSettingsOf(const CommandLine &line);

} // namespace Sentinel
