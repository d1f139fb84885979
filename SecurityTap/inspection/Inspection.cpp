// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/Inspection.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/Logging.h"
#include "SecurityTap/backend/ScanBackend.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/FileType.h"

#include <QCoreApplication>
#include <QPointer>
#include <QThread>

#include <algorithm>
#include <cstring>

namespace Sentinel {

Inspection::Inspection(quint64 id, Download download, Terms terms, QObject *parent)
    : QObject(parent)
    , m_id(id)
    , m_download(std::move(download))
    , m_terms(std::move(terms))
    , m_mailbox(this)
{
}

Inspection::~Inspection()
{
    if (m_request != 0)
        m_terms.backend->cancel(m_request, ScanResult::notScanned(Reason::Cancelled));
}

qint64 Inspection::sizeBytes() const
{
    return m_spool ? m_spool->sizeBytes() : m_taken.size();
}

bool Inspection::openSpool()
{
    if (m_spool)
        return true;
    auto spool =
        Spool::create({m_download.destinationDirectory.isEmpty() ? m_terms.spoolDirectory
                                                                 : m_download.destinationDirectory,
            m_download.metadata.sizeBytes, m_terms.maxSpoolBytes, m_terms.maxScanBytes,
            m_terms.budget});
    if (!spool) {
        loseBytes(spool.error());
        return false;
    }
    m_spool = std::move(*spool);
    return true;
}

//! The spool refuses. What was decided stays decided; what was kept will never be complete.
void Inspection::loseBytes(const SpoolError &error)
{
    m_hasLostBytes = true;
    if (m_state == State::Decided)
        qCWarning(logTap).noquote() << "cannot keep the rest of a download:" << error.message;
    else
        decideNotScanned(Reason::Unreadable, error.message);
}

bool Inspection::write(QByteArrayView bytes)
{
    Q_ASSERT(thread() == QThread::currentThread());
    const bool isWanted = !m_complete && !m_hasLostBytes
        && (m_state == State::Receiving || m_outcome->disposition == Disposition::Release);
    if (!isWanted || !openSpool())
        return false;
    if (const auto appended = m_spool->append({bytes.data(), size_t(bytes.size())}); !appended) {
        loseBytes(appended.error());
        return false;
    }
    if (m_state == State::Receiving)
        scanArrived();
    return true;
}

void Inspection::scanArrived()
{
    const qint64 size = m_spool->sizeBytes();
    if (size > m_terms.maxScanBytes) {
        decideNotScanned(Reason::TooLarge);
        return;
    }
    // The engine works in windows: it is told of whole ones only, and a download that fits into one
    // is not begun before it is complete.
    if (size <= m_nextWakeBytes || size <= Limits::scanWindowBytes)
        return;
    m_nextWakeBytes = size - size % Limits::scanWindowBytes + Limits::scanWindowBytes;
    beginAnew();
    if (m_request != 0)
        m_terms.backend->growContent(m_request, size);
    else
        submit(m_spool->content()); // if refused, there is another chance at the next window
}

//! A spool that has moved to disk is another file than the one that is being scanned elsewhere.
void Inspection::beginAnew()
{
    if (m_request == 0 || m_isScannedInMemory == m_spool->isInMemory()
        || m_terms.backend->contentForm() != ScanBackend::ContentForm::File)
        return;
    m_terms.backend->cancel(std::exchange(m_request, 0), ScanResult::notScanned(Reason::Cancelled));
}

void Inspection::finish()
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (m_complete || m_hasLostBytes || (m_state == State::Decided && !m_spool))
        return;
    m_finishedAt = Clock::now();
    if (!openSpool())
        return;
    if (const auto sealed = m_spool->seal(); !sealed) {
        loseBytes(sealed.error());
        return;
    }
    m_complete = true;
    if (m_state == State::Receiving)
        scanComplete(m_spool->content());
}

void Inspection::take(QByteArray content)
{
    m_finishedAt = Clock::now();
    m_taken = std::move(content);
    m_complete = true;
    if (m_taken.size() > m_terms.maxScanBytes)
        decideNotScanned(Reason::TooLarge);
    else
        scanComplete(Content::fromByteArray(m_taken));
}

void Inspection::scanComplete(const std::shared_ptr<const Content> &content)
{
    m_state = State::Scanning;
    if (m_spool)
        beginAnew();
    if (m_request != 0)
        m_terms.backend->completeContent(m_request, sizeBytes());
    else
        submit(content);
}

