// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/archive/ArchiveSettings.h"
#include "SecurityTap/backend/Isolation.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "Sentinel/CommandLine.h"

#include <QStringList>

#include <expected>

namespace Sentinel {

//! \brief What several commands can be told about scanning, by the same options.
struct ScanArguments {
    QStringList rulePaths; //!< --rules; never empty
    RuleOptions rules; //!< --unrated, --skip-bad-rules
    int jobs = 1; //!< --jobs
    qint64 maxBytes = Limits::maxScanBytes; //!< --max-size
    Isolation isolation = Isolation::Spawned; //!< --isolation
    ArchiveSettings archives; //!< --archives
    QString socketPath; //!< --socket, or the default

    //! The error is one line for the user. Options that the command does not have keep their
    //! defaults.
    static std::expected<ScanArguments, QString> of(const CommandLine &line);
};

//! \brief The path that --socket names, or the default.
QString socketPathOf(const CommandLine &line);

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
inline constexpr OptionSpec archivesOption{
    "archives", 0, "SETTINGS", false, "how archives are looked into, as one program tells another"};
inline constexpr OptionSpec skipBadRulesOption{
    "skip-bad-rules", 0, nullptr, false, "leave out rule files that do not compile"};

} // namespace Sentinel
