// SPDX-License-Identifier: MIT
#include "Sentinel/ReadBuffers.h"

#include "SecurityTap/Limits.h"

#include <sys/mman.h>

namespace Sentinel {

namespace {

constexpr qint64 keptBytes = 128 * Limits::mib; // a multiple of every page size

}

ReadBuffers::ReadBuffers(qint64 capacity) : m_capacity(capacity) { }

ReadBuffers::~ReadBuffers()
{
    for (uchar *buffer : m_idle)
        ::munmap(buffer, size_t(m_capacity));
}

uchar *ReadBuffers::lend()
{
    {
        const std::lock_guard lock(m_mutex);
        if (!m_idle.empty()) {
            uchar *buffer = m_idle.back();
            m_idle.pop_back();
            return buffer;
        }
    }
    void *buffer = ::mmap(nullptr, size_t(m_capacity), PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (buffer == MAP_FAILED)
        return nullptr;
    // Where the kernel offers it: a scan jumps about in far fewer pages, filled by far fewer
    // faults.
    ::madvise(buffer, size_t(m_capacity), MADV_HUGEPAGE);
    return static_cast<uchar *>(buffer);
}

void ReadBuffers::takeBack(uchar *buffer)
{
    // What only the largest files reach is not kept.
    if (m_capacity > keptBytes)
        ::madvise(buffer + keptBytes, size_t(m_capacity - keptBytes), MADV_DONTNEED);
    const std::lock_guard lock(m_mutex);
    m_idle.push_back(buffer);
}

} // namespace Sentinel
