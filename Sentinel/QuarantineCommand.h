// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel quarantine list|show|restore|delete|purge`: what became of downloads that were
//! put away. Returns the process's exit code.
int runQuarantine(const QByteArrayList &arguments);

} // namespace Sentinel
