// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/IpcExport.h"

#include <QString>

#include <array>
#include <optional>

namespace Sentinel {

//! \brief What is known about a content: a fact, not a decision.
//!
//! Ordered by gravity only in the first three; NotScanned is the absence of a fact.
enum class Verdict : quint8 {
    Clean, //!< every byte was looked at and no rule of weight matched
    Suspicious, //!< a rule of severity "suspicious" matched
    Malicious, //!< a rule of severity "malicious" matched
    NotScanned, //!< not, or not completely, looked at: the Reason says why
};

//! Every Verdict, for tables over all of them.
inline constexpr std::array allVerdicts{
    Verdict::Clean, Verdict::Suspicious, Verdict::Malicious, Verdict::NotScanned};

//! \brief Weight of a rule, from its metadata `severity`.
enum class Severity : quint8 {
    Info, //!< worth telling, does not change the verdict
    Suspicious, //!< makes the verdict Suspicious
    Malicious, //!< makes the verdict Malicious
};

//! \brief The name as it stands in JSON and in messages: "Clean", "NotScanned", ...
SENTINELIPC_EXPORT QString nameOf(Verdict verdict);
//! \brief The verdict of that name, in any case of letters.
SENTINELIPC_EXPORT std::optional<Verdict> verdictNamed(const QString &name);
//! \brief The name as it stands in rule metadata: "info", "suspicious", "malicious".
SENTINELIPC_EXPORT QString nameOf(Severity severity);

} // namespace Sentinel
