// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>

#include <optional>

namespace Sentinel {

//! \brief What is between the browser and the engine that looks at hostile bytes.
enum class Isolation : quint8 {
    InProcess, //!< nothing: it runs in this process
    Spawned, //!< a sentinel that this process starts for itself
    System, //!< a sentinel that runs already
    Auto, //!< the one that runs, if one does; else one of our own
};

//! \brief The name as it stands in settings: "in-process", "spawned", "system" or "auto".
SECURITYTAP_EXPORT QString nameOf(Isolation isolation);
//! \brief The isolation of that name, if there is one.
SECURITYTAP_EXPORT std::optional<Isolation> isolationFromName(const QString &name);

} // namespace Sentinel
