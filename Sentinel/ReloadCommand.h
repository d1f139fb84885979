// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel reload`: has a running sentinel read its rules again. Returns the process's
//! exit code.
int runReload(const QByteArrayList &arguments);

} // namespace Sentinel
