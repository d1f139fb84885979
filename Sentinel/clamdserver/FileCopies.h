// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/clamdserver/HeldContent.h"

#include <QRunnable>
#include <QThreadPool>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace Sentinel {

//! \brief Threads that copy what clients have open or name: a file system that does not answer
//! holds up one of them, and neither the event loop nor a scan.
//!
//! One object that all of its threads run.
//!
//! Owner:  a ClamdServer.
//! Thread: add() and copyOf() any; the rest owner.
//! Limits: so many threads; each client has one file here at a time.
class FileCopies final : public QRunnable {
public:
    using Copy = std::expected<std::shared_ptr<HeldContent>, HeldContent::Error>;
    //! Whether somebody still waits for what comes of it.
    using Wanted = std::shared_ptr<const std::atomic<bool>>;
    //! Done on a thread of these, once, unless all is ended or it is not wanted any more.
    using Work = std::function<void(const std::atomic<bool> &isWanted)>;

    FileCopies(qint64 maxBytes, std::shared_ptr<SpoolBudget> budget, int threads);

    void add(Wanted isWanted, Work work);
    //! Of the file \p source, as it is now; in the course of such work.
    Copy copyOf(int source) const { return HeldContent::copyOf(source, m_maxBytes, m_budget); }
    //! Waits for what is being copied, but no longer than Limits::stopPatience: then its threads
    //! are left behind, logged.
    static void end(std::unique_ptr<FileCopies> copies);

private:
    void run() override;
    void doNext();

    const qint64 m_maxBytes;
    const std::shared_ptr<SpoolBudget> m_budget;
    std::mutex m_mutex;
    std::deque<std::pair<Wanted, Work>> m_work;
    QThreadPool m_threads; // last: it joins threads that use the others
};

} // namespace Sentinel