//! False if the backend refused; decides then if the content is complete.
bool Inspection::submit(std::shared_ptr<const Content> content)
{
    const qint64 announced = m_download.metadata.sizeBytes.value_or(0);
    ScanSubject subject;
    subject.metadata = m_download.metadata;
    subject.fileType = sniffFileType(content->span(), m_download.metadata.mimeType);
    subject.sizeBytes = m_complete ? sizeBytes() : std::max(sizeBytes(), announced);
    subject.content = std::move(content);
    if (m_spool && m_terms.backend->contentForm() == ScanBackend::ContentForm::File) {
        m_isScannedInMemory = m_spool->isInMemory();
        if (auto file = m_spool->openReadOnly())
            subject.file = std::make_shared<const FileDescriptor>(std::move(*file));
    }

    const int attempt = ++m_attempts;
    auto request = std::make_shared<ScanRequest>(
        std::move(subject), [mailbox = m_mailbox, this, attempt](ScanResult result) {
            mailbox.post([this, attempt, result = std::move(result)]() mutable {
                onResult(attempt, std::move(result));
            });
        });
    const quint64 id = request->id();
    const std::optional<Reason> refusal = m_terms.backend->submit(std::move(request));
    if (!refusal)
        m_request = id;
    else if (m_complete)
        decideNotScanned(*refusal);
    return !refusal;
}

void Inspection::abort()
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (m_state != State::Decided)
        decideNotScanned(Reason::Incomplete);
}

void Inspection::cancel()
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (m_state != State::Decided)
        decideNotScanned(Reason::Cancelled);
}

void Inspection::onResult(int attempt, ScanResult result)
{
    if (attempt != m_attempts)
        return; // it was begun anew
    const quint64 request = std::exchange(m_request, 0);
    // While bytes still arrive, only a scan that failed has a result: trying it again with each
    // further window would fail again.
    if (m_state == State::Decided)
        return;
    settle(std::move(result));
    m_terms.backend->acknowledge(request, m_outcome->disposition);
}

//! Every end without the backend's answer; takes the request back, if there is one.
void Inspection::decideNotScanned(Reason reason, const QString &detail)
{
    ScanResult result = ScanResult::notScanned(reason, detail);
    if (m_request != 0)
        result = m_terms.backend->cancel(std::exchange(m_request, 0), std::move(result));
    else
        m_terms.backend->countRefusal(result);
    settle(std::move(result));
}

void Inspection::settle(ScanResult result)
{
    if (m_download.kind == Download::Kind::Part && result.verdict() == Verdict::Clean) {
        // Every byte of the part was looked at, but a part is not the file.
        Coverage coverage = result.coverage();
        coverage.limitsHit.append(QStringLiteral("only a part of the file was transferred"));
        result = ScanResult::judge(
            std::move(coverage), result.findings(), result.sha256(), Reason::PartialContent);
    }
    const auto sinceLastByte = m_complete ? Clock::now() - m_finishedAt : Clock::duration::zero();
    const Disposition disposition = decide(m_terms.policy, result);
    m_outcome.emplace(m_id, m_download.connection, m_download.metadata, std::move(result),
        disposition, sizeBytes(),
        std::chrono::duration_cast<std::chrono::microseconds>(sinceLastByte));
    m_state = State::Decided;
    if (disposition == Disposition::Block)
        m_spool.reset(); // nothing of it is left behind
    if (disposition == Disposition::Release && m_outcome->result.verdict() != Verdict::Clean) {
        qCWarning(logTap).noquote()
            << "released without a clean verdict:"
            << printable(m_download.metadata.url.toDisplayString()) << describe(m_outcome->result);
    }
    // From the event loop, so that no caller finds itself deleted inside of write().
    QMetaObject::invokeMethod(
        this, [this] { announce(); }, Qt::QueuedConnection);
}

void Inspection::announce()
{
    if (std::exchange(m_announced, true))
        return;
    Q_EMIT decided(*m_outcome);
}

void Inspection::conclude(Reason reason)
{
    // A result that is on its way to us counts.
    const QPointer<Inspection> self(this);
    QCoreApplication::sendPostedEvents(this, QEvent::MetaCall);
    if (!self)
        return;
    if (m_state != State::Decided)
        decideNotScanned(reason);
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

std::expected<QString, ReleaseError> Inspection::releaseInto(
    const QString &directory, const QString &name, ExistingFile existing) const
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (!m_outcome || m_outcome->disposition != Disposition::Release)
        return std::unexpected(ReleaseError{ReleaseError::Code::Failed,
            QStringLiteral("this download was not decided to be released")});
    if (!m_spool || !m_spool->isSealed())
        return std::unexpected(ReleaseError{
            ReleaseError::Code::Failed, QStringLiteral("this download is not complete")});
    return Sentinel::releaseInto(*m_spool, directory, sanitisedFileName(name), existing);
}

} // namespace Sentinel
