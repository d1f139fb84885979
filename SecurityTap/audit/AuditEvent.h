// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/audit/AuditAction.h"
#include "SecurityTap/inspection/Outcome.h"
#include "ipc/FileType.h"

#include <QJsonObject>

#include <chrono>
#include <optional>
#include <vector>

namespace Sentinel {

struct QuarantineItem;

//! \brief One thing that happened, as the audit log has it: docs/audit.md.
//!
//! What it is about is filled in as far as it is known; the rest stays empty and is left out.
//! Texts may be whatever came from outside: toJson() makes them fit to be written.
//!
//! A value.
struct SECURITYTAP_EXPORT AuditEvent {
    enum class Kind : quint8 {
        Event, //!< worth keeping
        Alert, //!< somebody should look at it
    };
    enum class Success : quint8 {
        Succeeded,
        Failed, //!< what was tried did not come about; text says why
    };

    AuditAction action = AuditAction::Decision;
    std::chrono::system_clock::time_point when = std::chrono::system_clock::now();
    Success success = Success::Succeeded;
    //! Private: toJson() leaves out every address and name, and text, which may hold one.
    Download::Privacy privacy = Download::Privacy::Usual;
    QString text; //!< for people, one line; empty: made from the rest

    QUrl url;
    QUrl referrer;
    QString name; //!< as proposed
    QString path; //!< where the file is
    std::optional<qint64> sizeBytes; //!< that came
    std::optional<qint64> announcedBytes;
    QString mimeType; //!< as announced
    std::optional<FileType> fileType; //!< by content
    QByteArray sha256; //!< 32 raw bytes

    std::optional<Verdict> verdict;
    Reason reason = Reason::None;
    std::vector<Finding> findings; //!< the worst first; without places and metadata
    int findingsOmitted = 0; //!< that stand nowhere here
    QByteArray rulesDigest; //!< 32 raw bytes
    std::optional<Disposition> disposition;
    QString clause; //!< of the policy: what decided

    std::optional<std::chrono::microseconds> duration;
    quint64 inspection = 0; //!< Inspection::id()
    ConnectionId connection = noConnection;
    QString item; //!< of the quarantine
    QString exception; //!< of the policy
    QString job; //!< that ran

    //! What is not about one download: \p text says it.
    static AuditEvent of(AuditAction action, const QString &text);
    //! What is about \p download, and how its inspection ended.
    static AuditEvent about(AuditAction action, const Download &download, const Outcome &outcome,
        FileType fileType = FileType::Unknown);
    //! What is about \p item of the quarantine.
    static AuditEvent about(AuditAction action, const QuarantineItem &item);
    //! The decision on it, made by \p clause of the policy.
    static AuditEvent decision(
        const Download &download, const Outcome &outcome, FileType fileType, const QString &clause);

    Kind kind() const;
    int severity() const; //!< 0 to 100

    //! Elastic Common Schema, with what is ours under "sentinel". Without what only a log knows:
    //! event.id and event.sequence, process, user.
    //!
    //! Limits: Limits::maxAuditEventBytes, in JSON; what is cut is named in sentinel.cut.
    QJsonObject toJson() const;
};

} // namespace Sentinel
