// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel serve`: scans for others until it is told to end. Returns the process's exit
//! code.
int runServe(const QByteArrayList &arguments);

} // namespace Sentinel
