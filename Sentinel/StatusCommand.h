// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel status`: says how a running sentinel is. Returns the process's exit code.
int runStatus(const QByteArrayList &arguments);

} // namespace Sentinel
