// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>

namespace Sentinel {

//! \brief The result of \p call, which returns -1 and sets errno, repeated while signals interrupt
//! it.
template <typename Call>
auto retried(Call call)
{
    auto result = call();
    while (result == -1 && errno == EINTR)
        result = call();
    return result;
}

} // namespace Sentinel
