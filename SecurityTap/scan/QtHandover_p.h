// SPDX-License-Identifier: MIT
#pragma once

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

#include <utility>

//! \brief Tells the thread sanitizer of what Qt hands from one thread to another, or waits for: it
//! cannot see that, as Qt is not built with it. Nothing in other builds.
//!
//! Thread: any.
namespace Sentinel::QtHandover {

//! The last that is done about \p matter by the thread that gives it away.
inline void given([[maybe_unused]] const void *matter)
{
#ifdef __SANITIZE_THREAD__
    __tsan_release(const_cast<void *>(matter));
#endif
}

//! The first that is done about \p matter by a thread that Qt has given it to.
inline void taken([[maybe_unused]] const void *matter)
{
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(const_cast<void *>(matter));
#endif
}

//! A function for Qt to call, and to destroy, on whichever thread is the last to know of it.
template <typename Function>
class Call {
public:
    explicit Call(Function function) : m_function(std::move(function)) { given(this); }
    Call(Call &&other) noexcept : m_function(std::move(other.m_function)) { given(this); }
    ~Call() { taken(this); }
    Call &operator=(Call &&) = delete;

    void operator()() const
    {
        taken(this);
        m_function();
        given(this);
    }

private:
    Function m_function;
};

} // namespace Sentinel::QtHandover
