// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/engine/ScanTask.h"
#include "ipc/ProtocolError.h"
#include "ipc/SentinelStatus.h"

#include <QString>

#include <chrono>
#include <expected>
#include <optional>
#include <vector>

namespace Sentinel {

//! \brief What a scan worker process is asked: one slice of the one scan it is at.
struct WorkerRequest {
    enum class Kind : quint8 {
        Begin, //!< a new scan, whose content comes as a descriptor; what was before is dropped
        Continue, //!< the same again
        Drop, //!< no scan; the only request without an answer
    };
    Kind kind = Kind::Drop;
    QString filename; //!< Begin: as proposed by the server
    QString filePath; //!< Begin: where rules may look at a path; empty for downloads
    qint64 mappedBytes = 0; //!< Begin: how far the content may grow
    qint64 sizeBytes = 0; //!< of the content that has arrived
    bool isComplete = false; //!< no more will
    std::chrono::milliseconds slice{0};

    friend bool operator==(const WorkerRequest &, const WorkerRequest &) = default;
};

//! \brief How the slice ended.
struct WorkerAnswer {
    ScanTask::Progress progress = ScanTask::Progress::Done;
    std::optional<ScanResult> result; //!< Done: the result; More: a threat still to be confirmed

    friend bool operator==(const WorkerAnswer &, const WorkerAnswer &) = default;
};

//! \brief A worker's first word: the walls around it.
struct WorkerReady {
    std::vector<SandboxFeature> sandbox;

    friend bool operator==(const WorkerReady &, const WorkerReady &) = default;
};

QByteArray encode(const WorkerRequest &request);
QByteArray encode(const WorkerReady &ready);
QByteArray encode(const WorkerAnswer &answer);
//! What came from the other side may be anything, and is believed as little as what comes from a
//! client: a worker has seen hostile bytes.
std::expected<WorkerRequest, ProtocolError> decodeRequest(QByteArrayView frame);
std::expected<WorkerReady, ProtocolError> decodeReady(QByteArrayView frame);
std::expected<WorkerAnswer, ProtocolError> decodeAnswer(QByteArrayView frame);

} // namespace Sentinel
