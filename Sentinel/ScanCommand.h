// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel scan`: scans files and directories. Returns the process's exit code.
int runScan(const QByteArrayList &arguments);

} // namespace Sentinel
