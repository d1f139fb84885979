// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/engine/ScanEngine.h"
#include "ipc/FileDescriptor.h"

#include <memory>

namespace Sentinel {

//! \brief What a scan worker process does all its life: enters the sandbox, then takes requests
//! from \p socket, one at a time, and answers them, until the other end is closed. Then it ends.
//!
//! The first packet that it sends is the sandbox's report (WorkerReady), the others are
//! WorkerAnswers. It scans with \p engine. A packet that is no request ends it. It can map one
//! content of \p maxScanBytes.
//!
//! Thread: the only one of its process, after fork() from one with a single thread.
[[noreturn]] void runWorkerLoop(
    FileDescriptor socket, std::shared_ptr<const ScanEngine> engine, qint64 maxScanBytes);

} // namespace Sentinel
