// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>

#include <yara.h>

namespace Sentinel {

//! \brief Calls \p visit with each match of \p matches until it returns false.
//!
//! With copies: libyara packs its matches between strings, at addresses that are no multiples of
//! their alignment.
template <typename Visit>
void visitMatches(const YR_MATCHES &matches, Visit visit)
{
    for (const void *next = matches.head; next;) {
        YR_MATCH match;
        std::memcpy(&match, next, sizeof match);
        if (!visit(match))
            return;
        next = match.next;
    }
}

} // namespace Sentinel
