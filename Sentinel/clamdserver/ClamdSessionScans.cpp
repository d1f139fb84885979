// SPDX-License-Identifier: MIT
//
// What a session has scanned: streams, descriptors, the files below a path.
#include "Sentinel/clamdserver/ClamdSession.h"

#include "Sentinel/clamdserver/ClamdAnswer.h"

#include <QtEndian>

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

namespace Sentinel {

namespace {

constexpr qsizetype chunkSizeBytes = 4;

} // namespace

void ClamdSession::beginStream()
{
    m_state = State::ChunkSize;
    m_arriving = addScan("stream");
    auto content = HeldContent::create(m_around.budget);
    if (!content)
        return breach("stream: " + ClamdAnswer::error(content.error()));
    m_scans[m_arriving].content = std::move(*content);
}

qsizetype ClamdSession::takeChunkSize(QByteArrayView bytes)
{
    if (bytes.size() < chunkSizeBytes)
        return 0;
    m_chunkLeft = qFromBigEndian<quint32>(bytes.data());
    const qint64 most = m_around.backend.settings().maxScanBytes;
    if (m_chunkLeft == 0) {
        completeStream();
    } else if (m_chunkLeft > most - m_scans[m_arriving].arrivedBytes) {
        m_around.backend.countRefusal(ScanResult::notScanned(Reason::TooLarge));
        breach("INSTREAM size limit exceeded. ERROR");
    } else {
        m_state = State::Chunk;
    }
    return chunkSizeBytes;
}

qsizetype ClamdSession::takeChunk(QByteArrayView bytes)
{
    const qsizetype part = std::min<qint64>(m_chunkLeft, bytes.size());
    ClamdSessionScan &scan = m_scans[m_arriving];
    m_chunkLeft -= part;
    if (m_chunkLeft == 0)
        m_state = State::ChunkSize;
    scan.arrivedBytes += part;
    if (scan.early)
        return part;
    if (const auto appended = scan.content->append({bytes.data(), size_t(part)}); !appended) {
        m_around.backend.countRefusal(ScanResult::notScanned(Reason::QueueFull));
        breach("stream: " + ClamdAnswer::error(appended.error()));
        return part;
    }
    if (scan.arrivedBytes - scan.announcedBytes < Limits::scanWindowBytes)
        return part;
    scan.announcedBytes = scan.arrivedBytes;
    if (scan.request == 0)
        submit(m_arriving, scan);
    else
        m_around.backend.growContent(scan.request, scan.arrivedBytes);
    return part;
}

void ClamdSession::completeStream()
{
    m_state = afterCommand();
    const quint64 id = std::exchange(m_arriving, 0);
    ClamdSessionScan &scan = m_scans[id];
    scan.until = noDeadline;
    if (scan.early)
        return answer(id, ClamdAnswer::answer(*scan.early));
    if (const auto completed = scan.content->complete(); !completed)
        return answer(id, ClamdAnswer::error(completed.error()));
    if (scan.request == 0)
        submit(id, scan);
    else
        m_around.backend.completeContent(scan.request, scan.arrivedBytes);
}

void ClamdSession::beginCopy()
{
    if (!m_descriptor.isValid())
        return breach("No file descriptor received. ERROR");
    m_state = afterCommand();
    m_copying = addScan("fd[" + QByteArray::number(m_descriptor.get()) + ']');
    const auto file = std::make_shared<const FileDescriptor>(std::move(m_descriptor));
    copy(
        [&copies = m_around.copies, file, mailbox = m_mailbox, this, id = m_copying](const auto &) {
            mailbox.post([this, id, copy = copies.copyOf(file->get())] { onCopied(id, copy); });
        });
}

//! Has \p work done by a thread for it: m_copying waits for that.
void ClamdSession::copy(FileCopies::Work work)
{
    m_isCopyWanted = std::make_shared<std::atomic<bool>>(true);
    m_around.copies.add(m_isCopyWanted, std::move(work));
}

//! That thread has something better to do.
void ClamdSession::giveUpCopy()
{
    if (m_isCopyWanted)
        *m_isCopyWanted = false;
}

void ClamdSession::beginWalk(const ClamdCommand &command)
{
    m_state = afterCommand();
    m_walk = ClamdSessionWalk{std::make_shared<ClamdWalk>(command.path), command.extent,
        ClamdAnswer::printablePath(command.path), m_number, m_terminator};
    walkOn();
}

//! Has the next file copied once the one before is answered; after the last one the walk ends.
void ClamdSession::walkOn()
{
    const auto isOfWalk = [](const auto &scan) { return scan.second.isOfWalk; };
    if (!isAlive() || !m_walk || m_socket.hasUnsent() || std::ranges::any_of(m_scans, isOfWalk))
        return;
    if (m_walk->isOver) {
        const ClamdSessionWalk walk = *std::exchange(m_walk, std::nullopt);
        if (walk.isAllClean)
            say(walk.number, walk.terminator, walk.label + ": OK");
        return;
    }
    m_copying = addScan(m_walk->label);
    m_scans[m_copying].isOfWalk = true;
    copy([&copies = m_around.copies, files = m_walk->files, mailbox = m_mailbox, this,
             id = m_copying](const std::atomic<bool> &isWanted) {
        const auto step = files->next(isWanted);
        if (!step) {
            mailbox.post([this, id] { onWalked(id); });
            return;
        }
        auto copy = step->file ? copies.copyOf(step->file->get())
                               : FileCopies::Copy(std::unexpected(step->file.error()));
        mailbox.post([this, id, path = step->path, copy = std::move(copy)] {
            const auto scan = m_scans.find(id);
            if (scan != m_scans.end())
                scan->second.label = ClamdAnswer::printablePath(path);
            onCopied(id, copy);
        });
    });
}

//! There are no more files.
void ClamdSession::onWalked(quint64 id)
{
    if (!m_scans.contains(id))
        return;
    m_copying = 0;
    drop(id);
    endWalk();
    goOn();
}

//! Looks at no more files.
void ClamdSession::endWalk()
{
    if (m_walk)
        m_walk->isOver = true;
}

void ClamdSession::onCopied(quint64 id, const FileCopies::Copy &copy)
{
    const auto scan = m_scans.find(id);
    if (scan == m_scans.end())
        return;
    m_copying = 0;
    scan->second.until = noDeadline;
    if (copy) {
        scan->second.content = *copy;
        scan->second.arrivedBytes = (*copy)->sizeBytes();
        submit(id, scan->second);
    } else {
        m_around.backend.countRefusal(ScanResult::notScanned(Reason::Unreadable));
        answer(id, ClamdAnswer::error(copy.error()));
    }
    goOn();
}

//! Has what is there of its content scanned; \p scan may be gone afterwards.
void ClamdSession::submit(quint64 id, ClamdSessionScan &scan)
{
    ScanSubject subject;
    subject.client = m_client;
    subject.content = scan.content->content();
    subject.isContentOurs = true;
    subject.sizeBytes = scan.arrivedBytes;
    auto request = std::make_shared<ScanRequest>(
        std::move(subject), [mailbox = m_mailbox, this, id](ScanResult result) {
            mailbox.post([this, id, result = std::move(result)]() mutable {
                onResult(id, std::move(result));
                goOn();
            });
        });
    scan.request = request->id();
    if (const auto refusal = m_around.backend.submit(std::move(request))) {
        scan.request = 0;
        const ScanResult result = ScanResult::notScanned(*refusal);
        m_around.backend.countRefusal(result);
        onResult(id, result);
    }
}

void ClamdSession::onResult(quint64 id, ScanResult result)
{
    const auto scan = m_scans.find(id);
    if (scan == m_scans.end())
        return;
    scan->second.request = 0;
    if (scan->second.isOfWalk)
        return answerOfWalk(id, result);
    if (id != m_arriving)
        return answer(id, ClamdAnswer::answer(result));
    scan->second.early = std::move(result); // the client does not read before it has sent all
    scan->second.content.reset();
}

quint64 ClamdSession::addScan(const QByteArray &label)
{
    ClamdSessionScan &scan = m_scans[++m_lastScan];
    scan.label = label;
    scan.number = m_number;
    scan.terminator = m_terminator;
    scan.until = Clock::now() + m_around.settings.contentTime;
    return m_lastScan;
}

void ClamdSession::answer(quint64 id, const QByteArray &text)
{
    const ClamdSessionScan &scan = m_scans[id];
    const QByteArray said = scan.label + ": " + text;
    const quint64 number = scan.number;
    const char terminator = scan.terminator;
    if (scan.isOfWalk)
        m_walk->isAllClean = false;
    drop(id);
    m_heardAt = Clock::now();
    say(number, terminator, said);
}

//! What is Clean goes without saying until all are.
void ClamdSession::answerOfWalk(quint64 id, const ScanResult &result)
{
    m_heardAt = Clock::now();
    if (result.verdict() == Verdict::Clean)
        return drop(id);
    const auto extent = m_walk->extent;
    if (result.isThreat() && extent != ClamdCommand::Extent::EachFile)
        endWalk();
    if (extent != ClamdCommand::Extent::FirstFindings)
        return answer(id, ClamdAnswer::answer(result));
    const auto [label, number, terminator] =
        std::tuple(m_scans[id].label + ": ", m_walk->number, m_walk->terminator);
    QByteArrayList answers = ClamdAnswer::answers(result);
    const auto unsaid = [&label](qsizetype sum, const QByteArray &each) {
        return sum + label.size() + each.size();
    };
    // All of them at once: more than there is room for would end the connection.
    if (std::accumulate(answers.begin(), answers.end(), qsizetype(0), unsaid)
        > Limits::maxClamdUnsentBytes / 2)
        answers = {ClamdAnswer::answer(result)};
    const QByteArray last = answers.takeLast();
    for (const QByteArray &each : answers)
        say(number, terminator, label + each);
    if (isAlive())
        answer(id, last);
}

//! Forgets a scan that is still to be answered, or was not.
void ClamdSession::drop(quint64 id)
{
    const auto scan = m_scans.find(id);
    if (scan->second.request != 0)
        m_around.backend.cancel(scan->second.request, ScanResult::notScanned(Reason::Cancelled));
    m_scans.erase(scan);
}

} // namespace Sentinel
