// SPDX-License-Identifier: MIT
#include "Sentinel/settings/SettingKeys.h"

#include <algorithm>
#include <array>

namespace Sentinel {

std::vector<const SettingKey *> settingKeys()
{
    std::vector<const SettingKey *> keys;
    for (const std::span<const SettingKey> table :
        {coreKeys(), policyKeys(), archiveKeys(), clamdKeys(), custodyKeys()}) {
        for (const SettingKey &key : table)
            keys.push_back(&key);
    }
    return keys;
}

const SettingKey *findKey(const QString &name)
{
    const auto keys = settingKeys();
    const auto found = std::ranges::find_if(
        keys, [&name](const SettingKey *key) { return name == QLatin1StringView(key->name); });
    return found == keys.end() ? nullptr : *found;
}

std::span<const KeyOrder> keyOrders()
{
    static constexpr std::array orders{
        KeyOrder{"scan.timeout-small", "scan.timeout-large"},
        KeyOrder{"scan.least-workers", "scan.workers"},
    };
    return orders;
}

} // namespace Sentinel
