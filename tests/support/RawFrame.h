// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QtEndian>

#include <concepts>

//! Frames as docs/PROTOCOL.md lays them out, made without the codec: a second opinion, and the way
//! to those that the codec would never make.
namespace Sentinel::Test::Raw {

template <std::integral T>
QByteArray number(T value)
{
    const T little = qToLittleEndian(value);
    return {reinterpret_cast<const char *>(&little), sizeof little};
}

inline QByteArray u8(int value)
{
    return number(quint8(value));
}

inline QByteArray u16(qsizetype value)
{
    return number(quint16(value));
}

inline QByteArray i64(qint64 value)
{
    return number(value);
}

inline QByteArray text(const QByteArray &utf8)
{
    return u16(utf8.size()) + utf8;
}

inline QByteArray digest(char fill = 'd')
{
    return u8(1) + QByteArray(32, fill);
}

//! \p count times \p item, as a list.
inline QByteArray list(int count, const QByteArray &item)
{
    return u16(count) + item.repeated(count);
}

inline QByteArray frame(int type, const QByteArray &body, int flags = 0)
{
    return u8(type) + u8(flags) + u16(0) + number(quint32(body.size())) + body;
}

struct Coverage {
    qint64 bytesTotal = 5;
    qint64 bytesScanned = 5;
    QByteArray engines = list(1, text("yara 4.2.3"));
    QByteArray gaps = u16(0);
    QByteArray limitsHit = u16(0);
    QByteArray ruleSetDigest = digest();
    QByteArray notLookedInto = u16(0);
    int wholeEvaluated = 1;

    QByteArray bytes() const
    {
        return i64(bytesTotal) + i64(bytesScanned) + engines + gaps + limitsHit + ruleSetDigest
            + i64(0) + notLookedInto + i64(0) + u8(wholeEvaluated);
    }
};

struct Finding {
    int severity = 2;
    QByteArray member = text("");
    QByteArray tags = u16(0);
    QByteArray meta = u16(0);
    QByteArray strings = u16(0);

    QByteArray bytes() const
    {
        return text("yara") + member + text("Rule") + text("a.yar") + u8(severity) + tags + meta
            + strings + i64(0);
    }
};

//! A ScanVerdict with id 1: Clean, as it stands.
struct Verdict {
    int verdict = 0;
    int reason = 0;
    QByteArray detail = {};
    Coverage coverage = {};
    QByteArray findings = u16(0);

    QByteArray bytes() const
    {
        return frame(14,
            i64(1) + i64(250) + u8(verdict) + u8(reason) + text(detail) + coverage.bytes()
                + findings + u8(0));
    }
};

inline QByteArray findings(const Finding &finding, int count = 1)
{
    return list(count, finding.bytes());
}

} // namespace Sentinel::Test::Raw
