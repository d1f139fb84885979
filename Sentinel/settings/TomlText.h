// SPDX-License-Identifier: MIT
#pragma once

#include <QString>

namespace Sentinel {

//! \brief \p text as a basic string of TOML, in its quotes. Characters that could deceive a reader
//! stand as escapes.
QString tomlText(const QString &text);

} // namespace Sentinel
