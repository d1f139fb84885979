// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerWire.h"

#include "ipc/Codec.h"
#include "ipc/WireFields_p.h"
#include "ipc/WireReader_p.h"
#include "ipc/WireWriter_p.h"

namespace Sentinel {

namespace {

using Progress = ScanTask::Progress;

template <typename Io>
void exchange(Io &io, Field<Io, WorkerRequest> &request)
{
    io.choice(request.kind, WorkerRequest::Kind::Drop);
    if (request.kind == WorkerRequest::Kind::Begin) {
        io.text(request.filename, IpcLimits::maxPathBytes);
        io.text(request.filePath, IpcLimits::maxPathBytes);
        io.count(request.mappedBytes);
    }
    io.count(request.sizeBytes);
    io.flag(request.isComplete);
    io.duration(request.slice);
}

template <typename Io>
void exchange(Io &io, Field<Io, WorkerReady> &ready)
{
    io.list(ready.sandbox, IpcLimits::maxSandboxFeatures,
        [&io](auto &feature) { exchange(io, feature); });
}

//! What is wrong with a message of which \p reader has read all that should be there.
std::optional<ProtocolError> errorOf(WireReader &reader)
{
    if (!reader.isAtEnd())
        reader.fail(ProtocolError::Code::TrailingBytes, QStringLiteral("goes on after its end"));
    return reader.error();
}

template <typename T>
QByteArray written(const T &value)
{
    WireWriter writer;
    exchange(writer, value);
    return writer.bytes();
}

template <typename T>
std::expected<T, ProtocolError> read(QByteArrayView frame)
{
    T value;
    WireReader reader(frame);
    exchange(reader, value);
    if (const auto error = errorOf(reader))
        return std::unexpected(*error);
    return value;
}

} // namespace

QByteArray encode(const WorkerRequest &request)
{
    return written(request);
}

QByteArray encode(const WorkerReady &ready)
{
    return written(ready);
}

std::expected<WorkerRequest, ProtocolError> decodeRequest(QByteArrayView frame)
{
    return read<WorkerRequest>(frame);
}

std::expected<WorkerReady, ProtocolError> decodeReady(QByteArrayView frame)
{
    return read<WorkerReady>(frame);
}

// The result goes as the verdict that a client would get: bounded, and not believed, in one way.
QByteArray encode(const WorkerAnswer &answer)
{
    WireWriter writer;
    writer.choice(answer.progress, Progress::Done);
    writer.flag(answer.result.has_value());
    return answer.result ? writer.bytes() + encode(Message(ScanVerdict{0, *answer.result, {}}))
                         : writer.bytes();
}

std::expected<WorkerAnswer, ProtocolError> decodeAnswer(QByteArrayView frame)
{
    WorkerAnswer answer;
    WireReader reader(frame);
    bool hasResult = false;
    reader.choice(answer.progress, Progress::Done);
    reader.flag(hasResult);
    if (reader.error())
        return std::unexpected(*reader.error());
    if (!hasResult) {
        if (const auto error = errorOf(reader))
            return std::unexpected(*error);
    } else {
        auto message = decode(reader.rest());
        if (!message)
            return std::unexpected(message.error());
        auto *verdict = std::get_if<ScanVerdict>(&*message);
        if (!verdict) {
            return std::unexpected(ProtocolError{
                ProtocolError::Code::UnknownType, QStringLiteral("a result that is no verdict")});
        }
        answer.result = std::move(verdict->result);
    }
    const bool isThreat = answer.result && answer.result->isThreat();
    const bool fits = answer.progress == Progress::Done ? hasResult : !hasResult || isThreat;
    if (!fits) {
        return std::unexpected(ProtocolError{
            ProtocolError::Code::Contradiction, QStringLiteral("a result at the wrong time")});
    }
    return answer;
}

} // namespace Sentinel
