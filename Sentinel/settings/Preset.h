// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

#include <array>
#include <chrono>
#include <optional>

namespace Sentinel {

//! \brief Values for a kind of machine, by name.
enum class Preset : quint8 { None, Default, LowEnd, RaspberryPi, HighEnd, Server };

inline constexpr std::array presetNames{
    "none", "default", "low-end", "raspberry-pi", "high-end", "server"};

//! \brief What a preset says.
struct PresetValues {
    int workers;
    int queuedRequests;
    std::chrono::seconds longestTimeout;
};

//! \brief The values of \p preset on a machine with \p cores; nothing for None.
std::optional<PresetValues> valuesOf(Preset preset, int cores);

} // namespace Sentinel
