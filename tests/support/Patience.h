// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

namespace Sentinel::Test {

//! Longer than anything a test waits for, also on a machine with other things to do; only a broken
//! test waits as long.
inline constexpr std::chrono::seconds patience{60};
inline constexpr int patienceMs = int(std::chrono::milliseconds(patience).count());

} // namespace Sentinel::Test
