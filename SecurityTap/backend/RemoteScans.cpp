// SPDX-License-Identifier: MIT
#include "SecurityTap/backend/RemoteScans_p.h"

#include <algorithm>
#include <utility>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

//! What the sentinel may take from now on; at least a moment, as zero would be none at all.
milliseconds timeLeft(Deadline deadline)
{
    return std::max(std::chrono::ceil<milliseconds>(deadline - Clock::now()), milliseconds(1));
}

} // namespace

std::expected<RemoteScans::Lack, Reason> RemoteScans::add(std::shared_ptr<ScanRequest> request)
{
    const ScanSubject &subject = request->subject();
    const Content::Extent extent =
        subject.content ? subject.content->extent() : Content::Extent{subject.sizeBytes, true};
    if (extent.isComplete
        && std::max(extent.sizeBytes, subject.sizeBytes) > m_settings.maxScanBytes)
        return std::unexpected(Reason::TooLarge);

    Scan scan;
    scan.request = std::move(request);
    scan.file = subject.file;
    scan.content = subject.content;
    scan.sizeBytes = extent.sizeBytes;
    scan.isComplete = extent.isComplete;
    if (!scan.file && !scan.isComplete)
        scan.stage = Stage::Growing;
    if (scan.isComplete && !scan.file && !(scan.content && scan.content->file() >= 0))
        scan.copiedBytes = std::max(extent.sizeBytes, subject.sizeBytes);

    const quint64 id = scan.request->id();
    const Deadline deadline = extent.isComplete ? scan.request->createdAt()
            + subject.timeout.value_or(m_settings.timeouts.forSize(subject.sizeBytes))
                                                : noDeadline;
    Lock lock(m_mutex);
    if (!m_isAdmitting)
        return std::unexpected(Reason::ScannerUnavailable);
    const qint64 copied = m_copiedBytes + scan.copiedBytes;
    if (m_copiedBytes > 0 && copied > std::max(m_copiedBytes, Limits::maxQueuedBytes))
        return std::unexpected(Reason::QueueFull);
    if (!m_room.tryTake(1, subject.origin))
        return std::unexpected(Reason::QueueFull);
    m_copiedBytes = copied;
    Scan &added = m_scans.emplace(id, std::move(scan)).first->second;
    m_peakRequests = std::max(m_peakRequests, int(m_scans.size()));
    setDeadline(added, deadline);
    const Lack lack = note(id, added);
    ring(lock, Teller::Caller);
    return lack;
}

//! True of a content that is in no file and too large to be copied in passing, or not here yet.
bool RemoteScans::lacksFile(const Scan &scan)
{
    if (scan.file || !scan.isComplete)
        return false;
    return !scan.content
        || (scan.content->file() < 0 && scan.sizeBytes > Limits::maxPassingCopyBytes);
}

//! What is wanted of \p scan has changed.
RemoteScans::Lack RemoteScans::note(quint64 id, Scan &scan)
{
    if (scan.stage != Stage::Loading && lacksFile(scan)) {
        scan.stage = Stage::Loading;
        m_lacking.push_back(id);
        return Lack::File;
    }
    list(id, scan);
    return Lack::Nothing;
}

void RemoteScans::grow(quint64 id, qint64 sizeBytes)
{
    Lock lock(m_mutex);
    const auto at = m_scans.find(id);
    if (at == m_scans.end() || at->second.isComplete || sizeBytes <= at->second.sizeBytes)
        return;
    at->second.sizeBytes = sizeBytes;
    list(id, at->second);
    ring(lock, Teller::Link);
}

