// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Limits.h"

#include <QByteArray>
#include <QString>
#include <QtEndian>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <optional>

namespace Sentinel {

//! \brief Writes the fields of a message one after the other, each brought into its range.
//!
//! The counterpart of WireReader, with the same functions, so that one description of a message
//! serves both.
//!
//! Thread: one at a time.
class WireWriter {
public:
    static constexpr bool isReader = false;

    const QByteArray &bytes() const { return m_bytes; }

    template <std::unsigned_integral T>
    void number(T value)
    {
        const T little = qToLittleEndian(value);
        m_bytes.append(reinterpret_cast<const char *>(&little), sizeof little);
    }

    //! Something that is counted: 64 bits, from \p least to IpcLimits::maxCount.
    template <std::signed_integral T>
    void count(T value, qint64 least = 0)
    {
        number(quint64(std::clamp<qint64>(value, least, IpcLimits::maxCount)));
    }

    //! In the unit of its type.
    template <typename Duration>
    void duration(Duration value)
    {
        number(
            quint64(std::clamp(value, Duration::zero(), Duration(IpcLimits::maxDuration)).count()));
    }

    void flag(bool value) { number(quint8(value)); }

    template <typename Choice>
    void choice(Choice value, Choice)
    {
        number(quint8(value));
    }

    //! What is too long loses its middle: names are told by their beginnings, types by their ends.
    void text(const QString &value, qsizetype maxBytes)
    {
        QByteArray utf8 = value.toUtf8();
        if (utf8.size() > maxBytes) {
            static constexpr QByteArrayView ellipsis = "\xe2\x80\xa6";
            const auto isInside = [&utf8](qsizetype at) { return (utf8[at] & 0xc0) == 0x80; };
            const qsizetype tailBytes = maxBytes / 4;
            qsizetype head = maxBytes - tailBytes - ellipsis.size();
            qsizetype tail = utf8.size() - tailBytes;
            while (isInside(head))
                --head;
            while (tail < utf8.size() && isInside(tail))
                ++tail;
            utf8.replace(head, tail - head, ellipsis.data(), ellipsis.size());
        }
        number(quint16(utf8.size()));
        m_bytes.append(utf8);
    }

    //! A SHA-256; what is none is written as missing.
    void digest(const QByteArray &value)
    {
        const bool exists = value.size() == digestBytes;
        flag(exists);
        if (exists)
            m_bytes.append(value);
    }

    //! Up to \p most items of \p values, each written by \p item.
    template <typename List, typename Item>
    void list(const List &values, int most, Item item)
    {
        const auto kept = std::min(qsizetype(values.size()), qsizetype(most));
        number(quint16(kept));
        std::for_each(values.begin(), values.begin() + kept, item);
    }

    template <typename T, typename Item>
    void optional(const std::optional<T> &value, Item item)
    {
        flag(value.has_value());
        if (value)
            item(*value);
    }

    static constexpr qsizetype digestBytes = 32;

private:
    QByteArray m_bytes;
};

} // namespace Sentinel
