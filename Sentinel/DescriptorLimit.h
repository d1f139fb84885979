// SPDX-License-Identifier: MIT
#pragma once

namespace Sentinel {

//! \brief Lets this process open as many files as it may ask for. Each file on its way to a scan
//! may be held open, and its directory: more than the usual 1024. Nothing here uses select(), for
//! which that limit is kept low.
void raiseDescriptorLimit();

} // namespace Sentinel
