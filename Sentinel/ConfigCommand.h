// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel config check`, `show` and `example`: what is wrong with settings, what is in
//! force, and a file to begin with. Returns the process's exit code.
int runConfig(const QByteArrayList &arguments);

} // namespace Sentinel
