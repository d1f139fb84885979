// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Messages.h"

#include <QRandomGenerator>

namespace Sentinel::Test {

//! \brief Messages of every type with random values, within the bounds of the protocol.
class RandomMessages {
public:
    explicit RandomMessages(quint32 seed) : m_random(seed) { }

    //! One message with the \p index th type of the variant.
    Message make(size_t index);
    ScanResult result();
    QRandomGenerator &random() { return m_random; }

private:
    int below(int bound) { return m_random.bounded(bound); }
    bool coin() { return below(2) == 1; }
    qint64 count() { return qint64(m_random.generate64() >> (4 + below(60))); }
    std::chrono::milliseconds duration() { return std::chrono::milliseconds(below(1'000'000)); }
    std::optional<std::chrono::milliseconds> timeout();
    QString text(int mostBytes = 40);
    QStringList texts(int most);
    QByteArray digest();
    QVariant metaValue();
    Coverage coverage();
    Finding finding();
    DownloadMetadata metadata();
    RuleSetSummary rules();
    TelemetrySnapshot telemetry();
    SentinelStatus status();

    QRandomGenerator m_random;
};

} // namespace Sentinel::Test
