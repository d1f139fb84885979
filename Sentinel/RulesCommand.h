// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel rules check`: compiles rules and says what is wrong with them. Returns the
//! process's exit code.
int runRules(const QByteArrayList &arguments);

} // namespace Sentinel
