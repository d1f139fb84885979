// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/backend/ScanBackend.h"
#include "Sentinel/FileReader.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace Sentinel {

//! \brief What became of one file.
struct FileVerdict {
    QByteArray path;
    std::optional<qint64> sizeBytes; //!< nothing if it could not even be opened
    ScanResult result;
    std::chrono::microseconds duration{0}; //!< from opening the file to its result
};

//! \brief Scans files by a backend, a bounded number at a time.
//!
//! Only files that somebody is busy with are in memory: each is opened and read when its turn
//! comes. Its timeout begins then: a file that has waited for a whole timeout before waits on, as
//! long as there is somebody who may come to it. One that the backend has no room for, or was lost
//! with, is tried again.
//!
//! Owner:  its command.
//! Thread: owner.
//! Limits: requestsPerJob files for each job, as many of them in memory as there are jobs.
class FileScanner {
public:
    struct Settings {
        int jobs = 1;
        qint64 maxBytes = Limits::maxScanBytes;
        ScanTimeouts timeouts;
    };
    static constexpr int requestsPerJob = 4;

    //! \p backend has been started.
    FileScanner(std::unique_ptr<ScanBackend> backend, const Settings &settings);
    //! Does not wait for a worker that is stuck, see hasStuckWorker().
    ~FileScanner();
    Q_DISABLE_COPY_MOVE(FileScanner)

    //! True if submit() may be called.
    bool hasRoom() const { return m_inFlight < requestsPerJob * m_settings.jobs; }
    //! True if every file that was submitted has been collected.
    bool isIdle() const { return m_inFlight == 0; }

    void submit(FilePlace place);

    //! What is finished, in its order. Waits for enough of it to be worth while, for a verdict that
    //! is not Clean, or for a moment; may be empty.
    std::vector<FileVerdict> collect();

    //! True if a scan did not end by its deadline: a thread may still be in libyara. The process
    //! should then end without tidying up under it.
    bool hasStuckWorker() const;

private:
    struct Job;
    struct Finished;
    struct Sink;
    struct Line;

    void submit(std::shared_ptr<Job> job);
    ScanSubject::Loader loader(const std::shared_ptr<Job> &job) const;
    bool isWorthAnotherTry(const Finished &one) const;

    const Settings m_settings;
    const std::shared_ptr<ReadBuffers> m_buffers;
    const std::shared_ptr<Sink> m_sink;
    std::unique_ptr<ScanBackend> m_backend;
    const std::shared_ptr<Line> m_line;
    std::vector<std::shared_ptr<Job>> m_again; // to be tried at the next collect()
    int m_inFlight = 0; // submitted, not collected
};

} // namespace Sentinel
