// SPDX-License-Identifier: MIT
#pragma once

namespace Sentinel::Test {

//! How many times less a test does of what it does often, where a sanitizer looks on.
#ifdef SENTINEL_SANITIZED
inline constexpr int slowness = 10;
#else
inline constexpr int slowness = 1;
#endif

} // namespace Sentinel::Test
