// SPDX-License-Identifier: MIT
#include "Sentinel/ReadBuffers.h"

#include "SecurityTap/Limits.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

namespace Sentinel {

namespace {

constexpr qint64 hugePageBytes = 2 * Limits::mib;

//! Sizes in steps, so that a buffer fits the next file too.
qint64 steppedCapacity(qint64 capacity)
{
    constexpr qint64 least = 256 * Limits::kib;
    if (capacity <= hugePageBytes)
        return std::max(least, qint64(std::bit_ceil(quint64(capacity))));
    return (capacity + hugePageBytes - 1) / hugePageBytes * hugePageBytes;
}

ReadBuffer allocate(qint64 capacity)
{
    ReadBuffer buffer;
    if (capacity < hugePageBytes) {
        buffer.bytes.reset(static_cast<uchar *>(std::malloc(size_t(capacity))));
    } else {
        void *bytes = std::aligned_alloc(size_t(hugePageBytes), size_t(capacity));
        if (bytes) // a scan walks over it: fewer page faults, fewer address translations
            ::madvise(bytes, size_t(capacity), MADV_HUGEPAGE);
        buffer.bytes.reset(static_cast<uchar *>(bytes));
    }
    if (buffer.bytes)
        buffer.capacity = capacity;
    return buffer;
}

} // namespace

ReadBuffers::ReadBuffers(int maxIdle) : m_maxIdle(maxIdle) { }

ReadBuffer ReadBuffers::lend(qint64 capacity)
{
    {
        const std::lock_guard lock(m_mutex);
        const auto fits = std::ranges::lower_bound(m_idle, capacity, {}, &ReadBuffer::capacity);
        if (fits != m_idle.end()) {
            ReadBuffer buffer = std::move(*fits);
            m_idle.erase(fits);
            return buffer;
        }
        // The new one takes the place of the smallest when it comes back.
        if (int(m_idle.size()) >= m_maxIdle)
            m_idle.erase(m_idle.begin());
    }
    return allocate(steppedCapacity(capacity));
}

void ReadBuffers::takeBack(ReadBuffer buffer)
{
    const std::lock_guard lock(m_mutex);
    const auto place = std::ranges::upper_bound(m_idle, buffer.capacity, {}, &ReadBuffer::capacity);
    m_idle.insert(place, std::move(buffer));
    if (int(m_idle.size()) > m_maxIdle)
        m_idle.erase(m_idle.begin());
}

} // namespace Sentinel
