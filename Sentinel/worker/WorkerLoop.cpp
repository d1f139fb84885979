// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerLoop.h"

#include "SecurityTap/content/Content.h"
#include "SecurityTap/scan/ScanRequest.h"
#include "Sentinel/sandbox/Sandbox.h"
#include "Sentinel/worker/Packet.h"
#include "Sentinel/worker/WorkerWire.h"

#include <algorithm>
#include <exception>

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

namespace Sentinel {

namespace {

using Progress = ScanTask::Progress;

//! The content behind \p file, as far as it may grow; null if it cannot be mapped.
std::shared_ptr<Content> mapContent(const FileDescriptor &file, qint64 mappedBytes)
{
    const auto size = size_t(std::max<qint64>(mappedBytes, 1));
    int flags = MAP_PRIVATE | MAP_NORESERVE;
    if (mappedBytes <= Limits::maxPassingCopyBytes)
        flags |= MAP_POPULATE; // at once, not page by page when they are looked at
    void *bytes = ::mmap(nullptr, size, PROT_READ, flags, file.get(), 0);
    if (bytes == MAP_FAILED)
        return nullptr;
    const std::shared_ptr<const void> mapping(
        bytes, [size](const void *start) { ::munmap(const_cast<void *>(start), size); });
    return std::make_shared<Content>(static_cast<const uchar *>(bytes), mapping);
}

//! One scan, slice by slice.
class ContentSlices {
public:
    ContentSlices(const WorkerRequest &begin, const FileDescriptor &file,
        const std::shared_ptr<const ScanEngine> &engine);

    WorkerAnswer step(const WorkerRequest &request);

private:
    const qint64 m_mappedBytes;
    const std::shared_ptr<Content> m_content;
    std::unique_ptr<ScanTask> m_task; // none: the content could not be mapped
};

ContentSlices::ContentSlices(const WorkerRequest &begin, const FileDescriptor &file,
    const std::shared_ptr<const ScanEngine> &engine)
    : m_mappedBytes(begin.mappedBytes), m_content(mapContent(file, begin.mappedBytes))
{
    if (!m_content)
        return;
    m_content->grow(std::min(begin.sizeBytes, m_mappedBytes));
    ScanSubject subject;
    subject.metadata.filename = begin.filename;
    subject.filePath = begin.filePath;
    m_task = engine->begin(subject, m_content);
}

WorkerAnswer ContentSlices::step(const WorkerRequest &request)
{
    WorkerAnswer answer;
    if (!m_task) {
        answer.result = ScanResult::notScanned(
            Reason::EngineError, QStringLiteral("The content could not be mapped."));
        return answer;
    }
    m_content->grow(std::min(request.sizeBytes, m_mappedBytes));
    if (request.isComplete)
        m_content->complete();
    const SliceBudget budget{Clock::now() + request.slice, {},
        [&answer](ScanResult suspected) { answer.result = std::move(suspected); }};
    answer.progress = m_task->step(budget);
    if (answer.progress == Progress::Done)
        answer.result = m_task->takeResult();
    return answer;
}

//! There is nowhere to write to, and who tries is ended by the sandbox.
void dropMessage(QtMsgType, const QMessageLogContext &, const QString &) { }

//! Room to map one content of \p maxScanBytes.
SandboxLimits limitsFor(qint64 maxScanBytes)
{
    SandboxLimits limits;
    limits.addressBytes += std::max<qint64>(maxScanBytes - Limits::maxScanBytes, 0);
    return limits;
}

//! What a scan has freed stays for the next one: to give it back to the system, and to get it again
//! page by page, takes longer than a small file does.
void keepFreedMemory()
{
    ::mallopt(M_TRIM_THRESHOLD, Limits::maxKeptFreeBytes);
    ::mallopt(M_MMAP_THRESHOLD, Limits::maxKeptPieceBytes);
}

int serve(const FileDescriptor &socket, const std::shared_ptr<const ScanEngine> &engine,
    const SandboxLimits &limits)
{
    if (!sendPacket(socket.get(), encode(WorkerReady{enterSandbox(limits).features})))
        return 0;
    std::unique_ptr<ContentSlices> scan;
    while (const auto packet = receivePacket(socket.get())) {
        const auto request = decodeRequest(packet->bytes);
        if (!request)
            return 1;
        switch (request->kind) {
        case WorkerRequest::Kind::Drop:
            scan.reset();
            continue;
        case WorkerRequest::Kind::Begin:
            scan.reset(); // its memory first
            scan = std::make_unique<ContentSlices>(*request, packet->file, engine);
            break;
        case WorkerRequest::Kind::Continue:
            break;
        }
        if (!scan)
            return 1;
        const WorkerAnswer answer = scan->step(*request);
        if (!sendPacket(socket.get(), encode(answer)))
            return 0;
        if (answer.progress == Progress::Done)
            scan.reset();
    }
    return 0;
}

} // namespace

void runWorkerLoop(
    FileDescriptor socket, std::shared_ptr<const ScanEngine> engine, qint64 maxScanBytes)
{
    qInstallMessageHandler(&dropMessage);
    int code = 1;
    keepFreedMemory();
    try {
        code = serve(socket, engine, limitsFor(maxScanBytes));
    } catch (const std::exception &) {
        // Out of memory, in most cases. Whoever waits sees the end of the process.
    }
    ::_exit(code); // nothing of the parent's is tidied up here
}

} // namespace Sentinel
