// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

namespace Sentinel {

//! \brief How it stands with a scanner outside of this process.
enum class ScannerState : quint8 {
    Connecting, //!< it is being started or asked; scans wait for it
    Open, //!< it scans
    BackingOff, //!< it could not be reached, or was lost; the next attempt follows by itself
    Stopped,
};

} // namespace Sentinel
