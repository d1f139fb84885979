// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/content/Content.h"
#include "SecurityTap/scan/Deadline.h"
#include "ipc/Outbox.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace Sentinel {

//! \brief The books of one client: its scans that have no verdict yet, and the verdicts whose
//! outcome is not known yet.
//!
//! Verdicts are sent by the thread that has reached them: nobody has to wake up first.
//!
//! Owner:  shared by the client's Session and its requests, which may outlive it.
//! Thread: answer() any; the rest the Session's (locked, as a scan may be answered meanwhile).
//! Limits: its session's; verdicts beyond 4,096 whose outcome is never told are forgotten.
class ClientScans {
public:
    enum class Stage : quint8 { Growing, Ended };
    struct Scan {
        Stage stage = Stage::Growing;
        quint64 request = 0; //!< with the backend; 0: it has not got that far
        std::shared_ptr<Content> content;
        Clock::time_point beganAt = Clock::now();
        bool wantsSha256 = false;
    };

    explicit ClientScans(std::shared_ptr<Outbox> outbox) : m_outbox(std::move(outbox)) { }
    Q_DISABLE_COPY_MOVE(ClientScans)

    //! The client's scan \p id from now on.
    void add(quint64 id, Scan scan);
    //! Its content is complete.
    void end(quint64 id);
    //! None if it has its verdict, or there was never one.
    std::optional<Scan> find(quint64 id) const;
    int size() const;
    //! From here on nobody is told anything. Returns the requests of the scans that are open, with
    //! the backend.
    std::vector<quint64> close();

    //! Sends the verdict, if \p id has none yet. After close(): does nothing.
    void answer(quint64 id, ScanResult result);
    //! The client has told what it does about \p id: the verdict that it was about, the first time.
    std::optional<Verdict> acknowledge(quint64 id);

private:
    const std::shared_ptr<Outbox> m_outbox;
    mutable std::mutex m_mutex; // of all below
    std::map<quint64, Scan> m_scans; // by the client's id
    std::map<quint64, Verdict> m_unacknowledged;
    bool m_isClosed = false;
};

} // namespace Sentinel
