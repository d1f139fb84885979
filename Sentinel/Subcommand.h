// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/CommandLine.h"

#include <span>

namespace Sentinel {

class Output;

//! \brief One of the things that a command such as `sentinel quarantine` can be told to do.
struct Subcommand {
    const char *name; //!< "list"
    const CommandSpec &spec;
    int (*run)(const CommandLine &line, Output &output); //!< returns the exit code
};

//! \brief Runs the one of \p subcommands that \p arguments begin with; says what there is if they
//! begin with none. Returns the exit code: exitTrouble if results could not be written.
int runSubcommand(
    const char *command, std::span<const Subcommand> subcommands, const QByteArrayList &arguments);

} // namespace Sentinel
