// SPDX-License-Identifier: MIT
//
// What follows a result: the decision, what it asks for, and the release.
#include "SecurityTap/Logging.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/FileType.h"
#include "SecurityTap/custody/Custody.h"
#include "SecurityTap/inspection/Inspection.h"
#include "SecurityTap/inspection/OwnDecision.h"

#include <QCoreApplication>
#include <QDir>
#include <QPointer>
#include <QThread>

#include <algorithm>
#include <cstring>

namespace Sentinel {

FileType Inspection::fileType() const
{
    return sniffFileType(content()->span(), m_download.metadata.mimeType);
}

Decision Inspection::decideOn(const ScanResult &result) const
{
    const bool isWhole = m_complete && m_download.kind == Download::Kind::Whole;
    return ownDecision(m_terms.policy, m_terms.custody,
        PolicyFacts::of(m_download, result, fileType(), sizeBytes(),
            isWhole ? PolicyFacts::Extent::Whole : PolicyFacts::Extent::SoFar));
}

Disposition Inspection::settle(ScanResult result)
{
    if (m_download.kind == Download::Kind::Part && result.verdict() == Verdict::Clean) {
        // Every byte of the part was looked at, but a part is not the file.
        Coverage coverage = result.coverage();
        coverage.limitsHit.append(QStringLiteral("only a part of the file was transferred"));
        result = ScanResult::judge(
            std::move(coverage), result.findings(), result.sha256(), Reason::PartialContent);
    }
    const auto sinceLastByte = m_complete ? Clock::now() - m_finishedAt : Clock::duration::zero();
    const Decision decision = decideOn(result);
    Outcome outcome{m_id, m_download.connection, m_download.metadata, std::move(result),
        decision.disposition, sizeBytes(),
        std::chrono::duration_cast<std::chrono::microseconds>(sinceLastByte), decision.name, {},
        securityEvents(m_download, {content()->span(), sizeBytes(), m_complete})};
    if (m_terms.custody && outcome.result.isThreat())
        m_terms.custody->learn(outcome.result);
    dispose(std::move(outcome));
    return decision.disposition;
}

void Inspection::writeDown(const Outcome &outcome) const
{
    if (m_terms.custody) {
        m_terms.custody->note(m_download, outcome, fileType(),
            m_isResolved ? Custody::Occasion::Resolution : Custody::Occasion::Decision);
    }
}

//! Does what was decided; then the outcome stands.
void Inspection::dispose(Outcome outcome)
{
    Custody *custody = m_terms.custody;
    const bool isReleased = outcome.disposition == Disposition::Release;
    if (outcome.disposition == Disposition::Quarantine)
        return quarantine(std::move(outcome));
    writeDown(outcome);
    if (!isReleased || !custody || !owesScan(outcome.result))
        return stand(std::move(outcome));

    m_owed = releaseRecord(outcome.result);
    if (!m_complete)
        return stand(std::move(outcome));
    m_pending = std::move(outcome);
    m_state = State::Settling;
    custody->owe(content(), *m_owed, [self = QPointer<Inspection>(this)](const auto &owed) {
        if (!self || !self->m_pending)
            return;
        self->m_owed = owed;
        self->stand(*std::exchange(self->m_pending, std::nullopt));
    });
}

//! Where that is not possible, it is blocked.
void Inspection::quarantine(Outcome outcome)
{
    Custody *custody = m_terms.custody;
    if (!custody || !m_complete || content()->extent().sizeBytes != sizeBytes()) {
        outcome.disposition = Disposition::Block;
        writeDown(outcome);
        if (custody) {
            AuditEvent event =
                AuditEvent::about(AuditAction::QuarantineAdd, m_download, outcome, fileType());
            event.success = AuditEvent::Success::Failed;
            event.text = QStringLiteral("blocked instead: not all of it is here to be stored");
            custody->note(std::move(event));
        }
        return stand(std::move(outcome));
    }
    m_state = State::Settling;
    m_pending = std::move(outcome);
    custody->quarantine(content(), m_download, *m_pending, fileType(),
        m_isResolved ? Custody::Occasion::Resolution : Custody::Occasion::Decision,
        [mailbox = m_mailbox, this](const Outcome &settled) {
            mailbox.post([this, settled] {
                if (std::exchange(m_pending, std::nullopt))
                    stand(settled);
            });
        });
}

void Inspection::stand(Outcome outcome)
{
    m_outcome = std::move(outcome);
    m_state = State::Decided;
    const Disposition disposition = m_outcome->disposition;
    if (disposition == Disposition::Block || disposition == Disposition::Quarantine)
        m_spool.reset(); // nothing of it is left behind here
    if (disposition == Disposition::Release && m_outcome->result.verdict() != Verdict::Clean) {
        qCWarning(logTap).noquote()
            << "released without a clean verdict:" << printable(m_download.loggedAddress())
            << loggedResult();
    }
    // From the event loop, so that no caller finds itself deleted inside of write().
    QMetaObject::invokeMethod(
        this, [this] { announce(); }, Qt::QueuedConnection);
}

//! Names of an archive's members are names, too.
QString Inspection::loggedResult() const
{
    const ScanResult &result = m_outcome->result;
    if (m_download.privacy == Download::Privacy::Usual)
        return describe(result);
    return result.verdict() == Verdict::NotScanned ? explanation(result.reason())
                                                   : nameOf(result.verdict());
}

//! What was given out, but into no file, is known by its hash.
void Inspection::oweWhatWasRead()
{
    if (!m_owed || m_owed->id != 0 || !m_owed->path.isEmpty() || !m_complete)
        return;
    m_owed->sizeBytes = sizeBytes();
    m_terms.custody->owe(content(), *m_owed, [](const ReleaseRecord &) {});
}

void Inspection::announce()
{
    if (m_isResolved) {
        Q_EMIT resolved(*m_outcome);
        return;
    }
    if (std::exchange(m_announced, true))
        return;
    Q_EMIT decided(*m_outcome);
}

bool Inspection::resolve(Resolution resolution)
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (m_state != State::Decided || !m_announced || m_isResolved
        || m_outcome->disposition != Disposition::Warn)
        return false;
    m_isResolved = true;
    Outcome outcome = *m_outcome;
    outcome.clause = QStringLiteral("its user");
    switch (resolution) {
    case Resolution::Release:
        outcome.disposition = Disposition::Release;
        break;
    case Resolution::Quarantine:
        outcome.disposition = Disposition::Quarantine;
        break;
    case Resolution::Discard:
        outcome.disposition = Disposition::Block;
        break;
    }
    dispose(std::move(outcome));
    return true;
}

