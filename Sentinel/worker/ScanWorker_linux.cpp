// SPDX-License-Identifier: MIT
#include "Sentinel/worker/ScanWorker.h"

#include "Sentinel/worker/Packet.h"

#include <csignal>

#include <sys/syscall.h>
#include <unistd.h>

namespace Sentinel {

ScanWorker::ScanWorker(
    FileDescriptor socket, FileDescriptor process, std::vector<SandboxFeature> sandbox)
    : m_socket(std::move(socket)), m_process(std::move(process)), m_sandbox(std::move(sandbox))
{
}

ScanWorker::~ScanWorker()
{
    kill();
}

std::expected<WorkerAnswer, QString> ScanWorker::ask(const WorkerRequest &request, int file)
{
    const bool isSent = sendPacket(m_socket.get(), encode(request), file);
    const auto packet = isSent ? receivePacket(m_socket.get()) : std::nullopt;
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
    sendPacket(m_socket.get(), encode(WorkerRequest{}));
}

void ScanWorker::kill()
{
    ::syscall(SYS_pidfd_send_signal, m_process.get(), SIGKILL, nullptr, 0U);
}

} // namespace Sentinel
