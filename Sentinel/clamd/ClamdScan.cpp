// SPDX-License-Identifier: MIT
#include "Sentinel/clamd/ClamdScan.h"

#include "SecurityTap/content/ContentFile.h"

#include <algorithm>
#include <utility>

#include <sys/stat.h>

namespace Sentinel {

ClamdScan::ClamdScan(std::shared_ptr<ClamdWatch> clamd, std::shared_ptr<const Content> content,
    QByteArray ruleSetDigest)
    : m_clamd(std::move(clamd))
    , m_content(std::move(content))
    , m_ruleSetDigest(std::move(ruleSetDigest))
    , m_way(m_clamd->settings().address.isLocalSocket() ? ClamdWay::File : ClamdWay::Stream)
{
}

ClamdScan::~ClamdScan()
{
    letGo();
}

//! Gives the connection up: it would answer the next one's question with ours.
void ClamdScan::letGo()
{
    if (m_connection)
        m_connection->discard();
    m_connection.reset();
}

ScanTask::Progress ClamdScan::step(const SliceBudget &budget)
{
    if (const auto ended = prepare(m_content->extent()))
        return *ended;
    if (const auto ended = m_connection ? std::nullopt : findConnection(budget))
        return *ended;
    return awaitAnswer(budget);
}

//! Nothing: the content can be scanned.
std::optional<ScanTask::Progress> ClamdScan::prepare(const Content::Extent &extent)
{
    if (m_deadline != noDeadline)
        return std::nullopt;
    const ClamdSettings &settings = m_clamd->settings();
    if (extent.sizeBytes > settings.maxBytes) {
        return end(ScanResult::notScanned(Reason::TooLarge,
            QStringLiteral("It is larger than what clamd is given, %1 bytes.")
                .arg(settings.maxBytes)));
    }
    if (!extent.isComplete)
        return Progress::Starved;
    m_sizeBytes = extent.sizeBytes;
    m_file = m_content->file();
    if (m_file < 0) {
        auto copy = contentFile(*m_content);
        if (!copy)
            return end(ScanResult::notScanned(Reason::Unreadable, copy.error()));
        m_copy = std::move(*copy);
        m_file = m_copy.get();
    }
    const Clock::time_point now = Clock::now();
    m_deadline = now + settings.scanTimeout;
    m_connectBy = std::min(m_deadline, now + settings.acquireTimeout);
    return std::nullopt;
}

//! Nothing: there is a connection, and it has the question.
std::optional<ScanTask::Progress> ClamdScan::findConnection(const SliceBudget &budget)
{
    if (!m_clamd->isReachable())
        return end(ScanResult::notScanned(Reason::ScannerUnavailable, m_clamd->trouble()));
    const Clock::time_point now = Clock::now();
    auto lease =
        m_clamd->pool().lease(std::min({budget.until, m_connectBy, now + Limits::clamdPlaceWait}));
    if (lease) {
        m_connection = std::move(*lease);
        m_trustedBytes = m_clamd->trustedBytes();
        (*m_connection)->scan(m_file, m_sizeBytes, m_way);
        return std::nullopt;
    }
    if (lease.error().code == PoolError::Code::Timeout) {
        if (now < m_connectBy)
            return Progress::More;
        return end(ScanResult::notScanned(Reason::ScannerUnavailable,
            QStringLiteral("No connection to clamd came free in time.")));
    }
    return end(ScanResult::notScanned(Reason::ScannerUnavailable, lease.error().message));
}

ScanTask::Progress ClamdScan::awaitAnswer(const SliceBudget &budget)
{
    ClamdConnection &connection = **m_connection;
    const Deadline last = connection.isConnected() ? m_deadline : m_connectBy;
    if (budget.setInterrupt)
        budget.setInterrupt([&connection] { connection.interrupt(); });
    const auto answer = connection.advance(std::min(budget.until, last));
    if (budget.setInterrupt)
        budget.setInterrupt(nullptr);
    if (!answer)
        return lose(answer.error());
    if (*answer)
        return use(**answer);
    const Clock::time_point now = Clock::now();
    if (now >= m_deadline) {
        return end(ScanResult::notScanned(
            Reason::TimedOut, QStringLiteral("clamd has not answered in time.")));
    }
    if (now >= m_connectBy && !connection.isConnected()) {
        return end(ScanResult::notScanned(
            Reason::ScannerUnavailable, QStringLiteral("clamd accepts no connection.")));
    }
    return Progress::More;
}

ScanTask::Progress ClamdScan::lose(const ClamdFault &fault)
{
    // It may have been lost long ago: clamd ends idle sessions, and is started anew.
    const bool maybeOfAge = fault.kind == ClamdFault::Kind::Closed && (*m_connection)->isUsed();
    letGo();
    if (maybeOfAge && !std::exchange(m_hasRetried, true))
        return Progress::More;
    switch (fault.kind) {
    case ClamdFault::Kind::NoConnection:
    case ClamdFault::Kind::Closed:
        return end(ScanResult::notScanned(Reason::ScannerUnavailable, fault.words));
    case ClamdFault::Kind::Nonsense:
        return end(ScanResult::notScanned(Reason::EngineError, fault.words));
    case ClamdFault::Kind::Unreadable:
        return end(ScanResult::notScanned(Reason::Unreadable, fault.words));
    }
    Q_UNREACHABLE();
}

ScanTask::Progress ClamdScan::use(QByteArrayView answer)
{
    const ClamdReply reply = ClamdReply::parse(answer, m_way);
    const bool isVerdict =
        reply.kind == ClamdReply::Kind::Clean || reply.kind == ClamdReply::Kind::Found;
    if (isVerdict)
        m_connection->giveBack();
    else
        m_connection->discard(); // clamd ends most sessions after an error
    m_connection.reset();
    // It may be forbidden to read what others have opened.
    if (reply.kind == ClamdReply::Kind::Error && m_way == ClamdWay::File) {
        m_way = ClamdWay::Stream;
        return Progress::More;
    }
    return judge(reply);
}

ScanTask::Progress ClamdScan::judge(const ClamdReply &reply)
{
    Coverage whole;
    whole.bytesTotal = m_sizeBytes;
    whole.bytesScanned = m_sizeBytes;
    whole.engines = {m_clamd->version().value_or(ClamdVersion()).text()};
    whole.ruleSetDigest = m_ruleSetDigest;
    whole.wholeEvaluated = true;
    if (reply.kind != ClamdReply::Kind::Clean)
        return end(resultOf(reply, std::move(whole)));

    struct stat status { };
    if (::fstat(m_file, &status) != 0 || status.st_size != m_sizeBytes) {
        return end(ScanResult::notScanned(Reason::Unreadable,
            QStringLiteral("The content changed its size while it was scanned.")));
    }
    // Both before and after, as it may have been replaced meanwhile, by one that is trusted or not.
    if (m_sizeBytes > std::min(m_trustedBytes, m_clamd->trustedBytes())) {
        whole.limitsHit = {QStringLiteral("clamd does not tell its limits")};
        const QString trouble = m_clamd->trouble();
        return end(ScanResult::notScanned(Reason::LimitHit,
            trouble.isEmpty() ? QStringLiteral("clamd was started anew meanwhile.") : trouble,
            std::move(whole)));
    }
    return end(resultOf(reply, std::move(whole)));
}

ScanTask::Progress ClamdScan::end(ScanResult result)
{
    letGo();
    m_result = std::move(result);
    return Progress::Done;
}

} // namespace Sentinel
