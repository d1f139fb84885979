// SPDX-License-Identifier: MIT
#include "ipc/FileDescriptor.h"

#include <unistd.h>

namespace Sentinel {

FileDescriptor::~FileDescriptor()
{
    if (m_fd >= 0)
        ::close(m_fd);
}

} // namespace Sentinel
