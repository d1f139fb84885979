// SPDX-License-Identifier: MIT
#pragma once

namespace Sentinel::Test {

//! How many times less a test does of what it does often, where a sanitizer looks on.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int slowness = 10;
#else
inline constexpr int slowness = 1;
#endif

} // namespace Sentinel::Test
