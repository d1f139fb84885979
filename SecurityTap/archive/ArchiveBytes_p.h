// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArrayView>
#include <QtEndian>

#include <span>

#include <cstring>

namespace Sentinel {

//! \brief Bytes that may be anything, read without ever leaving them: what is not there is zero.
class ArchiveBytes {
public:
    explicit ArchiveBytes(std::span<const uchar> bytes) : m_bytes(bytes) { }

    qint64 size() const { return qint64(m_bytes.size()); }
    bool has(qint64 at, qint64 count) const { return at >= 0 && count <= size() - at; }
    bool has(qint64 at, QByteArrayView what) const
    {
        return has(at, what.size())
            && std::memcmp(m_bytes.data() + at, what.data(), size_t(what.size())) == 0;
    }
    bool equals(qint64 at, qint64 other, qint64 count) const
    {
        return has(at, count) && has(other, count)
            && std::memcmp(m_bytes.data() + at, m_bytes.data() + other, size_t(count)) == 0;
    }
    uchar byte(qint64 at) const { return has(at, 1) ? m_bytes[size_t(at)] : uchar(0); }
    quint16 u16(qint64 at) const { return number<quint16>(at); }
    quint32 u32(qint64 at) const { return number<quint32>(at); }
    quint64 u64(qint64 at) const { return number<quint64>(at); }

    //! The first place of \p what in [begin, end); -1 if there is none.
    qint64 find(QByteArrayView what, qint64 begin, qint64 end) const
    {
        begin = std::max<qint64>(begin, 0);
        end = std::min(end, size());
        if (end - begin < what.size())
            return -1;
        const void *at =
            ::memmem(m_bytes.data() + begin, size_t(end - begin), what.data(), size_t(what.size()));
        return at ? static_cast<const uchar *>(at) - m_bytes.data() : -1;
    }

private:
    template <typename T>
    T number(qint64 at) const
    {
        return has(at, sizeof(T)) ? qFromLittleEndian<T>(m_bytes.data() + at) : T(0);
    }

    const std::span<const uchar> m_bytes;
};

} // namespace Sentinel
