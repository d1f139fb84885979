// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/settings/SettingKey.h"

namespace Sentinel {

//! \brief What is wrong with \p path in a file of settings: whoever reads one need not be where it
//! was written, so that it has to be absolute.
std::optional<QString> checkPath(const QString &path);

//! \brief The same as a SettingKey::Check, of a text that may be empty.
std::optional<QString> checkPathOrNone(const SettingValue &value);

} // namespace Sentinel
