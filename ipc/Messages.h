// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Disposition.h"
#include "ipc/DownloadMetadata.h"
#include "ipc/FileType.h"
#include "ipc/IpcExport.h"
#include "ipc/RuleProblem.h"
#include "ipc/ScanResult.h"
#include "ipc/SentinelStatus.h"

#include <chrono>
#include <optional>
#include <variant>
#include <vector>

//! \file
//! \brief The whole contract between a client (a tap in a browser, or the command line) and a
//! sentinel.
//!
//! The client connects and says Hello; the sentinel answers with Welcome or Refusal. Then the
//! client asks, by ids of its own choice that it never uses twice on a connection, and many of its
//! questions may be open at once. Each ScanBegin is answered by one ScanVerdict, whatever happens
//! in between (cancellation too); StatusRequest, ReloadRequest and Ping by one StatusReport,
//! ReloadResult and Pong. If the connection ends, the client answers what is open by itself, and
//! the sentinel drops it. ScanGrow, ScanEnd and ScanCancel may cross the verdict on their way; the
//! sentinel ignores them then.
//!
//! Content travels as an open file, never as bytes. docs/PROTOCOL.md has the layout; a number on
//! the wire, wireType, is never used again for anything else.
namespace Sentinel {

//! Client: the first message. Its layout, Welcome's first two fields and Refusal's are the same in
//! all versions.
struct Hello {
    static constexpr quint8 wireType = 1;
    enum class Role : quint8 { Tap /*!< asks for scans */, Control /*!< status and reload */ };
    quint16 oldestVersion = 0; //!< of the protocol
    quint16 newestVersion = 0; //!< not below oldestVersion
    Role role = Role::Tap;
    QString product; //!< name and version, for logs
    friend bool operator==(const Hello &, const Hello &) = default;
};

//! Sentinel: go ahead.
struct Welcome {
    static constexpr quint8 wireType = 2;
    quint16 version = 0; //!< spoken from here on, within the range of the Hello
    QString product;
    RuleSetSummary rules;
    friend bool operator==(const Welcome &, const Welcome &) = default;
};

//! Sentinel: no, and why; it closes the connection after this.
struct Refusal {
    static constexpr quint8 wireType = 3;
    QString text; //!< for people: what is wrong, and what to do about it
    friend bool operator==(const Refusal &, const Refusal &) = default;
};

//! Client: scan this. The only message with a descriptor: the content, a regular file that cannot
//! shrink any more, opened for reading.
struct ScanBegin {
    static constexpr quint8 wireType = 10;
    quint64 id = 0;
    DownloadMetadata metadata; //!< with the size that was announced, if one was
    QString filePath; //!< where rules may look at a path; empty for downloads
    FileType fileType = FileType::Unknown; //!< what the client takes it for; a hint for the queue
    qint64 sizeBytes = 0; //!< readable by now; the whole size if isComplete
    bool isComplete = false; //!< no ScanGrow and no ScanEnd will follow
    //! From now, if isComplete (else ScanEnd's counts); none: as the sentinel sees fit.
    std::optional<std::chrono::milliseconds> timeout;
    bool wantsSha256 = false;
    bool mayWait = false; //!< nobody waits for it: what others ask for meanwhile goes first
    friend bool operator==(const ScanBegin &, const ScanBegin &) = default;
};

//! Client: more of the content can be read.
struct ScanGrow {
    static constexpr quint8 wireType = 11;
    quint64 id = 0;
    qint64 sizeBytes = 0; //!< from the start; never less than before
    friend bool operator==(const ScanGrow &, const ScanGrow &) = default;
};

//! Client: the content is complete, and cannot change any more.
struct ScanEnd {
    static constexpr quint8 wireType = 12;
    quint64 id = 0;
    qint64 sizeBytes = 0; //!< of all of it
    std::optional<std::chrono::milliseconds> timeout; //!< from now; none: as the sentinel sees fit
    friend bool operator==(const ScanEnd &, const ScanEnd &) = default;
};

//! Client: the verdict is not wanted any more. It comes nevertheless, and soon.
struct ScanCancel {
    static constexpr quint8 wireType = 13;
    quint64 id = 0;
    Reason reason = Reason::Cancelled; //!< not None
    friend bool operator==(const ScanCancel &, const ScanCancel &) = default;
};

//! Sentinel: the answer to ScanBegin; a refusal is a NotScanned with its reason.
struct ScanVerdict {
    static constexpr quint8 wireType = 14;
    quint64 id = 0;
    ScanResult result = ScanResult::notScanned(Reason::ScannerUnavailable);
    std::chrono::microseconds duration{0}; //!< from ScanBegin to here
    friend bool operator==(const ScanVerdict &, const ScanVerdict &) = default;
};

//! Client: what became of the download, for the sentinel's books.
struct VerdictAck {
    static constexpr quint8 wireType = 15;
    quint64 id = 0;
    Disposition disposition = Disposition::Block;
    friend bool operator==(const VerdictAck &, const VerdictAck &) = default;
};

//! Either: are you there?
struct Ping {
    static constexpr quint8 wireType = 20;
    quint64 number = 0;
    friend bool operator==(const Ping &, const Ping &) = default;
};

//! Either: yes, with the number of the Ping.
struct Pong {
    static constexpr quint8 wireType = 21;
    quint64 number = 0;
    friend bool operator==(const Pong &, const Pong &) = default;
};

struct StatusRequest {
    static constexpr quint8 wireType = 30;
    quint64 id = 0;
    friend bool operator==(const StatusRequest &, const StatusRequest &) = default;
};

struct StatusReport {
    static constexpr quint8 wireType = 31;
    quint64 id = 0;
    SentinelStatus status;
    friend bool operator==(const StatusReport &, const StatusReport &) = default;
};

//! Client: read the rules again.
struct ReloadRequest {
    static constexpr quint8 wireType = 32;
    quint64 id = 0;
    friend bool operator==(const ReloadRequest &, const ReloadRequest &) = default;
};

//! Sentinel: what came of it.
struct ReloadResult {
    static constexpr quint8 wireType = 33;
    quint64 id = 0;
    bool isActivated = false; //!< false: the rules are those of before
    RuleSetSummary rules; //!< in force now
    std::vector<RuleProblem> problems;
    qint64 problemsOmitted = 0; //!< beyond IpcLimits::maxRuleProblems
    friend bool operator==(const ReloadResult &, const ReloadResult &) = default;
};

//! Sentinel, unasked: scans that begin from now on use other rules.
struct RuleSetChanged {
    static constexpr quint8 wireType = 34;
    RuleSetSummary rules;
    friend bool operator==(const RuleSetChanged &, const RuleSetChanged &) = default;
};

using Message = std::variant<Hello, Welcome, Refusal, ScanBegin, ScanGrow, ScanEnd, ScanCancel,
    ScanVerdict, VerdictAck, Ping, Pong, StatusRequest, StatusReport, ReloadRequest, ReloadResult,
    RuleSetChanged>;

//! \brief True if \p message travels with exactly one descriptor; all others travel with none.
inline bool carriesDescriptor(const Message &message)
{
    return std::holds_alternative<ScanBegin>(message);
}

//! \brief "ScanBegin", ...: for logs.
SENTINELIPC_EXPORT QString nameOf(const Message &message);

} // namespace Sentinel
