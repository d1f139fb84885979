// SPDX-License-Identifier: MIT
#pragma once

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

//! \brief Tells the thread sanitizer that somebody waits for the end of a thread's work, where Qt
//! does the waiting and it cannot see that. Nothing in other builds.
//!
//! Thread: any.
namespace Sentinel::JoinMark {

//! The last that is done by the thread, about \p work.
inline void ended([[maybe_unused]] void *work)
{
#ifdef __SANITIZE_THREAD__
    __tsan_release(work);
#endif
}

//! The first that is done once Qt has waited for all that ended().
inline void joined([[maybe_unused]] void *work)
{
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(work);
#endif
}

} // namespace Sentinel::JoinMark
