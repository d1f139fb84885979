// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/IpcExport.h"

#include <utility>

namespace Sentinel {

//! \brief Owns one POSIX file descriptor and closes it.
//!
//! Thread: as the descriptor itself; not locked.
class SENTINELIPC_EXPORT FileDescriptor {
public:
    FileDescriptor() = default;
    //! Takes over \p fd; -1 is "none".
    explicit FileDescriptor(int fd) : m_fd(fd) { }
    FileDescriptor(FileDescriptor &&other) noexcept : m_fd(other.release()) { }
    FileDescriptor &operator=(FileDescriptor &&other) noexcept
    {
        FileDescriptor old(std::exchange(m_fd, other.release()));
        return *this;
    }
    ~FileDescriptor();
    Q_DISABLE_COPY(FileDescriptor)

    bool isValid() const { return m_fd >= 0; }
    int get() const { return m_fd; }
    //! Gives the descriptor to the caller, who closes it.
    int release() { return std::exchange(m_fd, -1); }

private:
    int m_fd = -1;
};

} // namespace Sentinel
