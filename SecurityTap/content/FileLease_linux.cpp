// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileLease.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>

namespace Sentinel {

FileLease::FileLease(int descriptor) : m_descriptor(descriptor)
{
    if ((::fcntl(descriptor, F_GETFL) & O_ACCMODE) != O_RDONLY)
        return; // it would be in its own way
    // Who wants to write is told of by a signal; the usual one, SIGIO, would end the process.
    if (::fcntl(descriptor, F_SETSIG, SIGURG) != 0)
        return;
    if (::fcntl(descriptor, F_SETLEASE, F_RDLCK) == 0)
        m_granted = State::Held;
    else if (errno == EAGAIN)
        m_granted = State::Busy;
}

FileLease::~FileLease()
{
    if (m_granted == State::Held)
        ::fcntl(m_descriptor, F_SETLEASE, F_UNLCK);
}

FileLease::State FileLease::state() const
{
    if (m_granted != State::Held)
        return m_granted;
    return ::fcntl(m_descriptor, F_GETLEASE) == F_RDLCK ? State::Held : State::Busy;
}

} // namespace Sentinel
