// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/inspection/Download.h"

#include <span>
#include <vector>

namespace Sentinel {

//! \brief Something about a download that honest servers do not do, whatever its verdict is.
struct SecurityEvent {
    enum class Kind : quint8 {
        PathTraversal, //!< the proposed name would leave the directory of downloads
        MimeMismatch, //!< announced as something harmless, and a program or the like by its bytes
        SizeViolation, //!< more or fewer bytes than announced
        DeceptiveName, //!< the name hides what kind of file it is
    };

    Kind kind = Kind::PathTraversal;
    QString text; //!< for people; what comes from outside is escaped and bounded

    friend bool operator==(const SecurityEvent &, const SecurityEvent &) = default;
};

//! \brief "path-traversal", "mime-mismatch", "size-violation", "deceptive-name".
SECURITYTAP_EXPORT QString nameOf(SecurityEvent::Kind kind);

//! \brief What has arrived of a download.
struct ArrivedContent {
    std::span<const uchar> start; //!< its first fileTypeSniffBytes bytes, or more
    qint64 sizeBytes = 0;
    bool hasEnded = false; //!< no more will come, also because the transfer was cut off
};

//! \brief What is noteworthy about \p download; at most one event of each kind.
//!
//! Says nothing where an honest server might be as it is: of contents without a type or of an
//! unknown one (application/octet-stream), of scripts sent as text, of compressed contents whose
//! encoding is not said, of zip files that are documents.
//! A pure function. Thread: any.
SECURITYTAP_EXPORT std::vector<SecurityEvent> securityEvents(
    const Download &download, const ArrivedContent &content);

} // namespace Sentinel
