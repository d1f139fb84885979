// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Limits.h"
#include "ipc/ProtocolError.h"

#include <QByteArray>
#include <QString>
#include <QStringDecoder>
#include <QtEndian>

#include <chrono>
#include <concepts>
#include <cstring>
#include <limits>
#include <optional>

namespace Sentinel {

//! \brief Reads the fields of a message one after the other, believing nothing.
//!
//! The first error stays, and ends all reading: every field after it is left as it was. No length
//! is used before it has been compared with its bound and with the bytes that are there.
//!
//! Thread: one at a time.
class WireReader {
public:
    static constexpr bool isReader = true;

    //! Reads from \p bytes, which must outlive the reader.
    explicit WireReader(QByteArrayView bytes) : m_rest(bytes) { }

    bool isAtEnd() const { return m_rest.isEmpty(); }
    //! What has not been read yet.
    QByteArrayView rest() const { return m_rest; }
    const std::optional<ProtocolError> &error() const { return m_error; }
    void fail(ProtocolError::Code code, const QString &detail)
    {
        if (!m_error)
            m_error = ProtocolError{code, detail};
    }

    template <std::unsigned_integral T>
    void number(T &value)
    {
        if (const QByteArrayView bytes = take(sizeof value); !bytes.isEmpty())
            value = qFromLittleEndian<T>(bytes.data());
    }

    template <std::signed_integral T>
    void count(T &value, qint64 least = 0)
    {
        const qint64 most = std::min(IpcLimits::maxCount, qint64(std::numeric_limits<T>::max()));
        value = T(inRange(least, most, value));
    }

    template <typename Duration>
    void duration(Duration &value)
    {
        value = Duration(inRange(0, Duration(IpcLimits::maxDuration).count(), value.count()));
    }

    void flag(bool &value) { value = small(1, quint8(value)) != 0; }

    template <typename Choice>
    void choice(Choice &value, Choice last)
    {
        value = Choice(small(quint8(last), quint8(value)));
    }

    void text(QString &value, qsizetype maxBytes)
    {
        quint16 length = 0;
        number(length);
        if (length > maxBytes)
            return fail(ProtocolError::Code::TooLong,
                QStringLiteral("a text of %1 bytes, more than %2").arg(length).arg(maxBytes));
        const QByteArrayView bytes = take(length);
        if (!bytes.isValidUtf8())
            return fail(ProtocolError::Code::BadText, QStringLiteral("a text that is not UTF-8"));
        if (!m_error) { // not fromUtf8(), which drops a mark of byte order at the beginning
            value = QStringDecoder(QStringDecoder::Utf8, QStringDecoder::Flag::ConvertInitialBom)(
                bytes);
        }
    }

    void digest(QByteArray &value)
    {
        bool exists = false;
        flag(exists);
        if (exists)
            value = take(digestBytes).toByteArray();
    }

    template <typename List, typename Item>
    void list(List &values, int most, Item item)
    {
        quint16 count = 0;
        number(count);
        if (count > most)
            return fail(ProtocolError::Code::TooLong,
                QStringLiteral("a list of %1, more than %2").arg(count).arg(most));
        for (int i = 0; i < count && !m_error; ++i)
            item(values.emplace_back());
    }

    template <typename T, typename Item>
    void optional(std::optional<T> &value, Item item)
    {
        bool exists = false;
        flag(exists);
        if (exists)
            item(value.emplace());
    }

    static constexpr qsizetype digestBytes = 32;

private:
    QByteArrayView take(qsizetype size)
    {
        if (size > m_rest.size())
            fail(ProtocolError::Code::Truncated, QStringLiteral("ends within a field"));
        if (m_error)
            return {};
        const QByteArrayView taken = m_rest.first(size);
        m_rest = m_rest.sliced(size);
        return taken;
    }

    qint64 inRange(qint64 least, qint64 most, qint64 otherwise)
    {
        auto raw = quint64(otherwise);
        number(raw);
        const auto value = qint64(raw);
        if (!m_error && (value < least || value > most))
            fail(ProtocolError::Code::BadValue, QStringLiteral("%1 is out of range").arg(value));
        return m_error ? otherwise : value;
    }

    quint8 small(quint8 most, quint8 otherwise)
    {
        quint8 value = otherwise;
        number(value);
        if (!m_error && value > most)
            fail(ProtocolError::Code::BadValue, QStringLiteral("%1 is no such value").arg(value));
        return m_error ? otherwise : value;
    }

    QByteArrayView m_rest;
    std::optional<ProtocolError> m_error;
};

} // namespace Sentinel
