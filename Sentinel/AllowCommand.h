// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel allow add`, `list` and `remove`: exceptions to the policy, in the user's own
//! store. Returns the process's exit code.
int runAllow(const QByteArrayList &arguments);

} // namespace Sentinel
