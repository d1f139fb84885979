// SPDX-License-Identifier: MIT
#include "Sentinel/clamd/ClamdSettings.h"

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

template <typename Value>
bool isWithin(Value value, Value least, Value most)
{
    return value >= least && value <= most;
}

} // namespace

QString ClamdSettings::problem() const
{
    constexpr milliseconds least{1};
    constexpr milliseconds most = Limits::maxClamdTimeout;
    if (!isWithin(poolSize, 1, Limits::maxClamdConnections)) {
        return QStringLiteral("clamd: there may be 1 to %1 connections")
            .arg(Limits::maxClamdConnections);
    }
    for (const milliseconds time :
        {acquireTimeout, maxAge, scanTimeout, pingInterval, pingPatience}) {
        if (!isWithin(time, least, most))
            return QStringLiteral("clamd: a time has to be between 1 and %1 ms").arg(most.count());
    }
    if (!isWithin(maxBytes, qint64(1), Limits::maxClamdBytes)) {
        return QStringLiteral("clamd: the largest scan has to be between 1 and %1 bytes")
            .arg(Limits::maxClamdBytes);
    }
    return {};
}

} // namespace Sentinel