RemoteScans::Lack RemoteScans::complete(
    quint64 id, qint64 sizeBytes, std::optional<milliseconds> timeout)
{
    const Deadline deadline =
        Clock::now() + timeout.value_or(m_settings.timeouts.forSize(sizeBytes));
    Lock lock(m_mutex);
    const auto at = m_scans.find(id);
    if (at == m_scans.end())
        return Lack::Nothing;
    Scan &scan = at->second;
    if (!scan.isComplete) {
        scan.isComplete = true;
        scan.sizeBytes = sizeBytes;
        if (scan.stage == Stage::Growing)
            scan.stage = Stage::Ready;
    } else if (scan.stage != Stage::Loading) {
        return Lack::Nothing; // said before, and maybe told
    }
    setDeadline(scan, deadline);
    const Lack lack = note(id, scan);
    ring(lock, Teller::Caller);
    return lack;
}

ScanResult RemoteScans::cancel(quint64 id, ScanResult result)
{
    Lock lock(m_mutex);
    const auto at = m_scans.find(id);
    if (at == m_scans.end())
        return result;
    Scan scan = takeOut(at);
    if (scan.wireId != 0) {
        const Reason reason = result.reason();
        m_book.cancel(scan.wireId, reason == Reason::None ? Reason::Cancelled : reason);
        ring(lock, Teller::Link);
    }
    if (lock.owns_lock())
        lock.unlock();
    answer(std::move(scan), result);
    return result;
}

void RemoteScans::acknowledge(quint64 id, Disposition disposition)
{
    Lock lock(m_mutex);
    if (!m_book.acknowledge(id, disposition))
        return;
    if (!m_watch.isLifeWatched()) // else it goes with what is told next, or soon by itself
        ring(lock, Teller::Link);
}

TelemetrySnapshot RemoteScans::telemetry() const
{
    TelemetrySnapshot snapshot = m_telemetry.snapshot();
    const Lock lock(m_mutex);
    snapshot.currentQueueDepth = int(m_scans.size());
    snapshot.maxQueueDepthSeen = m_peakRequests;
    return snapshot;
}

std::optional<RemoteScans::Source> RemoteScans::nextSource()
{
    const Lock lock(m_mutex);
    while (!m_lacking.empty()) {
        const auto at = m_scans.find(m_lacking.front());
        m_lacking.pop_front();
        if (at != m_scans.end())
            return Source{at->second.request, at->second.content};
    }
    return std::nullopt;
}

void RemoteScans::provide(quint64 id, FileDescriptor file, qint64 sizeBytes)
{
    auto shared = std::make_shared<const FileDescriptor>(std::move(file));
    Lock lock(m_mutex);
    const auto at = m_scans.find(id);
    if (at == m_scans.end())
        return;
    Scan &scan = at->second;
    scan.file = std::move(shared);
    scan.sizeBytes = sizeBytes;
    scan.stage = Stage::Ready;
    std::shared_ptr<const Content> copied;
    copied.swap(scan.content); // freed when the lock is not held any more
    list(id, scan);
    ring(lock, Teller::Caller);
}

void RemoteScans::fail(quint64 id, ScanResult result)
{
    Lock lock(m_mutex);
    const auto at = m_scans.find(id);
    if (at == m_scans.end())
        return;
    Scan scan = takeOut(at);
    lock.unlock();
    answer(std::move(scan), std::move(result));
}

quint64 RemoteScans::setBell(std::shared_ptr<const Bell> bell)
{
    Lock lock(m_mutex);
    m_bell = std::move(bell);
    const quint64 number = ++m_bellNumber;
    m_isTold = false;
    m_watch = m_watch.forNewLink();
    ring(lock, Teller::Link); // what was asked for before there was a bell
    return number;
}

RemoteScans::Watch RemoteScans::watch()
{
    const Lock lock(m_mutex);
    return {m_watch.watch(m_book.owedVerdicts()), m_book.owedVerdicts()};
}

bool RemoteScans::needsLife()
{
    Lock lock(m_mutex);
    const bool needsLife = m_watch.needsLife(m_book.owedVerdicts());
    if (m_book.hasAcks())
        ring(lock, Teller::Link);
    return needsLife;
}

std::optional<RemoteScans::Telling> RemoteScans::next(quint64 teller)
{
    const Lock lock(m_mutex);
    if (teller != m_bellNumber)
        return std::nullopt; // of a link that is gone
    auto telling = m_outbox ? nextTelling() : std::nullopt;
    m_isTold = telling.has_value();
    return telling;
}

