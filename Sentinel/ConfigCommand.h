// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel config check` and `sentinel config show`: what is wrong with settings, and what
//! is in force. Returns the process's exit code.
int runConfig(const QByteArrayList &arguments);

} // namespace Sentinel
