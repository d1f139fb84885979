// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief `sentinel doctor`: checks whether everything is in place. Returns the process's exit
//! code.
int runDoctor(const QByteArrayList &arguments);

} // namespace Sentinel
