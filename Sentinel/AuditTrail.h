// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/audit/AuditEvent.h"

#include <vector>

namespace Sentinel {

class CommandLine;
class Output;

//! \brief Writes what a command has changed into the audit log of the user, as the settings say.
//! What cannot be written is told: what was done stays done. Blocks for the disk.
void writeDown(const std::vector<AuditEvent> &events, const CommandLine &line, Output &output);

} // namespace Sentinel
