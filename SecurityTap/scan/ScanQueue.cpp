// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/ScanQueue.h"

#include <algorithm>
#include <utility>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

// The order. 20 ms a MiB is about what a scan takes: whoever waits as long as a larger one's scan
// would take has caught up with it.
constexpr milliseconds handicapPerMib{20};
constexpr qint64 maxHandicapMib = 100;
constexpr milliseconds maxHandicapUnderWay{100};
constexpr milliseconds executableAdvantage{50};

// The longest single wait: far from where the clocks of a condition variable overflow.
constexpr std::chrono::hours longestWait{24 * 365};

//! Announced sizes come from outside and may be anything.
qint64 saneBytes(qint64 sizeBytes)
{
    return std::clamp<qint64>(sizeBytes, 0, Limits::maxSpoolBytes);
}

//! What a request counts in the byte bound: what is here. To count what is only announced would let
//! one large announcement keep everybody else out.
qint64 bytesHere(const ScanSubject &subject)
{
    return saneBytes(subject.content ? subject.content->extent().sizeBytes : subject.sizeBytes);
}

milliseconds handicap(qint64 bytes)
{
    return handicapPerMib * std::min(bytes / Limits::mib, maxHandicapMib);
}

ClientLines::Party partyOf(const ScanSubject &subject)
{
    return {subject.client, subject.origin, subject.connection};
}

//! What each of several who share \p left may have of it.
ClientLines::Figures shareOf(const ClientLines::Figures &left)
{
    return {std::max(left.waiting / Limits::queueShare, 1), left.bytes / Limits::queueShare};
}

ClientLines::Figures without(const ClientLines::Figures &all, const ClientLines::Figures &part)
{
    return {all.waiting - part.waiting, all.bytes - part.bytes};
}

//! Whether who has \p had may have a request of \p bytes more. Who has nothing is not bound in
//! bytes, or what is large could never be scanned.
bool isWithin(const ClientLines::Figures &bound, const ClientLines::Figures &had, qint64 bytes)
{
    return had.waiting < bound.waiting && (had.bytes == 0 || bytes <= bound.bytes - had.bytes);
}

Clock::time_point firstOrder(const ScanRequest &request, qint64 bytes)
{
    const FileType type = request.subject().fileType;
    const bool isExecutable = type == FileType::Executable || type == FileType::Script;
    return request.createdAt() + handicap(bytes)
        - (isExecutable ? executableAdvantage : milliseconds::zero());
}

} // namespace

//! Whom a change concerns is woken when the lock is free again: a thread that is woken while it is
//! held runs into it, and costs both sides another round through the kernel.
struct ScanQueue::Alarm {
    explicit Alarm(ScanQueue &owner) : queue(owner) { }
    ~Alarm()
    {
        if (ready)
            queue.m_readyChanged.notify_one();
        if (deadline)
            queue.m_deadlinesChanged.notify_all();
    }
    Q_DISABLE_COPY_MOVE(Alarm)

    ScanQueue &queue;
    bool ready = false;
    bool deadline = false;
};

ScanQueue::ScanQueue(Bounds bounds, Now now) : m_bounds(bounds), m_now(std::move(now)) { }

ScanQueue::~ScanQueue() = default;

std::optional<Reason> ScanQueue::submit(std::shared_ptr<ScanRequest> request, Deadline deadline)
{
    Q_ASSERT(request);
    const quint64 id = request->id();
    const ClientLines::Party party = partyOf(request->subject());
    const qint64 bytes = bytesHere(request->subject());

    Alarm alarm(*this);
    const std::lock_guard lock(m_mutex);
    Q_ASSERT(!m_entries.contains(id));
    if (!m_open)
        return Reason::ScannerUnavailable;
    if (!hasRoom(party, bytes))
        return Reason::QueueFull;

    Entry &entry = m_entries[id];
    entry.request = std::move(request);
    entry.line = &m_lines.enter(party);
    entry.key.id = id;
    count(entry, bytes);
    countWaiting(entry, +1);
    m_depths.peakWaiting = std::max(m_depths.peakWaiting, m_depths.waiting);
    setDeadline(entry, deadline, alarm);
    const qint64 sizeBytes = saneBytes(entry.request->subject().sizeBytes);
    makeReady(entry, firstOrder(*entry.request, sizeBytes), alarm);
    return std::nullopt;
}

