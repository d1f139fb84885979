// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/CommandLine.h"
#include "Sentinel/settings/SettingsInForce.h"

#include <expected>

namespace Sentinel {

class Output;

//! \brief The settings for a command: the file that --config names, or that is found
//! (findSettingsFile(); not for --spawned, whose client alone says what holds); the environment;
//! the options below, as far as the command has them. What is wrong, for people, if it has to be
//! told elsewhere than on a terminal.
std::expected<SettingsInForce, QStringList> settingsOf(const CommandLine &line);

//! \brief The same after telling by \p output what is wrong; the error is the exit code.
std::expected<SettingsInForce, int> settingsOrExplain(const CommandLine &line, Output &output);

//! \brief The same for commands that scan, here or elsewhere: what is said of rules or of a socket
//! has to go with where they scan.
std::expected<SettingsInForce, int> scanSettingsOrExplain(const CommandLine &line, Output &output);

inline constexpr OptionSpec configOption{"config", 0, "FILE", false,
    "settings (default: SENTINEL_CONFIG, else\nsentinel/sentinel.toml in ~/.config or in /etc)"};
inline constexpr OptionSpec rulesOption{"rules", 0, "PATH", true,
    "a rule file, or a directory of *.yar and *.yara files\n(default: the rules shipped)"};
inline constexpr OptionSpec jobsOption{
    "jobs", 'j', "N", false, "scans at the same time (default: one a core)"};
inline constexpr OptionSpec maxSizeOption{
    "max-size", 0, "N[K|M|G]", false, "what is larger is not scanned (default: 100M)"};
inline constexpr OptionSpec unratedOption{"unrated", 0, "SEVERITY", false,
    "info, suspicious or malicious: what a rule that names\nno severity says (default: "
    "malicious)"};
inline constexpr OptionSpec isolationOption{"isolation", 0, "WHERE", false,
    "where it is scanned: in-process, spawned (a sentinel of its\nown, the default) or system (the "
    "one that runs)"};
inline constexpr OptionSpec socketOption{"socket", 0, "PATH", false,
    "where the sentinel listens (default: SENTINEL_SOCKET, else\nsentinel/socket in the runtime "
    "directory)"};
inline constexpr OptionSpec skipBadRulesOption{
    "skip-bad-rules", 0, nullptr, false, "leave out rule files that do not compile"};
inline constexpr OptionSpec refuseBadRulesOption{
    "refuse-bad-rules", 0, nullptr, false, "use no rules if a file does not compile (the default)"};
inline constexpr OptionSpec timeoutOption{
    "timeout", 0, "SECONDS", false, "the longest scan of one file (default: 10 to 60, by size)"};
inline constexpr OptionSpec failClosedOption{
    "fail-closed", 0, nullptr, false, "do not release what could not be scanned"};
inline constexpr OptionSpec failOpenOption{
    "fail-open", 0, nullptr, false, "release what could not be scanned (the default)"};

} // namespace Sentinel