std::optional<RemoteScans::Telling> RemoteScans::nextTelling()
{
    if (const auto cancel = m_book.nextCancel())
        return Telling{m_outbox, *cancel, 0, {}, {}};
    while (const auto id = m_listed.pop()) {
        const auto at = m_scans.find(*id);
        if (at == m_scans.end())
            continue;
        Scan &scan = at->second;
        scan.isListed = false;
        if (auto message = messageFor(*id, scan))
            return Telling{m_outbox, *std::move(message), *id, scan.file, scan.content};
    }
    if (const auto ack = m_book.nextAck())
        return Telling{m_outbox, *ack, 0, {}, {}};
    return std::nullopt;
}

//! What the sentinel has yet to learn of this scan, noted as told.
std::optional<Message> RemoteScans::messageFor(quint64 id, Scan &scan)
{
    if (scan.stage != Stage::Ready || scan.isToldComplete)
        return std::nullopt;
    if (scan.wireId != 0 && !scan.isComplete && scan.sizeBytes <= scan.toldBytes)
        return std::nullopt;
    const std::optional<milliseconds> timeout =
        scan.isComplete ? std::optional(timeLeft(scan.deadline)) : std::nullopt;
    scan.toldBytes = scan.sizeBytes;
    scan.isToldComplete = scan.isComplete;
    if (scan.wireId != 0) {
        if (scan.isComplete)
            return ScanEnd{scan.wireId, scan.sizeBytes, timeout};
        return ScanGrow{scan.wireId, scan.sizeBytes};
    }
    scan.wireId = m_book.begin(id);
    m_watch.noteBegin();
    const ScanSubject &subject = scan.request->subject();
    return ScanBegin{scan.wireId, subject.metadata, subject.filePath, subject.fileType,
        scan.sizeBytes, scan.isComplete, timeout, m_settings.wantsSha256, subject.mayWait};
}

void RemoteScans::withdraw(const Telling &begin, ScanResult result)
{
    Lock lock(m_mutex);
    if (begin.outbox == m_outbox) // else the book is another connection's
        m_book.withdraw(std::get<ScanBegin>(begin.message).id); // nor does a ScanCancel follow
    lock.unlock();
    fail(begin.request, std::move(result));
}

RemoteScans::Arrival RemoteScans::take(ScanVerdict verdict)
{
    Lock lock(m_mutex);
    const auto owed = m_book.takeOwed(verdict.id);
    if (!owed)
        return Arrival::Breach;
    const quint64 id = *owed;
    const auto at = m_scans.find(id);
    if (at == m_scans.end())
        return Arrival::Late;
    if (!at->second.isToldComplete && verdict.result.reason() == Reason::QueueFull) {
        // There was no room for it yet. It is asked again as it grows, and once it is complete.
        at->second.wireId = 0;
        if (at->second.isComplete) {
            list(id, at->second);
            ring(lock, Teller::Caller);
        }
        return Arrival::Answer;
    }
    Scan scan = takeOut(at);
    m_book.expectOutcome(id, verdict.id);
    lock.unlock();
    const qint64 judged = verdict.result.coverage().bytesTotal;
    if (verdict.result.verdict() == Verdict::Clean
        && (!scan.isToldComplete || judged != scan.toldBytes)) {
        verdict.result = ScanResult::notScanned(Reason::EngineError,
            QStringLiteral("The sentinel found %1 bytes clean, of a content that has %2%3.")
                .arg(judged)
                .arg(scan.toldBytes)
                .arg(scan.isToldComplete ? QString() : QStringLiteral(" and grows")));
    }
    answer(std::move(scan), std::move(verdict.result));
    return Arrival::Answer;
}

