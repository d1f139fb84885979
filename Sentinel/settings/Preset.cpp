// SPDX-License-Identifier: MIT
#include "Sentinel/settings/Preset.h"

#include <algorithm>

namespace Sentinel {

std::optional<PresetValues> valuesOf(Preset preset, int cores)
{
    using std::chrono::seconds;
    switch (preset) {
    case Preset::None:
        return std::nullopt;
    case Preset::Default:
        return PresetValues{4, 100, seconds(60)};
    case Preset::LowEnd:
        return PresetValues{2, 50, seconds(90)};
    case Preset::RaspberryPi:
        return PresetValues{2, 25, seconds(90)};
    case Preset::HighEnd:
        return PresetValues{std::clamp(cores, 6, 8), 200, seconds(60)};
    case Preset::Server:
        return PresetValues{16, 500, seconds(30)};
    }
    Q_UNREACHABLE();
}

} // namespace Sentinel