std::shared_ptr<ScanRequest> ScanQueue::take(milliseconds patience)
{
    patience = std::clamp<milliseconds>(patience, milliseconds::zero(), longestWait);

    Alarm alarm(*this);
    std::unique_lock lock(m_mutex);
    const auto isShut = [this, shutDowns = m_shutDowns] {
        return !m_open || m_shutDowns != shutDowns;
    };
    m_readyChanged.wait_for(lock, patience, [&] { return isShut() || !m_lines.isEmpty(); });
    if (isShut() || m_lines.isEmpty())
        return nullptr;

    const Clock::time_point now = m_now();
    Entry &entry = m_entries.at(m_lines.take(now).id);
    entry.state = State::Running;
    entry.wakeAfterSlice = false;
    if (!entry.isStarted) {
        entry.isStarted = true;
        countWaiting(entry, -1);
        ++m_depths.underWay;
    }
    if (entry.deadline == noDeadline) {
        setDeadline(entry, now + m_bounds.longestSlice, alarm);
        entry.isSliceTimed = true;
    }
    return entry.request;
}

void ScanQueue::resume(quint64 id)
{
    Alarm alarm(*this);
    const std::lock_guard lock(m_mutex);
    const auto it = m_entries.find(id);
    if (it == m_entries.end() || it->second.state != State::Running)
        return;
    const Clock::time_point now = m_now();
    endSlice(it->second, now, alarm);
    makeReadyAgain(it->second, now, alarm);
}

void ScanQueue::starve(quint64 id)
{
    Alarm alarm(*this);
    const std::lock_guard lock(m_mutex);
    const auto it = m_entries.find(id);
    if (it == m_entries.end() || it->second.state != State::Running)
        return;
    const Clock::time_point now = m_now();
    endSlice(it->second, now, alarm);
    // What arrived during the slice may have come after the task looked for it.
    if (it->second.wakeAfterSlice)
        makeReadyAgain(it->second, now, alarm);
    else
        it->second.state = State::Starved;
}

void ScanQueue::wake(quint64 id)
{
    Alarm alarm(*this);
    const std::lock_guard lock(m_mutex);
    const auto it = m_entries.find(id);
    if (it != m_entries.end())
        wake(it->second, alarm);
}

void ScanQueue::growContent(quint64 id, qint64 sizeBytes)
{
    Alarm alarm(*this);
    const std::lock_guard lock(m_mutex);
    const auto it = m_entries.find(id);
    if (it == m_entries.end())
        return;
    count(it->second, saneBytes(sizeBytes));
    wake(it->second, alarm);
}

void ScanQueue::completeContent(quint64 id, qint64 sizeBytes, Deadline deadline)
{
    Alarm alarm(*this);
    const std::lock_guard lock(m_mutex);
    const auto it = m_entries.find(id);
    if (it == m_entries.end())
        return;
    Entry &entry = it->second;
    entry.request->restartTime();
    count(entry, saneBytes(sizeBytes));
    setDeadline(entry, deadline, alarm);
    entry.isSliceTimed = false;
    wake(entry, alarm);

    if (!entry.isStarted) {
        // It was put into the order by its announced size; it keeps its place among equals.
        const ClientLines::Key before = entry.key;
        entry.key.order = firstOrder(*entry.request, entry.bytes);
        m_lines.move(*entry.line, before, entry.key);
    }
}

std::shared_ptr<ScanRequest> ScanQueue::remove(quint64 id)
{
    const std::lock_guard lock(m_mutex);
    const auto it = m_entries.find(id);
    return it == m_entries.end() ? nullptr : takeOut(it);
}

std::vector<std::shared_ptr<ScanRequest>> ScanQueue::takeExpired()
{
    std::unique_lock lock(m_mutex);
    const quint64 shutDowns = m_shutDowns;
    std::vector<std::shared_ptr<ScanRequest>> expired;
    while (m_open && m_shutDowns == shutDowns) {
        const Deadline now = m_now();
        while (!m_deadlines.empty() && m_deadlines.begin()->first <= now)
            expired.push_back(takeOut(m_entries.find(m_deadlines.begin()->second)));
        if (!expired.empty())
            break;
        // Who makes an earlier deadline wakes us. One that goes meanwhile is slept out: to look in
        // vain once in a while is cheaper than to be woken for every request.
        const Deadline next = m_deadlines.empty() ? noDeadline : m_deadlines.begin()->first;
        const Deadline until = std::min<Deadline>(next, now + longestWait);
        m_watchedUntil = until;
        m_deadlinesChanged.wait_until(lock, until); // by a copy: it looks at it after the wait
    }
    m_watchedUntil = noDeadline;
    return expired;
}

ScanQueue::Depths ScanQueue::depths() const
{
    const std::lock_guard lock(m_mutex);
    Depths depths = m_depths;
    depths.clients = m_lines.count();
    return depths;
}

