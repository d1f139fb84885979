// SPDX-License-Identifier: MIT
#include "SecurityTap/network/ReleasedBody.h"

#include "SecurityTap/Limits.h"

#include <algorithm>
#include <array>

namespace Sentinel {

qint64 ReleasedBody::unreadBytes() const
{
    return std::max<qint64>(0, sizeBytes() - m_offset);
}

qint64 ReleasedBody::read(char *target, qint64 size)
{
    const qint64 count = m_inspection ? m_inspection->read(target, size, m_offset) : 0;
    m_offset += std::max<qint64>(0, count);
    return count;
}

bool ReleasedBody::canReadLine() const
{
    std::array<char, 16 * Limits::kib> piece;
    m_lineSearch = std::max(m_lineSearch, m_offset);
    while (m_lineSearch < sizeBytes()) {
        const qint64 count = m_inspection->read(piece.data(), piece.size(), m_lineSearch);
        if (count <= 0)
            return false;
        const auto end = piece.begin() + count;
        if (std::find(piece.begin(), end, '\n') != end)
            return true;
        m_lineSearch += count;
    }
    return false;
}

} // namespace Sentinel
