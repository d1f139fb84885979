// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/backend/RemoteScans_p.h"

#include <QRunnable>
#include <QThreadPool>

#include <memory>

namespace Sentinel {

//! \brief Threads that make files of contents: fetch what a request's loader brings, copy what is
//! in memory.
//!
//! One object that all of its threads run: they find what is to be done in the books, under their
//! lock.
//!
//! Owner:  a SentinelBackend.
//! Thread: bringOne() any; the rest owner.
//! Limits: so many threads; a loader that never returns keeps one of them.
class ContentLoaders final : public QRunnable {
public:
    ContentLoaders(std::shared_ptr<RemoteScans> scans, qint64 maxScanBytes, int threads);

    //! There is one more content that lacks its file.
    void bringOne() { m_threads.start(this); }
    //! Waits for the loaders that run, but no longer than Limits::stopPatience: then they are left
    //! behind, logged.
    static void end(std::unique_ptr<ContentLoaders> loaders);

private:
    void run() override;
    void loadNext();

    const std::shared_ptr<RemoteScans> m_scans;
    const qint64 m_maxScanBytes;
    QThreadPool m_threads; // last: it joins threads that use the others
};

} // namespace Sentinel
