// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/Inspection.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/Logging.h"
#include "SecurityTap/backend/ScanBackend.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/FileType.h"
#include "SecurityTap/custody/Custody.h"
#include "SecurityTap/inspection/ShareKey.h"

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
    , m_origin(shareKeyOf(m_download.metadata.url))
    , m_mailbox(this)
{
}

Inspection::~Inspection()
{
    oweWhatWasRead();
    m_terms.waitingRoom->leave(*this);
    if (m_request == 0)
        return;
    m_terms.backend->cancel(m_request, ScanResult::notScanned(Reason::Cancelled));
    m_terms.waitingRoom->tryNext(Limits::triesAtResult);
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
            m_terms.budget, m_origin});
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
    if (isSettled())
        qCWarning(logTap).noquote() << "cannot keep the rest of a download:" << error.message;
    else
        decideNotScanned(Reason::Unreadable, error.message);
}

bool Inspection::write(QByteArrayView bytes)
{
    Q_ASSERT(thread() == QThread::currentThread());
    const bool isWanted = !m_complete && !m_hasLostBytes
        && (m_state == State::Receiving
            || (m_outcome
                && (m_outcome->disposition == Disposition::Release
                    || m_outcome->disposition == Disposition::Warn)));
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
        (void)submit(m_spool->content()); // if refused, there is another chance at the next window
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
    if (m_complete || m_hasLostBytes || (isSettled() && !m_spool))
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
        scanComplete();
}

void Inspection::take(QByteArray content)
{
    m_finishedAt = Clock::now();
    m_taken = std::move(content);
    m_complete = true;
    if (m_taken.size() > m_terms.maxScanBytes)
        decideNotScanned(Reason::TooLarge);
    else
        scanComplete();
}

std::shared_ptr<const Content> Inspection::content() const
{
    return m_spool ? m_spool->content() : Content::fromByteArray(m_taken);
}

void Inspection::scanComplete()
{
    m_state = State::Scanning;
    if (m_spool)
        beginAnew();
    if (m_request != 0)
        m_terms.backend->completeContent(m_request, sizeBytes());
    else
        submitOrHold();
}

//! Why the backend refused, if it did.
std::optional<Reason> Inspection::submit(std::shared_ptr<const Content> content)
{
    const qint64 announced = m_download.metadata.sizeBytes.value_or(0);
    ScanSubject subject;
    subject.metadata = m_download.metadata;
    subject.fileType = sniffFileType(content->span(), m_download.metadata.mimeType);
    subject.sizeBytes = m_complete ? sizeBytes() : std::max(sizeBytes(), announced);
    subject.content = std::move(content);
    subject.origin = m_origin;
    subject.connection = m_download.connection;
    if (m_spool && m_terms.backend->contentForm() == ScanBackend::ContentForm::File) {
        m_isScannedInMemory = m_spool->isInMemory();
        if (auto file = m_spool->openReadOnly())
            subject.file = std::make_shared<const FileDescriptor>(std::move(*file));
    }

    const int attempt = ++m_attempts;
    auto request = std::make_shared<ScanRequest>(
        std::move(subject),
        [mailbox = m_mailbox, this, attempt](ScanResult result) {
            mailbox.post([this, attempt, result = std::move(result)]() mutable {
                onResult(attempt, std::move(result));
            });
        },
        m_complete ? m_finishedAt : Clock::now());
    const quint64 id = request->id();
    const std::optional<Reason> refusal = m_terms.backend->submit(std::move(request));
    if (!refusal)
        m_request = id;
    return refusal;
}

//! Behind those of its origin that came before it, if any wait.
void Inspection::submitOrHold()
{
    const bool hasOthersBefore = m_terms.waitingRoom->isWaitedFor(m_origin);
    const std::optional<Reason> refusal =
        hasOthersBefore ? std::optional(Reason::QueueFull) : submit(content());
    if (refusal && (*refusal != Reason::QueueFull || !hold()))
        decideNotScanned(*refusal);
    // A sentinel refuses by a message: asked at each arrival, it would have others' wait behind
    // them.
    if (hasOthersBefore && m_terms.backend->contentForm() == ScanBackend::ContentForm::Memory)
        m_terms.waitingRoom->tryFirst(m_origin);
}

//! False if it cannot wait (any longer). What has no origin does not: whoever floods has one.
bool Inspection::hold()
{
    noteOverflow();
    const auto hold = decideOn(ScanResult::notScanned(Reason::QueueFull)).hold;
    const Deadline until = m_finishedAt + std::min(hold, m_terms.timeouts.forSize(sizeBytes()));
    return m_origin != 0 && Clock::now() < until
        && m_terms.waitingRoom->enter(*this, {m_origin, m_finishedAt, m_id, until});
}

//! By when there is an answer.
Deadline Inspection::deadline() const
{
    return m_finishedAt + m_terms.timeouts.forSize(sizeBytes());
}

void Inspection::noteOverflow()
{
    if (m_origin != 0 && !std::exchange(m_hasOverflowed, true) && m_terms.overflowed)
        m_terms.overflowed(m_download);
}

bool Inspection::tryAgain()
{
    const std::optional<Reason> refusal = submit(content());
    if (refusal == Reason::QueueFull)
        return false;
    if (refusal)
        decideNotScanned(*refusal);
    return true;
}

void Inspection::turnAway()
{
    if (Clock::now() < deadline() && tryAgain())
        return;
    decideNotScanned(Reason::QueueFull, QStringLiteral("There was no room in the queue in time."));
}

void Inspection::abort()
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (!isSettled())
        decideNotScanned(Reason::Incomplete);
}

void Inspection::cancel()
{
    Q_ASSERT(thread() == QThread::currentThread());
    if (!isSettled())
        decideNotScanned(Reason::Cancelled);
}

void Inspection::onResult(int attempt, ScanResult result)
{
    if (attempt != m_attempts)
        return; // it was begun anew
    const quint64 request = std::exchange(m_request, 0);
    // While bytes still arrive, only a scan that failed has a result: trying it again with each
    // further window would fail again.
    if (isSettled())
        return;
    const bool isRefused = result.reason() == Reason::QueueFull;
    if (isRefused && m_complete && hold())
        return; // a sentinel's queue was full
    m_terms.backend->acknowledge(request, settle(std::move(result)));
    if (isRefused)
        return;
    m_terms.waitingRoom->tryNext(Limits::triesAtResult);
    if (m_terms.custody && m_terms.waitingRoom->size() == 0)
        m_terms.custody->wake();
}

//! Every end without the backend's answer; takes the request back, if there is one.
void Inspection::decideNotScanned(Reason reason, const QString &detail)
{
    ScanResult result = ScanResult::notScanned(reason, detail);
    m_terms.waitingRoom->leave(*this);
    const bool makesRoom = m_request != 0;
    if (makesRoom)
        result = m_terms.backend->cancel(std::exchange(m_request, 0), std::move(result));
    else
        m_terms.backend->countRefusal(result);
    settle(std::move(result));
    if (makesRoom)
        m_terms.waitingRoom->tryNext(Limits::triesAtResult);
}

} // namespace Sentinel
