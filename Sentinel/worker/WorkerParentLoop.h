// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayList>

namespace Sentinel {

//! \brief What the warm parent of scan workers does, as a process of its own: compiles the rules,
//! says over its control socket (ChildProcess::socketDescriptor) what came of it, a ReloadResult,
//! and then forks a worker for each packet that brings a worker's end of a socket. The answer to
//! that is a packet with the new process (pidfd) and its number. A packet without a descriptor is
//! the number of a worker that is dead, or dying; the answer is how it has ended. When the other
//! end of the control socket is closed it ends, and its workers with it.
//!
//! It has one thread and no event loop, so that what it forks is whole; and it never sees a byte of
//! what is scanned.
//!
//! \p arguments: see WorkerRules. Returns the exit code.
int runWorkerParent(const QByteArrayList &arguments);

} // namespace Sentinel
