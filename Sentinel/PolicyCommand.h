// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel policy explain` and `replay`: what the policy in force says of a download, and
//! what another one would have done with those of an audit log. Returns the process's exit code.
int runPolicy(const QByteArrayList &arguments);

} // namespace Sentinel
