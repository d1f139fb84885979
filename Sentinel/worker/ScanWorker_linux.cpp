// SPDX-License-Identifier: MIT
#include "Sentinel/worker/ScanWorker.h"

#include "Sentinel/worker/Packet.h"
#include "ipc/SocketMessage.h"

#include <csignal>

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace Sentinel {

ScanWorker::ScanWorker(
    FileDescriptor socket, FileDescriptor process, pid_t pid, std::vector<SandboxFeature> sandbox)
    : m_socket(std::move(socket))
    , m_process(std::move(process))
    , m_record(new WorkerRecord{pid})
    , m_sandbox(std::move(sandbox))
{
}

ScanWorker::~ScanWorker()
{
    kill();
}

std::expected<WorkerAnswer, QString> ScanWorker::ask(const WorkerRequest &request, int file)
{
    if (request.kind == WorkerRequest::Kind::Begin)
        ++m_record->scans;
    m_record->isScanning = true;
    const bool isSent = sendPacket(m_socket.get(), encode(request), file);
    const auto packet = isSent ? receivePacket(m_socket.get()) : std::nullopt;
    m_record->isScanning = false;
    if (!packet)
        return std::unexpected(QStringLiteral("the scan worker died"));
    auto answer = decodeAnswer(packet->bytes);
    if (!answer) {
        return std::unexpected(
            QStringLiteral("the scan worker said what cannot be: %1").arg(answer.error().detail));
    }
    return std::move(*answer);
}

void ScanWorker::drop()
{
    // Who drops may be the event loop: a worker that does not even read is not waited for.
    const QByteArray request = encode(WorkerRequest{});
    if (SocketMessage::send(m_socket.get(), request, -1, MSG_DONTWAIT) != request.size())
        kill();
}

bool ScanWorker::isAlive() const
{
    pollfd end{m_process.get(), POLLIN, 0};
    return ::poll(&end, 1, 0) == 0;
}

void ScanWorker::kill()
{
    ::syscall(SYS_pidfd_send_signal, m_process.get(), SIGKILL, nullptr, 0U);
}

} // namespace Sentinel
