// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QString>
#include <QUrl>

#include <optional>

namespace Sentinel {

//! \brief What is said about a download before its bytes are known. All of it comes from outside:
//! shown, matched against rules, never trusted.
struct DownloadMetadata {
    QUrl url;
    QString filename; //!< as proposed by the server; not sanitised
    QString mimeType; //!< as announced, without parameters
    std::optional<qint64> sizeBytes; //!< as announced; the bytes that arrive are counted
    QByteArray sha256; //!< as announced, 32 raw bytes or empty; the real one is in the Outcome

    friend bool operator==(const DownloadMetadata &, const DownloadMetadata &) = default;
};

} // namespace Sentinel