void Inspection::conclude(Reason reason)
{
    // A result that is on its way to us counts.
    const QPointer<Inspection> self(this);
    QCoreApplication::sendPostedEvents(this, QEvent::MetaCall);
    if (!self)
        return;
    if (!isSettled())
        decideNotScanned(reason);
    const bool isPending = m_pending.has_value();
    if (isPending) // it will be stored and written down all the same
        stand(*std::exchange(m_pending, std::nullopt));
    if (!m_announced || (isPending && m_isResolved))
        announce();
}

qint64 Inspection::read(char *target, qint64 size, qint64 offset) const
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (!m_outcome || m_outcome->disposition != Disposition::Release)
        return -1;
    if (m_spool)
        return m_spool->read(target, size, offset).value_or(-1);
    const qint64 count = std::clamp<qint64>(m_taken.size() - offset, 0, size);
    std::memcpy(target, m_taken.constData() + offset, size_t(count));
    return count;
}

ReleaseRecord Inspection::releaseRecord(const ScanResult &result) const
{
    ReleaseRecord record;
    record.sha256 = result.sha256();
    record.sizeBytes = sizeBytes();
    record.url = m_download.metadata.url;
    record.referrer = m_download.referrer;
    record.name = m_download.metadata.filename;
    record.mimeType = m_download.metadata.mimeType;
    record.privacy = m_download.privacy;
    record.verdict = result.verdict();
    record.reason = result.reason();
    record.rulesDigest = result.coverage().ruleSetDigest;
    record.releasedAt = QDateTime::currentDateTimeUtc();
    return record;
}

std::expected<QString, ReleaseError> Inspection::releaseInto(
    const QString &directory, const QString &name, ExistingFile existing)
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (!m_outcome || m_outcome->disposition != Disposition::Release)
        return std::unexpected(ReleaseError{ReleaseError::Code::Failed,
            QStringLiteral("this download was not decided to be released")});
    if (!m_spool || !m_spool->isSealed())
        return std::unexpected(ReleaseError{
            ReleaseError::Code::Failed, QStringLiteral("this download is not complete")});

    const QString place = sanitisedFileName(name);
    ReleasedContent known{m_outcome->result.sha256(), {}};
    if (m_download.privacy == Download::Privacy::Usual)
        known.provenance = {m_download.metadata.url, m_download.referrer};
    if (m_owed) {
        m_owed->path = QDir(directory).absoluteFilePath(place);
        m_owed->sizeBytes = sizeBytes(); // it may have been decided before the last byte
        m_owed = m_terms.custody->promise(content(), *m_owed);
        known.sha256 = m_owed->sha256;
    }
    const auto path = Sentinel::releaseInto(*m_spool, directory, place, existing, known);
    if (m_owed) {
        m_owed->path = path ? QDir::current().absoluteFilePath(*path) : QString();
        m_terms.custody->keep(*m_owed);
        if (path)
            m_owed->id = 0; // another copy would be another release
    } else if (path && m_terms.custody) {
        ReleaseRecord release = releaseRecord(m_outcome->result);
        release.path = QDir::current().absoluteFilePath(*path);
        m_terms.custody->remember(release);
    }
    return path;
}

} // namespace Sentinel
