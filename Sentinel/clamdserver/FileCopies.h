// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/clamdserver/HeldContent.h"
#include "ipc/FileDescriptor.h"

#include <QRunnable>
#include <QThreadPool>

#include <deque>
#include <functional>
#include <mutex>

namespace Sentinel {

//! \brief Threads that copy what clients have open: a file system that does not answer holds up
//! one of them, and neither the event loop nor a scan.
//!
//! One object that all of its threads run.
//!
//! Owner:  a ClamdServer.
//! Thread: add() any; the rest owner.
//! Limits: so many threads; each client has one file here at a time.
class FileCopies final : public QRunnable {
public:
    using Copy = std::expected<std::shared_ptr<HeldContent>, HeldContent::Error>;
    //! Called on a thread of these, once, unless all is ended before.
    using Done = std::function<void(const Copy &copy)>;

    FileCopies(qint64 maxBytes, std::shared_ptr<SpoolBudget> budget, int threads);

    void add(FileDescriptor source, Done done);
    //! Waits for what is being copied, but no longer than Limits::stopPatience: then its threads
    //! are left behind, logged.
    static void end(std::unique_ptr<FileCopies> copies);

private:
    struct Job {
        FileDescriptor source;
        Done done;
    };

    void run() override;

    const qint64 m_maxBytes;
    const std::shared_ptr<SpoolBudget> m_budget;
    std::mutex m_mutex;
    std::deque<Job> m_jobs;
    QThreadPool m_threads; // last: it joins threads that use the others
};

} // namespace Sentinel
