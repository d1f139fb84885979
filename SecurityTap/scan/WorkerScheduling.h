// SPDX-License-Identifier: MIT
#pragma once

namespace Sentinel {

//! \brief Makes the calling thread one that does not push others off their processor when it is
//! woken: handing a download over must not cost the event loop its turn. Takes nothing from the
//! thread's share of the processors. Does nothing where the system cannot do it.
void yieldToEventLoops();

} // namespace Sentinel