Deadline RemoteScans::expire(Clock::time_point now)
{
    std::vector<Scan> overdue;
    Lock lock(m_mutex);
    Deadline earliest = noDeadline;
    for (auto at = m_scans.begin(); at != m_scans.end();) {
        const auto scan = at++;
        const Deadline due = dueTime(scan->second);
        if (due > now) {
            earliest = std::min(earliest, due);
            continue;
        }
        if (scan->second.wireId != 0)
            m_book.cancel(scan->second.wireId, Reason::TimedOut);
        overdue.push_back(takeOut(scan));
    }
    m_watch.setDeadline(earliest);
    ring(lock, Teller::Caller);
    if (lock.owns_lock())
        lock.unlock();
    for (Scan &scan : overdue)
        answer(std::move(scan), ScanResult::notScanned(Reason::TimedOut));
    return earliest;
}

void RemoteScans::connected(std::shared_ptr<Outbox> outbox)
{
    Lock lock(m_mutex);
    m_outbox = std::move(outbox);
    for (auto &[id, scan] : m_scans)
        list(id, scan); // the oldest first
    ring(lock, Teller::Caller);
}

void RemoteScans::disconnected(const QString &why)
{
    std::vector<Scan> told;
    Lock lock(m_mutex);
    m_outbox.reset();
    m_book = {};
    m_watch.noteEnd();
    m_listed.clear();
    for (auto at = m_scans.begin(); at != m_scans.end();) {
        const auto scan = at++;
        scan->second.isListed = false;
        if (scan->second.wireId != 0)
            told.push_back(takeOut(scan));
    }
    lock.unlock();
    answerAll(std::move(told), why);
}

void RemoteScans::admit()
{
    const Lock lock(m_mutex);
    m_isAdmitting = true;
}

void RemoteScans::turnAway(const QString &why)
{
    std::vector<Scan> waiting;
    Lock lock(m_mutex);
    m_isAdmitting = false;
    while (!m_scans.empty())
        waiting.push_back(takeOut(m_scans.begin()));
    lock.unlock();
    answerAll(std::move(waiting), why);
}

RemoteScans::Scan RemoteScans::takeOut(Scans::iterator at)
{
    Scan scan = std::move(at->second);
    m_scans.erase(at);
    m_room.giveBack(1, scan.request->subject().origin);
    m_copiedBytes -= scan.copiedBytes;
    return scan;
}

void RemoteScans::setDeadline(Scan &scan, Deadline deadline)
{
    scan.deadline = deadline;
    m_watch.addDeadline(dueTime(scan));
}

//! When we answer: the sentinel, once it knows of the scan, may be a little late.
Deadline RemoteScans::dueTime(const Scan &scan) const
{
    if (scan.deadline == noDeadline || scan.wireId == 0)
        return scan.deadline;
    return scan.deadline + m_settings.patience.answerGrace;
}

void RemoteScans::list(quint64 id, Scan &scan)
{
    if (m_outbox && !std::exchange(scan.isListed, true))
        m_listed.push(id, scan.request->subject().origin);
}

//! Makes somebody the teller, and unlocks for that, unless there is one: who may have to wait until
//! the sentinel reads, while deadlines do not wait.
void RemoteScans::ring(Lock &lock, Teller teller)
{
    if (!m_bell)
        return;
    const bool hasTeller = std::exchange(m_isTold, true);
    if (hasTeller && !m_watch.callsLink(m_book.owedVerdicts()))
        return;
    const auto bell = m_bell;
    const quint64 number = m_bellNumber;
    lock.unlock();
    if (hasTeller)
        bell->watch();
    else
        teller == Teller::Caller ? bell->tell(number) : bell->call(number);
}

void RemoteScans::answer(Scan scan, ScanResult result)
{
    // Before the answer: whoever is told may look at the memory, and may keep the request.
    const std::shared_ptr<ScanRequest> request = std::move(scan.request);
    scan = {};
    request->letGo();
    m_telemetry.answer(*request, std::move(result));
}

void RemoteScans::answerAll(std::vector<Scan> scans, const QString &why)
{
    for (Scan &scan : scans)
        answer(std::move(scan), ScanResult::notScanned(Reason::ScannerUnavailable, why));
}

} // namespace Sentinel
