// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief What the warm parent of scan workers does, as a process of its own: compiles the rules,
//! says over its control socket (descriptor parentControlDescriptor) what came of it, a
//! ReloadResult, and then forks a worker for each packet that brings a worker's end of a socket.
//! The answer to that is a packet with the new process (pidfd). When the other end of the control
//! socket is closed it ends, and its workers with it.
//!
//! It has one thread and no event loop, so that what it forks is whole; and it never sees a byte of
//! what is scanned.
//!
//! \p arguments: see WorkerRules. Returns the exit code.
int runWorkerParent(const QByteArrayList &arguments);

inline constexpr int parentControlDescriptor = 3;

} // namespace Sentinel
