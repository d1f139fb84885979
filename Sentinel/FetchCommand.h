// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel fetch`: downloads a file through the tap. Returns the process's exit code.
int runFetch(const QByteArrayList &arguments);

} // namespace Sentinel
