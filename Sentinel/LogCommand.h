// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel log`: shows the audit log. The exit code.
int runLog(const QByteArrayList &arguments);

} // namespace Sentinel