bool ScanQueue::hasReady() const
{
    const std::lock_guard lock(m_mutex);
    return !m_lines.isEmpty();
}

std::vector<std::shared_ptr<ScanRequest>> ScanQueue::shutDown()
{
    std::vector<std::shared_ptr<ScanRequest>> unanswered;
    {
        const std::lock_guard lock(m_mutex);
        m_open = false;
        ++m_shutDowns;
        unanswered.reserve(m_entries.size());
        while (!m_entries.empty())
            unanswered.push_back(takeOut(m_entries.begin()));
        m_readyChanged.notify_all();
        m_deadlinesChanged.notify_all();
    }
    std::ranges::sort(unanswered, {}, [](const auto &request) { return request->id(); });
    return unanswered;
}

void ScanQueue::reopen()
{
    const std::lock_guard lock(m_mutex);
    m_open = true;
}

bool ScanQueue::hasRoom(const ClientLines::Party &party, qint64 bytes) const
{
    // A request that is larger than the bound could never be scanned if it did not get the queue
    // for itself.
    const bool fits = m_depths.bytes == 0 || bytes <= m_bounds.maxBytes - m_depths.bytes;
    if (m_depths.waiting >= m_bounds.maxRequests || !fits)
        return false;
    if (party.client == 0 && party.origin == 0 && party.connection == 0)
        return true;
    const ClientLines::PartyFigures had = m_lines.figures(party);
    const ClientLines::Figures others = without({m_depths.waiting, m_depths.bytes}, had.client);
    ClientLines::Figures room = without({m_bounds.maxRequests, m_bounds.maxBytes}, others);
    if (party.client != 0) {
        room = shareOf(room);
        if (!isWithin(room, had.client, bytes))
            return false;
    }
    const auto isWithinShare = [&](const ClientLines::Figures &share) {
        return isWithin(shareOf(without(room, without(had.client, share))), share, bytes);
    };
    return (party.origin == 0 || isWithinShare(had.origin))
        && (party.connection == 0 || isWithinShare(had.connection));
}

void ScanQueue::count(Entry &entry, qint64 bytes)
{
    m_depths.bytes += bytes - entry.bytes;
    ClientLines::count(*entry.line, {0, bytes - entry.bytes});
    entry.bytes = bytes;
}

void ScanQueue::countWaiting(Entry &entry, int change)
{
    m_depths.waiting += change;
    ClientLines::count(*entry.line, {change, 0});
}

void ScanQueue::wake(Entry &entry, Alarm &alarm)
{
    if (entry.state == State::Starved)
        makeReadyAgain(entry, m_now(), alarm);
    else if (entry.state == State::Running)
        entry.wakeAfterSlice = true;
}

//! The worker is back in time.
void ScanQueue::endSlice(Entry &entry, Clock::time_point now, Alarm &alarm)
{
    m_lines.endSlice(*entry.line, now);
    if (std::exchange(entry.isSliceTimed, false))
        setDeadline(entry, noDeadline, alarm);
}

void ScanQueue::makeReady(Entry &entry, Clock::time_point order, Alarm &alarm)
{
    entry.state = State::Waiting;
    entry.key.order = order;
    entry.key.sequence = m_nextSequence++;
    m_lines.add(*entry.line, entry.key);
    alarm.ready = true;
}

void ScanQueue::makeReadyAgain(Entry &entry, Clock::time_point now, Alarm &alarm)
{
    makeReady(entry, now + std::min(handicap(entry.bytes), maxHandicapUnderWay), alarm);
}

void ScanQueue::setDeadline(Entry &entry, Deadline deadline, Alarm &alarm)
{
    if (entry.deadline != noDeadline)
        m_deadlines.erase({entry.deadline, entry.key.id});
    entry.deadline = deadline;
    if (deadline == noDeadline)
        return;
    m_deadlines.emplace(deadline, entry.key.id);
    alarm.deadline = deadline < m_watchedUntil;
}

std::shared_ptr<ScanRequest> ScanQueue::takeOut(std::unordered_map<quint64, Entry>::iterator it)
{
    Entry &entry = it->second;
    if (entry.state == State::Waiting)
        m_lines.remove(*entry.line, entry.key);
    else if (entry.state == State::Running)
        m_lines.endSlice(*entry.line, m_now());
    if (entry.deadline != noDeadline)
        m_deadlines.erase({entry.deadline, entry.key.id});
    if (entry.isStarted)
        --m_depths.underWay;
    else
        countWaiting(entry, -1);
    count(entry, 0);
    m_lines.leave(*entry.line);
    std::shared_ptr<ScanRequest> request = std::move(entry.request);
    m_entries.erase(it);
    return request;
}

} // namespace Sentinel
