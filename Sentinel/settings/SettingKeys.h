// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/settings/SettingKey.h"

#include <span>
#include <vector>

namespace Sentinel {

//! \brief The keys of the program as it has always been. What else can be set has a table of its
//! own, which settingKeys() knows.
std::span<const SettingKey> coreKeys();
std::span<const SettingKey> archiveKeys();
std::span<const SettingKey> clamdKeys();
std::span<const SettingKey> policyKeys();
std::span<const SettingKey> custodyKeys();

//! \brief All keys there are, those without a section first: who reads, shows, explains or
//! tests settings has them from here.
std::vector<const SettingKey *> settingKeys();

//! \brief The key called \p name, or null.
const SettingKey *findKey(const QString &name);

//! \brief Two keys of which the one must not be above the other.
struct KeyOrder {
    const char *lower;
    const char *upper;
};
std::span<const KeyOrder> keyOrders();

} // namespace Sentinel
